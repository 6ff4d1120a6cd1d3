"""A DHT in memory: nodes that keep signed items, and nodes that lie.

An item lies at the nodes whose numbers are closest to its target, and a node
takes it by the rules of BEP 44: its sequence number may not fall, and must be
the expected one where one is expected. What a lying node gives is checked by
whoever asks, as it is on the Internet.

Source: BEP 5, BEP 44; edition §4.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Final

from mosaic.core.dht_item import DhtItem, target
from mosaic.core.keys import PublicKey
from mosaic.dht.network import DhtPassed, Hear, NetworkState, Reach, WriteOutcome, WriteResult
from mosaic.testing.simulation.trace import Trace

_CLOSEST: Final = 8
_EXPIRE_NS: Final = 2 * 3_600 * 1_000_000_000
_ROUND_NS: Final = 60_000_000
"""What a question and its answer take, and a look-up takes three of them."""
_ROUNDS: Final = 3
_TIMEOUT_NS: Final = 1_000_000_000
_MESSAGE_BYTES: Final = 320
"""About what a question and its answer have, with the headers of UDP and IP, without the item."""


class Manner(Enum):
    """How a node of the DHT behaves."""

    HONEST = "honest"
    SILENT = "silent"
    """Answers nobody."""
    FORGER = "forger"
    """Gives another text under a greater number, with a signature that can't hold."""
    BACKWARD = "backward"
    """Gives the oldest item that it ever saw, which was signed once."""
    FORGETFUL = "forgetful"
    """Says that it took what is written, and has nothing when it is asked."""


@dataclass(slots=True)
class _Kept:
    item: DhtItem
    until_ns: int


@dataclass(slots=True)
class DhtMachine:
    """One node of the DHT.

    Args:
        number: Its number (20 bytes).
    """

    number: bytes
    manner: Manner = Manner.HONEST
    lies: int = 0
    """How many answers it gave that were not so."""
    _items: dict[bytes, _Kept] = field(default_factory=dict)
    _oldest: dict[bytes, DhtItem] = field(default_factory=dict)

    def distance(self, wanted: bytes) -> int:
        """How far it is from a target."""
        return int.from_bytes(self.number, "big") ^ int.from_bytes(wanted, "big")

    def answer(self, wanted: bytes, now_ns: int) -> DhtItem | None:
        """What it says that lies there."""
        kept = self._items.get(wanted)
        item = None if kept is None or kept.until_ns <= now_ns else kept.item
        if item is None or self.manner is Manner.HONEST:
            return item
        self.lies += 1
        match self.manner:
            case Manner.FORGER:
                return replace(item, seq=item.seq + 1, value=item.value[:-2] + b"\r\n")
            case Manner.BACKWARD:
                return self._oldest[wanted]
            case _:
                return None

    def put(self, item: DhtItem, cas: int | None, now_ns: int) -> WriteOutcome:
        """Takes an item, or not; `cas` is the sequence number that must stand there now, None = any."""
        if not item.verify():
            return WriteOutcome.REFUSED
        kept = self._items.get(item.target)
        if kept is not None and kept.until_ns > now_ns:
            if cas is not None and kept.item.seq != cas:
                return WriteOutcome.CAS_FAILED
            if item.seq < kept.item.seq:
                return WriteOutcome.NOT_MOST_RECENT
        self._items[item.target] = _Kept(item, now_ns + _EXPIRE_NS)
        self._oldest.setdefault(item.target, item)
        return WriteOutcome.STORED


class SimulatedDht:
    """All nodes of a DHT.

    Args:
        machines: How many.
        trace: Is told what passes.
        now_ns: The time, ns.
    """

    def __init__(self, machines: int, trace: Trace, now_ns: Callable[[], int]) -> None:
        numbers = (hashlib.sha1(b"%d" % each, usedforsecurity=False).digest() for each in range(machines))
        self.machines = [DhtMachine(number) for number in numbers]
        self.trace = trace
        self.now_ns = now_ns
        self.bytes = 0
        """What was exchanged in all."""
        self.refused = 0
        """Answers that did not hold."""

    def behave(self, manner: Manner, places: Sequence[int]) -> None:
        """Lets some machines behave otherwise from now on; `places` are their positions."""
        for place in places:
            self.machines[place].manner = manner

    def closest(self, wanted: bytes) -> list[DhtMachine]:
        """Those where an item lies."""
        return sorted(self.machines, key=lambda one: one.distance(wanted))[:_CLOSEST]


class SimulatedDhtNode:
    """The place of one host in the DHT; a `DhtNode`.

    Args:
        dht: The DHT.
        is_up: Whether the host is connected.
        where: Its name in the trace.
        changed: Is called when `state` has changed.
    """

    def __init__(
        self, dht: SimulatedDht, is_up: Callable[[], bool], where: str, changed: Callable[[], None]
    ) -> None:
        self._dht = dht
        self._is_up = is_up
        self._where = where
        self._changed = changed
        self.state = NetworkState.STARTING
        self.passed: DhtPassed | None = None
        """Counted of all together: `SimulatedDht.bytes`."""

    def start(self) -> None:
        """See `DhtNode.start`."""
        asyncio.get_running_loop().call_later(2 * _ROUND_NS / 1e9, self._learn)

    async def stop(self) -> None:
        """See `DhtNode.stop`."""

    def _learn(self) -> None:
        state = NetworkState.WORKING if self._is_up() else NetworkState.UNREACHABLE
        if state is not self.state:
            self.state = state
            self._changed()

    async def look_up(self, key: PublicKey, salt: bytes, hear: Hear) -> Reach:
        """See `DhtNetwork.look_up`."""
        wanted = target(key, salt)
        machines = self._dht.closest(wanted)
        if not self._is_up():
            await asyncio.sleep(_TIMEOUT_NS / 1e9)
            self._learn()
            return Reach(len(machines), 0)
        await asyncio.sleep(_ROUNDS * _ROUND_NS / 1e9)
        answered = 0
        for machine in machines:
            self._dht.bytes += _MESSAGE_BYTES
            if machine.manner is Manner.SILENT:
                continue
            answered += 1
            item = machine.answer(wanted, self._dht.now_ns())
            if item is None:
                continue
            self._dht.bytes += len(item.value)
            if item.verify():
                self._dht.trace.note(self._dht.now_ns(), self._where, "dht item", item.signature)
                hear(item)
            else:
                self._dht.refused += 1
        if answered < len(machines):
            await asyncio.sleep((_TIMEOUT_NS - _ROUND_NS) / 1e9)
        self._learn()
        return Reach(len(machines), answered)

    async def write(self, item: DhtItem, cas: int | None) -> WriteResult:
        """See `DhtNetwork.write`."""
        if not self._is_up():
            await asyncio.sleep(_TIMEOUT_NS / 1e9)
            return WriteResult(WriteOutcome.UNREACHABLE, "nobody answered in time")
        await asyncio.sleep((_ROUNDS + 1) * _ROUND_NS / 1e9)
        self._dht.trace.note(self._dht.now_ns(), self._where, "dht write", item.signature)
        outcomes: list[WriteOutcome] = []
        for machine in self._dht.closest(item.target):
            self._dht.bytes += _MESSAGE_BYTES + len(item.value)
            if machine.manner is not Manner.SILENT:
                outcomes.append(machine.put(item, cas, self._dht.now_ns()))
        stored = outcomes.count(WriteOutcome.STORED)
        if stored:
            return WriteResult(WriteOutcome.STORED, str(stored))
        return WriteResult(outcomes[0] if outcomes else WriteOutcome.UNREACHABLE)
