"""What reading costs in a day: 300 followed people on 20 servers who write 10 records each.

Reader and servers are real nodes that talk over TCP and TLS, in a network
namespace of their own where the system allows that: then every byte is
counted that passes there, with the heads of all packets, both ways. Elsewhere
messages are counted as the client does (`mosaic.client.traffic`), which is less.

Each person has three outboxes. Each of the day's 24 hours people write, quiet
links are asked after and idle ones closed as often as the settings say, outboxes
are compared, and four times all links break. The hours pass by setting all
clocks forward: what is to be done by then is done, and measured as a whole.
People and servers are found in a DHT in memory, which is counted apart.

`data_use.day` is megabytes beyond the records. `data_use.twice` are the bytes
of records that came and were here already. The others are parts of it, in all,
for information, and what the first beginning costs: not each day has one.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import fcntl
import functools
import json
import os
import random
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final

from benchmarks.load_client import ROOT
from benchmarks.processes import DISK
from benchmarks.rows import Row, row
from mosaic.client.settings import ClientSettings
from mosaic.client.traffic import Purpose
from mosaic.core.bootstrap import SERVER_SALT, USER_SALT, ServerBootstrap, ServerUse, Usage, UserBootstrap
from mosaic.core.dht_item import DhtItem
from mosaic.core.filter import Filter
from mosaic.core.keys import PublicKey
from mosaic.dht.mode import DhtMode
from mosaic.dht.network import NetworkState
from mosaic.errors import Disconnected
from mosaic.node.clock import Clock
from mosaic.node.home import Home, try_lock
from mosaic.node.listeners import ListenAt
from mosaic.node.node import Node
from mosaic.node.operating_settings import ServingSettings
from mosaic.node.reading_group import CONNECTED
from mosaic.node.settings import NodeSettings
from mosaic.node.surroundings import Surroundings
from mosaic.policy.submission import Way
from mosaic.testing import Person
from mosaic.testing.dht import FakeDht
from mosaic.transport.transport import Transport

SERVERS: Final = 20
PEOPLE: Final = 300
RECORDS_EACH: Final = 10
OUTBOXES: Final = 3
HOURS: Final = 24
QUICK_HOURS: Final = 6
BREAKS_EVERY: Final = 6
BUDGET_MB: Final = 3.0
PARTS: Final = ("writing", "quiet", "comparing", "breaks", "beginning")
_SECOND: Final = 1_000_000_000
_HOUR_NS: Final = 3_600 * _SECOND
_PATIENCE_S: Final = 60.0
_LONGEST_S: Final = 170.0
_AT_ONCE: Final = 5
_PAUSE_S: Final = 0.02
_CALM_S: Final = 0.15
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 0x1

_CLIENT = ClientSettings(private_addresses=True)
_READER = NodeSettings(client=_CLIENT, dht=DhtMode(on=True, entry_nodes=("127.0.0.1:1",)), stop_s=1.0)
_SERVER = NodeSettings(
    client=_CLIENT, dht=DhtMode(on=False), serves=ServingSettings(who="everyone"), stop_s=1.0
)


def run(quick: bool) -> list[Row]:
    """Measures `data_use.*`.

    Args:
        quick: A quarter of a day, times four.
    """
    found = _measured(QUICK_HOURS if quick else HOURS)
    rows = [
        row("data_use.day", "MB", [found["day"] / 1e6], BUDGET_MB),
        row("data_use.twice", "bytes", [found["twice"]], 1.0),
    ]
    rows += [row(f"data_use.{name}", "bytes", [found[name]], BUDGET_MB * 1e6) for name in PARTS]
    rows.append(row("data_use.records", "bytes", [found["records"]], max(1.0, found["records"])))
    rows.append(row("data_use.servers", "servers read", [found["servers"]], SERVERS))
    return rows


def _measured(hours: int) -> dict[str, float]:
    """One run in a process, and a network, of its own."""
    command = [sys.executable, "-m", "benchmarks.data_use", str(hours)]
    if shutil.which("unshare") and subprocess.run(["unshare", "-rn", "true"], check=False).returncode == 0:
        command = ["unshare", "-rn", *command, "--alone"]
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join((str(ROOT / "src"), str(ROOT))),
        "MOSAIC_KEYRING": "no",
    }
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment, cwd=ROOT)
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


# --- in the process of its own ---------------------------------------------------------------------------


class _Meter:
    """Bytes on the loopback device of a network of one's own, or as the client counts them."""

    def __init__(self, *, alone: bool) -> None:
        self._alone = alone
        self.client: Callable[[], int] = lambda: 0
        if alone:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as device:
                flags = struct.unpack(
                    "16sh", fcntl.ioctl(device, _SIOCGIFFLAGS, struct.pack("16sh", b"lo", 0))
                )[1]
                fcntl.ioctl(device, _SIOCSIFFLAGS, struct.pack("16sh", b"lo", flags | _IFF_UP))

    def bytes(self) -> int:
        """What has passed so far, both ways."""
        if not self._alone:
            return self.client()
        for line in Path("/proc/net/dev").read_text("ascii").splitlines():
            name, _, figures = line.partition(":")
            if name.strip() == "lo":
                # What the device sent, without the 14 bytes that only it puts before each packet.
                sent, packets = (int(figure) for figure in figures.split()[8:10])
                return sent - 14 * packets
        return 0


class _Dht(FakeDht):
    """A DHT in memory, as a node enters it."""

    state = NetworkState.WORKING

    def start(self) -> None:
        """See `DhtNode.start`."""

    async def stop(self) -> None:
        """See `DhtNode.stop`."""


class _Day:
    """The servers, the people, who reads them, and what time it is for all of them."""

    def __init__(self, meter: _Meter) -> None:
        self.meter = meter
        self.dht = _Dht()
        self.servers: list[Node] = []
        self.people = [Person(f"person {number}") for number in range(PEOPLE)]
        self.chance = random.Random(1)
        self.uses = [self.chance.sample(range(SERVERS), OUTBOXES) for _ in self.people]
        self.reader: Node
        self.written = 0
        self.written_bytes = 0
        self._ahead_ns = 0
        self._clock = Clock(lambda: time.time_ns() + self._ahead_ns)

    @contextlib.asynccontextmanager
    async def opened(self, folder: Path, settings: NodeSettings) -> AsyncIterator[Node]:
        """A node that lives in this day."""
        home = Home(folder)
        home.make()
        lock = try_lock(home)
        assert lock is not None
        around = Surroundings(clock=self._clock, dht=lambda *_: self.dht)
        node = await Node.open(home, lock, settings, surroundings=around)
        try:
            yield node
        finally:
            await node.stop()

    def pass_ns(self, length_ns: int) -> None:
        """Lets time pass (ns)."""
        self._ahead_ns += length_ns

    def publish(self) -> None:
        """All servers and people are found by their keys; the reader knows them from before."""
        items = []
        for node in self.servers:
            secret = node.server_secret
            text = ServerBootstrap(tuple(node.urls)).text
            items.append(DhtItem.sign(secret, SERVER_SALT, 1, text.encode()))
        for person, uses in zip(self.people, self.uses, strict=True):
            keys = [self.servers[server].server_secret.public for server in uses]
            text = UserBootstrap(tuple(ServerUse(Usage.OUTBOX, key) for key in keys)).text
            items.append(DhtItem.sign(person.master, USER_SALT, 1, text.encode()))
        for item in items:
            self.dht.put(item)
            self.reader.dht.learn(item)

    async def write(self, people: Sequence[int], ago_ns: int = 0) -> None:
        """Some people write: all of their outboxes have it at once."""
        batches: dict[int, list[bytes]] = {}
        for person in people:
            record = self.people[person].record(self._clock.now_ns() - ago_ns).data
            self.written += 1
            self.written_bytes += len(record)
            for server in self.uses[person]:
                batches.setdefault(server, []).append(record)
        await asyncio.gather(
            *(self.servers[server].server.submit(batch, Way.MIRROR) for server, batch in batches.items())
        )

    async def write_all(self, people: Sequence[int]) -> None:
        """People write one after the other; all of it has come when this returns."""
        for start in range(0, len(people), _AT_ONCE):
            await self.write(people[start : start + _AT_ONCE])
            await asyncio.sleep(_PAUSE_S)
        await _until("all that was written to come", lambda: self.here() == self.written)

    async def begin(self) -> None:
        """The reader follows everybody, and has what they wrote before."""
        first = self.reader.people.first
        assert first is not None
        for person in self.people:
            self.reader.db.follow(first.key.bytes, person.key.bytes, self._clock.now_ns())
        self.reader.work()
        await _until("everybody to be read", self.is_read)
        history = self.reader.history
        await _until("old posts", lambda: all(history.progress(one.key).done for one in self.people))
        await self.compare()

    async def compare(self) -> None:
        """What is due by now is compared."""
        # Nobody of nobody: it only wakes who compares.
        self.reader.comparing.soon(self.servers[0].server_secret.public, ())
        await asyncio.sleep(_CALM_S)

    async def stay_quiet(self) -> None:
        """An hour passes in which nothing happens, and links are looked after."""
        pause_ns = int(_CLIENT.keep_alive_s * _SECOND) + 1
        for _ in range(_HOUR_NS // pause_ns + 1):
            self.pass_ns(pause_ns)
            await self.reader.pool.tend()

    async def break_links(self) -> None:
        """All links break, and all is read again."""
        for connection in self.reader.pool.connections:
            connection.fail(Disconnected("the network went away"))
        await asyncio.sleep(_CALM_S)
        await _until("everybody to be read again", self.is_read)

    def is_read(self) -> bool:
        """Whether everybody is read somewhere."""
        groups = self.reader.follower.groups()
        read = {who for group in groups if group.state == CONNECTED for who in group.people}
        return len(read) == PEOPLE

    def here(self) -> int:
        """How many of the records are here."""
        keys = [person.key for person in self.people]
        return sum(
            len(self.reader.everything.prefixes(Filter.of(authors=keys[start : start + 60]), 10_000))
            for start in range(0, PEOPLE, 60)
        )

    def read_at(self) -> set[PublicKey]:
        """The servers that are read."""
        return {group.server for group in self.reader.follower.groups() if group.state == CONNECTED}

    def came(self) -> int:
        """The bytes of all records that came."""
        each = self.reader.pool.passed.by_server().values()
        return sum(passed.came for of in each for what, passed in of.items() if what is Purpose.RECORDS)

    async def cost(self, act: Callable[[], Awaitable[object]]) -> int:
        """What an act lets pass beyond new records, with what comes of it."""
        before, written = await _settled(self.meter), self.written_bytes
        await act()
        return await _settled(self.meter) - before - (self.written_bytes - written)


async def _until(what: str, look: Callable[[], object]) -> None:
    try:
        async with asyncio.timeout(_PATIENCE_S):
            while not look():  # noqa: ASYNC110 - what is looked at tells nobody
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise TimeoutError(f"waited in vain for {what}") from None


async def _settled(meter: _Meter) -> int:
    """What has passed when nothing more does."""
    before = -1
    async with asyncio.timeout(_PATIENCE_S):
        while (now := meter.bytes()) != before:
            before = now
            await asyncio.sleep(_CALM_S)
    return now


async def _one_day(folder: Path, hours: int, *, alone: bool) -> dict[str, float]:
    meter = _Meter(alone=alone)
    day = _Day(meter)
    async with asyncio.timeout(_LONGEST_S), contextlib.AsyncExitStack() as stack:
        for number in range(SERVERS):
            node = await stack.enter_async_context(day.opened(folder / f"server-{number}", _SERVER))
            node.listen(ListenAt(Transport.TCP, "127.0.0.1", 0))
            day.servers.append(node)
        reader = day.reader = await stack.enter_async_context(day.opened(folder / "reader", _READER))
        await reader.make_person("reader")
        meter.client = lambda: sum(
            passed.came + passed.went
            for purposes in reader.pool.passed.by_server().values()
            for passed in purposes.values()
        )
        day.publish()
        for start in range(0, PEOPLE, 60):
            await day.write(range(start, start + 60), ago_ns=3 * _HOUR_NS)
        parts = dict.fromkeys(PARTS, 0)
        parts["beginning"] = await day.cost(day.begin) - day.written_bytes
        before = day.written_bytes
        order = [person for person in range(PEOPLE) for _ in range(RECORDS_EACH)]
        day.chance.shuffle(order)
        each = PEOPLE * RECORDS_EACH // HOURS
        for hour in range(hours):
            some = order[hour * each : (hour + 1) * each]
            parts["writing"] += await day.cost(functools.partial(day.write_all, some))
            parts["quiet"] += await day.cost(day.stay_quiet)
            parts["comparing"] += await day.cost(day.compare)
            if hour % BREAKS_EVERY == BREAKS_EVERY - 1:
                parts["breaks"] += await day.cost(day.break_links)
        whole = HOURS / hours
        for name in ("writing", "quiet", "comparing", "breaks"):
            parts[name] = round(parts[name] * whole)
        return {
            **parts,
            "day": sum(parts.values()) - parts["beginning"],
            "twice": float(day.came() - day.written_bytes),
            "records": (day.written_bytes - before) * whole,
            "servers": len(day.read_at()),
        }


def main() -> None:
    """Measures once and prints a JSON object."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.data_use")
    parser.add_argument("hours", type=int)
    parser.add_argument("--alone", action="store_true", help="this process has a network of its own")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mosaic-bench-", dir=DISK) as folder:
        done = asyncio.run(_one_day(Path(folder), given.hours, alone=given.alone))
    print(json.dumps(done))


if __name__ == "__main__":
    main()
