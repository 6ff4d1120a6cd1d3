"""The client for scripts without `await`: the same calls, each waits until it is done.

    with Client.home().blocking() as client:
        client.post("Good morning")

An event loop in a thread of its own runs the client, so that deliveries go on
between the calls. Use one blocking client from one thread at a time.

Source: this project's own design, docs/architecture.md "A program acts".
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Coroutine, Iterable
from datetime import datetime
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from mosaic.api.client import Client, PostLike
from mosaic.api.results import Followed, Found, Post, Profile, Published, Server, Submitted
from mosaic.api.stream import Stream
from mosaic.core.filter import Filter
from mosaic.core.kind import Kind
from mosaic.core.record import Record
from mosaic.core.tag import Tag
from mosaic.errors import UsageError

_T = TypeVar("_T")


class _Loop:
    """An event loop in a thread, until `stop`."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="mosaic", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        """What a coroutine gives; an interrupt cancels it."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()


class BlockingStream(Generic[_T]):
    """What comes, item by item; waits for the next one. See `Stream`.

    Args:
        stream: The stream.
        loop: Where it runs.
    """

    def __init__(self, stream: Stream[_T], loop: _Loop) -> None:
        self._stream = stream
        self._loop = loop

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> _T:
        found = self._loop.run(_next(self._stream))
        if not found:
            raise StopIteration
        return found[0]

    def next(self, timeout: float) -> _T | None:
        """The next item, or None if none comes within `timeout` seconds or the stream has ended."""
        found = self._loop.run(_next(self._stream, timeout))
        return found[0] if found else None

    def close(self) -> None:
        """Ends it."""
        self._loop.run(self._stream.aclose())

    def __enter__(self) -> Self:
        self._loop.run(self._stream.__aenter__())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class BlockingClient:
    """A `Client` without `await`; each call is explained there. Made by `Client.blocking`.

    Args:
        client: One that is not open.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._runs: _Loop | None = None

    def __enter__(self) -> Self:
        if self._runs is not None:
            raise UsageError("this client is open already")
        self._runs = _Loop()
        try:
            self._loop.run(self._client.__aenter__())
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._loop.run(self._client.__aexit__(None, None, None))
        finally:
            self._end()

    @property
    def key(self) -> str:
        """Who acts (`mopub0…`)."""
        return self._client.key

    def post(self, text: str, *, kind: Kind | None = None) -> Published:
        """See `Client.post`."""
        return self._loop.run(self._client.post(text, kind=kind))

    def reply(self, to: PostLike, text: str) -> Published:
        """See `Client.reply`."""
        return self._loop.run(self._client.reply(to, text))

    def edit(self, post: PostLike, text: str) -> Published:
        """See `Client.edit`."""
        return self._loop.run(self._client.edit(post, text))

    def delete(self, post: PostLike) -> Published:
        """See `Client.delete`."""
        return self._loop.run(self._client.delete(post))

    def publish(
        self, kind: Kind, payload: str | bytes, *, tags: Iterable[Tag] = (), at: str | None = None
    ) -> Published:
        """See `Client.publish`."""
        return self._loop.run(self._client.publish(kind, payload, tags=tags, at=at))

    def deliveries(self, post: PostLike) -> Published:
        """See `Client.deliveries`."""
        return self._loop.run(self._client.deliveries(post))

    def feed(self, *, limit: int = 0) -> BlockingStream[Post]:
        """See `Client.feed`; at most `limit` posts (0 = all)."""
        return BlockingStream(self._client.feed(limit=limit), self._loop)

    def wall(self, person: str | None = None, *, limit: int = 0) -> BlockingStream[Post]:
        """See `Client.wall`; at most `limit` posts (0 = all)."""
        return BlockingStream(self._client.wall(person, limit=limit), self._loop)

    def live(self) -> BlockingStream[Post]:
        """See `Client.live`."""
        return BlockingStream(self._client.live(), self._loop)

    def mentions(self, *, since: datetime | None = None) -> BlockingStream[Post]:
        """See `Client.mentions`."""
        return BlockingStream(self._client.mentions(since=since), self._loop)

    def thread(self, post: PostLike) -> list[Post]:
        """See `Client.thread`."""
        return self._loop.run(self._client.thread(post))

    def profile(self, person: str | None = None) -> Profile:
        """See `Client.profile`."""
        return self._loop.run(self._client.profile(person))

    def set_profile(
        self,
        *,
        name: str | None = None,
        display_name: str | None = None,
        about: str | None = None,
        website: str | None = None,
        bot: bool | None = None,
    ) -> Published:
        """See `Client.set_profile`."""
        return self._loop.run(
            self._client.set_profile(
                name=name, display_name=display_name, about=about, website=website, bot=bot
            )
        )

    def invite(self) -> str:
        """See `Client.invite`."""
        return self._loop.run(self._client.invite())

    def follow(self, person: str, *, at: Server | None = None) -> Followed:
        """See `Client.follow`."""
        return self._loop.run(self._client.follow(person, at=at))

    def unfollow(self, person: str) -> None:
        """See `Client.unfollow`."""
        self._loop.run(self._client.unfollow(person))

    def following(self) -> list[Followed]:
        """See `Client.following`."""
        return self._loop.run(self._client.following())

    def resolve(self, key: str, *, fresh: bool = False) -> Found:
        """See `Client.resolve`."""
        return self._loop.run(self._client.resolve(key, fresh=fresh))

    def get(self, *references: str, at: Server | str | None = None) -> list[Record]:
        """See `Client.get`."""
        return self._loop.run(self._client.get(*references, at=at))

    def query(
        self, wanted: Filter | None = None, *, limit: int = 0, at: Server | str | None = None
    ) -> BlockingStream[Record]:
        """See `Client.query`; at most `limit` records (0 = all)."""
        return BlockingStream(self._client.query(wanted, limit=limit, at=at), self._loop)

    def subscribe(
        self, wanted: Filter, *, stored: bool = False, at: Server | str | None = None
    ) -> BlockingStream[Record]:
        """See `Client.subscribe`."""
        return BlockingStream(self._client.subscribe(wanted, stored=stored, at=at), self._loop)

    def submit(self, *records: Record, at: Server | str | None = None) -> list[Submitted]:
        """See `Client.submit`."""
        return self._loop.run(self._client.submit(*records, at=at))

    def put_blob(self, data: bytes | os.PathLike[str], *, at: Server | str | None = None) -> str:
        """See `Client.put_blob`."""
        return self._loop.run(self._client.put_blob(data, at=at))

    def get_blob(
        self, name: str, into: os.PathLike[str] | None = None, *, at: Server | str | None = None
    ) -> bytes:
        """See `Client.get_blob`."""
        return self._loop.run(self._client.get_blob(name, into, at=at))

    @property
    def _loop(self) -> _Loop:
        if self._runs is None:
            raise UsageError("the client is not open", hint="Use it inside `with client.blocking() as …:`.")
        return self._runs

    def _end(self) -> None:
        if self._runs is not None:
            self._runs.stop()
            self._runs = None


async def _next(stream: Stream[_T], timeout: float | None = None) -> list[_T]:  # noqa: ASYNC109
    try:
        async with asyncio.timeout(timeout):
            return [await anext(stream)]
    except (StopAsyncIteration, TimeoutError):
        return []
