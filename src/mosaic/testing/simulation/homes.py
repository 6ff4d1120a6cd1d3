"""Whole nodes in a simulated world: each with a home on disk, a host of its own, and settings of its kind.

Source: this project's own design, docs/architecture.md "The network test".
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

from mosaic.client.settings import ClientSettings
from mosaic.node.home import Home, try_lock
from mosaic.node.listeners import ListenAt
from mosaic.node.node import Node
from mosaic.node.operating_settings import ServingSettings
from mosaic.node.settings import NodeSettings
from mosaic.node.surroundings import Surroundings
from mosaic.server.settings import ServerSettings
from mosaic.testing.simulation.world import ENTRY, World
from mosaic.transport.transport import Transport

_SERVER: Final = ServerSettings(
    # How much memory the process has, and how fast it works, is no part of the world.
    memory_bytes=0,
    slice_ns=10_000_000_000,
    check_threads=1,
)
# Others look again after an hour and a fifth at most.
_LEFT_KEPT_S: Final = 4_350.0
PERSON: Final = NodeSettings(
    client=ClientSettings(private_addresses=True, compare_s=60.0),
    dht=ENTRY,
    server=_SERVER,
    settle_s=0.0,
    # Encryption draws randomness of its own, which no seed repeats.
    keep_follows=False,
)
SERVER: Final = NodeSettings(
    client=ClientSettings(private_addresses=True),
    dht=ENTRY,
    server=_SERVER,
    serves=ServingSettings(who="everyone"),
)


def hurried(compare_s: float) -> NodeSettings:
    """Settings of people's nodes in the network test: what takes an hour otherwise goes faster.

    Args:
        compare_s: How often outboxes are compared, in seconds.
    """
    client = ClientSettings(private_addresses=True, compare_s=compare_s, withheld_s=20.0)
    return replace(PERSON, client=client, left_kept_s=_LEFT_KEPT_S)


class SimulatedHome:
    """A home whose node can be started, stopped, and started elsewhere.

    Args:
        world: Where it lives.
        folder: The home's folder; a home is made there.
        address: Of its host.
        settings: Of its node.
    """

    def __init__(self, world: World, folder: Path, address: str, settings: NodeSettings) -> None:
        self.world = world
        self.home = Home(folder)
        self.address = address
        self.settings = settings
        self._node: Node | None = None

    @property
    def node(self) -> Node:
        """The running node."""
        assert self._node is not None
        return self._node

    @property
    def is_running(self) -> bool:
        """Whether it was started, and not stopped since."""
        return self._node is not None

    def surroundings(self) -> Surroundings:
        """What its node lives in, at the address where the home is now."""
        return self.world.surroundings(self.address)

    async def start(self, name: str = "", *, listens: bool = False) -> Node:
        """Starts the node; makes a person first, if one is named. Raises LocalError."""
        if not self.home.is_there:
            self.home.make()
        lock = try_lock(self.home)
        assert lock is not None
        around = self.surroundings()
        node = self._node = await Node.open(self.home, lock, self.settings, surroundings=around)
        if name and not len(node.people):
            await node.make_person(name)
        if listens:
            node.listen(ListenAt(Transport.TCP, self.address, 0))
        node.work()
        return node

    async def stop(self) -> None:
        """Stops the node in order."""
        node, self._node = self.node, None
        await node.stop()

    async def die(self) -> None:
        """The machine loses its power: nobody is told."""
        self.world.links.cut_off(self.address)
        await self.stop()
