"""A judge outside of the server that is asked about records before the policy: an operator's program.

It may be slow, so what it is asked about waits apart, for each bearer in the
order of arrival, and holds nobody else up. Who is served here and what the
node brings itself are not asked about.

Source: this project's own design, docs/architecture.md "What a server takes".
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol

from mosaic.policy.standing import Standing
from mosaic.policy.submission import Way
from mosaic.policy.verdict import ACCEPT, Refuse, Verdict
from mosaic.server.batch import Batch, Bearer, Run
from mosaic.wire.result_code import ResultCode

_LOG: Final = logging.getLogger(__name__)
_ASKED: Final = frozenset({Way.LINK, Way.SYNC})
_FAILED: Final = Refuse(ResultCode.TEMPORARY_ERROR, "the operator's program gave no answer")
_CROWDED: Final = Refuse(ResultCode.TEMPORARY_ERROR, "too much waits for the operator's program")


class Screener(Protocol):
    """Judges records; the node implements it."""

    @property
    def is_active(self) -> bool:
        """Whether it wants to be asked now."""

    async def screen(self, records: Sequence[bytes], bearer: Bearer) -> list[Verdict]:
        """A verdict for each of the valid records that a bearer brings.

        What is to look as if it were stored is refused with ACCEPTED. Whatever
        is raised refuses all of them with TEMPORARY_ERROR.
        """


class Screening:
    """Records that wait for a screener.

    Args:
        screener: Who is asked.
        ready: Takes batches that may go on, in the order of each bearer.
        most_bytes: So much may wait here; what comes beyond is refused for the moment.
    """

    def __init__(
        self, screener: Screener, ready: Callable[[Batch], Awaitable[None]], *, most_bytes: int = 4_194_304
    ) -> None:
        self._screener = screener
        self._ready = ready
        self._most_bytes = most_bytes
        self._bytes = 0
        self._last: dict[Bearer, asyncio.Task[None]] = {}

    def split(self, batch: Batch) -> tuple[Batch, list[Batch]]:
        """What of a checked batch goes on at once, and what of each bearer is to be asked about."""
        if not self._screener.is_active:
            return batch, []
        at_once = [run for run in batch.runs if not _is_asked(run.bearer)]
        if len(at_once) == len(batch.runs):
            return batch, []
        apart = [_part(batch, [run]) for run in batch.runs if _is_asked(run.bearer)]
        return _part(batch, at_once), apart

    def take(self, batch: Batch) -> None:
        """Asks about the records of one bearer; the batch is handed to `ready` when that is done."""
        bearer = batch.runs[0].bearer
        size = sum(map(len, batch.records))
        if self._bytes + size > self._most_bytes:
            batch.screened = [_CROWDED] * len(batch.records)
            size = 0
        self._bytes += size
        task = asyncio.create_task(self._ask(batch, bearer, size, self._last.get(bearer)))
        self._last[bearer] = task
        task.add_done_callback(lambda done: self._forget(bearer, done))

    def _forget(self, bearer: Bearer, task: asyncio.Task[None]) -> None:
        if self._last.get(bearer) is task:
            del self._last[bearer]

    async def _ask(self, batch: Batch, bearer: Bearer, size: int, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await asyncio.wait([before])
        try:
            if batch.screened is None:
                batch.screened = await self._verdicts(batch, bearer)
        finally:
            self._bytes -= size
            await self._ready(batch)

    async def _verdicts(self, batch: Batch, bearer: Bearer) -> list[Verdict]:
        valid = [index for index, fault in enumerate(batch.verdicts) if not fault]
        verdicts: list[Verdict] = [ACCEPT] * len(batch.records)
        if not valid:
            return verdicts
        try:
            found = await self._screener.screen([batch.records[index] for index in valid], bearer)
            for index, verdict in zip(valid, found, strict=True):
                verdicts[index] = verdict
        except Exception as error:  # noqa: BLE001 - whatever goes wrong outside, it refuses
            _LOG.warning("%d records could not be screened: %s", len(valid), error)
            return [_FAILED] * len(batch.records)
        return verdicts


def _is_asked(bearer: Bearer) -> bool:
    if bearer.way is Way.LINK:
        return bearer.standing is not Standing.SERVED
    return bearer.way in _ASKED


def _part(batch: Batch, runs: Sequence[Run]) -> Batch:
    """Some runs of a batch as a batch of their own."""
    part = Batch([], [])
    verdicts = bytearray()
    for run in runs:
        begin = len(part.records)
        part.records += batch.records[run.begin : run.end]
        verdicts += batch.verdicts[run.begin : run.end]
        part.runs.append(Run(run.bearer, begin, len(part.records)))
    part.verdicts = bytes(verdicts)
    part.results = bytearray(len(part.records))
    return part
