"""The one way in: what arrives is checked, judged, written and answered in batches.

Two stages work at once: while one batch is written, the next is checked.
Nothing waits for company: when a stage is idle it takes whatever has arrived,
which under load is a few hundred records and at rest one.

    offer / submit ──> waiting ──check (kernel threads)──> judge ──write and sync──> answers ──> fan-out

Received times are given here: max(now, last + 1), so they rise strictly.

Source: edition §3; record.md (validation); claims of crash safety rest on `append`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, NamedTuple

from mosaic.core import key_schedule, validation
from mosaic.core.record import Record
from mosaic.errors import MosaicError
from mosaic.policy.submission import Way
from mosaic.server.authority import Authority
from mosaic.server.batch import NOT_STORED, Batch, Bearer, Committed, Run, Segment
from mosaic.server.judge import Judge
from mosaic.server.metrics import Metrics
from mosaic.server.schedule_change import settle
from mosaic.server.settings import ServerSettings
from mosaic.store.store import Outcome, Store
from mosaic.wire.result_code import ResultCode, for_error

_LOG: Final = logging.getLogger(__name__)
_STORED: Final = int(Outcome.STORED)
_SUSPECT_BATCH: Final = 64


def _results_of_outcomes() -> bytes:
    table = bytearray([ResultCode.GENERAL_ERROR] * 256)
    table[Outcome.STORED] = ResultCode.ACCEPTED
    table[Outcome.DUPLICATE] = ResultCode.DUPLICATE
    table[Outcome.SUPERSEDED] = ResultCode.DUPLICATE
    table[Outcome.REFUSED] = ResultCode.UNAUTHORIZED
    return bytes(table)


_RESULTS: Final = _results_of_outcomes()


class _Written(NamedTuple):
    """What the store said: an outcome, a received time and a position for each record, and its end then."""

    outcomes: bytes
    received_ns: list[int]
    positions: list[int]
    end: int


class DirectBearer:
    """The node itself: its own acts, or what it read from another server.

    Args:
        way: OWNER or MIRROR.
        viewers: The keys (32 bytes each) of the person who acts, if anybody does.
        received_by_ns: By when an outbox of the author says that it received the records (ns), if one does.
    """

    __slots__ = ("answered", "received_by_ns", "suspect", "viewers", "way")

    def __init__(self, way: Way, viewers: tuple[bytes, ...] = (), received_by_ns: int | None = None) -> None:
        self.way = way
        self.viewers = viewers
        self.received_by_ns = received_by_ns
        self.suspect = way is Way.MIRROR
        self.answered: asyncio.Future[list[ResultCode]] = asyncio.get_running_loop().create_future()

    def answer(self, records: Sequence[bytes], results: bytes) -> None:
        """Hands the results to who waits for them."""
        del records
        if not self.answered.done():
            self.answered.set_result([ResultCode(result) for result in results])

    def caught(self) -> None:
        """Nothing to do: mirrored records have batches of their own already."""


class Intake:
    """The one writer of a server's store.

    Args:
        store: Where records go.
        judge: The rules and the policy.
        authority: Told about key schedules.
        settings: The server's.
        metrics: Counted in.
        publish: Takes what was written, in the order of the log; may make the writer wait.
        schedule_changed: Told about authors (32 bytes) whose key schedule has changed.
        has_room: Called whenever less is under way than may be.
        now_ns: The clock.
    """

    def __init__(  # noqa: PLR0913 - the writer stands between all the others
        self,
        store: Store,
        judge: Judge,
        authority: Authority,
        settings: ServerSettings,
        metrics: Metrics,
        *,
        publish: Callable[[Committed], Awaitable[None]],
        schedule_changed: Callable[[bytes], None],
        has_room: Callable[[], None],
        now_ns: Callable[[], int],
    ) -> None:
        self._store = store
        self._judge = judge
        self._authority = authority
        self._settings = settings
        self._metrics = metrics
        self._publish = publish
        self._schedule_changed = schedule_changed
        self._has_room = has_room
        self._now_ns = now_ns
        self._last_received_ns = store.last_received_ns
        self._waiting: dict[Bearer, list[bytes]] = {}
        self._arrived = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._waiting_bytes = 0
        self._under_way = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._checked: asyncio.Queue[Batch] = asyncio.Queue(maxsize=1)
        self._checker = ThreadPoolExecutor(1, "mosaic-check")
        self._writer = ThreadPoolExecutor(1, "mosaic-write")
        self._threads = settings.check_threads or os.cpu_count() or 1
        self._tasks: list[asyncio.Task[None]] = []
        self._stopped = False

    # --- what comes in

    def offer(self, bearer: Bearer, records: list[bytes]) -> None:
        """Takes records of a bearer, who is answered in their order. Belongs to the loop's thread."""
        waiting = self._waiting.get(bearer)
        if waiting is None:
            self._waiting[bearer] = records
        else:
            waiting += records
        self._waiting_bytes += sum(map(len, records))
        self._metrics.records_offered += len(records)
        self._arrived.set()
        self._idle.clear()
        if self.is_full:
            self._room.clear()

    async def submit(
        self,
        records: Sequence[bytes],
        way: Way,
        viewers: tuple[bytes, ...] = (),
        received_by_ns: int | None = None,
    ) -> list[ResultCode]:
        """Takes records from the node itself and waits until they are on disk or refused.

        Waits first while too much is under way, so that reading others' outboxes never fills the memory.
        """
        if not records:
            return []
        await self._room.wait()
        if self._stopped:
            return [ResultCode.SHUTTING_DOWN] * len(records)
        bearer = DirectBearer(way, viewers, received_by_ns)
        self.offer(bearer, list(records))
        return await bearer.answered

    @property
    def is_full(self) -> bool:
        """Whether more is waiting than should; links are not read until it is less."""
        return self._waiting_bytes >= self._settings.backlog_bytes

    # --- life

    def start(self) -> None:
        """Begins to work on what arrives."""
        self._tasks = [
            asyncio.create_task(self._check_batches(), name="intake: check"),
            asyncio.create_task(self._commit_batches(), name="intake: write"),
        ]

    async def drained(self) -> None:
        """Waits until all that has arrived is answered."""
        await self._idle.wait()

    async def stop(self) -> None:
        """Ends the work; what is still waiting is answered with SHUTTING_DOWN. Call `drained` first."""
        self._stopped = True
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._tasks = []
        for bearer, records in self._waiting.items():
            bearer.answer(records, bytes((ResultCode.SHUTTING_DOWN,)) * len(records))
        self._waiting.clear()
        self._room.set()
        await asyncio.to_thread(self._checker.shutdown)
        await asyncio.to_thread(self._writer.shutdown)

    # --- first stage

    def _take(self) -> Batch:
        """The next batch: all that waits, or a fair part of it."""
        most = self._settings.batch_records
        waiting = self._waiting
        share = max(1, most // len(waiting)) if sum(map(len, waiting.values())) > most else most
        records: list[bytes] = []
        runs: list[Run] = []
        rest: dict[Bearer, list[bytes]] = {}
        for bearer, arrived in waiting.items():
            if len(records) >= most:
                rest[bearer] = arrived
                continue
            begin = len(records)
            if len(arrived) > share:
                rest[bearer] = arrived[share:]
                records += arrived[:share]
            else:
                records += arrived
            runs.append(Run(bearer, begin, len(records)))
        self._waiting = rest
        if not rest:
            self._arrived.clear()
        return Batch(records, runs)

    async def _check_batches(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._arrived.wait()
            batch = self._take()
            self._under_way += 1
            batch.results = bytearray(len(batch.records))
            try:
                batch.verdicts = await loop.run_in_executor(self._checker, self._check, batch)
            except Exception:  # noqa: BLE001 - the writer must go on whatever happens
                _LOG.exception("a batch of %d records could not be checked", len(batch.records))
                self._fail(batch)
            await self._checked.put(batch)

    def _check(self, batch: Batch) -> bytes:
        """Verdicts for all records; those of suspects are summed apart, so that they slow nobody down."""
        suspects = [run for run in batch.runs if run.bearer.suspect]
        if not suspects:
            return validation.check_batch(batch.records, threads=self._threads)
        verdicts = bytearray(len(batch.records))
        honest = [run for run in batch.runs if not run.bearer.suspect]
        self._check_runs(batch.records, honest, verdicts, 256)
        for run in suspects:
            self._check_runs(batch.records, [run], verdicts, _SUSPECT_BATCH)
        return bytes(verdicts)

    def _check_runs(self, records: list[bytes], runs: list[Run], verdicts: bytearray, size: int) -> None:
        chosen = [record for run in runs for record in records[run.begin : run.end]]
        found = validation.check_batch(chosen, batch=size, threads=self._threads)
        at = 0
        for run in runs:
            count = run.end - run.begin
            verdicts[run.begin : run.end] = found[at : at + count]
            at += count

    # --- second stage

    async def _commit_batches(self) -> None:
        while True:
            batch = await self._checked.get()
            try:
                if batch.verdicts:
                    await self._commit(batch)
            except Exception:  # noqa: BLE001 - the writer must go on whatever happens
                # A fault of ours: whoever waits is told, the next batch gets its chance.
                _LOG.exception("a batch of %d records failed", len(batch.records))
                self._fail(batch)
            self._answer(batch)
            self._under_way -= 1
            if not self._under_way and not self._waiting:
                self._idle.set()

    def _fail(self, batch: Batch) -> None:
        for index, result in enumerate(batch.results):
            if not result:
                batch.results[index] = ResultCode.GENERAL_ERROR

    async def _commit(self, batch: Batch) -> None:
        begin = 0
        while begin < len(batch.records):
            segment = self._judge.judge(batch, begin)
            begin = segment.end
            await self._write(batch, segment)

    async def _write(self, batch: Batch, segment: Segment) -> None:
        """Writes what was accepted, notes the results, and hands on what is new."""
        written = await self._append(batch, segment)
        results = written.outcomes.translate(_RESULTS)
        if len(results) == len(batch.records):
            batch.results[:] = results
        else:
            for index, result in zip(segment.indexes, results, strict=False):
                batch.results[index] = result
        committed = self._committed(batch, segment, written)
        if segment.schedule is not None and written.outcomes:
            self._schedule_arrived(batch.records[segment.schedule], written.outcomes[-1])
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
        modes = bytes(segment.modes)

        def write() -> _Written:
            outcomes, positions = self._store.append(segment.records, received, modes)
            return _Written(outcomes, received, positions, self._store.end)

        try:
            if segment.schedule is not None:
                await self._settle(batch.records[segment.schedule])
            written = await asyncio.get_running_loop().run_in_executor(self._writer, write)
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
            return Committed(segment.records, received, positions, end)
        rows = [
            (segment.indexes[at], received[at], positions[at])
            for at, outcome in enumerate(outcomes)
            if outcome == _STORED
        ]
        now_ns = self._now_ns()
        rows += [(index, now_ns, NOT_STORED) for index in segment.live]
        rows.sort()
        return Committed(
            [batch.records[index] for index, _, _ in rows],
            [received_ns for _, received_ns, _ in rows],
            [position for _, _, position in rows],
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
        former = self._authority.schedule_of(schedule.master.bytes)
        if former is None or (schedule.supersedes(former) and schedule.entries != former.entries):
            self._metrics.records_removed += await asyncio.get_running_loop().run_in_executor(
                self._writer, settle, self._store, schedule, former
            )

    def _schedule_arrived(self, record: bytes, outcome: int) -> None:
        """A key schedule was written, or shown again: rights are judged anew."""
        author = record[64:96]
        if outcome == Outcome.STORED:
            self._authority.changed(author)
        elif outcome == Outcome.DUPLICATE and self._authority.is_newest(record):
            self._authority.confirm(author)
        else:
            return
        self._schedule_changed(author)

    # --- answers

    def _answer(self, batch: Batch) -> None:
        results = bytes(batch.results)
        duplicates = results.count(ResultCode.DUPLICATE)
        accepted = results.count(ResultCode.ACCEPTED) + results.count(ResultCode.NO_CONSUMERS)
        self._metrics.records_duplicate += duplicates
        self._metrics.records_refused += len(results) - duplicates - accepted
        if len(batch.runs) == 1:
            batch.runs[0].bearer.answer(batch.records, results)
        else:
            for run in batch.runs:
                run.bearer.answer(batch.records[run.begin : run.end], results[run.begin : run.end])
        self._waiting_bytes -= sum(map(len, batch.records))
        if not self.is_full:
            self._room.set()
            self._has_room()
