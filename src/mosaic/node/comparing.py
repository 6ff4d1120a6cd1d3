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
from typing import TYPE_CHECKING, Final

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
from mosaic.node.synced import HomeRecords, SyncPlan
from mosaic.wire.result_code import ResultCode

if TYPE_CHECKING:
    from mosaic.node.node import Node

log = logging.getLogger(__name__)

_SECOND: Final = 1_000_000_000
_BACK_NS: Final = 3 * 86_400 * _SECOND
"""How far before the last comparison the next one begins: what somebody wrote offline comes later."""

_OVERLAP_NS: Final = 3_600 * _SECOND
_EXCLUDED: Final = 63
_LATELY_NS: Final = 60 * _SECOND
"""What is so new may be on its way."""

_PEOPLE: Final = 60
_RUN: Final = 256
_AT_ONCE: Final = 4
_USELESS: Final = 65_536
_LOOK_S: Final = 30.0
_NOTHING: Final = Difference((), (), 0)
_CROWDED: Final = frozenset({ResultCode.TOO_OPEN})


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
        self._soon: dict[PublicKey, set[PublicKey]] = {}
        self._not_before_ns: dict[PublicKey, int] = {}
        self._woken = asyncio.Event()
        self._room = asyncio.Semaphore(_AT_ONCE)
        self.told: Callable[[PublicKey, Sequence[PublicKey], Difference], None] = lambda *_: None
        """Told in what a server, as far as some people go, differs from what was here."""

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

    def wake(self) -> None:
        """Looks whether there is something to compare by now."""
        self._woken.set()

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
        for person, servers in self._node.follower.outboxes().items():
            # What lacks before old posts are here is nobody's fault, and is fetched anyway.
            if not self._node.history.progress(person).done:
                continue
            for server in servers:
                if now_ns < self._not_before_ns.get(server, 0):
                    continue
                soon = person in self._soon.get(server, ())
                if soon or abs(now_ns - self._compared.at_ns(server, person)) >= again_ns:
                    due.setdefault(server, []).append(person)
        return due

    async def compare_with(self, server: PublicKey, people: Sequence[PublicKey]) -> None:
        """Compares with one server; one that can't be reached, or would not, is left alone for a while."""
        soon = self._soon.pop(server, set())
        async with self._room:
            await self._compare_parts(server, people, soon)

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
                    pause_s = max(60.0, self._node.settings.client.compare_s / 8)
                    self._not_before_ns[server] = self._node.clock.now_ns() + int(pause_s * _SECOND)
                    if soon:
                        self._soon.setdefault(server, set()).update(soon)
                    return
                self._compared.note(server, some, begun_ns)
        self._node.seeker.reached(server)

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
        until = Timestamp(self._node.clock.now_ns() - _LATELY_NS)
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
                self.told(server, people, difference)
                await self._fetch(server, connection, difference.theirs)
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

    async def _fetch(self, server: PublicKey, connection: Connection, prefixes: Iterable[bytes]) -> None:
        """Fetches what is lacking, the newest first; what is not taken is not asked for there again.

        What one server gives in the place of a record says nothing about that of another.
        """
        lacking = sorted((one for one in prefixes if (server, one) not in self._useless), reverse=True)
        for start in range(0, len(lacking), _RUN):
            run = lacking[start : start + _RUN]
            async with contextlib.aclosing(connection.sync_get(run)) as found:
                records = [record async for record in found]
            await self._store(server, records)
            for prefix, position in zip(run, self._node.store.contains(run), strict=True):
                if position is None:
                    self._useless[server, prefix] = None
            while len(self._useless) > _USELESS:
                self._useless.popitem(last=False)

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


async def _alive(connection: Connection, silence_s: float) -> None:
    """Sees that a server is there; whoever reads from it hears it too if not. Raises PeerError."""
    try:
        await connection.ping(silence_s)
    except TimeoutError:
        gone = Disconnected("the server is no longer there")
        connection.fail(gone)
        raise gone from None
