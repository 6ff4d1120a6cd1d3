"""Acts about a person's keys: devices, encryption keys, personas, nostr keys.

All but `keys` and `key_label` edit the key schedule, which needs the master key: `master` (the
content of its file) and `password`, where it does not lie in the home. With
`offline` an edit is made though no outbox could be read.

Source: keyschedule.md, identity.md; edition §3 (Revocation), §4 (Encryption, Vouch).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeAlias

from mosaic.core import human
from mosaic.core.keys import SecretKey
from mosaic.core.nostr_key import NostrSecret
from mosaic.core.schedule_entry import Entry, Marker
from mosaic.core.schedule_merge import lacks
from mosaic.core.timestamp import Timestamp
from mosaic.errors import UnknownKey, UsageError
from mosaic.node.arguments import Arguments, parse_time
from mosaic.node.control import Act, Items, Json, JsonObject
from mosaic.node.finder import Finder
from mosaic.node.key_book import ONLY_NAMED, OwnKey, Use, labels
from mosaic.node.key_list import KeyList, key_text, use_of
from mosaic.node.master import Master
from mosaic.node.own_schedule import Editing, OwnSchedule
from mosaic.node.people import Person
from mosaic.node.revocation import Revocation
from mosaic.node.shapes import deliveries_object
from mosaic.social.signer import Signer

if TYPE_CHECKING:
    from mosaic.node.node import Node

_Change: TypeAlias = "Callable[[Editing], Awaitable[None] | None]"
"""What is done to a schedule that was read."""

_SHORTEST_PREFIX = 4
_LONGEST_LABEL = 64


class KeyActs:
    """What people do with their keys.

    Args:
        node: The open home.
        finder: Finds who acts.
        working: Whether the node delivers by itself.
    """

    def __init__(self, node: Node, finder: Finder, *, working: bool) -> None:
        self._node = node
        self._finder = finder
        self._schedules = OwnSchedule(node, working=working)
        self._list = KeyList(node, self._schedules)

    def table(self) -> dict[str, Act]:
        """These acts by their names."""
        return {
            "keys": self.keys,
            "key_label": self.label,
            "key_add": self.add,
            "key_roll": self.roll,
            "key_retire": self.retire,
            "key_revoke": self.revoke,
            "key_merge": self.merge,
            "persona_add": self.persona_add,
            "nostr_add": self.nostr_add,
        }

    # --- looking ---------------------------------------------------------------------------------------

    async def keys(self, given: JsonObject) -> Items:
        """The people of this home with all their keys, or the one whom `as` names. Asks nobody."""
        named = Arguments(given).optional_text("as")
        for person in self._node.people if named is None else [self._node.people.find(named)]:
            yield self._list.of_person(person)

    async def label(self, given: JsonObject) -> Items:
        """Calls `key` here as `label` says; nobody else is told.

        Raises:
            UnknownKey: the person has no such key.
            UsageError: another key is called so, or the label is too long.
        """
        arguments, person = self._finder.begin(given)
        book, label = self._node.people.book, " ".join(arguments.text("label").split())
        entry = self._find(person, self._list.known(person), arguments.text("key"))
        kept = self._kept(person)
        if len(label) > _LONGEST_LABEL:
            raise UsageError(f"a label has at most {_LONGEST_LABEL} characters")
        if label and any(own.label == label and key != entry.subkey for key, own in kept.items()):
            raise UsageError("another key of yours is called so", hint="Take another word for this one.")
        if entry.subkey not in kept:
            book.keep(person.key, entry.subkey, use_of(entry, None), label, None, ONLY_NAMED)
        book.set_label(person.key, entry.subkey, label)
        self._node.tell_changed()
        yield self._list.of_person(person)

    # --- editing ---------------------------------------------------------------------------------------

    async def add(self, given: JsonObject) -> Items:
        """One more key: `use` `encryption`, or `device` with the `attestation` that it made; `label`.

        Raises:
            UsageError: another use, or a device without its attestation.
            InvalidKeySchedule: the attestation is not for this person, or false.
        """
        arguments, person = self._finder.begin(given)
        use, label = arguments.text("use"), arguments.optional_text("label") or ""
        if use == "encryption":
            yield await self._edit(
                arguments, person, lambda editing: self._schedules.new_box(person, editing, label)
            )
            return
        if use != "device":
            raise UsageError(
                f"no key is for {use!r}", hint="Add a `device`, an `encryption` key, or a persona."
            )
        entry = Entry.signing(_attestation(arguments.optional_text("attestation")))
        entry.verify(person.key)

        def change(editing: Editing) -> None:
            editing.add(entry)
            self._keep(person, entry.subkey, Use.DEVICE, label, None)

        yield await self._edit(arguments, person, change)

    async def roll(self, given: JsonObject) -> Items:
        """A new key in the place of this machine's (`what` `device`), or of all `encryption` keys.

        Raises:
            UsageError: nothing else can be.
        """
        arguments, person = self._finder.begin(given)
        what = arguments.optional_text("what") or "device"
        if what == "encryption":
            yield await self._edit(arguments, person, lambda editing: self._roll_boxes(person, editing))
        elif what == "device":
            yield await self._edit_with_new_device(
                arguments,
                person,
                lambda editing: editing.mark(person.device.public.bytes, Marker.OUT_OF_USE, self._now()),
            )
        else:
            raise UsageError(f"{what!r} can't be rolled over", hint="Roll `device` or `encryption`.")

    async def retire(self, given: JsonObject) -> Items:
        """Takes `key` out of use; what it signed stays valid.

        Raises:
            UsageError: it is this machine's own.
            UnknownKey: the person has no such key.
        """
        arguments, person = self._finder.begin(given)
        named = arguments.text("key")

        def change(editing: Editing) -> None:
            key = self._find(person, editing, named).subkey
            if key == person.device.public.bytes:
                raise UsageError(
                    "this key signs on this machine", hint="`mosaic key roll` puts a new one in its place."
                )
            editing.mark(key, Marker.OUT_OF_USE, self._now())

        yield await self._edit(arguments, person, change)

    async def revoke(self, given: JsonObject) -> Items:
        """Takes `key` away from whoever has it: `all` that it ever signed, or what it signs `since` a time.

        Since now, if nothing is said. What this home had received from the key by
        then, or an outbox says that it had, is vouched for. Devices share the
        encryption keys, so these are rolled over as well, unless `keep_encryption`
        is given, and personas, so these are taken away since the same time (now, with
        `all`), unless `keep_personas` is given.

        Raises:
            UsageError: `all` and `since` together, or a time that is still to come.
            UnknownKey: the person has no such key.
        """
        arguments, person = self._finder.begin(given)
        everything, since = arguments.flag("all"), arguments.optional_text("since")
        if everything and since is not None:
            raise UsageError("a key is revoked altogether or since a time, not both")
        now = self._node.clock.now()
        when = now if since is None else parse_time(since, now)
        if when > now:
            raise UsageError(
                "this time is still to come", hint="Give --since a time in the past, such as 2h."
            )
        named, told = arguments.text("key"), Revocation(self._schedules, person, now)

        async def change(editing: Editing) -> None:
            entry = self._find(person, editing, named)
            await told.take(editing, entry, None if everything else when)
            kept = self._kept(person)
            if use_of(entry, kept.get(entry.subkey)) is Use.DEVICE and not arguments.flag("keep_personas"):
                await told.take_personas(editing, kept, when)
            if not arguments.flag("keep_encryption"):
                self._roll_boxes(person, editing)

        edit = self._edit_with_new_device if self._is_own(person, named) else self._edit
        done = await edit(arguments, person, change)
        yield {
            **done,
            "revoked": told.key,
            "invalid": told.invalid,
            "personas": list[Json](told.personas),
            "unknown": list[Json](self._unknown(person)),
        }

    def _unknown(self, person: Person) -> list[str]:
        """Keys that still sign and of which this home does not know whether they are devices or personas."""
        known = {own.key for own in self._kept(person).values() if own.is_certain}
        known.add(self._node.people.find(person.key.user_text).device.public.bytes)
        speaking = self._list.known(person).active(Marker.ACTIVE_SIGNING_KEY)
        return [key_text(key, Use.DEVICE) for key in speaking if key not in known]

    async def merge(self, given: JsonObject) -> Items:
        """Publishes what all devices said of the keys, if the newest schedule says less."""
        arguments, person = self._finder.begin(given)
        yield await self._edit(arguments, person, lambda _: None)

    async def persona_add(self, given: JsonObject) -> Items:
        """A persona: a key of this person, called `label` here, that readers can follow by itself.

        Raises:
            UsageError: the label is empty, or a persona has it.
        """
        arguments, person = self._finder.begin(given)
        label = arguments.text("label").strip()
        speaking = self._list.known(person).active(Marker.ACTIVE_SIGNING_KEY)
        kept = self._kept(person).values()
        known = [own.label for own in kept if own.use is Use.PERSONA and own.key in speaking]
        if not label or label in known:
            raise UsageError(
                "a persona needs a label of its own", hint="`mosaic key list` shows those there are."
            )
        secret = SecretKey.from_seed(self._node.surroundings.entropy(32))

        def change(editing: Editing) -> None:
            editing.add(Entry.signing(Signer(person.key, secret).attestation()))
            self._keep(person, secret.public.bytes, Use.PERSONA, label, secret)

        done = await self._edit(arguments, person, change)
        yield {**done, "persona": secret.public.user_text}

    async def nostr_add(self, given: JsonObject) -> Items:
        """A nostr key of this person: `secret` (nsec1… or 64 digits) attests it and is not kept.

        Raises:
            InvalidSecretKey: it is none.
        """
        arguments, person = self._finder.begin(given)
        secret = NostrSecret.parse(arguments.text("secret"))
        attestation = secret.attestation(person.key)

        def change(editing: Editing) -> None:
            editing.add(Entry.signing(attestation, Marker.ACTIVE_NOSTR_KEY))
            self._keep(person, secret.public, Use.NOSTR, arguments.optional_text("label") or "", None)

        done = await self._edit(arguments, person, change)
        yield {**done, "nostr": secret.public.hex()}

    # --- inside ------------------------------------------------------------------------------------------

    async def _edit(self, arguments: Arguments, person: Person, change: _Change) -> JsonObject:
        """Reads, changes and publishes the schedule with the master key."""
        with await self._node.people.unlock(person, arguments.unlocking()) as master:
            return await self._edit_with(master, arguments, person, change)

    async def _edit_with(
        self, master: Master, arguments: Arguments, person: Person, change: _Change
    ) -> JsonObject:
        async with self._node.people.turn(person.key):
            editing = await self._schedules.read(person, offline=arguments.flag("offline"))
            before = list(editing.entries)
            if (changing := change(editing)) is not None:
                await changing
            self._complete(person, editing)
            if editing.entries == before and not (editing.newest and lacks(editing.newest, before)):
                return {**self._list.of_person(person), "changed": False}
            published = await self._schedules.publish(person, master, editing)
        told: JsonObject = {
            "schedule": published.schedule.id.text,
            "vouched": published.vouched,
            "unread": [server.server_text for server in published.unread],
            **deliveries_object(published.deliveries),
        }
        return {**self._list.of_person(person), **told, "changed": True}

    async def _edit_with_new_device(
        self, arguments: Arguments, person: Person, change: _Change
    ) -> JsonObject:
        """As `_edit`, with a new key that signs on this machine from then on."""
        device = SecretKey.from_seed(self._node.surroundings.entropy(32))
        label = next((o.label for o in self._node.people.book.keys(person.key) if _is(o, person)), "")

        async def change_both(editing: Editing) -> None:
            editing.add(Entry.signing(Signer(person.key, device).attestation()))
            # Kept before it is published: a schedule that lists a key that nobody has would be of no use.
            self._keep(person, device.public.bytes, Use.DEVICE, label, device)
            if (changing := change(editing)) is not None:
                await changing

        done = await self._edit(arguments, person, change_both)
        new = self._node.use_device(person, device)
        return {**done, **self._list.of_person(new)}

    def _roll_boxes(self, person: Person, editing: Editing) -> None:
        for key in editing.active(Marker.ACTIVE_ENCRYPTION_KEY):
            editing.mark(key, Marker.OUT_OF_USE, self._now())
        self._schedules.new_box(person, editing)

    def _complete(self, person: Person, editing: Editing) -> None:
        """What older homes lack: a key to encrypt to."""
        if not editing.active(Marker.ACTIVE_ENCRYPTION_KEY):
            self._schedules.new_box(person, editing)

    def _keep(self, person: Person, key: bytes, use: Use, label: str, secret: SecretKey | None) -> None:
        self._node.people.book.keep(person.key, key, use, label, secret, self._now())

    def _kept(self, person: Person) -> dict[bytes, OwnKey]:
        return labels(self._node.people.book.keys(person.key))

    def _find(self, person: Person, editing: Editing, named: str) -> Entry:
        """The entry of a key by its text, the beginning of that, or its label. Raises UnknownKey."""
        kept = self._kept(person)
        found = []
        for entry in reversed(editing.entries):  # a new key may have the label of a former one
            own = kept.get(entry.subkey)
            text = key_text(entry.subkey, use_of(entry, own))
            if named == text or (own is not None and own.label and named == own.label):
                return entry
            begins = len(named.removeprefix(human.USER_KEY)) >= _SHORTEST_PREFIX and text.startswith(named)
            found += [entry] if begins else []
        if len(found) != 1:
            raise UnknownKey(
                f"{person.name} has {'more than one key' if found else 'no key'} that {named!r} names"
            )
        return found[0]

    def _is_own(self, person: Person, named: str) -> bool:
        """Whether a text names the key that signs on this machine."""
        try:
            return self._find(person, self._list.known(person), named).subkey == person.device.public.bytes
        except UnknownKey:
            return False  # another device may have added it

    def _now(self) -> Timestamp:
        return self._node.clock.now()


def _is(own: OwnKey, person: Person) -> bool:
    return own.key == person.device.public.bytes


def _attestation(text: str | None) -> bytes:
    if text is None:
        raise UsageError("a device needs the attestation that it made", hint="Pair the device instead.")
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise UsageError("the attestation is not in hexadecimal digits") from None
