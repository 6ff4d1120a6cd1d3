"""Looks whether outboxes still have what they should: one's own, and those of people who are followed.

    own outboxes       asked for what they took, some minutes later; twice a day compared with what is here:
                       what is lacking is handed in again, and told
    others' outboxes   are compared where they are read (`comparing`); some minutes later it is looked, by
                       comparing no more than that, who has what differed, and asked for by name is only who
                       is in doubt

Source: network.md (outboxes); edition §4 (sync); this project's own design, docs/architecture.md
"A server is judged".
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Iterable, Sequence
from enum import Enum, auto
from typing import TYPE_CHECKING, Final, NamedTuple

from mosaic.client.comparing import Difference, compare
from mosaic.client.outbox import SERVERS_OF_A_ROLE, is_for_outboxes
from mosaic.client.queue import State
from mosaic.client.reach import Manner
from mosaic.client.reputation import Observation, What
from mosaic.client.syncing import Direction
from mosaic.client.withheld import Later, kept_back
from mosaic.core.bootstrap import Usage
from mosaic.core.filter import Filter
from mosaic.core.keys import PublicKey
from mosaic.core.kind import Duplicates
from mosaic.core.record import Record
from mosaic.core.reference import Id
from mosaic.core.timestamp import Timestamp
from mosaic.errors import MosaicError, PeerError, Refused, StoreCrowded
from mosaic.node.alarms import Failing
from mosaic.node.comparing import Found
from mosaic.node.people import Person
from mosaic.node.synced import HomeRecords, SyncPlan
from mosaic.sync.reconciling import ITEM_BYTES
from mosaic.wire.result_code import ResultCode

if TYPE_CHECKING:
    from mosaic.client.connection import Connection
    from mosaic.node.node import Node

log = logging.getLogger(__name__)

_SECOND: Final = 1_000_000_000
_OWN_NS: Final = 30 * 86_400 * _SECOND
_OTHERS_NS: Final = 3 * 86_400 * _SECOND
_MOST: Final = 2_000
_JUDGED: Final = 256
_ASKED: Final = 64
_AUTHORS: Final = 60
_SAMPLE: Final = 8
_FIRST_S: Final = 300.0
_LOOK_S: Final = 60.0
_AGAIN_NS: Final = 43_200 * _SECOND
_HANDED_IN_MOST: Final = 5


class Taken(NamedTuple):
    """A record that a server has taken.

    Attributes:
        server: The server.
        person: Whose record it is.
        id: The record.
    """

    server: PublicKey
    person: PublicKey
    id: Id


class _How(Enum):
    """What a server did with a record of which two stores knew different things."""

    LACKED = auto()
    GAVE = auto()
    GAVE_NOT = auto()


class _Differed(NamedTuple):
    """A record in which a server differed from what was here.

    Attributes:
        record: 32 bytes of its id.
        server: The server.
        how: What the server did.
    """

    record: bytes
    server: PublicKey
    how: _How


class OutboxChecks:
    """Looks now and then.

    Args:
        node: The open home.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._grace_ns = int(node.settings.client.withheld_s * _SECOND)
        self._taken: Later[Taken] = Later(self._grace_ns)
        self._differed: Later[_Differed] = Later(self._grace_ns)
        self._compares_soon = False
        self._lost: dict[tuple[PublicKey, PublicKey], set[Id]] = {}

    async def run(self) -> None:
        """Looks until cancelled; compares when the node has been running for a while, then twice a day."""
        grace_s = self._node.settings.client.withheld_s
        await asyncio.sleep(min(_FIRST_S, 5 * grace_s))
        compared_ns = 0
        while True:
            now_ns = self._node.clock.now_ns()
            if self._compares_soon or abs(now_ns - compared_ns) >= _AGAIN_NS:
                self._compares_soon, compared_ns = False, now_ns
                await self.compare()
            await self.ask()
            await asyncio.sleep(min(_LOOK_S, grace_s))

    def soon(self) -> None:
        """Compares one's own outboxes at the next look: others are used from now on."""
        self._compares_soon = True

    async def compare(self) -> None:
        """Compares one's own outboxes once. What was handed in over a month ago is forgotten first."""
        now_ns = self._node.clock.now_ns()
        self._node.deliveries.forget_old(now_ns)
        self._node.unaddressed.forget_old(now_ns)
        for person in list(self._node.people):
            for server in self._own_outboxes(person.key):
                await self._own(person, server)

    async def ask(self) -> None:
        """Asks servers by name for what they took a while ago, and for what differed."""
        await self._ask_for_taken()
        await self._judge_others()

    # --- own outboxes ----------------------------------------------------------------------------------

    def took(self, server: PublicKey, record: Record) -> None:
        """A server says that it has taken a record of somebody of this home."""
        if server in self._own_outboxes(record.author):
            self._taken.note([Taken(server, record.author, record.id)], self._node.clock.now_ns())

    def _own_outboxes(self, person: PublicKey) -> list[PublicKey]:
        servers = self._node.directory.servers(person, Usage.OUTBOX)[:SERVERS_OF_A_ROLE]
        return [server.key for server in servers]

    async def _ask_for_taken(self) -> None:
        places: dict[tuple[PublicKey, PublicKey], list[Id]] = {}
        for taken in self._taken.due(self._node.clock.now_ns()):
            places.setdefault((taken.server, taken.person), []).append(taken.id)
        for (server, key), ids in places.items():
            person = next((one for one in self._node.people if one.key == key), None)
            # What was deleted or replaced meanwhile need not be there.
            records = [record for one in ids for record in self._node.everything.at(one)]
            if person is None or not records:
                continue
            try:
                async with self._node.reach.server(server, Manner(person.device)) as connection:
                    gone = await _still_lacking(connection, records)
            except PeerError as error:
                log.info("%s can't be asked for what it took: %s", server.server_text, error)
                self._taken.note((Taken(server, key, one) for one in ids), self._node.clock.now_ns())
                continue
            self._tell(person, server, gone, [record.id for record in records])

    async def _own(self, person: Person, server: PublicKey) -> None:
        """One own outbox: what it had taken and lacks now is told, and handed in again."""
        node = self._node
        now_ns = node.clock.now_ns()
        wanted = _window([person.key], now_ns - _OWN_NS, now_ns - self._grace_ns)
        address = node.directory.address(server)
        own = HomeRecords(node, SyncPlan(address, person, wanted, Direction.BOTH))
        try:
            async with node.reach.server(address, Manner(person.device)) as connection:
                found = await self._compared(connection, own, wanted)
                records = [Record(data) for data in await own.read(found.ours[:_MOST])]
                gone, never = self._sorted(records, server)
                newest = {one.id: one for one in (*gone, *self._newest(wanted, server))}
                gone = await _still_lacking(connection, list(newest.values()))
                asked = list(self._lost.get((person.key, server), ()))
                still = {one.id for one in gone}
                given = {record.id for record in await connection.get(asked[:_ASKED])} if asked else set()
        except (PeerError, StoreCrowded) as error:
            log.info("own records can't be compared with %s: %s", server.server_text, error)
            return
        for record in never:
            node.queue.add(record.data, person.key.bytes, [address])
        self._tell(person, server, gone, [one for one in asked if one in given and one not in still])

    def _tell(self, person: Person, server: PublicKey, gone: Sequence[Record], looked: Iterable[Id]) -> None:
        """Says what of a person's records a server has lost, hands it in again, and forgets what is back.

        Args:
            person: Whose records.
            server: Which server.
            gone: What it does not give.
            looked: What it was asked for.
        """
        node = self._node
        lost = self._lost.setdefault((person.key, server), set())
        lost.difference_update(looked)
        lost.update(record.id for record in gone)
        # What was deleted or replaced meanwhile need not be there.
        lost.intersection_update([one for one in lost if node.everything.at(one)])
        for record in gone:
            if self._may_go_again(record, server):
                node.deliveries.again(record.id.bytes, server.bytes, node.clock.now_ns())
            else:
                self._taken.note([Taken(server, person.key, record.id)], node.clock.now_ns())
        if gone:
            node.queue.wake()
            words = _gone_words(len(gone))
            node.reputations.noted(server, Observation(What.WITHHELD, len(gone), words))
        node.alarms.tell(person.key, server, Failing.WITHHOLDS, _gone_words(len(lost)) if lost else None)

    def _sorted(self, records: Iterable[Record], server: PublicKey) -> tuple[list[Record], list[Record]]:
        """Of what a server lacks: what it once took, and what was never handed in to it."""
        gone, never = [], []
        for record in records:
            if not is_for_outboxes(record, self._node.directory):
                continue
            of_it = self._node.deliveries.of_record(record.id.bytes)
            state = next((each.state for each in of_it if each.server.key == server), None)
            if state is None:
                never.append(record)
            elif state is State.DELIVERED:
                gone.append(record)
        return gone, never

    def _newest(self, wanted: Filter, server: PublicKey) -> list[Record]:
        """Some of the newest records that a server has taken: it may say that it has them, not give them."""
        newest = self._node.everything.newest_first(wanted, _SAMPLE)
        return self._sorted(newest, server)[0]

    def _may_go_again(self, record: Record, server: PublicKey) -> bool:
        """Whether it is worth while: a server that drops it each time need not get it for ever."""
        of_it = self._node.deliveries.of_record(record.id.bytes)
        return any(each.server.key == server and each.attempts < _HANDED_IN_MOST for each in of_it)

    # --- others' outboxes ------------------------------------------------------------------------------

    def differed(self, server: PublicKey, found: Found) -> None:
        """Takes in what differs of people who are followed: the newest of it is looked after later.

        Args:
            server: The server that was compared.
            found: In what it differed from what was here.
        """
        told = ((found.lacked, _How.LACKED), (found.given, _How.GAVE), (found.not_given, _How.GAVE_NOT))
        each = [_Differed(one, server, how) for ones, how in told for one in ones]
        newest = sorted(each, key=lambda one: one.record, reverse=True)
        self._differed.note(newest[:_JUDGED], self._node.clock.now_ns())

    async def _judge_others(self) -> None:
        """Looks which outboxes of their authors have what differed somewhere a while ago."""
        node = self._node
        due: dict[bytes, list[_Differed]] = {}
        for one in self._differed.due(node.clock.now_ns()):
            due.setdefault(one.record, []).append(one)
        wanted: dict[PublicKey, list[Record]] = {}
        for record in await self._read(list(due)):
            # What is older may have been let go of by one server sooner than by another.
            if node.clock.now_ns() - record.timestamp.ns < _OTHERS_NS:
                for server in self._own_outboxes(record.author):
                    wanted.setdefault(server, []).append(record)
        asked: dict[PublicKey, frozenset[Id]] = {}
        given: dict[PublicKey, frozenset[Id]] = {}
        for server, records in wanted.items():
            doubted = {one.id for one in records if self._is_doubted(server, one, due[_prefix(one)])}
            try:
                async with node.reach.server(server) as connection:
                    lacking = await self._lacking(connection, server, records, doubted)
            except MosaicError as error:
                log.info("%s can't be asked for what differed: %s", server.server_text, error)
                continue
            asked[server] = frozenset(record.id for record in records)
            given[server] = asked[server] - lacking
        for server, ids_kept in kept_back(asked, given).items():
            words = f"it does not give {len(ids_kept)} records that another outbox of their author gives"
            node.reputations.noted(server, Observation(What.WITHHELD, len(ids_kept), words))

    def _is_doubted(self, server: PublicKey, record: Record, known: Sequence[_Differed]) -> bool:
        """Whether a server may say that it has a record and not give it: as it did, or somebody else gave it.

        All others are believed what they say: to ask for the record would be to fetch it twice.
        """
        gave = {one.server for one in known if one.how is _How.GAVE}
        if any(one.server == server and one.how is _How.GAVE_NOT for one in known):
            return True
        should = self._node.follower.should_have_given(record.author, record.timestamp.ns, server)
        return should and bool(gave) and server not in gave

    async def _lacking(
        self, connection: Connection, server: PublicKey, records: Sequence[Record], doubted: Collection[Id]
    ) -> set[Id]:
        """Those of some records that a server lacks, or does not give when it is asked. Raises PeerError."""
        times = [record.timestamp.ns for record in records]
        authors = list(dict.fromkeys(record.author for record in records))
        lacking: set[Id] = set()
        asked = [record for record in records if record.id in doubted]
        for start in range(0, len(authors), _AUTHORS):
            window = _window(authors[start : start + _AUTHORS], min(times), max(times) + 1)
            plan = SyncPlan(self._node.directory.address(server), None, window, Direction.DOWN)
            try:
                found = await self._compared(connection, HomeRecords(self._node, plan), window)
            except Refused as error:
                if error.result != ResultCode.NOT_FOUND:
                    raise
                # It knows no sync: it shows what it has by giving it.
                asked = list(records)
                break
            ours = frozenset(found.ours)
            lacking.update(record.id for record in records if _prefix(record) in ours)
        still = [record for record in asked if record.id not in lacking]
        return lacking | {record.id for record in await _still_lacking(connection, still)}

    async def _read(self, prefixes: Sequence[bytes]) -> list[Record]:
        """Those of some records that everybody may read and that were neither deleted nor replaced."""
        if not prefixes:
            return []
        own = self._node.directory.address(self._node.server_secret.public)
        records = HomeRecords(self._node, SyncPlan(own, None, Filter(()), Direction.DOWN))
        return [Record(data) for data in await records.read(prefixes)]

    async def _compared(self, connection: Connection, own: HomeRecords, wanted: Filter) -> Difference:
        items = await own.gather(wanted)
        return await compare(connection.syncs, items, wanted, self._node.settings.server.sync_items)


async def _still_lacking(connection: Connection, records: Sequence[Record]) -> list[Record]:
    """Those of some records that a server does not give when it is asked for them. Raises PeerError."""
    lacking_now = []
    for start in range(0, len(records), _ASKED):
        some = records[start : start + _ASKED]
        given = {record.id for record in await connection.get([record.id for record in some])}
        lacking_now += [record for record in some if record.id not in given]
    return [record for record in lacking_now if not await _is_replaced(connection, record)]


async def _is_replaced(connection: Connection, record: Record) -> bool:
    """Whether a server gives a newer one of the author's instead, which this home has not heard of yet.

    Another device of somebody's may have changed his profile or his keys a moment ago.
    """
    if record.kind.duplicates is not Duplicates.REPLACEABLE:
        return False
    there = await connection.get([record.address])
    return any(one.address == record.address and one.timestamp > record.timestamp for one in there)


def _prefix(record: Record) -> bytes:
    return record.id.bytes[:ITEM_BYTES]


def _window(people: Sequence[PublicKey], since_ns: int, until_ns: int) -> Filter:
    return Filter.of(authors=people, since=Timestamp(max(0, since_ns)), until=Timestamp(until_ns))


def _gone_words(count: int) -> str:
    what = "one of your records" if count == 1 else f"{count} of your records"
    return f"it does not give {what} that it had taken"
