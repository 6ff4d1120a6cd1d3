"""Work that other servers ask for what the people of this home write.

Two times it is done. Before a record is published: if a server that it goes to
is known to ask for work (its Server Info is kept in the own store), the record
gets its Work tag while nobody has it yet. And when a server answers TOO_FAST:
then its Server Info is asked for, and if it wants work that the record does
not show, the record is made again at the same address, as its newest version,
and published anew, since work changes the id. Each record once for each
server; after that TOO_FAST means to wait.

No work is done for key schedules and profiles, for records of whose signer no
key is here, and above the bound that is set. A server of one's own that serves
whom it lists asks its people for none: its TOO_FAST means to wait. Much work
is done beside, never before a record is published: who writes would wait for
as long as any server likes that he writes to.

Source: edition §4 (proof of work); docs/architecture.md "Operations".
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

from mosaic.client.address import ServerAddress
from mosaic.client.connection import Connection
from mosaic.client.proof_of_work import asked_by, check_bound, worked
from mosaic.client.queue import Delivery, Submitter
from mosaic.core.bootstrap import Usage
from mosaic.core.keys import PublicKey
from mosaic.core.kind import Duplicates
from mosaic.core.record import Record
from mosaic.core.timestamp import Timestamp
from mosaic.errors import RecordTooLong, Refused
from mosaic.node import server_info
from mosaic.node.clock import Clock
from mosaic.node.directory import HomeDirectory
from mosaic.node.people import People, Person
from mosaic.node.records import OwnRecords
from mosaic.policy.introductions import INTRODUCTIONS
from mosaic.policy.work import COUNTS_NS, work_bits
from mosaic.social.signer import Signer
from mosaic.wire.result_code import ResultCode

_REMEMBERED: Final = 4_096
_BEFORE: Final = 20
"""Bits that are done before a record is published: a second or two."""
_ASKED_NS: Final = 60 * 1_000_000_000
"""How long a server's answer holds: it may refuse hundreds of records one after another."""
_KEPT_BYTES: Final = 65_536
"""A longer Server Info is heard and not kept: it is read for each record that goes to its server."""
_PATIENCE: Final = 3
"""How often an own server may say TOO_FAST before it is believed that it means work, and any other one
before it is believed that it means more work than is done here; how often a record is looked for that is
not here yet."""

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")

PublishAgain = Callable[[Person, Record, Record], Awaitable[None]]
"""Publishes a record of somebody in place of a former version, in this order."""


class ProofOfWork:
    """Does the work, one record at a time.

    Args:
        people: Who lives here, and their keys.
        records: What this home has: the Server Infos of others among it.
        directory: Who uses which servers.
        remember: Takes records of other servers into the own store.
        most: How many bits are done at most, 0 to 64.
        clock: The clock.
    """

    def __init__(
        self,
        people: People,
        records: OwnRecords,
        directory: HomeDirectory,
        remember: Callable[[Sequence[bytes]], Awaitable[object]],
        most: int,
        clock: Clock,
    ) -> None:
        self._people = people
        self._records = records
        self._directory = directory
        self._remember = remember
        self._most = most
        self._clock = clock
        self._done: OrderedDict[tuple[bytes, bytes], None] = OrderedDict()
        self._asked: OrderedDict[bytes, tuple[int, int | None]] = OrderedDict()
        self._one_at_a_time = asyncio.Lock()
        self._before_others = asyncio.Lock()
        self.publish_again: PublishAgain | None = None
        """What a record that was made again goes through."""

    async def before(self, person: Person, record: Record, servers: Sequence[ServerAddress]) -> Record:
        """The record as it is to be published: with work, if a server that it goes to is known to ask for it.

        Args:
            person: Who wrote it.
            record: Nobody else has it yet.
            servers: Where it goes.
        """
        known = [self._known(server.key) for server in servers if not self._serves(server.key, person)]
        bits = max((asked for asked in known if asked <= min(self._most, _BEFORE)), default=0)
        signer = self._signer_of(person, record)
        if work_bits(record.data) >= bits or signer is None or not self._in_time(record):
            return record
        # Not behind what is made again for others, which may take long.
        try:
            async with self._before_others:
                return await worked(record, signer.worked, bits, timestamp=record.timestamp, most=self._most)
        except RecordTooLong:
            return record  # all servers that ask for nothing take it

    async def owed(self, delivery: Delivery, connection: Submitter) -> bool:
        """A server has answered TOO_FAST: whether another version is on its way to it now.

        Raises:
            Refused: it asks for work that can't be done here; more tries help nobody.
            RecordTooLong: there is no room for the tag.
            PeerError: it went away.
        """
        record, server = Record(delivery.record), delivery.server.key
        place = (server.bytes, record.address.bytes)
        if record.kind.bytes in INTRODUCTIONS or place in self._done:
            return False
        bits = await self._ask(server, connection) if isinstance(connection, Connection) else 0
        if work_bits(record.data) >= bits:
            return False
        person = next((each for each in self._people if each.key.bytes == delivery.sender), None)
        if person is not None and delivery.attempts < _PATIENCE and self._serves_listed(server, person):
            return False
        signer = None if person is None else self._signer_of(person, record)
        if person is None or signer is None or self.publish_again is None:
            raise _refused(
                f"it asks for {bits} bits of proof of work, and the key of this record is not here"
            )
        if bits > self._most and delivery.attempts < _PATIENCE:
            # Anybody can say so; perhaps it only means that this came too fast.
            return False
        check_bound(bits, self._most)
        if delivery.attempts < _PATIENCE and not self._is_stored(record):
            # It is queued for others before the own server has it, which may take longer than their answer.
            return False
        self._check_newest(record)
        again = await self._made_again(record, signer, bits, self._later_than(record))
        self._check_newest(record)
        _keep(self._done, place, None)
        await self.publish_again(person, again, record)
        return True

    async def again(self, person: Person, record: Record, bits: int) -> Record | None:
        """A record made again with so much work; None if none of the person's keys signed it.

        Raises:
            Refused: that is too much work.
            RecordTooLong: there is no room for the tag.
        """
        signer = self._signer_of(person, record)
        if signer is None:
            return None
        check_bound(bits, self._most)
        return await self._made_again(record, signer, bits, self._later_than(record))

    async def _made_again(self, record: Record, signer: Signer, bits: int, timestamp: Timestamp) -> Record:
        async with self._one_at_a_time:
            return await worked(record, signer.worked, bits, timestamp=timestamp, most=self._most)

    async def _ask(self, server: PublicKey, connection: Connection) -> int:
        """How much work a server asks for now, or a minute ago; what it says is kept."""
        bits, asked_ns = self._asked.get(server.bytes, (0, None))
        if asked_ns is not None and abs(self._clock.now_ns() - asked_ns) < _ASKED_NS:
            return bits
        record, bits = await asked_by(connection)
        _keep(self._asked, server.bytes, (bits, self._clock.now_ns()))
        if record is not None and len(record.data) <= _KEPT_BYTES:
            await self._remember([record.data])
        return bits

    def _known(self, server: PublicKey) -> int:
        info = server_info.known(self._records, server)
        return 0 if info is None else info.work_bits

    def _serves(self, server: PublicKey, person: Person) -> bool:
        """Whether a server is one of somebody's own: it asks no work of him."""
        return any(
            each.key == server for usage in Usage for each in self._directory.servers(person.key, usage)
        )

    def _serves_listed(self, server: PublicKey, person: Person) -> bool:
        """Whether a server is one of somebody's own and says that it serves some people, not everyone."""
        info = server_info.known(self._records, server)
        return info is not None and info.serves not in {"", "everyone"} and self._serves(server, person)

    def _signer_of(self, person: Person, record: Record) -> Signer | None:
        """Who signed a record, if that is a device or persona of the person whose key is here.

        None for what needs no work; what a master key signed goes to own servers alone.
        """
        if record.author != person.key or record.kind.bytes in INTRODUCTIONS:
            return None
        return self._people.signer_of(person, record.signer)

    def _is_stored(self, record: Record) -> bool:
        """Whether any version of a record is here; of ephemeral ones none ever is."""
        return record.kind.duplicates is Duplicates.EPHEMERAL or bool(self._records.at(record.address))

    def _check_newest(self, record: Record) -> None:
        """Raises Refused if another version has come since, which is on its way itself, or it is gone."""
        if record.kind.duplicates is Duplicates.EPHEMERAL:
            return
        found = self._records.at(record.address)
        if not found or found[0].id != record.id:
            raise _refused("it asks for work, and there is a newer version of this, or it was deleted")

    def _later_than(self, record: Record) -> Timestamp:
        return Timestamp(max(self._clock.now(), record.timestamp + 1))

    def _in_time(self, record: Record) -> bool:
        return abs(self._clock.now_ns() - record.timestamp) < COUNTS_NS


def _keep(kept: OrderedDict[_Key, _Value], key: _Key, value: _Value) -> None:
    """Keeps something among the last few thousand."""
    kept[key] = value
    kept.move_to_end(key)
    while len(kept) > _REMEMBERED:
        kept.popitem(last=False)


def _refused(why: str) -> Refused:
    return Refused(
        why, result=ResultCode.TOO_FAST, hint="Ask somebody there to follow you: then none is asked."
    )
