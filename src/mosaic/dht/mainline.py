"""Mainline on the event loop: the kernel carries look-ups and writes, a descriptor tells of batches.

Source: BEP 5, BEP 44; edition §4. Only IPv4.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from mosaic._kernel import _rust
from mosaic.core.dht_item import SIGNATURE_BYTES, DhtItem
from mosaic.core.keys import PublicKey
from mosaic.dht.mode import DhtMode
from mosaic.dht.network import DhtPassed, Hear, NetworkState, Reach, WriteOutcome, WriteResult
from mosaic.dht.settings import DhtSettings
from mosaic.errors import DhtBusy, InvalidBootstrap, UsageError

PUBLIC_REQUEST_MS: Final = 2_000
PRIVATE_REQUEST_MS: Final = 1_000
ENTRY_S: Final = 30.0
"""After so many seconds without any node of the DHT, nobody answers there."""
_SEQ_BYTES = 8
_OUTCOMES = {
    _rust.DHT_STORED: WriteOutcome.STORED,
    _rust.DHT_CAS_FAILED: WriteOutcome.CAS_FAILED,
    _rust.DHT_NOT_MOST_RECENT: WriteOutcome.NOT_MOST_RECENT,
    _rust.DHT_UNREACHABLE: WriteOutcome.UNREACHABLE,
    _rust.DHT_REFUSED: WriteOutcome.REFUSED,
}


@dataclass(slots=True, eq=False)
class _Job:
    """A look-up, or a write (which hears no answers)."""

    done: asyncio.Future[bytes]
    key: PublicKey
    salt: bytes
    hear: Hear | None

    def somebody_answered(self, told: bytes) -> bool:
        """What the end of the job says about the DHT."""
        if self.hear is not None:
            return _reach(told).answered > 0
        return _result(told).outcome is not WriteOutcome.UNREACHABLE


class Mainline:
    """A node of our own in the DHT; a `DhtNode`.

    Args:
        mode: Which DHT; it must be one that is on.
        settings: Times.
        changed: Is called when `state` has changed.

    Raises:
        UsageError: the mode is `off`.
        ListenFailed: the machine has no descriptor or thread left for it.
    """

    def __init__(
        self,
        mode: DhtMode,
        settings: DhtSettings | None = None,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        if not mode.on:
            raise UsageError("the DHT is off", hint="Name one with --dht mainline or --dht HOST:PORT.")
        chosen_ms = (settings or DhtSettings()).request_ms
        fitting_ms = PRIVATE_REQUEST_MS if mode.is_private else PUBLIC_REQUEST_MS
        self._node = _rust.Dht(
            bootstrap=mode.entry_nodes, host=mode.host, request_timeout_ms=chosen_ms or fitting_ms
        )
        self._changed = changed
        self._jobs: dict[int, _Job] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._entered_by: asyncio.TimerHandle | None = None
        self.state = NetworkState.STARTING

    def start(self) -> None:
        """Begins to hear what the kernel tells, on the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._node.fileno(), self._hand_up)
        self._entered_by = self._loop.call_later(ENTRY_S, self._wait_no_longer)

    @property
    def nodes(self) -> int:
        """How many nodes of the DHT we know."""
        return self._node.nodes()

    @property
    def passed(self) -> DhtPassed | None:
        """See `DhtNode.passed`: counted on Linux."""
        passed = self._node.passed()
        return None if passed is None else DhtPassed(*passed)

    async def look_up(self, key: PublicKey, salt: bytes, hear: Hear) -> Reach:
        """See `DhtNetwork.look_up`. Raises UsageError before `start`."""
        return _reach(await self._ended(self._node.get(key.bytes, salt), key, salt, hear))

    async def write(self, item: DhtItem, cas: int | None) -> WriteResult:
        """See `DhtNetwork.write`. Raises UsageError before `start`."""
        job = self._node.put(item.key.bytes, item.salt, item.seq, item.signature, item.value, cas)
        return _result(await self._ended(job, item.key, item.salt, None))

    async def stop(self) -> None:
        """Leaves the DHT. What is under way ends as if nobody had answered."""
        if self._loop is not None:
            self._loop.remove_reader(self._node.fileno())
        if self._entered_by is not None:
            self._entered_by.cancel()
        await asyncio.to_thread(self._node.close)
        for job in self._jobs.values():
            if not job.done.done():
                job.done.set_result(b"")
        self._jobs.clear()

    async def _ended(self, number: int, key: PublicKey, salt: bytes, hear: Hear | None) -> bytes:
        if self._loop is None:
            raise UsageError("The DHT was not started.", hint="Call `start` first.")
        if number == 0:
            raise DhtBusy
        job = _Job(self._loop.create_future(), key, salt, hear)
        self._jobs[number] = job
        return await job.done

    def _hand_up(self) -> None:
        for number, what, data in self._node.poll():
            if what == _rust.DHT_NODES:
                self._learn(working=int.from_bytes(data, "little") > 0)
                continue
            job = self._jobs.get(number)
            if job is None:
                continue
            if what == _rust.DHT_ITEM:
                if not job.done.done():
                    _tell(job, data)
            else:
                del self._jobs[number]
                self._learn(working=job.somebody_answered(data))
                if not job.done.done():
                    job.done.set_result(data)

    def _wait_no_longer(self) -> None:
        """Who looks nothing up and publishes nothing would never hear that no entry node answers."""
        if self.state is NetworkState.STARTING:
            self._learn(working=self.nodes > 0)

    def _learn(self, *, working: bool) -> None:
        state = NetworkState.WORKING if working else NetworkState.UNREACHABLE
        if state is not self.state:
            self.state = state
            self._changed()


def _reach(told: bytes) -> Reach:
    """What the kernel says at the end of a look-up; nothing if it gave up."""
    return Reach(int.from_bytes(told[4:8], "little"), int.from_bytes(told[:4], "little"))


def _result(told: bytes) -> WriteResult:
    """What the kernel says at the end of a write; nothing if it gave up."""
    if not told:
        return WriteResult(WriteOutcome.UNREACHABLE, "nobody answered in time")
    return WriteResult(_OUTCOMES[told[0]], told[1:].decode(errors="replace"))


def _tell(job: _Job, data: bytes) -> None:
    """Hands an answer up if it is what was asked for."""
    if job.hear is None:
        return
    seq, rest = int.from_bytes(data[:_SEQ_BYTES], "little", signed=True), data[_SEQ_BYTES:]
    signature, value = rest[:SIGNATURE_BYTES], rest[SIGNATURE_BYTES:]
    with contextlib.suppress(InvalidBootstrap):
        item = DhtItem(job.key, job.salt, seq, value, signature)
        if item.verify():
            job.hear(item)
