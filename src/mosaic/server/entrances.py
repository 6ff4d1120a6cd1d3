"""The networks of a server: who may connect to them, when they are paused, how they start and stop.

Source: this project's own design, docs/architecture.md "Abuse".
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from mosaic.server.admission import Admission, gate_rows
from mosaic.server.live import Live
from mosaic.server.settings import ServerSettings
from mosaic.transport.network import Entrance, Event

_BLOCK_S = 0.5


class Entrances:
    """All networks whose links a server serves.

    Args:
        admission: Knows who is kept out.
        settings: The limits that hold now.
        take: Gets the events of a network's links.

    Attributes:
        networks: In the order in which they were attached.
    """

    def __init__(
        self,
        admission: Admission,
        settings: Live[ServerSettings],
        take: Callable[[Entrance, Sequence[Event]], None],
    ) -> None:
        self._admission = admission
        self._settings = settings
        self._take = take
        self.networks: list[Entrance] = []
        self._paused = False
        self._running = False
        self._blocking: asyncio.TimerHandle | None = None

    # --- life

    def attach(self, network: Entrance) -> None:
        """Serves the links of a network from now on, or from `start` on."""
        self.networks.append(network)
        self._watch_door(network)
        if self._running:
            network.start(partial(self._take, network))

    def start(self) -> None:
        """Begins to serve the links of all networks."""
        self._running = True
        for network in self.networks:
            network.start(partial(self._take, network))

    def settle(self) -> None:
        """Nobody else is kept out from now on: the server is about to stop."""
        self._running = False
        if self._blocking is not None:
            self._blocking.cancel()

    async def stop(self, grace_s: float) -> None:
        """Closes all links; peers may take `grace_s` seconds to read their last answers."""
        await asyncio.gather(*(network.stop(grace_s) for network in self.networks))

    # --- who may connect

    def limits_changed(self) -> None:
        """Tells the networks the limits and the proxies that hold now."""
        for network in self.networks:
            self._watch_door(network)

    def block_soon(self) -> None:
        """Tells the networks who is kept out; once for all who are banned within a moment."""
        if self._running and self._blocking is None:
            self._blocking = asyncio.get_running_loop().call_later(_BLOCK_S, self._block)

    def counts(self) -> Mapping[str, int]:
        """What happened to connections before they were links, on all networks together, by name."""
        counted: Counter[str] = Counter()
        for network in self.networks:
            counted.update(network.counts())
        return counted

    def _watch_door(self, network: Entrance) -> None:
        network.set_gate(gate_rows(self._settings.current))
        network.set_trusted(self._admission.proxies.trusted)
        network.set_blocked(self._admission.blocked())

    def _block(self) -> None:
        self._blocking = None
        blocked = self._admission.blocked()
        for network in self.networks:
            network.set_blocked(blocked)

    # --- when too much waits

    def pause(self) -> None:
        """Takes nothing more from the links, until `resume`."""
        if not self._paused:
            self._paused = True
            for network in self.networks:
                network.pause()

    def resume(self) -> None:
        """Takes from the links again what has arrived."""
        if self._paused:
            self._paused = False
            for network in self.networks:
                network.resume()
