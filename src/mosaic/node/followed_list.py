"""Whom people follow, kept encrypted on their own outboxes: for their other devices, and for a new one.

Each entry is a record of its own. What another device says of somebody comes
with the own records and is taken over; what was changed here is published. For
each entry this home remembers which version it knows, so that it can tell a
change of its own from one that came. When a device is revoked and its records
go, what they said is said again by this one, and whom only they had taken back
is followed again: who has a stolen device must not empty the list for good.

The list begins on a machine that has the master key, which makes the recovery
key. Nothing of it is published where the setting `keep_follows` is off.

Source: edition §4 (lists, Follow, Client State); this project's own design,
docs/architecture.md "Keys of people".
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mosaic.client import sealing
from mosaic.core import encryption, private_list
from mosaic.core.community_kinds import CLIENT_STATE, FOLLOW_PRIVATE
from mosaic.core.filter import Filter
from mosaic.core.key_schedule import MAX_ENCRYPTION_KEYS
from mosaic.core.keys import PublicKey
from mosaic.core.kind import Kind
from mosaic.core.kinds import KEY_SCHEDULE
from mosaic.core.private_list import FollowEntry, ListKey
from mosaic.core.record import Record
from mosaic.core.reference import Address
from mosaic.core.timestamp import Timestamp
from mosaic.core.x25519 import X25519Secret
from mosaic.errors import FormatError, MasterAway, MosaicError, NoEncryptionKey, PasswordNeeded, Undecryptable
from mosaic.node.master import Master
from mosaic.node.person import Person

if TYPE_CHECKING:
    from mosaic.node.node import Node

log = logging.getLogger(__name__)

_KINDS: Final = frozenset({FOLLOW_PRIVATE.bytes, CLIENT_STATE.bytes, KEY_SCHEDULE.bytes})
"""What may change a list: a key schedule may revoke a device that has written some of it."""
_PAUSE_S: Final = 1.0
_AGAIN_S: Final = 3_600.0


@dataclass(frozen=True, slots=True)
class _Known:
    """The version of an entry that this home knows: its id (48 bytes); its content, empty = taken back."""

    id: bytes
    content: bytes


class FollowedList:
    """Keeps the lists of all people of a home.

    Args:
        node: The open home.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._wake = asyncio.Event()
        self._turn = asyncio.Lock()

    def wake(self) -> None:
        """Somebody is followed, or no longer."""
        self._wake.set()

    def stored(self, _position: int, record: bytes) -> None:
        """A record was stored, at whichever position: perhaps an entry that another device wrote."""
        if record[56:64] in _KINDS and self._node.people.serves(record[64:96]):
            self._wake.set()

    async def run(self) -> None:
        """Keeps them as long as the node works."""
        while True:
            self._wake.clear()
            for person in self._node.people:
                try:
                    await self.keep(person)
                except MosaicError as error:
                    log.info("whom %s follows can't be kept now: %s", person.name, error)
            try:
                async with asyncio.timeout(_AGAIN_S):
                    await self._wake.wait()
            except TimeoutError:
                continue
            await asyncio.sleep(_PAUSE_S)

    # --- what is done ----------------------------------------------------------------------------------

    async def keep(self, person: Person) -> None:
        """Takes over what other devices say, and publishes what was changed here.

        Raises:
            Refused: the own server does not take a record.
            NoEncryptionKey: the person has no key to encrypt to.
        """
        if not self._node.settings.keep_follows:
            return
        async with self._turn:
            secrets = self._secrets(person)
            key = self._list_key(person, secrets)
            if key is None and self._wanted(person):
                key = await self._begun_at_home(person)
            if key is not None:
                self._undo(person, key)
                self._take_over(person, key, secrets)
                await self._publish_changes(person, key)

    async def begin(self, person: Person, master: Master) -> None:
        """Makes the list key, if there is none, while the master key is at hand for something else."""
        if not self._node.settings.keep_follows:
            return
        async with self._turn:
            if self._list_key(person, [*self._secrets(person), master.recovery()]) is None:
                try:
                    await self._begun(person, master)
                except MosaicError as error:
                    log.warning("whom %s follows does not come back by a sheet yet: %s", person.name, error)
        self.wake()

    async def recover(self, person: Person, master: Master) -> int:
        """Takes over a list of which the master key alone opens anything; how many are followed then.

        Everything is encrypted anew, to the keys that there are now.

        Raises:
            Refused: the own server does not take a record.
            NoEncryptionKey: there is none.
        """
        async with self._turn:
            secrets = [*self._secrets(person), master.recovery()]
            key = self._list_key(person, secrets)
            if key is not None:
                self._take_over(person, key, secrets)
                if self._node.settings.keep_follows:
                    record = await self._publish_key(person, key)
                    self._forget_known(person)
                    await self._publish_changes(person, key)
                    await self._node.queue.settled(record.id.bytes, self._node.settings.settle_s)
        return len(self._node.db.follows(person.key.bytes))

    # --- the list key ----------------------------------------------------------------------------------

    def _secrets(self, person: Person) -> list[X25519Secret]:
        secrets = self._node.people.encryption_secrets(person)
        try:
            with self._node.people.master(person) as master:
                return [*secrets, master.recovery()]
        except (MasterAway, PasswordNeeded):
            return secrets

    def _list_key(self, person: Person, secrets: Sequence[X25519Secret]) -> ListKey | None:
        """The newest list key of a person, None if there is none that these secrets open."""
        place = Address.from_parts(private_list.AT, CLIENT_STATE, person.key)
        for record in self._node.everything.at(place):
            try:
                return ListKey.parse(encryption.opened_record(record, person.key, secrets))
            except (FormatError, Undecryptable) as error:
                log.info("the list key of %s does not open here: %s", person.name, error)
        return None

    async def _begun_at_home(self, person: Person) -> ListKey | None:
        try:
            with self._node.people.master(person) as master:
                return await self._begun(person, master)
        except (MasterAway, PasswordNeeded):
            return None  # `begin` is asked as soon as an act has the master key

    async def _begun(self, person: Person, master: Master) -> ListKey:
        secret = self._node.surroundings.entropy(private_list.LIST_KEY_BYTES)
        key = ListKey(secret, master.recovery().public)
        await self._publish_key(person, key)
        return key

    async def _publish_key(self, person: Person, key: ListKey) -> Record:
        return await self._publish(person, key, CLIENT_STATE, private_list.AT, key.encode())

    # --- what came -------------------------------------------------------------------------------------

    def _take_over(self, person: Person, key: ListKey, secrets: Sequence[X25519Secret]) -> None:
        """Follows and unfollows as other devices did since this home looked last."""
        node, known, wanted = self._node, self._known(person), self._wanted(person)
        begun = self._since(person)
        places = {key.nonce(each): each for each in {*known, *wanted}}
        changed = False
        for nonce, record in self._entries(person).items():
            about = places.get(nonce)
            if about is not None and about in known and known[about].id == record.id.bytes:
                continue
            entry = _opened(record, person.key, secrets)
            if entry is not None:
                about = entry.person.bytes if key.nonce(entry.person.bytes) == nonce else None
            if about is None or (entry is None and record.payload):
                continue  # somebody followed under another list key, or sealed to keys that are not here
            if entry is not None:
                node.db.follow(person.key.bytes, about, record.timestamp)
                node.db.follow_personas(person.key.bytes, about, [])
                node.db.follow_personas(person.key.bytes, about, sorted(entry.personas))
            elif begun.get(about, 0) <= record.timestamp:
                node.db.unfollow(person.key.bytes, about)
            self._know(person, about, _Known(record.id.bytes, b"" if entry is None else entry.encode()))
            changed = True
        if changed:
            node.look_again()
            node.tell_changed()

    def _undo(self, person: Person, key: ListKey) -> None:
        """Follows again whom records took back that are gone, since whoever signed them might not."""
        node, wanted = self._node, self._wanted(person)
        known = {about: each.id for about, each in self._known(person).items() if not each.content}
        places = node.store.contains(list(known.values()))
        gone = [about for about, place in zip(known, places, strict=True) if place is None]
        if not gone:
            return
        there = self._entries(person)
        for about in gone:
            if about not in wanted and key.nonce(about) not in there:
                node.db.follow(person.key.bytes, about, node.clock.now())
        node.look_again()
        node.tell_changed()

    def _entries(self, person: Person) -> dict[bytes, Record]:
        """The newest Follow at each nonce."""
        found: dict[bytes, Record] = {}
        wanted = Filter.of(authors=[person.key], kinds=[FOLLOW_PRIVATE])
        for record in self._node.everything.newest_first(wanted):
            found.setdefault(record.nonce, record)
        return found

    # --- what was changed here -------------------------------------------------------------------------

    async def _publish_changes(self, person: Person, key: ListKey) -> None:
        wanted, known = self._wanted(person), self._known(person)
        there = self._entries(person)
        for about in {**wanted, **known}:
            content = wanted.get(about, b"")
            # What a revoked device had said, or was said under another list key, is nowhere any more.
            is_gone = bool(content) and key.nonce(about) not in there
            if is_gone or (known[about].content if about in known else b"") != content:
                record = await self._publish(person, key, FOLLOW_PRIVATE, key.nonce(about), content)
                self._know(person, about, _Known(record.id.bytes, content))

    async def _publish(
        self, person: Person, key: ListKey, kind: Kind, nonce: bytes, content: bytes
    ) -> Record:
        """Publishes an entry, encrypted unless it is empty, later than what stands at its address."""
        node = self._node
        now = node.clock.now()
        stands = node.everything.at(Address.from_parts(nonce, kind, person.key))
        timestamp = Timestamp(max([now, *(record.timestamp + 1 for record in stands[:1])]))
        payload = b""
        if content:
            schedule = node.everything.schedule(person.key)
            if schedule is None:
                raise NoEncryptionKey
            signer = person.signer
            head = encryption.record_head(
                nonce=nonce, kind=kind, author=person.key, signer=signer.key, timestamp=timestamp
            )
            to = sealing.recipients(schedule, now, now)[1 - MAX_ENCRYPTION_KEYS :]
            payload = sealing.seal(content, [*to, sealing.Recipient(person.key, key.recovery)], head)
        record = person.signer.record(kind=kind, nonce=nonce, timestamp=timestamp, payload=payload)
        return (await node.publish(person, record)).record

    # --- on disk ---------------------------------------------------------------------------------------

    def _wanted(self, person: Person) -> dict[bytes, bytes]:
        """Whom somebody follows by what this home knows, with the content of each entry."""
        db, master = self._node.db, person.key.bytes
        personas = db.personas(master)
        return {
            each: FollowEntry(PublicKey(each), personas.get(each, frozenset())).encode()
            for each in db.follows(master)
        }

    def _since(self, person: Person) -> Mapping[bytes, int]:
        """Since when each is followed, ns."""
        rows = self._node.db.connection.execute(
            "SELECT key, since_ns FROM follow JOIN person ON person = number WHERE master_key = ?",
            (person.key.bytes,),
        )
        return {bytes(key): int(since_ns) for key, since_ns in rows}

    def _known(self, person: Person) -> dict[bytes, _Known]:
        rows = self._node.db.connection.execute(
            "SELECT key, id, content FROM follow_known JOIN person ON person = number WHERE master_key = ?",
            (person.key.bytes,),
        )
        return {bytes(key): _Known(bytes(id_), bytes(content)) for key, id_, content in rows}

    def _know(self, person: Person, key: bytes, known: _Known) -> None:
        self._node.db.connection.execute(
            "INSERT OR REPLACE INTO follow_known SELECT number, ?, ?, ? FROM person WHERE master_key = ?",
            (key, known.id, known.content, person.key.bytes),
        )

    def _forget_known(self, person: Person) -> None:
        self._node.db.connection.execute(
            "DELETE FROM follow_known WHERE person = (SELECT number FROM person WHERE master_key = ?)",
            (person.key.bytes,),
        )


def _opened(record: Record, person: PublicKey, secrets: Sequence[X25519Secret]) -> FollowEntry | None:
    """What an entry says, None if it is taken back or does not open."""
    if not record.payload:
        return None
    try:
        return FollowEntry.parse(encryption.opened_record(record, person, secrets))
    except (FormatError, Undecryptable):
        return None
