"""Editing the key schedule of somebody who lives here, so that no other device's edit is lost.

    read    the newest schedules and Vouches from the own outboxes, the own store and what this
            home remembers, all joined: of each key the strictest statement
    change  entries, and which records of revoked keys stay
    publish Vouches first, then the schedule, to the own server and all outboxes
    look    whether another device has published at the same time; then once more

A Vouch goes before the schedule that revokes: who receives both in this order
drops nothing that stays valid.

Source: keyschedule.md; edition §3 (Revocation), §4 (Vouch).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from mosaic.client.outbox import SERVERS_OF_A_ROLE
from mosaic.client.queue import Delivery
from mosaic.client.reach import Manner
from mosaic.core import key_schedule, nonce
from mosaic.core.bootstrap import Usage
from mosaic.core.community_kinds import VOUCH
from mosaic.core.filter import Filter
from mosaic.core.key_schedule import KeySchedule
from mosaic.core.keys import PublicKey, SecretKey
from mosaic.core.kinds import KEY_SCHEDULE, PROFILE
from mosaic.core.record import Record
from mosaic.core.reference import Id
from mosaic.core.schedule_entry import Entry, Marker
from mosaic.core.schedule_merge import joined, lacks, merged
from mosaic.core.timestamp import Timestamp
from mosaic.core.vouch import ID_LENGTH
from mosaic.core.x25519 import KEY_LENGTH, X25519Secret
from mosaic.errors import InvalidKeySchedule, MosaicError, UnknownKey, Unreachable
from mosaic.node.key_book import Use
from mosaic.node.key_handing import KeyHanding
from mosaic.node.master import Master
from mosaic.node.people import Person
from mosaic.store.record_source import RecordSource

if TYPE_CHECKING:
    from mosaic.node.node import Node

log = logging.getLogger(__name__)

ASK_S: Final = 10.0
"""How long an outbox may take to tell its newest schedule, seconds."""
VOUCHED_AT_ONCE: Final = 1_000_000 // ID_LENGTH
"""How many records one Vouch names."""

# Who reads before an edit is out and publishes after it overtakes it unseen: so one looks once more later.
_LOOKS_S = (0.0, 1.0)
_MOST_RECORDS = 256
_BATCH = 256


@dataclass(slots=True)
class Editing:
    """A schedule while it is edited.

    Args:
        entries: All that was ever said, the oldest keys first.
        newest: The schedule that holds now, if there is one.
        unread: Outboxes that could not be read.
        vouched: Records of revoked keys that are to stay.
    """

    entries: list[Entry]
    newest: KeySchedule | None
    unread: tuple[PublicKey, ...] = ()
    vouched: list[Id] = field(default_factory=list)

    def find(self, key: bytes) -> Entry:
        """The entry of a key (32 bytes). Raises UnknownKey."""
        for entry in self.entries:
            if entry.subkey == key:
                return entry
        raise UnknownKey("the key schedule does not list this key")

    def add(self, entry: Entry) -> None:
        """One more key, the newest."""
        self.entries = list(joined([*self.entries, entry]))

    def mark(self, key: bytes, marker: Marker, since_ns: int) -> None:
        """Says something stricter about a key from `since_ns` (a Mosaic timestamp) on. Raises UnknownKey."""
        self.add(self.find(key).marked(marker, since_ns))

    def active(self, marker: Marker) -> list[bytes]:
        """The keys (32 bytes each) that are in use as what an active marker says."""
        return [entry.subkey for entry in self.entries if entry.marker is marker]


@dataclass(frozen=True, slots=True)
class Published:
    """What became of an edit.

    Args:
        schedule: The record of the schedule.
        vouched: How many records of revoked keys stay valid by a Vouch.
        deliveries: How the schedule stands towards other servers.
        unread: Outboxes that could not be read before.
    """

    schedule: Record
    vouched: int
    deliveries: Sequence[Delivery]
    unread: tuple[PublicKey, ...]


class OwnSchedule:
    """Reads and publishes the schedules of the people of a home.

    Args:
        node: The open home.
        working: Whether its queue runs by itself.
    """

    def __init__(self, node: Node, *, working: bool) -> None:
        self._node = node
        self._working = working
        self._handing = KeyHanding(node)

    # --- reading ---------------------------------------------------------------------------------------

    async def read(self, person: Person, *, offline: bool) -> Editing:
        """What all devices of a person have said so far.

        Args:
            person: Whose schedule.
            offline: Whether what this home knows will do when no outbox can be read.

        Raises:
            Unreachable: there are outboxes, and none of them could be read.
        """
        servers = self._node.directory.servers(person.key, Usage.OUTBOX)
        outboxes = [server.key for server in servers][:SERVERS_OF_A_ROLE]
        editing, found = await self.read_from(person.key, person.device, outboxes, offline=offline)
        if found:
            # A Vouch first: what it names must not go when the schedule comes.
            await self._node.mirror([record.data for record in vouches_first(found)])
        newest = next((each for each in found if editing.newest and each.id == editing.newest.id), None)
        # One that says less than this home knows is not remembered in place of what does.
        if newest is not None and editing.newest and not lacks(editing.newest, editing.entries):
            self._node.people.book.keep_schedule(person.key, newest)
        return editing

    async def read_from(
        self, key: PublicKey, device: SecretKey | None, outboxes: Sequence[PublicKey], *, offline: bool
    ) -> tuple[Editing, list[Record]]:
        """As `read`, of anybody from some outboxes; the records that these gave are given back.

        Raises:
            Unreachable: none of the outboxes could be read.
        """
        asked = [self._ask(outbox, key, device) for outbox in outboxes]
        answers = await asyncio.gather(*asked)
        unread = tuple(server for server, each in zip(outboxes, answers, strict=True) if each is None)
        if outboxes and len(unread) == len(outboxes) and not offline:
            raise Unreachable(
                "none of your outboxes could be read, so a key that another device added might be lost",
                hint="Try again later; with --offline it is done by what this home knows.",
            )
        found = list({record.id: record for each in answers for record in each or ()}.values())
        told = [schedule for record in found if (schedule := _parsed(record)) is not None]
        schedules = [*told, *self._remembered(key)]
        newest = max(schedules, key=lambda one: one.id, default=None)
        return Editing(list(merged(schedules)), newest, unread), found

    def at_hand(self, person: Person) -> tuple[Entry, ...]:
        """What this home knows of all that was ever said, joined; asks nobody."""
        return merged(self._remembered(person.key))

    def _remembered(self, key: PublicKey) -> list[KeySchedule]:
        """The schedules of somebody that are at hand, in the book and in the own store."""
        known = [self._node.people.book.schedule(key), self._node.records.schedule_record(key)]
        parsed = [_parsed(record) for record in known if record is not None]
        return [schedule for schedule in parsed if schedule is not None]

    async def _ask(self, outbox: PublicKey, key: PublicKey, device: SecretKey | None) -> list[Record] | None:
        """The schedules, Vouches and profile that an outbox has of somebody; None if it does not answer."""
        wanted = Filter.of(authors=[key], signers=[key], kinds=[KEY_SCHEDULE, VOUCH, PROFILE])
        try:
            async with asyncio.timeout(ASK_S), self._node.reach.server(outbox, Manner(device)) as connection:
                return [record async for record in connection.query(wanted, _MOST_RECORDS)]
        except (MosaicError, TimeoutError) as error:
            log.info("the outbox %s can't be read: %s", outbox.server_text, error)
            return None

    async def received(self, person: Person, signer: PublicKey, since: Timestamp) -> list[Id]:
        """What a key had signed, and this home or an outbox of the person had received, by a time.

        What only the outboxes have is taken into the own store, as long as the key is not revoked yet.
        """
        wanted = Filter.of(authors=[person.key], signers=[signer], until=since, received_until=since)
        ids = {stored.record.id for stored in RecordSource(self._node.store).query(wanted)}
        for server in self._node.directory.servers(person.key, Usage.OUTBOX)[:SERVERS_OF_A_ROLE]:
            with contextlib.suppress(MosaicError, TimeoutError):
                async for batch in self._batches(server.key, person.device, wanted):
                    ids.update(record.id for record in batch)
                    await self._node.mirror([record.data for record in batch])
        return sorted(ids)

    async def _batches(
        self, outbox: PublicKey, device: SecretKey, wanted: Filter
    ) -> AsyncIterator[list[Record]]:
        """What an outbox answers, some at a time. Raises PeerError, or TimeoutError if it falls silent."""
        async with self._node.reach.server(outbox, Manner(device)) as connection:
            batch: list[Record] = []
            async with contextlib.aclosing(connection.query(wanted)) as items:
                while (record := await asyncio.wait_for(anext(items, None), ASK_S)) is not None:
                    batch.append(record)
                    if len(batch) == _BATCH:
                        yield batch
                        batch = []
            yield batch

    def signed(self, person: PublicKey, signer: PublicKey) -> Iterator[Id]:
        """All that a key has signed and this home has."""
        wanted = Filter.of(authors=[person], signers=[signer])
        return (stored.record.id for stored in RecordSource(self._node.store).query(wanted))

    # --- what every schedule has ------------------------------------------------------------------------

    def new_box(self, person: Person, editing: Editing, label: str = "") -> None:
        """Adds a key to encrypt to, whose secret is kept here."""
        secret = X25519Secret(self._node.surroundings.entropy(KEY_LENGTH))
        editing.add(Entry.encryption(secret.public))
        kept, now = SecretKey.from_seed(secret.reveal()), self._node.clock.now()
        self._node.people.book.keep(person.key, secret.public, Use.ENCRYPTION, label, kept, now)

    async def complete(self, person: Person, master: Master) -> None:
        """Gives somebody of an older home a key to encrypt to, as soon as an act has the master key.

        Does nothing if there is one, or if no outbox can be read now.

        Raises:
            Refused: the own server does not take the schedule.
        """
        if any(entry.marker is Marker.ACTIVE_ENCRYPTION_KEY for entry in self.at_hand(person)):
            return
        with contextlib.suppress(Unreachable):
            async with self._node.people.turn(person.key):
                editing = await self.read(person, offline=False)
                if not editing.active(Marker.ACTIVE_ENCRYPTION_KEY):
                    self.new_box(person, editing)
                    await self.publish(person, master, editing)

    async def join_again(self, person: Person) -> bool:
        """Publishes what the newest schedule lacks of what is known here, if it does; whether it did.

        Raises:
            MasterAway: the master key is not here.
            PasswordNeeded: it is under the person's own password.
            Refused: the own server does not take the schedule.
        """
        newest = self._node.records.schedule(person.key)
        if newest is None or not lacks(newest, self.at_hand(person)):
            return False
        with self._node.people.master(person) as master:
            async with self._node.people.turn(person.key):
                await self.publish(person, master, await self.read(person, offline=True))
        return True

    # --- publishing ------------------------------------------------------------------------------------

    async def publish(self, person: Person, master: Master, editing: Editing) -> Published:
        """Publishes an edited schedule, its Vouches first.

        Raises:
            Refused: the own server does not take it.
            RecordTooLong: more keys than a schedule holds.
        """
        node, entropy = self._node, self._node.surroundings.entropy
        records: list[Record] = []
        for start in range(0, len(editing.vouched), VOUCHED_AT_ONCE):
            part = editing.vouched[start : start + VOUCHED_AT_ONCE]
            records.append(master.vouch(part, node.clock.now(), nonce.random(entropy(nonce.NONCE_LENGTH))))
        schedule = self.made(master, editing)
        node.people.book.keep_schedule(person.key, schedule)
        handed = self._handing.handed(person, master, key_schedule.parse(schedule))
        # Keys go first: whoever hears of the schedule has what is encrypted to from then on.
        records += [] if handed is None else [handed]
        async with self.delivering():
            for record in [*records, schedule]:
                await node.publish(person, record)
            deliveries = await node.queue.settled(schedule.id.bytes, node.settings.settle_s)
            for pause_s in _LOOKS_S if self._node.directory.servers(person.key, Usage.OUTBOX) else ():
                await asyncio.sleep(pause_s)
                again = await self._overtaken(person, schedule)
                if again is not None:
                    schedule = self.made(master, again)
                    node.people.book.keep_schedule(person.key, schedule)
                    await node.publish(person, schedule)
                    deliveries = await node.queue.settled(schedule.id.bytes, node.settings.settle_s)
        return Published(schedule, len(editing.vouched), deliveries, editing.unread)

    def made(self, master: Master, editing: Editing) -> Record:
        """The record of an edited schedule, later than the one that holds. Raises RecordTooLong."""
        now = self._node.clock.now()
        before = editing.newest
        return master.schedule(editing.entries, now if before is None else max(now, before.timestamp + 1))

    async def _overtaken(self, person: Person, schedule: Record) -> Editing | None:
        """What is to be published once more: another device did at the same time, without this edit."""
        with contextlib.suppress(Unreachable):
            editing = await self.read(person, offline=False)
            newest, mine = editing.newest, key_schedule.parse(schedule)
            for entry in mine.entries:
                editing.add(entry)
            if newest is not None and newest.id > schedule.id and lacks(newest, editing.entries):
                return editing
        return None

    @contextlib.asynccontextmanager
    async def delivering(self) -> AsyncIterator[None]:
        """Lets the queue run meanwhile, where it does not by itself: a revocation does not wait."""
        if self._working:
            yield
            return
        task = asyncio.create_task(self._node.queue.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def _parsed(record: Record) -> KeySchedule | None:
    if record.kind != KEY_SCHEDULE:
        return None
    try:
        return key_schedule.parse(record)
    except InvalidKeySchedule:
        return None


def vouches_first(records: Sequence[Record]) -> list[Record]:
    """Vouches before all else: what they name must not go when the schedule comes that revokes its key."""
    return sorted(records, key=lambda record: record.kind != VOUCH)
