"""The writer of the log: what was judged gets its received time, is written and synced, and handed on.

Received times are given here: max(now, last + 1), so they rise strictly.

A key schedule is written alone: before it, what it makes invalid is removed;
after it, rights are judged anew.

Source: edition §3 (received times, key schedules); that nothing is lost in a crash rests on `Store.append`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, NamedTuple, TypeVar

from mosaic.core import key_schedule
from mosaic.core.record import Record
from mosaic.errors import MosaicError
from mosaic.policy.submission import Way
from mosaic.server.authority import Authority
from mosaic.server.batch import NOT_STORED, Batch, Committed, Segment
from mosaic.server.deletion import settle_deletions
from mosaic.server.metrics import Metrics
from mosaic.server.schedule_change import settle
from mosaic.store.store import Outcome, Store
from mosaic.wire.result_code import ResultCode, for_error

_LOG: Final = logging.getLogger(__name__)
_STORED: Final = int(Outcome.STORED)
_T = TypeVar("_T")


def _results_of_outcomes() -> bytes:
    table = bytearray([ResultCode.GENERAL_ERROR] * 256)
    table[Outcome.STORED] = ResultCode.ACCEPTED
    table[Outcome.DUPLICATE] = ResultCode.DUPLICATE
    table[Outcome.SUPERSEDED] = ResultCode.DUPLICATE
    table[Outcome.REFUSED] = ResultCode.UNAUTHORIZED
    table[Outcome.DELETED] = ResultCode.UNAUTHORIZED
    return bytes(table)


_RESULTS: Final = _results_of_outcomes()


class _Written(NamedTuple):
    """What the store said: an outcome, a received time and a position for each record, and its end then."""

    outcomes: bytes
    received_ns: list[int]
    positions: list[int]
    end: int


class Writer:
    """The one writer of a server's store, in a thread of its own.

    Args:
        store: Where records go.
        authority: Told about key schedules.
        metrics: Counted in.
        publish: Takes what was written, in the order of the log; may make the writer wait.
        schedule_changed: Told about authors (32 bytes) whose key schedule has changed.
        now_ns: The clock.
    """

    def __init__(
        self,
        store: Store,
        authority: Authority,
        metrics: Metrics,
        *,
        publish: Callable[[Committed], Awaitable[None]],
        schedule_changed: Callable[[bytes], None],
        now_ns: Callable[[], int],
    ) -> None:
        self._store = store
        self._authority = authority
        self._metrics = metrics
        self._publish = publish
        self._schedule_changed = schedule_changed
        self._now_ns = now_ns
        self._last_received_ns = store.last_received_ns
        self._thread = ThreadPoolExecutor(1, "mosaic-write")
        self._turn = asyncio.Lock()

    async def stop(self) -> None:
        """Ends the thread. Nothing may be under way."""
        await asyncio.to_thread(self._thread.shutdown)

    async def change(
        self, work: Callable[[], _T], *, then: Callable[[_T], Awaitable[None]] | None = None
    ) -> _T:
        """Runs `work` while nothing is written: the one way to change the store beside taking records in.

        Args:
            work: Runs in the writer's thread.
            then: Gets what `work` gave, before anything else is written: to hand on what changed.

        Returns:
            What `work` gave; its errors are raised.
        """
        async with self._turn:
            done = await self._in_thread(work)
            if then is not None:
                await then(done)
            return done

    async def _in_thread(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def write(self, batch: Batch, segment: Segment) -> None:
        """Writes what was accepted, notes the results, and hands on what is new."""
        async with self._turn:
            await self._write(batch, segment)

    async def _write(self, batch: Batch, segment: Segment) -> None:
        written = await self._append(batch, segment)
        results = written.outcomes.translate(_RESULTS)
        if len(results) == len(batch.records):
            batch.results[:] = results
        else:
            for index, result in zip(segment.indexes, results, strict=False):
                batch.results[index] = result
        committed = self._committed(batch, segment, written)
        if segment.schedule is not None and written.outcomes:
            self._schedule_arrived(batch, segment.schedule, written.outcomes[-1])
        if committed.records:
            await self._publish(committed)

    async def _append(self, batch: Batch, segment: Segment) -> _Written:
        """One write and one sync for all of a segment; on a failure nothing of it is written."""
        count = len(segment.records)
        if not count:
            return _Written(b"", [], [], self._store.end)
        first = max(self._now_ns(), self._last_received_ns + 1)
        self._last_received_ns = first + count - 1
        received = list(range(first, first + count))
        modes, labels = bytes(segment.modes), bytes(segment.labels)

        def write() -> _Written:
            outcomes, positions = self._store.append(segment.records, received, modes, labels=labels)
            return _Written(outcomes, received, positions, self._store.end)

        try:
            if segment.schedule is not None:
                await self._settle(batch.records[segment.schedule])
            written = await self._in_thread(write)
        except MosaicError as error:
            self._write_failed(batch, segment, error)
            return _Written(b"", [], [], self._store.end)
        self._metrics.batches += 1
        return written

    def _write_failed(self, batch: Batch, segment: Segment, error: MosaicError) -> None:
        self._metrics.write_failures += 1
        _LOG.error("%d records could not be written: %s (%s)", len(segment.records), error, error.hint)
        for index in segment.indexes:
            batch.results[index] = for_error(error)

    def _committed(self, batch: Batch, segment: Segment, written: _Written) -> Committed:
        """What is to be handed on: what is new in the log, and ephemeral records between."""
        outcomes, received, positions, end = written
        stored = outcomes.count(_STORED)
        self._metrics.records_stored += stored
        self._metrics.records_ephemeral += len(segment.live)
        if not segment.live and stored == len(outcomes) == len(segment.records):
            return Committed(segment.records, received, positions, bytes(segment.labels), end)
        rows = [
            (segment.indexes[at], received[at], positions[at], segment.labels[at])
            for at, outcome in enumerate(outcomes)
            if outcome == _STORED
        ]
        now_ns = self._now_ns()
        rows += [(index, now_ns, NOT_STORED, label) for index, label in segment.live.items()]
        rows.sort()
        return Committed(
            [batch.records[index] for index, _, _, _ in rows],
            [received_ns for _, received_ns, _, _ in rows],
            [position for _, _, position, _ in rows],
            bytes(label for _, _, _, label in rows),
            end,
        )

    async def _settle(self, record: bytes) -> None:
        """Judges the author's records anew before a key schedule that will hold is written.

        In this order, a crash in between leaves no record that the schedule
        makes invalid: it was not acknowledged, and is handed in again.

        Raises:
            StoreError: the store failed; the schedule must not be written.
        """
        schedule = key_schedule.parse(Record(record))
        author = schedule.master.bytes
        former = self._authority.schedule_of(author)
        if former is None or (schedule.supersedes(former) and schedule.entries != former.entries):
            vouched = self._authority.vouched(author)

            def judge_anew() -> int:
                removed = settle(self._store, schedule, former, vouched)
                settle_deletions(self._store, schedule, former)
                return removed

            self._metrics.records_removed += await self._in_thread(judge_anew)

    def _schedule_arrived(self, batch: Batch, index: int, outcome: int) -> None:
        """A key schedule was written, or found again: rights are judged anew.

        That somebody brings it again proves nothing: whoever has a stolen device would do so for ever.
        """
        record = batch.records[index]
        author = record[64:96]
        if outcome == Outcome.STORED:
            self._authority.changed(author)
        elif (
            outcome == Outcome.DUPLICATE
            and batch.bearer_of(index).way is not Way.LINK
            and self._authority.is_newest(record)
        ):
            self._authority.confirm(author)
        else:
            return
        self._schedule_changed(author)
