"""Work that other servers ask for what the people of this home write.

Two times it is done. Before a record is published: if a server that it goes to
is known to ask for work (its Server Info is kept in the own store), the record
gets its Work tag while nobody has it yet. And when a server answers TOO_FAST:
then its Server Info is asked for, and if it wants work that the record does
not show, the record is made again at the same address, as its newest version,
and published anew, since work changes the id. Each record once for each
server; after that TOO_FAST means to wait.

No work is done for key schedules and profiles, for records of whose signer no
key is here, and above the bound that is set.

Source: edition §4 (proof of work); docs/architecture.md "Operations".
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from mosaic.client.address import ServerAddress
from mosaic.client.connection import Connection
from mosaic.client.proof_of_work import asked_by, check_bound, worked
from mosaic.client.queue import Delivery, Submitter
from mosaic.core.bootstrap import Usage
from mosaic.core.keys import PublicKey
from mosaic.core.kind import Duplicates
from mosaic.core.record import Record
from mosaic.core.timestamp import Timestamp
from mosaic.errors import Refused
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
        self._one_at_a_time = asyncio.Lock()
        self.publish_again: PublishAgain | None = None
        """What a record that was made again goes through."""

    async def before(self, person: Person, record: Record, servers: Sequence[ServerAddress]) -> Record:
        """The record as it is to be published: with work, if a server that it goes to is known to ask for it.

        Args:
            person: Who wrote it.
            record: Nobody else has it yet.
            servers: Where it goes.

        Raises:
            RecordTooLong: there is no room for the tag.
        """
        known = [self._known(server.key) for server in servers if not self._serves(server.key, person)]
        bits = max((asked for asked in known if asked <= self._most), default=0)
        signer = self._signer_of(person, record)
        if work_bits(record.data) >= bits or signer is None or not self._in_time(record):
            return record
        return await self._made_again(record, signer, bits, record.timestamp)

    async def owed(self, delivery: Delivery, connection: Submitter) -> bool:
        """A server has answered TOO_FAST: whether another version is on its way to it now.

        Raises:
            Refused: it asks for work that can't be done here; more tries help nobody.
            PeerError: it went away.
        """
        record, server = Record(delivery.record), delivery.server.key
        bits = await self._ask(connection) if isinstance(connection, Connection) else 0
        if work_bits(record.data) >= bits or record.kind.bytes in INTRODUCTIONS:
            return False
        place = (server.bytes, record.address.bytes)
        if place in self._done:
            return False
        person = next((each for each in self._people if each.key.bytes == delivery.sender), None)
        signer = None if person is None else self._signer_of(person, record)
        if person is None or signer is None or self.publish_again is None:
            raise _refused(
                f"it asks for {bits} bits of proof of work, and the key of this record is not here"
            )
        check_bound(bits, self._most)
        self._check_newest(record)
        again = await self._made_again(record, signer, bits, self._later_than(record))
        self._check_newest(record)
        self._done[place] = None
        while len(self._done) > _REMEMBERED:
            self._done.popitem(last=False)
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

    async def _ask(self, connection: Connection) -> int:
        """How much work a server asks for now; what it says is kept."""
        record, bits = await asked_by(connection)
        if record is not None:
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

    def _signer_of(self, person: Person, record: Record) -> Signer | None:
        """Who signed a record, if that is a device or persona of the person whose key is here.

        None for what needs no work; what a master key signed goes to own servers alone.
        """
        if record.author != person.key or record.kind.bytes in INTRODUCTIONS:
            return None
        return self._people.signer_of(person, record.signer)

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


def _refused(why: str) -> Refused:
    return Refused(
        why, result=ResultCode.TOO_FAST, hint="Ask somebody there to follow you: then none is asked."
    )
