"""The client: what a program does in this network, as one object.

    async with Client.home() as client:
        await client.post("Good morning")

Source: this project's own design, docs/architecture.md "A program acts".
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import AsyncGenerator, Iterable
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TypeAlias, TypeVar

from mosaic.api.engine import Engine, NotOpen
from mosaic.api.identity import Identity
from mosaic.api.results import (
    Followed,
    Found,
    Post,
    Profile,
    Published,
    Server,
    Submitted,
    timestamp,
)
from mosaic.api.stream import LIVE, Live, Stream
from mosaic.core.filter import Filter
from mosaic.core.kind import Kind
from mosaic.core.record import Record
from mosaic.core.tag import Tag
from mosaic.node.control import JsonObject
from mosaic.node.remote import parse_record

if TYPE_CHECKING:
    from mosaic.api.blocking import BlockingClient

_T = TypeVar("_T")

PostLike: TypeAlias = Post | Published | Record | str
"""What names a record: a post, what publishing gave, a record itself, or its `moref0…`."""

_PAGE: Final = 30


class Client:
    """Somebody in this network, or a reader who is nobody.

    Without a home nothing is kept: what it knows goes with it. `Client.home`
    acts for somebody who lives in a home.

    Use it with `async with`; leaving the block ends all its streams and
    delivers nothing more (with a home, its node does that later).

    Args:
        identity: Who speaks; None only reads.
        servers: The servers that the identity uses, and where a reader may ask; without any,
            those are found that the identity has published.
        dht: Where servers are looked up: `mainline`, `off`, or HOST:PORT of entry nodes.

    Raises:
        UsageError: the DHT is named otherwise.
        FormatError: a server's key or URL is none.
    """

    def __init__(
        self, identity: Identity | None = None, *, servers: Iterable[Server] = (), dht: str = "mainline"
    ) -> None:
        # Each engine is loaded when it is needed: one with a home brings a whole node.
        from mosaic.api.in_memory import InMemory  # noqa: PLC0415

        self._run_on(InMemory(identity, servers, dht))

    def _run_on(self, engine: Engine) -> None:
        self._engine = engine
        self._streams: set[Stream[Any]] = set()
        self._key = ""
        self._running: Engine = NotOpen()

    @classmethod
    def home(
        cls,
        folder: str | os.PathLike[str] | None = None,
        *,
        person: str | None = None,
        make: bool = False,
        dht: str | None = None,
        serve: bool = False,
    ) -> Self:
        """A client for somebody who lives in a home: by the node that runs there, else with the home open.

        Args:
            folder: The home's folder; the usual one if not given.
            person: Who acts: a name or `mopub0…`; the first one if not given.
            make: Makes the home, and a person of that name, when they are missing.
            dht: Which DHT, where the home has to be opened; else as its settings say.
            serve: Where the home has to be opened: others reach its server meanwhile, at the addresses that
                its settings name, as with `mosaic serve`.
        """
        from mosaic.api.at_home import AtHome  # noqa: PLC0415 - as above

        client = cls.__new__(cls)
        path = None if folder is None else Path(folder).expanduser()
        client._run_on(AtHome(path, person, make=make, dht=dht, serve=serve))  # noqa: SLF001 - its own
        return client

    def blocking(self) -> BlockingClient:
        """The same for scripts without `await`: `with Client.home().blocking() as client:`."""
        from mosaic.api.blocking import BlockingClient  # noqa: PLC0415 - it needs this module

        return BlockingClient(self)

    async def __aenter__(self) -> Self:
        self._key = await self._engine.start()
        self._running = self._engine
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running = NotOpen()
        for stream in list(self._streams):
            await stream.aclose()
        await self._engine.stop()

    @property
    def key(self) -> str:
        """Who acts (`mopub0…`): what others follow. Empty for a reader who is nobody."""
        return self._key

    def __repr__(self) -> str:
        return f"Client({self._key or 'nobody'})"

    # --- saying -----------------------------------------------------------------------------------

    async def post(self, text: str, *, kind: Kind | None = None) -> Published:
        """Says something. People in it, written `@mopub0…`, are told.

        Args:
            text: What is said.
            kind: Another kind of text that stands for itself, such as a blog post.

        Raises:
            Refused: no server takes it.
            InvalidContent: the text is empty.
        """
        arguments: JsonObject = {"text": text}
        if kind is not None:
            arguments["kind"] = kind.bytes.hex()
        return Published.read(await self._one("post", arguments))

    async def reply(self, to: PostLike, text: str) -> Published:
        """Answers a post; its author and that of the thread's root are told. Raises as `post`."""
        return Published.read(await self._one("reply", {"reference": _reference(to), "text": text}))

    async def edit(self, post: PostLike, text: str) -> Published:
        """Says it otherwise: the next version of a post of one's own, at the same place.

        Raises:
            UsageError: it is somebody else's.
            Refused: no server takes it.
        """
        return Published.read(await self._one("edit", {"reference": _reference(post), "text": text}))

    async def delete(self, post: PostLike) -> Published:
        """Takes back a record of one's own with all its versions, wherever it went.

        Raises:
            UsageError: it is somebody else's.
            Refused: no server takes it.
        """
        return Published.read(await self._one("delete", {"reference": _reference(post)}))

    async def publish(
        self, kind: Kind, payload: str | bytes, *, tags: Iterable[Tag] = (), at: str | None = None
    ) -> Published:
        """Signs and publishes a record of any kind.

        Args:
            kind: Its kind.
            payload: Its content.
            tags: Its tags.
            at: A text that its place is made from: what is published there later replaces it, where
                the kind says so. A new place if not given.

        Raises:
            InvalidContent: the content does not fit the kind.
            Refused: no server takes it.
        """
        data = payload.encode() if isinstance(payload, str) else payload
        arguments: JsonObject = {
            "kind": kind.bytes.hex(),
            "payload": data.hex(),
            "tags": [f"{tag.type}:{tag.value.hex()}" for tag in tags],
        }
        if at is not None:
            arguments["at"] = at
        return Published.read(await self._one("record", arguments))

    async def deliveries(self, post: PostLike) -> Published:
        """How a record of one's own stands towards its servers now."""
        return Published.read(await self._one("deliveries", {"reference": _reference(post)}))

    # --- reading ----------------------------------------------------------------------------------

    def feed(self, *, limit: int = 0) -> Stream[Post]:
        """What followed people and oneself said so far, newest first; at most `limit` posts (0 = all)."""
        return self._stream(self._pages("feed", {}, limit))

    def wall(self, person: str | None = None, *, limit: int = 0) -> Stream[Post]:
        """What somebody (else oneself) said so far, newest first; at most `limit` posts (0 = all)."""
        return self._stream(self._pages("wall", {"person": person or self._key}, limit))

    def live(self) -> Stream[Post]:
        """What followed people and oneself say from now on, without end. An edit comes as the post again."""
        return self._stream(self._posts("live", {}), lives=True)

    def mentions(self, *, since: datetime | None = None) -> Stream[Post]:
        """What others say to one from now on: replies and mentions, without end.

        Args:
            since: Begins with those that one's server has received since then, the oldest first.
        """
        arguments: JsonObject = {} if since is None else {"since": str(int(timestamp(since)))}
        return self._stream(self._posts("mentions", arguments), lives=True)

    async def thread(self, post: PostLike) -> list[Post]:
        """The thread that a post stands in: its root, then all replies, oldest first. Raises Refused."""
        given: JsonObject = {"reference": _reference(post)}
        return [Post.read(item) async for item in self._ask("thread", given)]

    async def profile(self, person: str | None = None) -> Profile:
        """What somebody says about himself; oneself without `person`. No name: nothing is known."""
        return Profile.read(await self._one("profile", {"person": person or self._key}))

    async def set_profile(
        self,
        *,
        name: str | None = None,
        display_name: str | None = None,
        about: str | None = None,
        website: str | None = None,
        bot: bool | None = None,
    ) -> Published:
        """Changes the fields given of one's own profile; the others stay. It takes the master key.

        Raises:
            InvalidProfile: the name can't be typed everywhere.
            Refused: no server takes it.
        """
        given = {"name": name, "display_name": display_name, "about": about, "website": website, "bot": bot}
        changes: JsonObject = {field: value for field, value in given.items() if value is not None}
        return Published.read(await self._one("profile", {"set": changes}))

    # --- people -----------------------------------------------------------------------------------

    async def invite(self) -> str:
        """One's invite link, by which others find and follow: `mosaic:mopub0…?follow&at=…`."""
        return str((await self._one("invite", {}))["link"])

    async def follow(self, person: str, *, at: Server | None = None) -> Followed:
        """Reads somebody's posts from now on.

        Args:
            person: `mopub0…`, `mosrv0…`, a bare key, or an invite link.
            at: A server where they publish, if it is known; else it is looked up.

        Raises:
            FormatError: it is none of these.
        """
        given: JsonObject = {"person": person, **_place(at)}
        return Followed.read(await self._one("follow", given))

    async def unfollow(self, person: str) -> None:
        """Reads them no more. Raises UnknownPerson when they were not followed."""
        await self._one("unfollow", {"person": person})

    async def following(self) -> list[Followed]:
        """Whom one follows."""
        return [Followed.read(item) async for item in self._ask("following", {})]

    async def resolve(self, key: str, *, fresh: bool = False) -> Found:
        """Which servers a person uses, or where a server listens: what is known, else looked up.

        Args:
            key: `mopub0…`, `mosrv0…`, a bare key (either) or an invite link.
            fresh: Looks it up although something is known.

        Raises:
            Unreachable: nothing was found.
            FormatError: it is none of these.
        """
        return Found.read(await self._one("resolve", {"key": key, "fresh": fresh}))

    # --- records ----------------------------------------------------------------------------------

    async def get(self, *references: str, at: Server | str | None = None) -> list[Record]:
        """The records that `moref0…` name, as far as they are there. `at` as in `query`."""
        given: JsonObject = {"references": list(references), "records": True, **_place(at)}
        return [_record(item) async for item in self._ask("get", given)]

    def query(
        self, wanted: Filter | None = None, *, limit: int = 0, at: Server | str | None = None
    ) -> Stream[Record]:
        """The records that a filter matches, newest first, checked.

        Args:
            wanted: Which; all if not given, which servers allow with a limit.
            limit: How many at most (0 = all).
            at: A server, or the key of a person (his outboxes) or server; one's own if not given.
        """
        given: JsonObject = {**_filter(wanted), "records": True, "limit": limit, **_place(at)}
        return self._stream(self._records("query", given))

    def subscribe(
        self, wanted: Filter, *, stored: bool = False, at: Server | str | None = None
    ) -> Stream[Record]:
        """The records that a filter matches as they come, without end.

        Args:
            wanted: Which.
            stored: Whether those come first that are there already, newest first.
            at: As in `query`.
        """
        given: JsonObject = {**_filter(wanted), "records": True, "stored": stored, **_place(at)}
        return self._stream(self._records("watch", given), lives=True)

    async def submit(self, *records: Record, at: Server | str | None = None) -> list[Submitted]:
        """Hands in records that are signed already; the answers in the same order. `at` as in `query`."""
        given: JsonObject = {"records": [record.text for record in records], **_place(at)}
        return [Submitted.read(item) async for item in self._ask("submit", given)]

    # --- blobs ------------------------------------------------------------------------------------

    async def put_blob(self, data: bytes | os.PathLike[str], *, at: Server | str | None = None) -> str:
        """Hands in bytes, or a file; the hash that names them (64 hexadecimal digits). `at` as in `query`.

        Raises:
            Refused: the server does not take them.
            LocalError: the file can't be read.
        """
        if not isinstance(data, bytes):
            item = await self._one("blob_put", {"path": _whole(data), **_place(at)})
            return str(item["hash"])
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "blob"
            file.write_bytes(data)
            return await self.put_blob(file, at=at)

    async def get_blob(
        self, name: str, into: os.PathLike[str] | None = None, *, at: Server | str | None = None
    ) -> bytes:
        """Fetches what a hash names; with `into` it is written to that file, and nothing is given back.

        Raises:
            Refused: the server does not have it.
        """
        if into is not None:
            await self._one("blob_get", {"hash": name, "path": _whole(into), **_place(at)})
            return b""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "blob"
            await self.get_blob(name, file, at=at)
            return file.read_bytes()

    # --- inside -----------------------------------------------------------------------------------

    def _ask(self, act: str, arguments: JsonObject) -> AsyncGenerator[JsonObject, None]:
        return self._running.ask(act, arguments)

    async def _one(self, act: str, arguments: JsonObject) -> JsonObject:
        async with contextlib.aclosing(self._ask(act, arguments)) as items:
            found = [item async for item in items]
        return found[0] if found else {}

    async def _pages(self, act: str, arguments: JsonObject, limit: int) -> AsyncGenerator[Post | Live, None]:
        """Page after page, each asked for when the one before is read."""
        before, left = None, limit
        while True:
            size = min(_PAGE, left) if limit else _PAGE
            given: JsonObject = {**arguments, "limit": size, "before": before}
            before = None
            async with contextlib.aclosing(self._ask(act, given)) as items:
                async for item in items:
                    if "next" in item:
                        before = item["next"]
                    else:
                        left -= 1
                        yield Post.read(item)
            if before is None or (limit and left <= 0):
                return

    async def _posts(self, act: str, arguments: JsonObject) -> AsyncGenerator[Post | Live, None]:
        async with contextlib.aclosing(self._ask(act, arguments)) as items:
            async for item in items:
                yield LIVE if item.get("live") is True else Post.read(item)

    async def _records(self, act: str, arguments: JsonObject) -> AsyncGenerator[Record | Live, None]:
        async with contextlib.aclosing(self._ask(act, arguments)) as items:
            async for item in items:
                yield LIVE if item.get("live") is True else _record(item)

    def _stream(self, items: AsyncGenerator[_T | Live, None], *, lives: bool = False) -> Stream[_T]:
        stream: Stream[_T] = Stream(items, self._streams.discard, lives=lives)
        self._streams.add(stream)
        return stream


def _reference(post: PostLike) -> str:
    if isinstance(post, str):
        return post
    return post.address.text if isinstance(post, Record) else post.reference


def _filter(wanted: Filter | None) -> JsonObject:
    return {} if wanted is None or not wanted.elements else {"filter": wanted.encode().hex()}


def _whole(path: os.PathLike[str]) -> str:
    """A path that means the same in the node's process."""
    return os.fspath(Path(path).absolute())


def _place(at: Server | str | None) -> JsonObject:
    """How acts name another server."""
    if at is None:
        return {}
    if isinstance(at, str):
        return {"key": at}
    return {"key": at.key, "server": at.urls[0]} if at.urls else {"key": at.key}


def _record(item: JsonObject) -> Record:
    return parse_record(str(item["record"]))
