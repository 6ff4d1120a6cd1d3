"""Sync with one server, both ways: what each side lacks is found by comparing, then fetched and handed in.

    gather ──> compare ──> fetch what only they have (SYNC GET) ──> hand in what only we have (SUBMISSION)
       └── more than may be compared at once: two halves of the time, each by itself

It is resumed by doing it again: what was exchanged no longer differs. Sums of
sets can be forged, so what the server received since the last time is asked
for, too. A server without the extension is asked for everything, a page after
the other; nothing is handed in to it, since nobody knows what it lacks.

Source: edition §4 (sync).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, Protocol

from mosaic.client.comparing import compare
from mosaic.client.connection import Connection
from mosaic.core.filter import Filter
from mosaic.core.filter_element import FilterElement, ReceivedSince, Since, Until
from mosaic.core.record import Record
from mosaic.core.timestamp import MAX_NS, Timestamp
from mosaic.errors import Refused, StoreCrowded
from mosaic.sync.reconciling import SyncSet
from mosaic.wire.result_code import ResultCode

_PREFIX: Final = 32
_RUN: Final = 512
_FIRST_RUN: Final = 64
_RUN_BYTES: Final = 8_388_608
_BATCH: Final = 128
_BATCH_BYTES: Final = 1_048_576
_PAGE: Final = 500
_SECOND: Final = 1_000_000_000
_OVERLAP_NS: Final = 600 * _SECOND
_LATER: Final = frozenset({ResultCode.TOO_FAST, ResultCode.TEMPORARY_ERROR})
_MOST_TRIES: Final = 8
_LONGEST_S: Final = 30.0


class Direction(Enum):
    """Which way records go."""

    UP = "up"
    DOWN = "down"
    BOTH = "both"

    @property
    def down(self) -> bool:
        """Whether records are fetched."""
        return self is not Direction.UP

    @property
    def up(self) -> bool:
        """Whether records are handed in."""
        return self is not Direction.DOWN


class OwnRecords(Protocol):
    """What is here, as far as a sync needs it; the node implements it."""

    async def gather(self, wanted: Filter) -> SyncSet:
        """A sealed set of what a filter matches and the server could be given or give.

        Raises:
            StoreCrowded: that is more than one set holds.
            StoreError: the store failed.
        """

    async def read(self, prefixes: Sequence[bytes]) -> list[bytes]:
        """The records that ids (their first 32 bytes each) name and that may be shown to the server."""

    async def take(self, records: Sequence[bytes]) -> list[ResultCode]:
        """Keeps records that were fetched; what became of each."""


@dataclass(slots=True)
class SyncProgress:
    """How far a sync is: numbers of records.

    Attributes:
        received: New here.
        sent: New at the server.
        known: Fetched or handed in, and there already, or something that replaces it.
        refused: Not taken, by this side or the other.
        left: Found to be lacking, and neither fetched nor handed in yet.
        compared: Records here that were compared.
        messages: Bytes of the comparison's messages, both ways.
        by_query: Whether the server knows no sync, and was asked for everything.
    """

    received: int = 0
    sent: int = 0
    known: int = 0
    refused: int = 0
    left: int = 0
    compared: int = 0
    messages: int = 0
    by_query: bool = False

    def count(self, results: Sequence[ResultCode], *, up: bool) -> None:
        """Counts what became of records that were handed in (`up`) or fetched."""
        for result in results:
            if result is ResultCode.DUPLICATE:
                self.known += 1
            elif not result.is_success:
                self.refused += 1
            elif up:
                self.sent += 1
            else:
                self.received += 1


@dataclass(frozen=True, slots=True)
class _Window:
    """A stretch of time, both ends (ns) included."""

    since: int
    until: int

    def halves(self) -> tuple[_Window, _Window]:
        """The newer half, and the older one."""
        middle = (self.since + self.until) // 2
        return _Window(middle + 1, self.until), _Window(self.since, middle)


class Syncing:
    """One sync with one server.

    Args:
        connection: To the server, with the key proven that counts there.
        own: What is here.
        wanted: Which records; times in it hold as well.
        direction: Which way.
        most_needed: How many records may be lacking here of what is compared at once.
        received_since_ns: When the last sync of this kind began (ns), 0 for the first one.
        sleep: Waits some seconds.
    """

    def __init__(
        self,
        connection: Connection,
        own: OwnRecords,
        wanted: Filter,
        direction: Direction,
        *,
        most_needed: int = 2_000_000,
        received_since_ns: int = 0,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._connection = connection
        self._own = own
        self._wanted = wanted
        self._direction = direction
        self._most_needed = most_needed
        self._received_since_ns = received_since_ns
        self._sleep = sleep
        self.progress = SyncProgress()
        self.accepted: set[bytes] = set()
        """The records (32 bytes of each id) that the server took because it lacked them, as it said."""

    async def run(self) -> AsyncGenerator[SyncProgress, None]:
        """Does it; gives the same `progress` after each step.

        Raises:
            Refused: the server would not.
            PeerError: the connection ended. What was exchanged is kept.
            StoreError: the own store failed.
        """
        windows, tries = [_whole(self._wanted)], 0
        while windows:
            window = windows.pop()
            try:
                ours, theirs = await self._compare(_within(self._wanted, window))
            except (StoreCrowded, Refused) as error:
                if isinstance(error, Refused) and error.result == ResultCode.NOT_FOUND:
                    async with contextlib.aclosing(self._all_by_query()) as steps:
                        async for _ in steps:
                            yield self.progress
                    return
                if isinstance(error, Refused) and error.result in _LATER and tries < _MOST_TRIES:
                    tries += 1
                    windows.append(window)
                    await self._sleep(_pause_s(tries))
                    continue
                crowded = isinstance(error, StoreCrowded) or error.result == ResultCode.TOO_OPEN
                if not crowded or window.until - window.since < _SECOND:
                    raise
                newer, older = window.halves()
                windows += (older, newer)
                continue
            async with contextlib.aclosing(self._exchange(ours, theirs)) as steps:
                async for _ in steps:
                    yield self.progress
        if self._direction.down and self._received_since_ns:
            await self._what_came_since()
            yield self.progress

    # --- comparing

    async def _compare(self, wanted: Filter) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
        """The ids (32 bytes each) that only we have, and those that only the server has."""
        items = await self._own.gather(wanted)
        found = await compare(self._connection.syncs, items, wanted, self._most_needed)
        self.progress.compared += len(items)
        self.progress.messages += found.messages
        return (found.ours if self._direction.up else ()), (found.theirs if self._direction.down else ())

    # --- exchanging

    async def _exchange(self, ours: Sequence[bytes], theirs: Sequence[bytes]) -> AsyncGenerator[None, None]:
        # The oldest first: a key schedule comes before what it lets be judged.
        down, up = sorted(theirs), sorted(ours)
        self.progress.left = len(ours) + len(theirs)
        yield
        begin, count = 0, _FIRST_RUN
        while begin < len(down):
            run = down[begin : begin + count]
            fetched = await self._keep_all(self._connection.sync_get(run))
            self.progress.left -= len(run)
            yield
            begin += len(run)
            # As many at once as can wait here should they not be written as fast as they come.
            count = max(1, min(_RUN, _RUN_BYTES * len(run) // max(fetched, 1)))
        for begin in range(0, len(up), _RUN):
            run = up[begin : begin + _RUN]
            await self._hand_in(await self._own.read(run))
            self.progress.left -= len(run)
            yield

    async def _keep_all(self, records: AsyncGenerator[Record, None]) -> int:
        """Keeps records as they come, some at once; how many bytes they had."""
        total, size = 0, 0
        batch: list[bytes] = []
        async with contextlib.aclosing(records):
            async for record in records:
                batch.append(record.data)
                size += len(record)
                if len(batch) >= _BATCH or size >= _BATCH_BYTES:
                    await self._keep(batch)
                    total, size, batch = total + size, 0, []
        await self._keep(batch)
        return total + size

    async def _keep(self, records: Sequence[bytes]) -> None:
        if records:
            self.progress.count(await self._own.take(records), up=False)

    async def _hand_in(self, records: Sequence[bytes]) -> None:
        """Hands records in; what comes too fast for the server comes again a little later."""
        waiting, tries = list(records), 0
        while waiting:
            results = await self._connection.submit_all(waiting)
            later = [record for record, result in zip(waiting, results, strict=True) if result in _LATER]
            tries = tries + 1 if len(later) == len(waiting) else 0
            self.accepted.update(
                record[:_PREFIX]
                for record, result in zip(waiting, results, strict=True)
                if result.is_success and result is not ResultCode.DUPLICATE
            )
            if not later or tries >= _MOST_TRIES:
                self.progress.count(results, up=True)
                return
            self.progress.count([result for result in results if result not in _LATER], up=True)
            waiting = later
            await self._sleep(_pause_s(tries))

    # --- without comparing

    async def _what_came_since(self) -> None:
        """What the server says that it received since shortly before the last sync."""
        since = max(0, self._received_since_ns - _OVERLAP_NS)
        wanted = _with(self._wanted, ReceivedSince(Timestamp(since)))
        await self._keep_all(self._connection.query(wanted))

    async def _all_by_query(self) -> AsyncGenerator[None, None]:
        self.progress.by_query = True
        if not self._direction.down:
            raise Refused(
                "the server does not compare records by sync, so that nobody knows what it lacks",
                result=ResultCode.NOT_FOUND,
                hint="Hand records in with `mosaic submit`.",
            )
        window = _whole(self._wanted)
        until = window.until
        while until >= window.since:
            wanted = _within(self._wanted, _Window(window.since, until))
            page = [record async for record in self._connection.query(wanted, limit=_PAGE)]
            await self._keep([record.data for record in page])
            yield
            if len(page) < _PAGE:
                return
            oldest = min(record.timestamp.ns for record in page)
            # A page that is one moment: what else is of it can't be asked for by time.
            until = oldest if oldest < until else oldest - 1


def _pause_s(tries: int) -> float:
    """Seconds to wait after so many tries in vain."""
    return min(2.0**tries, _LONGEST_S)


def _whole(wanted: Filter) -> _Window:
    since = next((one.timestamp.ns for one in wanted.elements if isinstance(one, Since)), 0)
    until = next((one.timestamp.ns for one in wanted.elements if isinstance(one, Until)), MAX_NS)
    return _Window(since, until)


def _within(wanted: Filter, window: _Window) -> Filter:
    """The filter for a window; the filter itself for all the time that it has."""
    if window == _whole(wanted):
        return wanted
    rest = tuple(one for one in wanted.elements if not isinstance(one, Since | Until))
    return Filter((*rest, Since(Timestamp(window.since)), Until(Timestamp(window.until))))


def _with(wanted: Filter, element: FilterElement) -> Filter:
    rest = tuple(one for one in wanted.elements if not isinstance(one, type(element)))
    return Filter((*rest, element))
