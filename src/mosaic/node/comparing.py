"""Comparing the outboxes of followed people: what one lacks, others have.

Each person is read at one outbox. Whether that one gives everything shows a
comparison by Negentropy, now and then, with each outbox: a few hundred bytes
for sixty people where nothing differs. What is lacking here is fetched, by
name, and nothing twice. The first comparison with a server goes back to the
beginning: so the old posts of an outbox that somebody begins to use come, too.

Source: edition §4 (sync); this project's own design, docs/architecture.md "Whom one follows is read".
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from mosaic.client.comparing import Difference, compare
from mosaic.client.connection import Connection
from mosaic.client.syncing import Direction
from mosaic.core.filter import Filter
from mosaic.core.filter_element import Exclude, ReceivedSince, Since
from mosaic.core.keys import PublicKey
from mosaic.core.record import Record
from mosaic.core.timestamp import Timestamp
from mosaic.errors import Disconnected, MosaicError, Refused, StoreCrowded, Unreachable
from mosaic.node.private_db import PrivateDb
from mosaic.node.reading_group import CONNECTED
from mosaic.node.synced import HomeRecords, SyncPlan
from mosaic.sync.reconciling import ITEM_BYTES
from mosaic.wire.result_code import ResultCode

if TYPE_CHECKING:
    from mosaic.node.node import Node

log = logging.getLogger(__name__)

_T = TypeVar("_T")

_SECOND: Final = 1_000_000_000
_BACK_NS: Final = 3 * 86_400 * _SECOND
"""How far before the last comparison the next one begins: what somebody wrote offline comes later."""

_OVERLAP_NS: Final = 3_600 * _SECOND
_EXCLUDED: Final = 63
_LATELY_NS: Final = 60 * _SECOND
"""What is so new may be on its way."""

_SELDOM: Final = 12
"""How much more rarely people are compared where they are read."""

_PEOPLE: Final = 60
_RUN: Final = 256
_AT_ONCE: Final = 4
_REMEMBERED: Final = 65_536
_ASKED_AGAIN: Final = 64
_LOOK_S: Final = 30.0
_PATIENCE_S: Final = 600.0
"""How long one server may hold up the others' next turn."""

_NOTHING: Final = Difference((), (), 0)
_CROWDED: Final = frozenset({ResultCode.TOO_OPEN})


class Found(NamedTuple):
    """What came of comparing with a server.

    Attributes:
        lacked: The records (32 bytes of each id) that are here and that the server lacked.
        given: What was lacking here and it gave.
        not_given: What it said that it has, and did not give.
    """

    lacked: Sequence[bytes]
    given: frozenset[bytes]
    not_given: frozenset[bytes]


class Compared:
    """When outboxes were compared last, in the table `compared`.

    Args:
        db: The private database.
    """

    def __init__(self, db: PrivateDb) -> None:
        self._db = db
        self._known: dict[tuple[PublicKey, PublicKey], int] = {}

    def at_ns(self, server: PublicKey, person: PublicKey) -> int:
        """When it was compared what a server has of a person (a Mosaic timestamp); 0 = never."""
        place = (server, person)
        if place not in self._known:
            row = self._db.connection.execute(
                "SELECT at_ns FROM compared WHERE server_key = ? AND author = ?", (server.bytes, person.bytes)
            ).fetchone()
            self._known[place] = 0 if row is None else int(row[0])
        return self._known[place]

    def forget(self, person: PublicKey) -> None:
        """Forgets that anything of a person was ever compared."""
        for place in [place for place in self._known if place[1] == person]:
            del self._known[place]
        self._db.connection.execute("DELETE FROM compared WHERE author = ?", (person.bytes,))

    def note(self, server: PublicKey, people: Iterable[PublicKey], at_ns: int) -> None:
        """It was compared at a time (ns) what a server has of some people."""
        with self._db.transaction():
            for person in people:
                self._known[server, person] = at_ns
                self._db.connection.execute(
                    "INSERT OR REPLACE INTO compared VALUES (?, ?, ?)", (server.bytes, person.bytes, at_ns)
                )


class Comparing:
    """Compares, again and again, what outboxes have of those who are followed.

    Args:
        node: The open home.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._compared = Compared(node.db)
        self._useless: OrderedDict[tuple[PublicKey, bytes], None] = OrderedDict()
        """What was given, and not taken by the own server."""
        self._not_given: OrderedDict[tuple[PublicKey, bytes], None] = OrderedDict()
        """What servers said that they have, and did not give."""
        self._soon: dict[PublicKey, set[PublicKey]] = {}
        self._not_before_ns: dict[PublicKey, int] = {}
        self._woken = asyncio.Event()
        self._room = asyncio.Semaphore(_AT_ONCE)
        self._fetching: set[bytes] = set()
        self.told: Callable[[PublicKey, Found], None] = lambda *_: None
        """Told in what a server differed from what was here, and what it then gave."""

    def soon(self, server: PublicKey, people: Iterable[PublicKey]) -> None:
        """Compares what a server has of some people as soon as may be."""
        self._soon.setdefault(server, set()).update(people)
        self._not_before_ns.pop(server, None)
        self._woken.set()

    def from_the_beginning(self, person: PublicKey) -> None:
        """Compares all of somebody anew, at each of his outboxes: what went from here comes again."""
        self._compared.forget(person)
        for server in self._node.follower.outboxes().get(person, ()):
            self.soon(server, [person])

    async def run(self) -> None:
        """Compares until cancelled."""
        while True:
            self._woken.clear()
            await asyncio.gather(*(self.compare_with(*each) for each in self._due().items()))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(_LOOK_S, self._node.settings.client.compare_s)):
                    await self._woken.wait()

    def _due(self) -> dict[PublicKey, list[PublicKey]]:
        """Whose records are to be compared by now, and with which servers."""
        now_ns, again_ns = self._node.clock.now_ns(), int(self._node.settings.client.compare_s * _SECOND)
        due: dict[PublicKey, list[PublicKey]] = {}
        read_at = {
            person: group.server
            for group in self._node.follower.groups()
            if group.state == CONNECTED
            for person in group.people
        }
        for person, servers in self._node.follower.outboxes().items():
            # What lacks before old posts are here is nobody's fault, and is fetched anyway. Whose are here by
            # now is compared with the next look, many at once.
            if not self._node.history.progress(person).done:
                continue
            for server in servers:
                if now_ns < self._not_before_ns.get(server, 0):
                    continue
                soon = person in self._soon.get(server, ())
                # What the server lacks where he is read shows when another one has it.
                is_told = len(servers) > 1 and read_at.get(person) == server
                since_ns = abs(now_ns - self._compared.at_ns(server, person))
                if soon or since_ns >= again_ns * (_SELDOM if is_told else 1):
                    due.setdefault(server, []).append(person)
        return due

    async def compare_with(self, server: PublicKey, people: Sequence[PublicKey]) -> None:
        """Compares with one server; one that can't be reached, or would not, is left alone for a while."""
        soon = self._soon.pop(server, set())
        async with self._room:
            try:
                async with asyncio.timeout(_PATIENCE_S):
                    await self._compare_parts(server, people, soon)
            except TimeoutError:
                log.info("what %s has takes too long to compare", server.server_text)
                self._put_off(server, soon)

    async def _compare_parts(
        self, server: PublicKey, people: Sequence[PublicKey], soon: set[PublicKey]
    ) -> None:
        # Those who were compared at the same time go together, and those who never were.
        parts: dict[tuple[int, int], list[PublicKey]] = {}
        for person in people:
            at_ns = self._compared.at_ns(server, person)
            wanted_ns = self._node.cache.wanted_since_ns(person)
            parts.setdefault((at_ns // _BACK_NS, wanted_ns), []).append(person)
        for (_, wanted_ns), part in parts.items():
            for start in range(0, len(part), _PEOPLE):
                some = part[start : start + _PEOPLE]
                last_ns = min(self._compared.at_ns(server, person) for person in some)
                begun_ns = self._node.clock.now_ns()
                try:
                    await self.missing_from(server, some, Timestamp(max(0, wanted_ns, last_ns - _BACK_NS)))
                except MosaicError as error:
                    log.info("what %s has can't be compared now: %s", server.server_text, error)
                    if isinstance(error, Unreachable | Disconnected):
                        # Whoever uses it may have left it.
                        self._node.seeker.lost(server)
                    self._put_off(server, soon)
                    return
                self._compared.note(server, some, begun_ns)
        self._node.seeker.reached(server)

    def _put_off(self, server: PublicKey, soon: set[PublicKey]) -> None:
        """Leaves a server alone for a while; whose records were to be compared soon still are."""
        pause_s = max(60.0, self._node.settings.client.compare_s / 8)
        self._not_before_ns[server] = self._node.clock.now_ns() + int(pause_s * _SECOND)
        if soon:
            self._soon.setdefault(server, set()).update(soon)

    async def missing_from(
        self, server: PublicKey, people: Sequence[PublicKey], since: Timestamp
    ) -> Difference:
        """Compares what a server has of some people, and fetches what is lacking here.

        Args:
            server: The server.
            people: Whose records; 63 at most.
            since: Records with this timestamp and later.

        Returns:
            In what the server and this home differed: `ours` is what it lacks.

        Raises:
            PeerError: the server can't be reached, or would not.
            StoreError: the own store failed.
        """
        lately_ns = min(_LATELY_NS, int(self._node.settings.client.compare_s * _SECOND))
        until = Timestamp(self._node.clock.now_ns() - lately_ns)
        wanted = Filter.of(authors=people, since=since, until=until)
        async with self._node.connect_to(server) as connection:
            await _alive(connection, self._node.settings.client.silence_s)
            try:
                difference = await self._difference(server, connection, wanted)
            except (StoreCrowded, Refused) as error:
                if isinstance(error, Refused) and error.result == ResultCode.NOT_FOUND:
                    return await self._by_query(server, connection, wanted)
                crowded = isinstance(error, StoreCrowded) or error.result in _CROWDED
                if not crowded or len(people) == 1:
                    raise
                difference = None
            if difference is not None:
                wanted_here = [one for one in difference.theirs if one not in self._fetching]
                if len(wanted_here) < len(difference.theirs):
                    # Another server is giving them just now. Whether it does shows the next comparison.
                    self._soon.setdefault(server, set()).update(people)
                given, not_given = await self._fetch(server, connection, wanted_here)
                self.told(server, Found(difference.ours, given, not_given))
                return difference
        halves = (people[: len(people) // 2], people[len(people) // 2 :])
        first, second = [await self.missing_from(server, half, since) for half in halves]
        return Difference(
            first.ours + second.ours, first.theirs + second.theirs, first.messages + second.messages
        )

    async def _difference(self, server: PublicKey, connection: Connection, wanted: Filter) -> Difference:
        node = self._node
        plan = SyncPlan(node.directory.address(server), None, wanted, Direction.DOWN)
        items = await HomeRecords(node, plan).gather(wanted)
        return await compare(connection.syncs, items, wanted, node.settings.server.sync_items)

    async def _fetch(
        self, server: PublicKey, connection: Connection, prefixes: Iterable[bytes]
    ) -> tuple[frozenset[bytes], frozenset[bytes]]:
        """Fetches what is lacking, the newest first; what is not taken is not asked for there again.

        What one server gives in the place of a record says nothing about that of another.

        Returns:
            Of what was asked for: what the server gave, and what it did not give though it said that it
            has it.
        """
        wanted = sorted((one for one in prefixes if (server, one) not in self._useless), reverse=True)
        # Whoever said so before and did not give it is asked for some of it once more, not for ever for all.
        doubted = [one for one in wanted if (server, one) in self._not_given]
        lacking = [one for one in wanted if (server, one) not in self._not_given] + doubted[:_ASKED_AGAIN]
        asked, given = set[bytes](), set[bytes]()
        self._fetching.update(lacking)
        try:
            for start in range(0, len(lacking), _RUN):
                run = self._not_here(lacking[start : start + _RUN])
                if not run:
                    continue
                async with contextlib.aclosing(connection.sync_get(run)) as found:
                    records = [record async for record in found]
                await self._store(server, records)
                asked.update(run)
                given.update(record.id.bytes[:ITEM_BYTES] for record in records)
                useless = self._not_here([one for one in run if one in given])
                _remember(self._useless, ((server, one) for one in useless))
        finally:
            self._fetching.difference_update(lacking)
        not_given = asked - given
        _remember(self._not_given, ((server, one) for one in sorted(not_given)))
        return frozenset(given), frozenset(not_given)

    def _not_here(self, prefixes: Sequence[bytes]) -> list[bytes]:
        positions = self._node.store.contains(prefixes)
        return [one for one, position in zip(prefixes, positions, strict=True) if position is None]

    async def _by_query(self, server: PublicKey, connection: Connection, wanted: Filter) -> Difference:
        """A server that knows no sync is asked for what it received since; nothing shows what it lacks."""
        (since,) = (element.timestamp.ns for element in wanted.elements if isinstance(element, Since))
        known = self._node.everything.prefixes(wanted, _EXCLUDED)
        asked = Filter(
            (
                *wanted.elements,
                *([ReceivedSince(Timestamp(since + _BACK_NS - _OVERLAP_NS))] if since else []),
                *([Exclude(tuple(known))] if known else []),
            )
        )
        async with contextlib.aclosing(connection.query(asked)) as found:
            batch: list[Record] = []
            async for record in found:
                batch.append(record)
                if len(batch) == _RUN:
                    await self._store(server, batch)
                    batch = []
            await self._store(server, batch)
        return _NOTHING

    async def _store(self, server: PublicKey, records: Sequence[Record]) -> None:
        await self._node.storing.store(server, records, lambda: self._node.connect_to(server))
        for record in records:
            if self._node.follower.lacked(record.author, record.timestamp.ns, server):
                self._node.seeker.doubt(record.author)


def _remember(where: OrderedDict[_T, None], ones: Iterable[_T]) -> None:
    """Remembers these; the oldest give way when there are too many."""
    for one in ones:
        where[one] = None
    while len(where) > _REMEMBERED:
        where.popitem(last=False)


async def _alive(connection: Connection, silence_s: float) -> None:
    """Sees that a server is there; whoever reads from it hears it too if not. Raises PeerError."""
    try:
        await connection.ping(silence_s)
    except TimeoutError:
        gone = Disconnected("the server is no longer there")
        connection.fail(gone)
        raise gone from None
