"""The network test in one process, on memory links and virtual time: every run of a seed is the same.

Source: this project's own design, docs/architecture.md "The network test".
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from mosaic.core.keys import PublicKey
from mosaic.node.acts import Acts
from mosaic.node.control import JsonObject
from mosaic.node.restore import restore
from mosaic.node.settings import NodeSettings
from mosaic.node.surroundings import Surroundings
from mosaic.testing.simulation.dht import Manner
from mosaic.testing.simulation.homes import PERSON, SERVER, SimulatedHome
from mosaic.testing.simulation.lying import Lies, LyingNetwork, keys
from mosaic.testing.simulation.town import PASSWORD, Lie, Traffic
from mosaic.testing.simulation.world import World
from mosaic.transport.network import ListeningNetwork
from mosaic.transport.settings import TransportSettings


class MemoryHome(SimulatedHome):
    """A home in memory; a `Dweller`."""

    def __init__(self, world: World, folder: Path, address: str, settings: NodeSettings, name: str) -> None:
        super().__init__(world, folder, address, settings)
        self.name = name
        self.key = ""

    async def do(self, act: str, arguments: Mapping[str, object] | None = None) -> list[JsonObject]:
        """See `Dweller.do`. Raises MosaicError."""
        given: JsonObject = dict(arguments or {})  # type: ignore[arg-type]
        acts = Acts(self.node, working=True).table()
        return [item async for item in acts[act](given)]


class MemoryServer(MemoryHome):
    """A server's home in memory, which may lie; `number` is its position among the servers."""

    def __init__(self, world: World, folder: Path, number: int) -> None:
        super().__init__(world, folder, f"10.1.0.{number + 1}", SERVER, f"server {number}")
        self.number = number
        self.moves = 0
        self.lies = Lies()

    def surroundings(self) -> Surroundings:
        """See `SimulatedHome.surroundings`."""
        around = super().surroundings()

        def listener(settings: TransportSettings) -> ListeningNetwork:
            return LyingNetwork(around.listener(settings), self.lies)

        return dataclasses.replace(around, listener=listener)


class MemoryTown:
    """A `Town` in memory, on the running `VirtualLoop`.

    Args:
        folder: Where its homes are made.
        seed: Decides all chance.
        servers: How many servers.
        people: How many people.
        machines: How many nodes the DHT has.
        person: Settings of people's nodes.
        lines: Where each event is written, if that is wanted.
    """

    may_wait = True
    how = "one process, memory links, virtual time"

    def __init__(
        self,
        folder: Path,
        seed: int,
        *,
        servers: int,
        people: int,
        machines: int,
        person: NodeSettings = PERSON,
        lines: IO[str] | None = None,
    ) -> None:
        self.folder = folder
        self._copies: list[MemoryHome] = []
        self.world = World(seed, machines=machines, lines=lines)
        self.servers = [MemoryServer(self.world, folder / f"s{each}", each) for each in range(servers)]
        self.people = [
            MemoryHome(
                self.world,
                folder / f"p{each}",
                f"10.2.{each // 250}.{each % 250 + 1}",
                person,
                f"person{each}",
            )
            for each in range(people)
        ]

    async def begin(self) -> None:
        """Starts all nodes. Raises LocalError."""
        for server in self.servers:
            server.key = (await server.start(listens=True)).server_secret.public.server_text
        for person in self.people:
            first = (await person.start(person.name)).people.first
            assert first is not None
            person.key = first.key.user_text

    async def end(self) -> None:
        """Stops all nodes that run."""
        for home in [*self._copies, *self.people, *self.servers]:
            if home.is_running:
                await home.stop()

    # --- the town ------------------------------------------------------------------------------------

    def now_s(self) -> float:
        """See `Town.now_s`."""
        return asyncio.get_running_loop().time()

    async def wait(self, pause_s: float) -> None:
        """See `Town.wait`."""
        await asyncio.sleep(pause_s)

    def traffic(self) -> Traffic:
        """See `Town.traffic`."""
        return Traffic(self.world.links.bytes_sent, self.world.dht.bytes)

    async def kill(self, server: int) -> None:
        """See `Town.kill`."""
        await self.servers[server].die()

    async def revive(self, server: int, *, elsewhere: bool) -> None:
        """See `Town.revive`."""
        home = self.servers[server]
        self.world.links.connect_again(home.address)
        if elsewhere:
            home.moves += 1
            home.address = f"10.1.{home.moves}.{home.number + 1}"
        await home.start(listens=True)

    async def copy(self, person: int, backup: Path) -> MemoryHome:
        """See `Town.copy`."""
        number = len(self._copies)
        folder = self.folder / f"c{number}"
        with backup.open("rb") as source:
            restore(source, folder, PASSWORD)
        of = self.people[person]
        copy = MemoryHome(self.world, folder, f"10.4.0.{number + 1}", of.settings, f"copy of {of.name}")
        copy.key = of.key
        await copy.start()
        self._copies.append(copy)
        return copy

    @property
    def liars(self) -> Sequence[int]:
        """See `Town.liars`: all of them."""
        return range(len(self.servers))

    async def lie(self, server: int, lie: Lie, about: Sequence[PublicKey]) -> None:
        """See `Town.lie`."""
        lies = self.servers[server].lies
        lies.lie, lies.about = lie, keys(about)

    async def lies_told(self) -> int:
        """See `Town.lies_told`."""
        return sum(server.lies.told for server in self.servers)

    async def dht_lies_told(self) -> int:
        """See `Town.dht_lies_told`."""
        return sum(machine.lies for machine in self.world.dht.machines)

    async def misbehave(self, manner: Manner, machines: Sequence[int]) -> None:
        """See `Town.misbehave`."""
        self.world.dht.behave(manner, machines)
