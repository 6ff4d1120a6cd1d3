"""Old posts of people who are followed newly: profile and the newest first, the rest in slices.

What is new comes by subscription from the first moment on; this is what was
before. It is asked for where the person is read. After a break or a restart it
goes on where it stopped, also at another server: what that one has beyond is
found by comparing.

Source: messages.md (QUERY, limits); this project's own design, docs/architecture.md
"Whom one follows is read".
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from mosaic.client.connection import Connection
from mosaic.core.filter import Filter
from mosaic.core.filter_element import Exclude
from mosaic.core.keys import PublicKey
from mosaic.core.kinds import KEY_SCHEDULE, PROFILE
from mosaic.core.record import Record
from mosaic.core.timestamp import Timestamp
from mosaic.errors import MosaicError
from mosaic.node.private_db import PrivateDb
from mosaic.node.read_records import ReadRecords

log = logging.getLogger(__name__)

FIRST: Final = 50
"""How many posts come first of everybody."""

_SLICE: Final = 200
_AT_ONCE: Final = 4
_EXCLUDED: Final = 63
_MOST_RECORDS: Final = 1_000_000
_BASICS: Final = (KEY_SCHEDULE, PROFILE)

Connect = Callable[[PublicKey], contextlib.AbstractAsyncContextManager[Connection]]
"""Connects to a server by its key."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the old posts of somebody are here.

    Attributes:
        before_ns: Everything newer is here, or comes by subscription (a Mosaic timestamp); 0 = nothing is
            known yet.
        records: How many came.
        done: Whether all are here that the server has.
    """

    before_ns: int = 0
    records: int = 0
    done: bool = False


class HistoryProgress:
    """How far the old posts of each person are here, in the table `history`.

    Args:
        db: The private database.
    """

    def __init__(self, db: PrivateDb) -> None:
        self._db = db

    def of(self, person: PublicKey) -> Progress:
        """How far those of one person are."""
        row = self._db.connection.execute(
            "SELECT before_ns, records, done FROM history WHERE author = ?", (person.bytes,)
        ).fetchone()
        return Progress() if row is None else Progress(int(row[0]), int(row[1]), bool(row[2]))

    def set(self, person: PublicKey, progress: Progress) -> None:
        """Remembers it."""
        self._db.connection.execute(
            "INSERT OR REPLACE INTO history VALUES (?, ?, ?, ?)",
            (person.bytes, progress.before_ns, progress.records, progress.done),
        )


class History:
    """Fetches old posts, some people at a time: of everybody the newest, then of everybody the next.

    Args:
        kept: How far that is.
        connect: Connects to where somebody is read.
        storing: Takes what came.
        at_hand: The records (32 bytes of each id) at hand that a filter matches, the newest, at most so many.
        changed: Told whenever something has come.
        since_ns: From which timestamp (ns) on somebody's old posts are wanted; the first ones are always.
        is_wanted: Whether somebody is followed still.
    """

    def __init__(
        self,
        kept: HistoryProgress,
        connect: Connect,
        storing: ReadRecords,
        at_hand: Callable[[Filter, int], Sequence[bytes]],
        changed: Callable[[], None],
        since_ns: Callable[[PublicKey], int] = lambda _person: 0,
        is_wanted: Callable[[PublicKey], bool] = lambda _person: True,
    ) -> None:
        self._kept = kept
        self._connect = connect
        self._storing = storing
        self._at_hand = at_hand
        self._changed = changed
        self._since_ns = since_ns
        self._is_wanted = is_wanted
        self._servers: dict[PublicKey, PublicKey] = {}
        self._done: set[PublicKey] = set()
        self._waiting: list[tuple[int, bytes]] = []
        self._woken = asyncio.Event()

    def progress(self, person: PublicKey) -> Progress:
        """How far the old posts of somebody are here."""
        return self._kept.of(person)

    def begun(self, person: PublicKey, before_ns: int) -> None:
        """What somebody wrote later than a time (ns) comes by subscription from now on."""
        if not self._kept.of(person).records:
            self._kept.set(person, Progress(before_ns))

    def heard(self, server: PublicKey, people: Sequence[PublicKey]) -> None:
        """Some people are read at a server up to now: what they wrote before may be asked for there."""
        for person in people:
            if person in self._done:
                continue
            if self._kept.of(person).done:
                self._done.add(person)
                continue
            if person not in self._servers:
                heapq.heappush(self._waiting, (0, person.bytes))
                self._woken.set()
            self._servers[person] = server

    async def run(self) -> None:
        """Fetches until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for _ in range(_AT_ONCE):
                tasks.create_task(self._work())

    async def _work(self) -> None:
        while True:
            while not self._waiting:
                self._woken.clear()
                await self._woken.wait()
            slices, key = heapq.heappop(self._waiting)
            person = PublicKey(key)
            if not self._is_wanted(person):
                # Whoever is followed again is heard again, and goes on from here.
                self._servers.pop(person, None)
                continue
            try:
                progress = await self._slice(person, self._servers[person])
            except MosaicError as error:
                # Whoever is heard again, at this server or at another, is asked for again.
                log.info("old posts of %s can't be fetched now: %s", person.user_text, error)
                self._servers.pop(person, None)
                continue
            if progress.done:
                self._servers.pop(person, None)
                self._done.add(person)
            else:
                heapq.heappush(self._waiting, (slices + 1, key))
            self._changed()

    async def _slice(self, person: PublicKey, server: PublicKey) -> Progress:
        """Fetches the next posts of somebody; how far they are then."""
        before = self._kept.of(person)
        limit = _SLICE if before.records else FIRST
        until = Timestamp(before.before_ns) if before.before_ns else None
        wanted = Filter.of(authors=[person], until=until)
        basics: list[Record] = []
        async with self._connect(server) as connection:
            if not before.records:
                kinds = Filter.of(authors=[person], kinds=_BASICS)
                basics = await self._fetched(server, connection, kinds, 0)
            records = await self._fetched(server, connection, wanted, limit)
        after = _after(before, records, limit, self._since_ns(person))
        self._kept.set(person, replace(after, records=after.records + len(basics)))
        return after

    async def _fetched(
        self, server: PublicKey, connection: Connection, wanted: Filter, limit: int
    ) -> list[Record]:
        """What the server has of it and is not here; it is stored, also where the connection breaks."""
        known = tuple(self._at_hand(wanted, _EXCLUDED))
        asked = Filter((*wanted.elements, Exclude(known))) if known else wanted
        records: list[Record] = []
        try:
            async with contextlib.aclosing(connection.query(asked, limit=limit)) as found:
                async for record in found:
                    records.append(record)  # noqa: PERF401 - what came stays when the connection breaks
        finally:
            await self._storing.store(server, records, lambda: self._connect(server))
        return records


def _after(before: Progress, records: Sequence[Record], limit: int, since_ns: int) -> Progress:
    """How far old posts are when these have come of those that were asked for."""
    count = before.records + len(records)
    if len(records) < limit or count >= _MOST_RECORDS:
        return Progress(1, count, done=True)
    oldest_ns = min(record.timestamp.ns for record in records)
    # A slice that is one moment, and of which nothing was taken, would come again and again.
    if oldest_ns == before.before_ns:
        oldest_ns -= 1
    return Progress(oldest_ns, count, done=oldest_ns <= max(1, since_ns))
