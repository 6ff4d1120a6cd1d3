"""Acts that publish: posts, replies, edits, profiles, records of any kind.

What is published is queued for others' servers; a node that works waits a
moment, to tell how the deliveries went.

Source: record.md (kinds, nonces), profile.md; edition §3.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mosaic.client.queue import Delivery
from mosaic.core import nonce, profile
from mosaic.core.record import Record
from mosaic.errors import UsageError
from mosaic.node import recovery_due
from mosaic.node.arguments import Arguments, parse_kind, parse_tag
from mosaic.node.control import Act, Items, JsonObject
from mosaic.node.entropy import entropy
from mosaic.node.finder import Finder
from mosaic.node.own_schedule import OwnSchedule
from mosaic.node.people import Person
from mosaic.node.shapes import deliveries_object, record_object
from mosaic.social import posts, profiles
from mosaic.social.signer import Signer

if TYPE_CHECKING:
    from mosaic.node.node import Node

_PROFILE_TEXTS = ("name", "display_name", "about", "website", "lud16")
_PROFILE_FLAGS = ("org", "bot")


class PublishingActs:
    """What people publish.

    Args:
        node: The open home.
        finder: Finds what acts are about.
        working: Whether the node delivers meanwhile.
    """

    def __init__(self, node: Node, finder: Finder, *, working: bool) -> None:
        self._node = node
        self._finder = finder
        self._working = working

    def table(self) -> dict[str, Act]:
        """These acts by their names."""
        return {
            "post": self.post,
            "reply": self.reply,
            "edit": self.edit,
            "delete": self.delete,
            "record": self.record,
            "profile": self.profile,
        }

    async def post(self, given: JsonObject) -> Items:
        """Publishes a post: `text`, and `kind` (`post` or `blog`)."""
        arguments, person = self._finder.begin(given)
        kind = parse_kind(arguments.optional_text("kind") or "post")
        record = posts.post(
            self._signer(arguments, person), arguments.text("text"), now=self._node.clock.now(), kind=kind
        )
        told = await self._publish(person, record)
        yield {**told, "advice": recovery_due.DUE} if recovery_due.asks_now(self._node, person) else told

    async def reply(self, given: JsonObject) -> Items:
        """Publishes a reply: `reference`, `text`."""
        arguments, person = self._finder.begin(given)
        parent = await self._finder.find(arguments)
        text = arguments.text("text")
        yield await self._publish(
            person, posts.reply(self._signer(arguments, person), parent, text, now=self._node.clock.now())
        )

    async def edit(self, given: JsonObject) -> Items:
        """Publishes the next version of a record of one's own: `reference`, and `text` or `payload`.

        Raises:
            UsageError: `payload` is not hexadecimal, or an argument is missing.
        """
        arguments, person = self._finder.begin(given)
        found = await self._finder.find(arguments)
        newest = self._node.records.at(found.address)[0]
        payload = arguments.optional_text("payload")
        new = arguments.text("text") if payload is None else _hex(payload)
        yield await self._publish(
            person, posts.edit(self._signer(arguments, person), newest, new, now=self._node.clock.now())
        )

    async def delete(self, given: JsonObject) -> Items:
        """Takes back a record of one's own with all its versions: `reference`. It goes wherever that went."""
        arguments, person = self._finder.begin(given)
        found = await self._finder.find(arguments)
        now = self._node.clock.now()
        record = posts.delete(person.signer, found, now=now, at=nonce.random(entropy(nonce.NONCE_LENGTH)))
        yield await self._publish(person, record, found)

    async def record(self, given: JsonObject) -> Items:
        """Publishes a record of any kind: `kind`, `text` or `payload`, `tags`, `at` (text for the nonce).

        Raises:
            UsageError: `payload` is not hexadecimal, or an argument is missing.
        """
        arguments, person = self._finder.begin(given)
        kind = parse_kind(arguments.text("kind"))
        now = self._node.clock.now()
        place = arguments.optional_text("at")
        payload = arguments.optional_text("payload")
        record = posts.other(
            self._signer(arguments, person),
            kind,
            arguments.text("text").encode() if payload is None else _hex(payload),
            now=now,
            at=nonce.from_time(now) if place is None else nonce.from_string(place.encode()),
            tags=[parse_tag(text) for text in arguments.texts("tags")],
        )
        yield await self._publish(person, record)

    async def profile(self, given: JsonObject) -> Items:
        """Shows a profile (`person`), or changes one's own (`set`: fields, `null` takes one out).

        Raises:
            UsageError: `set` is no object.
            UnknownPerson: nobody of that name lives here.
        """
        arguments, node = Arguments(given), self._node
        changes = given.get("set")
        if changes is None:
            key = self._finder.key(arguments.optional_text("person") or arguments.optional_text("as"))
            yield {"key": key.user_text, **_profile_object(profiles.profile_of(node.records, key))}
            return
        if not isinstance(changes, dict):
            raise UsageError("`set` is an object of fields")
        person = node.people.find(arguments.optional_text("as"))
        before = profiles.profile_of(node.records, person.key) or profile.Profile(name=person.name)
        latest = profiles.profile_record(node.records, person.key)
        now = node.clock.now() if latest is None else max(node.clock.now(), latest.timestamp + 1)
        with await node.people.unlock(person, arguments.unlocking()) as master:
            record = master.profile(profiles.changed(before, changes), now)
            await OwnSchedule(node, working=self._working).complete(person, master)
        yield await self._publish(person, record)

    def _signer(self, arguments: Arguments, person: Person) -> Signer:
        """Who speaks: the person, or the `persona` that is named. Raises UnknownKey."""
        return self._node.people.signer(person, arguments.optional_text("persona"))

    async def _publish(self, person: Person, record: Record, about: Record | None = None) -> JsonObject:
        published = await self._node.publish(person, record, about)
        record, deliveries = published.record, published.deliveries
        if deliveries and self._working:
            deliveries = await self._settled(record)
            again = self._node.made_again(record)
            if again is not None:
                record, deliveries = again, await self._settled(again)
        return {
            **record_object(record),
            **deliveries_object(deliveries),
            "unreached": [person.user_text for person in self._node.unreached(record)],
            "working": self._working,
        }

    async def _settled(self, record: Record) -> Sequence[Delivery]:
        """How a record's deliveries stand after a moment."""
        return await self._node.queue.settled(record.id.bytes, self._node.settings.settle_s)


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
