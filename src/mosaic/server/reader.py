"""Answers to what is asked of the store: GET, QUERY and the stored part of SUBSCRIBE.

Each question is a scan of the store that works in slices. Slices of many
questions go to a reader thread together; whoever is not finished stands at the
end of the row again, and who does not read his answers waits until he has.

    ask ──> ready ──slices (reader thread)──> frames to the link ──┬─> finished
              ^                                                    ├─> ready again
              └──────────────── drained <── parked <── queue full ─┘

Source: messages.md (GET, QUERY, SUBSCRIBE), edition §1 and §3.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from struct import Struct
from typing import Final

from mosaic.errors import MosaicError, StoreError
from mosaic.server.live import Live
from mosaic.server.metrics import Metrics
from mosaic.server.peer import Peer
from mosaic.server.settings import ServerSettings
from mosaic.store.store import Scan, run_scans
from mosaic.wire.header import MessageType
from mosaic.wire.result_code import ResultCode, for_error

_LOG: Final = logging.getLogger(__name__)
_HEAD: Final = Struct("<BBH")
_AT_ONCE: Final = 64
_OTHERS_AT_ONCE: Final = 8
"""Questions of strangers that are worked on together where there are also people served who ask."""
_BYTE_NS: Final = 20
"""What a byte that goes out counts for as work, ns: it has to be encrypted and sent."""
_LEAST_SLICE: Final = 4_096
_ROWS: Final = 2

Then = Callable[["Reading", list[bytes]], None]


def _unbounded(peer: Peer, spent_ns: int) -> bool:
    """Work that nobody counts."""
    del peer, spent_ns
    return True


class Reading:
    """One question under way.

    Args:
        peer: Who asks.
        query_id: Under which id.
        scan: What is left to be looked at.
        then: Called on the loop when the store has no more; what it adds to the list goes out
            behind the records.
        following: Whether it is what a live subscription missed: that was granted when it was opened and
            costs no more than its records, so it is neither counted nor ended for being too much.

    Attributes:
        stopped: Set when nobody wants the rest.
        begun_ns: When it was asked (a clock that never jumps, ns).
    """

    __slots__ = ("begun_ns", "following", "head", "peer", "query_id", "scan", "stopped", "then")

    def __init__(self, peer: Peer, query_id: int, scan: Scan, then: Then, *, following: bool = False) -> None:
        self.peer = peer
        self.query_id = query_id
        self.scan = scan
        self.following = following
        self.then = then
        self.head = _HEAD.pack(MessageType.RECORD, 0, query_id)
        self.stopped = False
        self.begun_ns = time.monotonic_ns()


Slice = tuple[bytes, int, bool]


class Reader:
    """Works on questions of all links, a slice of each at a time.

    Args:
        settings: The server's.
        metrics: Counted in.
        failed: Called on the loop with a question that can't be answered, and why.
        stalled: Called on the loop with a peer that reads none of its answers.
        spent: Called on the loop with a peer and the time (ns) that work for it took; whether there may
            be more.
        now_ns: The clock.
    """

    def __init__(
        self,
        settings: Live[ServerSettings],
        metrics: Metrics,
        *,
        failed: Callable[[Reading, ResultCode], None],
        stalled: Callable[[Peer], None],
        spent: Callable[[Peer, int], bool] = _unbounded,
        now_ns: Callable[[], int],
    ) -> None:
        self._settings = settings
        self._metrics = metrics
        self._failed = failed
        self._stalled = stalled
        self._spent = spent
        self._now_ns = now_ns
        self._first: deque[Reading] = deque()
        self._ready: deque[Reading] = deque()
        self._favoured = False
        self._parked: dict[Peer, list[Reading]] = {}
        self._progress: dict[Peer, tuple[int, int]] = {}
        self._wake = asyncio.Event()
        self._pool = ThreadPoolExecutor(_ROWS, "mosaic-read")
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begins to work."""
        self._tasks = [asyncio.create_task(self._work(), name=f"reader {number}") for number in range(_ROWS)]

    async def stop(self) -> None:
        """Ends the work; questions that are open stay unanswered."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._tasks = []
        await asyncio.to_thread(self._pool.shutdown)

    def ask(self, reading: Reading) -> None:
        """Puts a question at the end of the row; while the peer's queue is full it waits for that."""
        if reading.peer in self._parked:
            self._parked[reading.peer].append(reading)
            return
        self._line_up(reading)
        self._wake.set()

    def _line_up(self, reading: Reading) -> None:
        favoured = reading.peer.favoured
        self._favoured |= favoured
        (self._first if favoured else self._ready).append(reading)

    def drained(self, peer: Peer) -> None:
        """A peer has read enough of its answers: its questions go on."""
        readings = self._parked.pop(peer, None)
        if readings:
            for reading in readings:
                self._line_up(reading)
            self._wake.set()

    def gone(self, peer: Peer) -> None:
        """A link has ended: nobody wants its answers."""
        for reading in self._parked.pop(peer, ()):
            reading.stopped = True

    def look_after(self) -> None:
        """Goes on with who has read meanwhile, and gives up those who have read nothing for too long."""
        now_ns = self._now_ns()
        seen: dict[Peer, tuple[int, int]] = {}
        for peer in list(self._parked):
            pending = peer.network.pending(peer.link)
            waiting, since_ns = self._progress.get(peer, (pending, now_ns))
            if pending <= self._settings.current.queue_bytes // 2:
                self.drained(peer)
            elif pending == waiting and now_ns - since_ns > self._settings.current.slow_reader_ns:
                self._parked.pop(peer)
                self._stalled(peer)
            else:
                seen[peer] = (pending, since_ns if pending == waiting else now_ns)
        self._progress = seen

    # --- inside

    def _next(self) -> tuple[list[Reading], list[int], int]:
        """Whose turn it is, a number for the peer of each, and how many bytes each may send."""
        chosen: list[Reading] = []
        numbers: list[int] = []
        peers: dict[Peer, int] = {}
        most = 1
        count: dict[int, int] = {}
        others = 0
        while (self._first or self._ready) and len(chosen) < _AT_ONCE:
            # What waits for its peer to read is not counted: whoever works on nothing would sleep.
            if not self._first and self._favoured and others >= _OTHERS_AT_ONCE:
                break
            is_other = not self._first
            reading = (self._first or self._ready).popleft()
            peer = reading.peer
            if reading.stopped:
                continue
            if peer in self._parked or (peer not in peers and self._is_full(peer)):
                self._parked.setdefault(peer, []).append(reading)
                continue
            number = peers.setdefault(peer, len(peers))
            count[number] = count.get(number, 0) + 1
            most = max(most, count[number])
            others += is_other
            chosen.append(reading)
            numbers.append(number)
        return chosen, numbers, max(_LEAST_SLICE, self._settings.current.slice_bytes // most)

    def _is_full(self, peer: Peer) -> bool:
        """Whether a peer has to read before it gets more."""
        return peer.network.pending(peer.link) > self._settings.current.queue_bytes

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            readings, peers, max_bytes = self._next()
            if not readings:
                self._wake.clear()
                await self._wake.wait()
                continue
            work = partial(
                _timed,
                [(reading.scan, reading.head) for reading in readings],
                max_bytes,
                self._settings.current.slice_ns,
                groups=peers,
                group_bytes=self._settings.current.slice_bytes,
            )
            slices: list[Slice | MosaicError]
            spent_ns = 0
            try:
                slices, spent_ns = await loop.run_in_executor(self._pool, work)
            except Exception:  # noqa: BLE001 - whatever goes wrong, others must be answered
                _LOG.exception("%d questions could not be answered", len(readings))
                slices = [StoreError("a question could not be answered")] * len(readings)
            self._hand_out(readings, slices, spent_ns)

    def _hand_out(self, readings: list[Reading], slices: list[Slice | MosaicError], spent_ns: int) -> None:
        outgoing: dict[Peer, list[bytes]] = {}
        unfinished: list[Reading] = []
        finished: list[Reading] = []
        for reading, part in zip(readings, slices, strict=True):
            if reading.stopped:
                continue
            if isinstance(part, MosaicError):
                _LOG.error("a question could not be answered: %s (%s)", part, part.hint)
                self._failed(reading, for_error(part))
                continue
            frames, count, done = part
            if count:
                self._metrics.records_sent += count
                outgoing.setdefault(reading.peer, []).append(frames)
            (finished if done else unfinished).append(reading)
        # The ends of answers travel with the answers: one send for each link.
        now_ns = time.monotonic_ns()
        for reading in finished:
            self._metrics.query_time.note(now_ns - reading.begun_ns)
            parts = outgoing.setdefault(reading.peer, [])
            reading.then(reading, parts)
        for peer, parts in outgoing.items():
            if parts:
                peer.send(b"".join(parts))
        self._charge(_costs(readings, outgoing, spent_ns), unfinished)

    def _charge(self, costs: Mapping[Peer, int], unfinished: list[Reading]) -> None:
        """Counts the work that was done; who may have more of it stands in the row again."""
        over = {peer for peer, cost_ns in costs.items() if not self._spent(peer, cost_ns)}
        for reading in unfinished:
            if reading.peer in over and not reading.stopped and not reading.following:
                self._failed(reading, ResultCode.TOO_OPEN)
            else:
                self.ask(reading)


def _timed(
    scans: list[tuple[Scan, bytes]], max_bytes: int, max_ns: int, *, groups: list[int], group_bytes: int
) -> tuple[list[Slice | MosaicError], int]:
    """Slices of scans, and the time (ns) that this thread has worked for them."""
    began_ns = time.thread_time_ns()
    slices = run_scans(scans, max_bytes, max_ns, groups=groups, group_bytes=group_bytes)
    return slices, time.thread_time_ns() - began_ns


def _costs(
    readings: Sequence[Reading], outgoing: Mapping[Peer, Sequence[bytes]], spent_ns: int
) -> Counter[Peer]:
    """What slices cost whom (ns): an equal part of the time, and what its bytes will cost to send."""
    costs: Counter[Peer] = Counter()
    for reading in readings:
        if not reading.following:
            costs[reading.peer] += spent_ns // len(readings)
    for peer, parts in outgoing.items():
        if peer in costs:
            costs[peer] += sum(map(len, parts)) * _BYTE_NS
    return costs
