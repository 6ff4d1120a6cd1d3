"""The network test with processes and sockets: `mosaic serve` for each server, some people to a process."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from mosaic.core.keys import PublicKey
from mosaic.node import control
from mosaic.node.control import JsonObject
from mosaic.node.restore import restore
from mosaic.testing.simulation.dht import Manner
from mosaic.testing.simulation.scale import Scale
from mosaic.testing.simulation.town import PASSWORD, Lie, Traffic
from tests.net.places import Loopback, Place, Places

_HOUSEHOLD = 10
_PORT = 1_320
_DHT_PORT = 6_881
_AT_ONCE = 4
_LIARS = 2
_SETTINGS = """\
[serves]
who = "everyone"

[client]
private_addresses = true

[node]
settle = "0s"
"""


class Process:
    """A process at a place; what it complains about goes to a file beside its home."""

    def __init__(self, place: Place, log: Path, *words: str) -> None:
        with log.open("ab") as complaints:
            self._process = subprocess.Popen(
                place.command(sys.executable, *words),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=complaints,
                env={**os.environ, "MOSAIC_KEYRING": "no"},
            )
        self._log = log

    async def line(self) -> str:
        """The next line that it prints."""
        assert self._process.stdout is not None
        line = await asyncio.to_thread(self._process.stdout.readline)
        if not line:
            raise RuntimeError(f"a process ended:\n{self._log.read_text()[-3_000:]}")
        return line.decode()

    async def tell(self, line: str) -> str:
        """Gives it a line, and waits for its answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()
        return await self.line()

    async def end(self, number: int = signal.SIGTERM) -> str:
        """Ends it; what it printed last."""
        self._process.send_signal(number)
        said, _ = await asyncio.to_thread(self._process.communicate)
        return said.decode()


class RealHome:
    """A home whose node runs in some process; a `Dweller`."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.name = name
        self.key = ""
        self.is_running = False

    async def do(self, act: str, arguments: Mapping[str, object] | None = None) -> list[JsonObject]:
        """See `Dweller.do`. Raises MosaicError."""
        given: JsonObject = dict(arguments or {})  # type: ignore[arg-type]
        return [item async for item in control.ask(self.folder / "node.sock", act, given)]


class RealServer(RealHome):
    """A server: a process at a place of its own. One that can lie is the same node in another program."""

    def __init__(self, folder: Path, number: int, place: Place, *, port: int, is_liar: bool) -> None:
        super().__init__(folder, f"server {number}")
        self.number = number
        self.place = place
        self.port = port
        self.moves = 0
        self.process: Process | None = None
        self.is_liar = is_liar
        self._told = 0
        self._told_before = 0

    @property
    def at(self) -> str:
        """Where it listens."""
        return f"{self.place.address}:{self.port}"

    @property
    def told(self) -> int:
        """How many lies it has told, as far as it was asked."""
        return self._told_before + self._told

    @property
    def log(self) -> Path:
        """What it complained about."""
        return self.folder.with_suffix(".log")

    async def start(self, dht: str) -> None:
        """Starts `mosaic serve`, or the program that can lie."""
        home = ("--dht", dht, "--home", str(self.folder))
        if self.is_liar:
            words = ["-m", "tests.net.host", *home, "--listen", self.at]
        else:
            words = ["-m", "mosaic", "serve", *home, "--ws", "off", "--tcp", self.at, "--quic", self.at]
        self.process = Process(self.place, self.log, *words)
        said = json.loads(await self.process.line())
        self.key = said["servers"][0] if self.is_liar else said["server"]
        self.is_running = True

    async def lie(self, lies: Mapping[str, object]) -> None:
        """Lies so from now on; without anything as before."""
        assert self.process is not None
        self._told = json.loads(await self.process.tell(json.dumps(lies)))["told"]

    async def stop(self, number: int = signal.SIGTERM) -> None:
        """Ends it."""
        assert self.process is not None
        await self.process.end(number)
        self.process, self.is_running = None, False
        self._told_before, self._told = self.told, 0


class RealTown:
    """A `Town` of processes.

    Args:
        folder: Where its homes are made.
        places: Where they live.
        scale: How many there are.
    """

    def __init__(self, folder: Path, places: Places, scale: Scale) -> None:
        self.folder = folder
        self.places = places
        self.how = places.how
        self.may_wait = False
        self._compare_s = scale.compare_s
        self.liars = range(scale.servers - _LIARS, scale.servers)
        self._loopback = isinstance(places, Loopback)
        self.servers = [self._server(each) for each in range(scale.servers)]
        self.people = [RealHome(folder / f"p{each}", f"person{each}") for each in range(scale.people)]
        self._households: list[Process] = []
        self._dht_place = places.place("dht", "10.3.0.1")
        self._machines = [
            f"127.0.0.1:{_free_port()}" if self._loopback else f"10.3.0.{each + 1}:{_DHT_PORT}"
            for each in range(scale.machines)
        ]
        self._dht: Process | None = None

    def _server(self, number: int) -> RealServer:
        folder = self.folder / f"s{number}"
        folder.mkdir()
        (folder / "mosaic.toml").write_text(_SETTINGS)
        place = self.places.place(f"s{number}", f"10.1.0.{number + 1}")
        port = _free_port() if self._loopback else _PORT
        return RealServer(folder, number, place, port=port, is_liar=number in self.liars)

    @property
    def entry(self) -> str:
        """By which nodes the DHT is entered. None of these ever lies."""
        return ",".join(self._machines[-3:])

    @property
    def _host(self) -> Sequence[str]:
        """The program of people's nodes, without their homes."""
        return ("-m", "tests.net.host", "--dht", self.entry, "--compare", str(self._compare_s))

    async def begin(self) -> None:
        """Starts everything."""
        for machine in [] if self._loopback else self._machines[1:]:
            host = machine.partition(":")[0]
            command = self._dht_place.command("ip", "addr", "add", f"{host}/8", "dev", "eth0")
            await asyncio.to_thread(subprocess.run, command, check=True)
        log = self.folder / "dht.log"
        self._dht = Process(self._dht_place, log, "-m", "tests.net.machines", *self._machines)
        await self._dht.line()
        room = asyncio.Semaphore(_AT_ONCE)

        async def start(server: RealServer) -> None:
            async with room:
                initial = [sys.executable, "-m", "mosaic", "init", "--home", str(server.folder)]
                done = await asyncio.to_thread(
                    subprocess.run,
                    [*initial, "--name", "operator", "--json"],
                    check=False,
                    capture_output=True,
                    env={**os.environ, "MOSAIC_KEYRING": "no"},
                )
                assert done.returncode == 0, done
                await server.start(self.entry)

        await asyncio.gather(*map(start, self.servers))
        await asyncio.gather(*(self._household(at) for at in range(0, len(self.people), _HOUSEHOLD)))

    async def _household(self, begin: int) -> None:
        """Some people at one address."""
        people = self.people[begin : begin + _HOUSEHOLD]
        number = begin // _HOUSEHOLD
        place = self.places.place(f"h{number}", f"10.2.0.{number + 1}")
        homes = [word for person in people for word in ("--home", str(person.folder))]
        log = self.folder / f"h{number}.log"
        process = Process(place, log, *self._host, *homes)
        self._households.append(process)
        await process.line()
        for person in people:
            (made,) = await person.do("init", {"name": person.name})
            person.key, person.is_running = str(made["key"]), True

    async def end(self) -> None:
        """Ends everything."""
        running = [server for server in self.servers if server.is_running]
        await asyncio.gather(*(process.end() for process in self._households))
        await asyncio.gather(*(server.stop() for server in running))
        if self._dht is not None:
            await self._dht.end(signal.SIGKILL)

    # --- the town ------------------------------------------------------------------------------------

    def now_s(self) -> float:
        """See `Town.now_s`."""
        return time.monotonic()

    async def wait(self, pause_s: float) -> None:
        """See `Town.wait`."""
        await asyncio.sleep(pause_s)

    def traffic(self) -> Traffic:
        """See `Town.traffic`."""
        return Traffic(*self.places.bytes_passed())

    async def kill(self, server: int) -> None:
        """See `Town.kill`."""
        home = self.servers[server]
        home.place.pull()
        await home.stop(signal.SIGKILL)

    async def revive(self, server: int, *, elsewhere: bool) -> None:
        """See `Town.revive`."""
        home = self.servers[server]
        if elsewhere and self._loopback:
            home.port = _free_port()
        elif elsewhere:
            home.moves += 1
        home.place.plug(home.place.address if not elsewhere else f"10.1.{home.moves}.{home.number + 1}")
        if self._loopback:
            home.place.plug("127.0.0.1")
        await home.start(self.entry)

    async def copy(self, person: int, backup: Path) -> RealHome:
        """See `Town.copy`: in a process of its own."""
        number = len(self._households)
        copy = RealHome(self.folder / f"c{number}", f"copy of {self.people[person].name}")
        with backup.open("rb") as source:
            restore(source, copy.folder, PASSWORD)
        place = self.places.place(f"c{number}", f"10.4.0.{number + 1}")
        log = self.folder / f"c{number}.log"
        process = Process(place, log, *self._host, "--home", str(copy.folder))
        self._households.append(process)
        await process.line()
        copy.key, copy.is_running = self.people[person].key, True
        return copy

    async def lie(self, server: int, lie: Lie, about: Sequence[PublicKey]) -> None:
        """See `Town.lie`."""
        await self.servers[server].lie({"lie": lie.value, "about": [key.bytes.hex() for key in about]})

    async def lies_told(self) -> int:
        """See `Town.lies_told`."""
        liars = [self.servers[number] for number in self.liars]
        await asyncio.gather(*(liar.lie({}) for liar in liars if liar.is_running))
        return sum(liar.told for liar in liars)

    async def misbehave(self, manner: Manner, machines: Sequence[int]) -> None:
        """See `Town.misbehave`."""
        assert self._dht is not None
        await self._dht.tell(" ".join((manner.value, *map(str, machines))))

    async def dht_lies_told(self) -> int:
        """See `Town.dht_lies_told`."""
        assert self._dht is not None
        return int(await self._dht.tell(""))


def _free_port() -> int:
    """A port that was free for TCP and UDP just now."""
    while True:
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            tcp.bind(("127.0.0.1", 0))
            port = int(tcp.getsockname()[1])
            try:
                udp.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
