"""The one way in: what arrives is checked, judged, written and answered in batches.

Two stages work at once: while one batch is written, the next is checked.
Nothing waits for company: when a stage is idle it takes whatever has arrived,
which under load is a few hundred records and at rest one.

    offer / submit ──> waiting ──check (kernel threads)──> judge ──write and sync──> answers ──> fan-out

Source: edition §3; record.md (validation).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from mosaic.core import validation
from mosaic.policy.submission import Way
from mosaic.server.batch import Batch, Bearer, DirectBearer, Run
from mosaic.server.judge import Judge
from mosaic.server.lanes import Lanes
from mosaic.server.live import Live
from mosaic.server.metrics import Metrics
from mosaic.server.screening import Screener, Screening
from mosaic.server.settings import ServerSettings
from mosaic.server.writer import Writer
from mosaic.wire.result_code import ResultCode

_LOG: Final = logging.getLogger(__name__)
_SUSPECT_BATCH: Final = 64
_FEW: Final = 8
_FEW_BYTES: Final = 65_536
"""What is checked on the spot, in records and bytes, if it comes from where nothing false came from: within
a millisecond. Where others want the cores, handing it to another thread and back takes many times as long."""


class Intake:
    """All that comes in, by links and from the node itself.

    Args:
        judge: The rules and the policy.
        writer: Writes what they accept.
        settings: The server's.
        metrics: Counted in.
        has_room: Called whenever less is under way than may be.
        screener: Asked about what strangers bring before the policy is, if there is one.
    """

    def __init__(
        self,
        judge: Judge,
        writer: Writer,
        settings: Live[ServerSettings],
        metrics: Metrics,
        *,
        has_room: Callable[[], None],
        screener: Screener | None = None,
    ) -> None:
        self._judge = judge
        self._writer = writer
        self._settings = settings
        self._metrics = metrics
        self._has_room = has_room
        self._waiting = Lanes()
        self._arrived = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._waiting_bytes = 0
        self._under_way = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._checked: asyncio.Queue[Batch] = asyncio.Queue(maxsize=1)
        self._screening = None if screener is None else Screening(screener, self._checked.put)
        self._checker = ThreadPoolExecutor(1, "mosaic-check")
        self._threads = settings.current.check_threads or os.cpu_count() or 1
        self._tasks: list[asyncio.Task[None]] = []
        self._stopped = False

    # --- what comes in

    def offer(self, bearer: Bearer, records: list[bytes]) -> None:
        """Takes records of a bearer, who is answered in their order. Belongs to the loop's thread."""
        self._waiting.add(bearer, records)
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
        bearer = DirectBearer(way, viewers, received_by_ns, len(records))
        self.offer(bearer, list(records))
        return await bearer.answered

    @property
    def is_full(self) -> bool:
        """Whether more is waiting than should; links are not read until it is less."""
        return self._waiting_bytes >= self._settings.current.backlog_bytes

    @property
    def is_crowded(self) -> bool:
        """Whether so much waits that strangers are to come back later: the rest is for people served."""
        return self._waiting_bytes >= self._settings.current.backlog_bytes // 2

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
        for bearer, records in self._waiting.clear():
            bearer.answer(records, bytes((ResultCode.SHUTTING_DOWN,)) * len(records))
        self._room.set()
        await asyncio.to_thread(self._checker.shutdown)
        await self._writer.stop()

    # --- first stage

    def _take(self) -> Batch:
        """The next batch: all that waits, or a fair part of it."""
        self._waiting_bytes -= self._waiting.tidy()
        batch = self._waiting.take(self._settings.current.batch_records)
        if not self._waiting:
            self._arrived.clear()
        return batch

    async def _check_batches(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._arrived.wait()
            batch = self._take()
            if not batch.records:
                self._settle()
                continue
            self._under_way += 1
            batch.results = bytearray(len(batch.records))
            try:
                if _is_little(batch):
                    batch.verdicts = self._check(batch, 1)
                else:
                    batch.verdicts = await loop.run_in_executor(
                        self._checker, self._check, batch, self._threads
                    )
            except Exception:  # noqa: BLE001 - the writer must go on whatever happens
                _LOG.exception("a batch of %d records could not be checked", len(batch.records))
                self._fail(batch)
            await self._pass_on(batch)

    async def _pass_on(self, batch: Batch) -> None:
        """Hands a checked batch to the second stage; what is to be screened comes there later."""
        if self._screening is None or not batch.verdicts:
            await self._checked.put(batch)
            return
        at_once, apart = self._screening.split(batch)
        self._under_way += len(apart) - (not at_once.records)
        for part in apart:
            self._screening.take(part)
        if at_once.records:
            await self._checked.put(at_once)

    def _check(self, batch: Batch, threads: int) -> bytes:
        """Verdicts for all records; those of suspects are summed apart, so that they slow nobody down."""
        suspects = [run for run in batch.runs if run.bearer.suspect]
        untried = [run for run in batch.runs if not run.bearer.suspect and not _is_trusted(run.bearer)]
        if not suspects and not untried:
            return validation.check_batch(batch.records, threads=threads)
        verdicts = bytearray(len(batch.records))
        honest = [run for run in batch.runs if not run.bearer.suspect and _is_trusted(run.bearer)]
        for runs, size in (
            (honest, 256),
            (untried, _SUSPECT_BATCH),
            *(([run], _SUSPECT_BATCH) for run in suspects),
        ):
            if runs:
                self._check_runs(batch.records, runs, verdicts, size, threads)
        return bytes(verdicts)

    def _check_runs(
        self, records: list[bytes], runs: list[Run], verdicts: bytearray, size: int, threads: int
    ) -> None:
        chosen = [record for run in runs for record in records[run.begin : run.end]]
        found = validation.check_batch(chosen, batch=size, threads=threads)
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
            self._settle()

    def _settle(self) -> None:
        """Tells those who wait for it that nothing is under way any more."""
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
            await self._writer.write(batch, segment)

    # --- answers

    def _answer(self, batch: Batch) -> None:
        results = bytes(batch.results)
        duplicates = results.count(ResultCode.DUPLICATE)
        accepted = results.count(ResultCode.ACCEPTED) + results.count(ResultCode.NO_CONSUMERS)
        self._metrics.batch_time.note(time.monotonic_ns() - batch.begun_ns)
        for result in set(results):
            self._metrics.results[result] += results.count(result)
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


def _is_little(batch: Batch) -> bool:
    """Whether it takes less time to check than to hand on."""
    return (
        len(batch.records) <= _FEW
        and sum(map(len, batch.records)) <= _FEW_BYTES
        and all(_is_trusted(run.bearer) and not run.bearer.suspect for run in batch.runs)
    )


def _is_trusted(bearer: Bearer) -> bool:
    """Whether its signatures are summed with those of others."""
    return bearer.tried or bearer.favoured
