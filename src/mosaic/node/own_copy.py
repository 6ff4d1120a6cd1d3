"""A person's things between this home and one of his servers: all of them, both ways.

`fetch` brings what the server has of him and for him; `hand_in` gives it what
it lacks of him, and counts. Records keep what their times prove: what a key
had signed before it was revoked is asked for by Received Until, and the
Vouches go first to a new server, which could not know it otherwise.

Source: edition §3 (Revocation), §4 (sync, Vouch); network.md (roles).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mosaic.client.connection import Connection
from mosaic.client.reach import Manner
from mosaic.client.refusals import refused
from mosaic.client.syncing import Direction, Syncing
from mosaic.core import core_tags
from mosaic.core.bootstrap import Usage
from mosaic.core.community_kinds import VOUCH
from mosaic.core.filter import Filter
from mosaic.core.keys import PublicKey
from mosaic.core.kinds import KEY_SCHEDULE, PROFILE
from mosaic.core.record import Record
from mosaic.core.schedule_entry import Marker
from mosaic.core.timestamp import Timestamp
from mosaic.errors import BlobRefused, MosaicError, PeerError, Refused
from mosaic.node.mirrors import synced
from mosaic.node.people import Person
from mosaic.node.synced import HomeRecords, SyncPlan
from mosaic.store.blob_ledger import blobs_named
from mosaic.store.record_source import RecordSource
from mosaic.store.stretches import Stretches
from mosaic.wire.result_code import ResultCode

if TYPE_CHECKING:
    from mosaic.node.node import Node

log = logging.getLogger(__name__)

_BATCH: Final = 256
_AT_ONCE: Final = 1_024
_SLICE_NS: Final = 20_000_000
_ROUNDS: Final = 3
_AUTHORS: Final = 60
_PROBES: Final = 3
_RECEIVES: Final = Usage.INBOX | Usage.ENCRYPTION


@dataclass(slots=True)
class Counts:
    """Numbers of records and blobs.

    Attributes:
        fetched: Records that came from there.
        here: Records of the person that are here.
        handed: Records that the server has by now.
        refused: Records that it did not take.
        blobs: Blobs that it has by now.
        blobs_refused: Blobs that it did not take, or that are missing here.
    """

    fetched: int = 0
    here: int = 0
    handed: int = 0
    refused: int = 0
    blobs: int = 0
    blobs_refused: int = 0


def written_by(person: PublicKey) -> Filter:
    """What somebody wrote."""
    return Filter.of(authors=[person])


def sent_to(person: PublicKey) -> Filter:
    """What others sent to somebody: replies, mentions, private messages."""
    return Filter.of(tags=[core_tags.notify(person)])


class OwnCopy:
    """A person's things and one server.

    Args:
        node: The open home.
        person: Whose.
        server: The other server.
    """

    def __init__(self, node: Node, person: Person, server: PublicKey) -> None:
        self._node = node
        self._person = person
        self._server = server
        self.counts = Counts()

    @contextlib.asynccontextmanager
    async def _connected(self) -> AsyncIterator[Connection]:
        manner = Manner(self._person.device, own_stream=True)
        async with self._node.reach.server(self._server, manner) as connection:
            yield connection

    def _plan(self, wanted: Filter, direction: Direction) -> SyncPlan:
        return SyncPlan(self._node.directory.address(self._server), self._person, wanted, direction)

    # --- from the server -------------------------------------------------------------------------------

    async def fetch(self, uses: Usage) -> AsyncGenerator[Counts, None]:
        """Brings what the server has and this home lacks; gives the same counts after each step.

        Args:
            uses: What the person uses the server for.

        Raises:
            PeerError: the server would not, or can't be reached.
            StoreError: the own store failed.
        """
        async with self._connected() as connection:
            wanted = [written_by(self._person.key)] if uses & Usage.OUTBOX else []
            wanted += [sent_to(self._person.key)] if uses & _RECEIVES else []
            for each in wanted:
                before = self.counts.fetched
                steps = synced(self._node, self._plan(each, Direction.DOWN), connection)
                async with contextlib.aclosing(steps):
                    async for progress in steps:
                        self.counts.fetched = before + progress.received
                        yield self.counts
            if uses & _RECEIVES:
                await self._who_wrote(connection)
            if uses & Usage.OUTBOX:
                await self._in_time(connection)
                await self._fetch_blobs(connection)
                yield self.counts

    async def _who_wrote(self, connection: Connection) -> None:
        """Key schedules and profiles of those who wrote to the person: who brought a record brought these."""
        node, unknown = self._node, dict[bytes, None]()
        scan = node.store.scan(sent_to(self._person.key).compiled, viewers=[self._person.key.bytes])
        async for found in Stretches(scan, _AT_ONCE, _SLICE_NS):
            for _, _, record in found:
                author = record[64:96]
                if author not in unknown and node.everything.schedule_record(PublicKey(author)) is None:
                    unknown[author] = None
        authors = [PublicKey(author) for author in unknown]
        for start in range(0, len(authors), _AUTHORS):
            group = authors[start : start + _AUTHORS]
            wanted = Filter.of(authors=group, signers=group, kinds=[KEY_SCHEDULE, PROFILE])
            async with contextlib.aclosing(connection.query(wanted, _BATCH)) as papers:
                await node.mirror([record.data async for record in papers])

    async def _in_time(self, connection: Connection) -> None:
        """What keys signed that are revoked since a time, as far as the server had it by then."""
        schedule = self._node.everything.schedule(self._person.key)
        for entry in () if schedule is None else schedule.entries:
            if entry.marker is not Marker.REVOKED_PAST:
                continue
            since, signer = int(entry.timestamp), PublicKey(entry.subkey)
            wanted = Filter.of(authors=[self._person.key], signers=[signer], received_until=Timestamp(since))
            batch: list[bytes] = []
            async with contextlib.aclosing(connection.query(wanted)) as found:
                async for record in found:
                    batch.append(record.data)
                    if len(batch) == _BATCH:
                        await self._take_in_time(batch, since)
                        batch = []
            await self._take_in_time(batch, since)

    async def _take_in_time(self, batch: Sequence[bytes], since: int) -> None:
        if batch:
            results = await self._node.mirror(batch, since)
            self.counts.fetched += sum(result is ResultCode.ACCEPTED for result in results)

    async def _fetch_blobs(self, connection: Connection) -> None:
        """Blobs that the person's records name and this home lacks."""
        node = self._node
        missing = [each for each in await self._blobs() if not node.blobs.has(each)]
        if not missing:
            return
        own = await node.own(self._person)
        for blob in missing:
            path = node.home.temporary / f"moved-{blob.hex()}"
            try:
                length = await connection.blobs.get(blob, path, node.blobs.max_bytes)
                await own.blobs.put(path, blob, length)
            except (Refused, BlobRefused):
                continue
            finally:
                path.unlink(missing_ok=True)

    # --- to the server ---------------------------------------------------------------------------------

    async def introduce(self, uses: Usage) -> None:
        """Finds out whether a server takes what the person writes, before anything is changed.

        It gets who he is (Vouches, key schedule, profile), and, as an outbox, one of his records.

        Args:
            uses: What he is going to use it for.

        Raises:
            Refused: it does not; the hint says what to do.
            PeerError: it can't be reached.
        """
        async with self._connected() as connection:
            for record in self._papers():
                self._judge(await connection.submit(record.data))
            if not uses & Usage.OUTBOX:
                return
            own = HomeRecords(self._node, self._plan(Filter(), Direction.UP), trusted=True)
            results = []
            for position in self._newest(_PROBES):
                for data in own.at([position]):
                    results.append(await connection.submit(data))
                    if results[-1].is_success:
                        return
            if results:
                self._judge(results[0])

    def _judge(self, result: ResultCode) -> None:
        if result.is_success:
            return
        error = refused(result, f"{self._server.server_text} does not take what you write")
        if result is ResultCode.UNAUTHORIZED:
            error = Refused(
                str(error),
                result=result,
                hint="It does not serve you: ask its operator for an invitation and give --invitation CODE,"
                " or choose another server. Nothing was changed.",
            )
        raise error

    def _papers(self) -> list[Record]:
        """Who the person is, in the order in which a server needs to know."""
        key = self._person.key
        wanted = Filter.of(authors=[key], signers=[key], kinds=[VOUCH, KEY_SCHEDULE, PROFILE])
        order = [VOUCH, KEY_SCHEDULE, PROFILE]
        found = list(self._node.everything.newest_first(wanted))
        return sorted(found, key=lambda record: (order.index(record.kind), -record.timestamp.ns))

    def _newest(self, count: int) -> Iterator[int]:
        """The positions of the newest records that the person wrote and that are no papers of his."""
        papers = {VOUCH.bytes, KEY_SCHEDULE.bytes, PROFILE.bytes}
        for stored in RecordSource(self._node.store).query(written_by(self._person.key)):
            if stored.record.kind.bytes in papers:
                continue
            (position,) = self._node.store.contains([stored.record.id.bytes])
            if position is not None:
                yield position
                count -= 1
            if not count:
                return

    async def hand_in(self) -> AsyncGenerator[Counts, None]:
        """Gives the server all that the person wrote and it lacks; gives the same counts after each step.

        Compared again afterwards: `refused` is what is still lacking there, what the server said that it
        had taken as well.

        Raises:
            PeerError: the server would not, or can't be reached.
            StoreError: the own store failed.
        """
        async with self._connected() as connection:
            # Blobs first: who reads a record shall find what it names.
            await self._hand_in_blobs(connection)
            yield self.counts
            plan = self._plan(written_by(self._person.key), Direction.UP)
            own = HomeRecords(self._node, plan, trusted=True)
            accepted: set[bytes] = set()
            for _ in range(_ROUNDS):
                syncing = Syncing(
                    connection,
                    own,
                    plan.wanted,
                    Direction.UP,
                    most_needed=self._node.settings.server.sync_items,
                )
                try:
                    async with contextlib.aclosing(syncing.run()) as steps:
                        async for progress in steps:
                            self.counts.here = progress.compared
                            self.counts.refused = progress.refused
                            self.counts.handed = progress.compared - progress.refused - progress.left
                            yield self.counts
                except Refused as error:
                    if error.result != ResultCode.NOT_FOUND:
                        raise
                    await self._hand_in_all(connection, own)
                    yield self.counts
                    return
                lost = len(accepted & syncing.accepted)
                if lost:
                    # It took these before, as it said, and lacked them all the same.
                    self.counts.refused += lost
                    self.counts.handed -= lost
                    yield self.counts
                if lost or not syncing.progress.sent:
                    return
                accepted = syncing.accepted

    async def _hand_in_all(self, connection: Connection, own: HomeRecords) -> None:
        """To a server that compares nothing: everything, one part after another."""
        counts = self.counts
        counts.here = counts.handed = counts.refused = 0
        async for positions in self._positions():
            records = own.at(positions)
            results = await connection.submit_all(records)
            counts.here += len(records)
            counts.handed += sum(result.is_success for result in results)
            counts.refused += sum(not result.is_success for result in results)

    async def _positions(self) -> AsyncGenerator[list[int], None]:
        """Where all that the person wrote stands, the oldest first."""
        store = self._node.store
        scan = store.follow(written_by(self._person.key).compiled, 0, before=store.end)
        async for found in Stretches(scan, _AT_ONCE, _SLICE_NS):
            if found:
                yield [position for position, _, _ in found]

    async def _blobs(self) -> list[bytes]:
        """The blobs that the person brought here or that his records name."""
        node = self._node
        found = dict.fromkeys(await asyncio.to_thread(node.ledger.brought_by, self._person.key.bytes))
        async for positions in self._positions():
            for record in node.store.read(positions):
                if record is not None:
                    found.update(dict.fromkeys(blobs_named(record)))
        return list(found)

    # --- without changing anything ---------------------------------------------------------------------

    async def lacking(self, direction: Direction) -> int:
        """How many records of the person's this home lacks of the server's (down), or the server (up).

        Raises:
            PeerError: the server would not tell, or can't be reached.
        """
        async with self._connected() as connection:
            plan = self._plan(written_by(self._person.key), direction)
            own = HomeRecords(self._node, plan, trusted=direction is Direction.UP)
            most = self._node.settings.server.sync_items
            syncing = Syncing(connection, own, plan.wanted, direction, most_needed=most)
            async with contextlib.aclosing(syncing.run()) as steps:
                async for progress in steps:
                    return progress.left
        return 0

    async def _hand_in_blobs(self, connection: Connection) -> None:
        blobs, counts = self._node.blobs, self.counts
        counts.blobs = counts.blobs_refused = 0
        for blob in await self._blobs():
            length = blobs.size(blob)
            taken = False
            if length is not None:
                try:
                    result = await connection.blobs.put(blobs.path(blob), blob, length)
                    taken = result.is_success
                except PeerError:
                    if not connection.is_open:
                        raise
                except MosaicError as error:
                    log.info("the blob %s can't be handed in: %s", blob.hex(), error)
            counts.blobs += taken
            counts.blobs_refused += not taken
