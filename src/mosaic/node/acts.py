"""What commands do, by name: the same code in a command's own process and behind the node's socket.

Every act takes a JSON object and gives any number of JSON objects, the ones
that `--json` prints. An act names its person with `as` (the first one of the
home if it does not) and another server with `server` and `key`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import TYPE_CHECKING

from mosaic.client.connection import Connection
from mosaic.client.outbox import people_concerned
from mosaic.core import kinds, nonce, profile, reference
from mosaic.core.bootstrap import Usage
from mosaic.core.keys import PublicKey
from mosaic.core.record import Record
from mosaic.errors import Refused, UnknownPerson, UsageError
from mosaic.node import remote
from mosaic.node.arguments import Arguments, parse_filter, parse_kind, parse_tag
from mosaic.node.control import Act, JsonObject
from mosaic.node.finder import Finder
from mosaic.node.people import Person
from mosaic.node.shapes import deliveries_object, delivery_object, post_object, record_object, time_fields
from mosaic.social import feeds, posts, profiles, threads
from mosaic.social.feeds import PAGE, Post
from mosaic.wire.result_code import ResultCode

if TYPE_CHECKING:
    from mosaic.node.node import Node

Items = AsyncGenerator[JsonObject, None]

_BY_KEY = "Name others by their key, mopub0…; `mosaic following` shows those you follow."
# Records that are shown before others have their turn.
_AT_ONCE = 64

_PROFILE_TEXTS = ("name", "display_name", "about", "website", "lud16")
_PROFILE_FLAGS = ("org", "bot")


class Acts:
    """All acts of one node.

    Args:
        node: The open home.
        working: Whether the node delivers and follows (it serves), or only acts and ends.
    """

    def __init__(self, node: Node, *, working: bool) -> None:
        self._node = node
        self._working = working
        self._finder = Finder(node)

    def table(self) -> dict[str, Act]:
        """Every act by its name."""
        acts: dict[str, Act] = {
            "init": self.init,
            "people": self.people,
            "status": self.status,
            "post": self.post,
            "reply": self.reply,
            "edit": self.edit,
            "record": self.record,
            "profile": self.profile,
            "feed": self.feed,
            "wall": self.wall,
            "thread": self.thread,
            "follow": self.follow,
            "unfollow": self.unfollow,
            "following": self.following,
            "get": self.get,
            "query": self.query,
            "watch": self.watch,
            "submit": self.submit,
            "queue": self.queue,
            "blob_put": self.blob_put,
            "blob_get": self.blob_get,
        }
        return acts

    # --- people ------------------------------------------------------------------------------------

    async def init(self, given: JsonObject) -> Items:
        """Makes a person: `name`."""
        person = await self._node.make_person(Arguments(given).text("name"))
        yield self._person_object(person)

    async def people(self, _given: JsonObject) -> Items:
        """Who lives in this home."""
        for person in self._node.people:
            yield self._person_object(person)

    def _person_object(self, person: Person) -> JsonObject:
        return {
            "name": person.name,
            "key": person.key.user_text,
            "device": person.device.public.user_text,
            "server": self._node.server_secret.public.server_text,
            "home": str(self._node.home.folder),
            "bootstrap": person.bootstrap,
        }

    async def status(self, _given: JsonObject) -> Items:
        """How the node does."""
        node = self._node
        yield {
            "home": str(node.home.folder),
            "server": node.server_secret.public.server_text,
            "serving": self._working,
            "urls": [str(url) for url in node.urls],
            "people": [person.name for person in node.people],
            "waiting": node.queue.waiting,
            "store": {name: str(value) for name, value in node.store.stats().items()},
            "clock_warning": node.clock.warning(),
        }

    # --- writing -----------------------------------------------------------------------------------

    async def post(self, given: JsonObject) -> Items:
        """Publishes a post: `text`, and `kind` (`post` or `blog`)."""
        arguments, person = self._begin(given)
        kind = parse_kind(arguments.optional_text("kind") or "post")
        record = posts.post(person.signer, arguments.text("text"), now=self._node.clock.now(), kind=kind)
        yield await self._publish(person, record)

    async def reply(self, given: JsonObject) -> Items:
        """Publishes a reply: `reference`, `text`."""
        arguments, person = self._begin(given)
        parent = await self._finder.find(arguments)
        text = arguments.text("text")
        yield await self._publish(
            person, posts.reply(person.signer, parent, text, now=self._node.clock.now())
        )

    async def edit(self, given: JsonObject) -> Items:
        """Publishes the next version of a record of one's own: `reference`, and `text` or `payload`."""
        arguments, person = self._begin(given)
        found = await self._finder.find(arguments)
        newest = self._node.records.at(found.address)[0]
        payload = arguments.optional_text("payload")
        new = arguments.text("text") if payload is None else _hex(payload)
        yield await self._publish(person, posts.edit(person.signer, newest, new, now=self._node.clock.now()))

    async def record(self, given: JsonObject) -> Items:
        """Publishes a record of any kind: `kind`, `text` or `payload`, `tags`, `at` (text for the nonce)."""
        arguments, person = self._begin(given)
        kind = parse_kind(arguments.text("kind"))
        now = self._node.clock.now()
        place = arguments.optional_text("at")
        payload = arguments.optional_text("payload")
        record = posts.other(
            person.signer,
            kind,
            arguments.text("text").encode() if payload is None else _hex(payload),
            now=now,
            at=nonce.from_time(now) if place is None else nonce.from_string(place.encode()),
            tags=[parse_tag(text) for text in arguments.texts("tags")],
        )
        yield await self._publish(person, record)

    async def profile(self, given: JsonObject) -> Items:
        """Shows a profile (`person`), or changes one's own (`set`: fields, `null` takes one out)."""
        arguments, node = Arguments(given), self._node
        changes = given.get("set")
        if changes is None:
            key = self._key(arguments.optional_text("person") or arguments.optional_text("as"))
            yield {"key": key.user_text, **_profile_object(profiles.profile_of(node.records, key))}
            return
        if not isinstance(changes, dict):
            raise UsageError("`set` is an object of fields")
        person = node.people.find(arguments.optional_text("as"))
        before = profiles.profile_of(node.records, person.key) or profile.Profile(name=person.name)
        latest = profiles.profile_record(node.records, person.key)
        now = node.clock.now() if latest is None else max(node.clock.now(), latest.timestamp + 1)
        record = profile.build(node.people.master(person), profiles.changed(before, changes), now)
        yield await self._publish(person, record)

    async def _publish(self, person: Person, record: Record) -> JsonObject:
        published = await self._node.publish(person, record)
        deliveries = published.deliveries
        if deliveries and self._working:
            deliveries = await self._node.queue.settled(record.id.bytes, self._node.settings.settle_s)
        return {
            **record_object(record),
            **deliveries_object(deliveries),
            "unreached": [person.user_text for person in self._unreached(record)],
            "working": self._working,
        }

    def _unreached(self, record: Record) -> list[PublicKey]:
        """Those whom a record concerns and none of whose servers is known."""
        servers = self._node.directory.servers
        return [
            person
            for person in people_concerned(record, self._node.directory)
            if not self._node.people.serves(person.bytes)
            and not servers(person, Usage.INBOX)
            and not servers(person, Usage.OUTBOX)
        ]

    # --- reading -----------------------------------------------------------------------------------

    def feed(self, given: JsonObject) -> Items:
        """Posts of followed people and one's own: `limit`, `before` (a reference)."""
        arguments, person = self._begin(given)
        people = [PublicKey(key) for key in self._node.db.follows(person.key.bytes)]
        return self._page([person.key, *people], arguments)

    def wall(self, given: JsonObject) -> Items:
        """One person's posts: `person`, `limit`, `before`."""
        arguments = Arguments(given)
        key = self._key(arguments.optional_text("person") or arguments.optional_text("as"))
        return self._page([key], arguments)

    async def _page(self, authors: Sequence[PublicKey], arguments: Arguments) -> Items:
        page = feeds.page(
            self._node.records,
            authors,
            limit=max(1, arguments.number("limit", PAGE)),
            before=self._finder.before(arguments),
        )
        for post in page.posts:
            yield self._post_object(post)
        if page.next is not None:
            yield {"next": page.next.text}

    async def thread(self, given: JsonObject) -> Items:
        """A post and the replies below it, oldest first: `reference`."""
        named = reference.parse(Arguments(given).text("reference"))
        posts = threads.thread(self._node.records, named)
        if not posts:
            hint = "Follow its author to read it here, or fetch it with `mosaic get`."
            raise Refused("this post is not here", result=ResultCode.NOT_FOUND, hint=hint)
        for post in posts:
            yield self._post_object(post)

    def _post_object(self, post: Post) -> JsonObject:
        return post_object(post, lambda key: profiles.name_of(self._node.records, key))

    # --- following -----------------------------------------------------------------------------------

    async def follow(self, given: JsonObject) -> Items:
        """Follows `person`; `server` and `key` are remembered as an outbox of theirs."""
        arguments, person = self._begin(given)
        node, key = self._node, PublicKey.parse_user(arguments.text("person"))
        server = arguments.server()
        if server is not None:
            node.directory.learn(key, server.key, server.urls[0], Usage.OUTBOX)
        new = node.db.follow(person.key.bytes, key.bytes, node.clock.now_ns())
        if self._working:
            node.follower.update()
        yield {**self._followed_object(key), "new": new, "working": self._working}

    async def unfollow(self, given: JsonObject) -> Items:
        """Stops following `person`. Raises UnknownPerson."""
        arguments, person = self._begin(given)
        key = PublicKey.parse_user(arguments.text("person"))
        if not self._node.db.unfollow(person.key.bytes, key.bytes):
            raise UnknownPerson(
                "you don't follow this person", hint="`mosaic following` shows whom you follow."
            )
        if self._working:
            self._node.follower.update()
        yield {"key": key.user_text}

    async def following(self, given: JsonObject) -> Items:
        """Whom a person follows, and how the connections to their servers do."""
        _, person = self._begin(given)
        for key in self._node.db.follows(person.key.bytes):
            yield self._followed_object(PublicKey(key))

    def _followed_object(self, key: PublicKey) -> JsonObject:
        node = self._node
        states = node.follower.state(key)
        return {
            "key": key.user_text,
            "name": profiles.name_of(node.records, key),
            "outboxes": [
                {
                    "server": server.key.server_text,
                    "urls": [str(url) for url in server.urls],
                    "state": states.get(server.key, "connecting" if self._working else "not running"),
                }
                for server in node.directory.servers(key, Usage.OUTBOX)
            ],
        }

    # --- records ---------------------------------------------------------------------------------------

    def get(self, given: JsonObject) -> Items:
        """Records by `references`; `records` gives each whole, as morecord0."""
        return self._over_connection("get", given)

    def query(self, given: JsonObject) -> Items:
        """Records by a filter (see `arguments.parse_filter`), at most `limit`.

        One's own home is read with its owner's eyes: all of it, by any filter.
        """
        if Arguments(given).server() is None:
            return self._own_query(Arguments(given))
        return self._over_connection("query", given)

    async def _own_query(self, arguments: Arguments) -> Items:
        wanted = parse_filter(arguments, self._node.clock.now())
        records = self._node.everything.newest_first(wanted, arguments.number("limit", 0))
        for count, record in enumerate(records, 1):
            yield remote.shown(record, arguments)
            if not count % _AT_ONCE:
                await asyncio.sleep(0)

    def watch(self, given: JsonObject) -> Items:
        """Records as they come, by a filter; without one, those of followed people and one's own.

        `stored` gives what is there already first.
        """
        arguments = Arguments(given)
        if arguments.server() is None and not parse_filter(arguments, self._node.clock.now()).elements:
            person = self._node.people.find(arguments.optional_text("as"))
            people = [PublicKey(key) for key in self._node.db.follows(person.key.bytes)]
            given = {**given, "authors": [key.user_text for key in [person.key, *people]]}
        return self._over_connection("watch", given)

    def submit(self, given: JsonObject) -> Items:
        """Hands in `records` (morecord0 or JSON form): to the own server, or the one that is named."""
        return self._over_connection("submit", given)

    def blob_put(self, given: JsonObject) -> Items:
        """Hands in the blob in the file `path`."""
        return self._over_connection("blob_put", given)

    def blob_get(self, given: JsonObject) -> Items:
        """Fetches the blob `hash` into the file `path`."""
        return self._over_connection("blob_get", given)

    async def _over_connection(self, name: str, given: JsonObject) -> Items:
        arguments, now, authority = Arguments(given), self._node.clock.now(), self._finder.authority()
        async with (
            self._connected(arguments) as connection,
            contextlib.aclosing(remote.run(connection, authority, name, arguments, now)) as items,
        ):
            try:
                async for item in items:
                    yield item
            finally:
                await self._finder.remember(authority)

    async def queue(self, _given: JsonObject) -> Items:
        """What waits to be delivered to other servers."""
        for delivery in self._node.deliveries.queued(1_000):
            record = Record(delivery.record)
            what: JsonObject = {"id": record.id.text, "kind_name": kinds.name(record.kind)}
            yield {**what, **delivery_object(delivery), **time_fields(record.timestamp)}

    # --- common ------------------------------------------------------------------------------------------

    def _begin(self, given: JsonObject) -> tuple[Arguments, Person]:
        arguments = Arguments(given)
        return arguments, self._node.people.find(arguments.optional_text("as"))

    def _key(self, text: str | None) -> PublicKey:
        """A key by `mopub0…` or the name of somebody in this home; the first person without either."""
        if text is not None and text.startswith("mopub0"):
            return PublicKey.parse_user(text)
        try:
            return self._node.people.find(text).key
        except UnknownPerson as error:
            if text is None:
                raise
            raise UnknownPerson(str(error), hint=_BY_KEY) from None

    @contextlib.asynccontextmanager
    async def _connected(self, arguments: Arguments) -> AsyncIterator[Connection]:
        """The server that the arguments name, else the own one.

        The own server always sees who asks; another one only when `as` names a person.
        """
        server, name = arguments.server(), arguments.optional_text("as")
        if server is None:
            person = self._node.people.find(name) if name or self._node.people.first else None
            yield await self._node.own(person)
            return
        secret = None if name is None else self._node.people.find(name).device
        async with self._node.pool.connect(server, secret) as connection:
            yield connection


def _profile_object(shown: profile.Profile | None) -> JsonObject:
    if shown is None:
        return {"name": None}
    fields: JsonObject = {name: getattr(shown, name) for name in (*_PROFILE_TEXTS, *_PROFILE_FLAGS)}
    fields["avatar_bytes"] = len(shown.avatar or b"")
    fields["banner_bytes"] = len(shown.banner or b"")
    return fields


def _hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise UsageError(
            "the payload is not hexadecimal", hint="Write two hexadecimal digits for each byte."
        ) from None
