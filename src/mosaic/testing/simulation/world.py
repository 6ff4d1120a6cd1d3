"""A world for many nodes: one time, one network, one DHT, and chance that a seed decides.

Source: this project's own design, docs/architecture.md "The network test".
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from typing import IO, Final

from mosaic.dht.mode import DhtMode
from mosaic.dht.network import DhtNode
from mosaic.dht.settings import DhtSettings
from mosaic.errors import UsageError
from mosaic.node.clock import Clock
from mosaic.node.surroundings import Surroundings
from mosaic.testing.simulation.dht import SimulatedDht, SimulatedDhtNode
from mosaic.testing.simulation.links import DialingEnd, Host, Links, ListeningEnd
from mosaic.testing.simulation.trace import Trace
from mosaic.testing.simulation.virtual_time import VirtualLoop

UNIX_START_NS: Final = 1_800_000_000_000_000_000
"""When it begins: in January 2027, ns since 1970."""
ENTRY: Final = DhtMode(on=True, entry_nodes=("10.0.0.1:6881",))
"""The mode of all who take part in the world's DHT: its addresses are private ones."""


class Chance:
    """Random bytes that a seed and a name decide.

    Args:
        seed: The seed.
        name: Whose chance this is: others' draws don't change it.
    """

    def __init__(self, seed: int, name: str) -> None:
        self._begin = f"{seed} {name} ".encode()
        self._drawn = 0

    def __call__(self, length: int) -> bytes:
        """So many bytes."""
        self._drawn += 1
        return hashlib.shake_256(self._begin + b"%d" % self._drawn).digest(length)

    def below(self, count: int) -> int:
        """The place of one of `count` items, from 0 on."""
        return int.from_bytes(self(8), "little") % count


class World:
    """The world, on the running loop, which must be a `VirtualLoop`.

    Args:
        seed: Decides all chance.
        machines: How many nodes the DHT has.
        lines: Where each event is written, if that is wanted.

    Raises:
        UsageError: the running loop is another one.
    """

    def __init__(self, seed: int, *, machines: int = 20, lines: IO[str] | None = None) -> None:
        loop = asyncio.get_running_loop()
        if not isinstance(loop, VirtualLoop):
            raise UsageError(
                "a simulated world needs an event loop with virtual time", hint="Use `virtual_time.run`."
            )
        self._loop = loop
        self.seed = seed
        self.trace = Trace(lines)
        self.clock = Clock(self._unix_ns)
        self.links = Links(self.trace, self.now_ns)
        self.dht = SimulatedDht(machines, self.trace, self.now_ns)

    def _unix_ns(self) -> int:
        return UNIX_START_NS + self._loop.now_ns

    def now_ns(self) -> int:
        """The time since the world began, ns."""
        return self._loop.now_ns

    def surroundings(self, address: str) -> Surroundings:
        """Those of a node on the host with this address; the host is made when it is named first."""
        delay_ns = 5_000_000 + Chance(self.seed, f"way to {address}").below(35_000_000)
        host = self.links.host(address, delay_ns)
        return Surroundings(
            clock=self.clock,
            entropy=Chance(self.seed, address),
            dialer=lambda settings: DialingEnd(settings, self.links, host),
            listener=lambda settings: ListeningEnd(settings, self.links, host),
            resolve=_no_names,
            dht=self._dht_node(host),
        )

    def _dht_node(self, host: Host) -> Callable[[DhtMode, DhtSettings, Callable[[], None]], DhtNode]:
        def make(mode: DhtMode, settings: DhtSettings, changed: Callable[[], None]) -> DhtNode:
            del mode, settings
            return SimulatedDhtNode(self.dht, lambda: host.is_up, host.address, changed)

        return make


async def _no_names(name: str, port: int) -> list[str]:
    """There are no names in this world."""
    del name, port
    return []
