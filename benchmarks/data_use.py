"""What reading costs in a day: 300 followed people on 20 servers who write 10 records each.

Reader and servers are real nodes that talk over TCP and TLS, in a network
namespace of their own where the system allows that: then every byte is
counted that passes there, with the heads of all packets, both ways. Elsewhere
messages are counted as the client does (`mosaic.client.traffic`), which is less.

Each person has three outboxes. Measured are the parts of a day: beginning to
read, each record beyond its own bytes, one round of asking after quiet links,
one round of comparing outboxes, one reconnection of all links. The day is one
beginning, 3,000 records, as many rounds as the settings say, and four
reconnections. The DHT is off: it is no part of it.

`data_use.day` is megabytes beyond the records; `data_use.twice` how many
records came that were here already (at most one in a thousand); the others
are parts, for information.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import fcntl
import json
import os
import random
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Final

from benchmarks.load_client import ROOT
from benchmarks.processes import DISK
from benchmarks.rows import Row, row
from mosaic.client.settings import ClientSettings
from mosaic.core.bootstrap import Usage
from mosaic.core.filter import Filter
from mosaic.core.keys import PublicKey
from mosaic.dht.mode import DhtMode
from mosaic.errors import Disconnected
from mosaic.node.home import Home, try_lock
from mosaic.node.listeners import ListenAt
from mosaic.node.node import Node
from mosaic.node.operating_settings import ServingSettings
from mosaic.node.outbox_checks import OutboxChecks
from mosaic.node.reading_group import CONNECTED
from mosaic.node.settings import NodeSettings
from mosaic.policy.submission import Way
from mosaic.testing import Person
from mosaic.transport.transport import Transport

SERVERS: Final = 20
PEOPLE: Final = 300
RECORDS_EACH: Final = 10
OUTBOXES: Final = 3
RECONNECTIONS: Final = 4
CHECKS: Final = 2
DAY_S: Final = 86_400
BUDGET_MB: Final = 3.0
_SECOND: Final = 1_000_000_000
_PATIENCE_S: Final = 600.0
_AT_ONCE: Final = 5
_PAUSE_S: Final = 0.02
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 0x1

_CLIENT = ClientSettings(private_addresses=True)
_READER = NodeSettings(client=_CLIENT, dht=DhtMode(on=False), stop_s=1.0)
_SERVER = NodeSettings(
    client=_CLIENT, dht=DhtMode(on=False), serves=ServingSettings(who="everyone"), stop_s=1.0
)


def run(quick: bool) -> list[Row]:
    """Measures `data_use.*`.

    Args:
        quick: Once, and fewer records.
    """
    parts = [_measured(2 if quick else RECORDS_EACH, seed) for seed in range(1 if quick else 3)]
    rows = [row("data_use.day", "MB", [part["day"] / 1e6 for part in parts], BUDGET_MB)]
    rows.append(
        row("data_use.twice", "records", [part["twice"] for part in parts], PEOPLE * RECORDS_EACH / 1e3)
    )
    for name in ("beginning", "record", "quiet_round", "comparison", "check", "reconnection", "servers"):
        unit = "servers" if name == "servers" else "bytes"
        values = [part[name] for part in parts]
        rows.append(row(f"data_use.{name}", unit, values, max(values) or 1.0))
    return rows


def _measured(records_each: int, seed: int) -> dict[str, float]:
    """One run in a process, and a network, of its own."""
    command = [sys.executable, "-m", "benchmarks.data_use", str(records_each), str(seed)]
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


@contextlib.asynccontextmanager
async def _opened(folder: Path, settings: NodeSettings) -> AsyncIterator[Node]:
    home = Home(folder)
    home.make()
    lock = try_lock(home)
    assert lock is not None
    node = await Node.open(home, lock, settings)
    try:
        yield node
    finally:
        await node.stop()


async def _until(look: Callable[[], object]) -> None:
    async with asyncio.timeout(_PATIENCE_S):
        while not look():  # noqa: ASYNC110 - what is looked at tells nobody
            await asyncio.sleep(0.05)


async def _settled(meter: _Meter) -> int:
    """What has passed when nothing more does."""
    before = -1
    while (now := meter.bytes()) != before:
        before = now
        await asyncio.sleep(0.3)
    return now


class _Day:
    """The servers, the people, and who reads them."""

    def __init__(self, servers: Sequence[Node], reader: Node, meter: _Meter, chance: random.Random) -> None:
        self.servers = servers
        self.reader = reader
        self.meter = meter
        self.people = [Person(f"person {number}") for number in range(PEOPLE)]
        self.uses = [chance.sample(range(SERVERS), OUTBOXES) for _ in self.people]
        self.written = 0
        self.written_bytes = 0

    async def write(self, person: int, ago_ns: int = 0) -> None:
        """Somebody writes: all of his outboxes have it at once."""
        self.written += 1
        now = self.servers[0].clock.now_ns() - ago_ns
        record = self.people[person].record(now).data
        self.written_bytes += len(record)
        for server in self.uses[person]:
            await self.servers[server].server.submit([record], Way.MIRROR)

    async def begin(self) -> None:
        """The reader follows everybody."""
        first = self.reader.people.first
        assert first is not None
        for person, uses in zip(self.people, self.uses, strict=True):
            for server in uses:
                node = self.servers[server]
                self.reader.directory.learn(person.key, node.server_secret.public, node.urls[0], Usage.OUTBOX)
            self.reader.db.follow(first.key.bytes, person.key.bytes, self.reader.clock.now_ns())
        self.reader.work()
        await _until(self.is_read)
        await _until(lambda: all(self.reader.history.progress(person.key).done for person in self.people))

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

    async def cost(self, act: Callable[[], object]) -> int:
        """What an act lets pass, with what comes of it."""
        before = await _settled(self.meter)
        done = act()
        if asyncio.iscoroutine(done):
            await done
        return await _settled(self.meter) - before


async def _one_day(folder: Path, records_each: int, seed: int, *, alone: bool) -> dict[str, float]:
    chance = random.Random(seed)
    meter = _Meter(alone=alone)
    async with contextlib.AsyncExitStack() as stack:
        servers = []
        for number in range(SERVERS):
            node = await stack.enter_async_context(_opened(folder / f"server-{number}", _SERVER))
            node.listen(ListenAt(Transport.TCP, "127.0.0.1", 0))
            servers.append(node)
        reader = await stack.enter_async_context(_opened(folder / "reader", _READER))
        await reader.make_person("reader")
        meter.client = lambda: sum(
            passed.came + passed.went
            for purposes in reader.pool.passed.by_server().values()
            for passed in purposes.values()
        )
        day = _Day(servers, reader, meter, chance)
        for person in range(PEOPLE):
            await day.write(person, ago_ns=3 * 3_600 * _SECOND)
        beginning = await day.cost(day.begin) - day.written_bytes
        written_before = day.written_bytes

        async def write_all() -> None:
            order = [person for person in range(PEOPLE) for _ in range(records_each)]
            chance.shuffle(order)
            for start in range(0, len(order), _AT_ONCE):
                for person in order[start : start + _AT_ONCE]:
                    await day.write(person)
                await asyncio.sleep(_PAUSE_S)
            await _until(lambda: day.here() == day.written)

        writing = await day.cost(write_all) - (day.written_bytes - written_before)
        record = writing / (PEOPLE * records_each)
        quiet = await day.cost(lambda: reader.pool.look(0))
        # What is newer than a minute may be on its way, and is not compared.
        comparison = await day.cost(lambda: _compared(day))
        check = await day.cost(lambda: OutboxChecks(reader).compare())
        reconnection = await day.cost(lambda: _reconnected(day))
        day_bytes = (
            beginning
            + PEOPLE * RECORDS_EACH * record
            + DAY_S / _CLIENT.keep_alive_s * quiet
            + DAY_S / _CLIENT.compare_s * comparison
            + CHECKS * check
            + RECONNECTIONS * reconnection
        )
        return {
            "day": day_bytes,
            "twice": float(sum(reader.pool.passed.twice.values())),
            "beginning": beginning,
            "record": record,
            "quiet_round": quiet,
            "comparison": comparison,
            "check": check,
            "reconnection": reconnection,
            "servers": len(day.read_at()),
        }


async def _compared(day: _Day) -> None:
    """All outboxes are compared once."""
    places: dict[PublicKey, list[PublicKey]] = {}
    for person, servers in day.reader.follower.outboxes().items():
        for server in servers:
            places.setdefault(server, []).append(person)
    for server, people in places.items():
        await day.reader.comparing.compare_with(server, people)


async def _reconnected(day: _Day) -> None:
    """All links break, and all is read again."""
    for connection in day.reader.pool.connections:
        connection.fail(Disconnected("the network went away"))
    await asyncio.sleep(0.2)
    await _until(day.is_read)


def main() -> None:
    """Measures once and prints a JSON object."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.data_use")
    parser.add_argument("records_each", type=int)
    parser.add_argument("seed", type=int)
    parser.add_argument("--alone", action="store_true", help="this process has a network of its own")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mosaic-bench-", dir=DISK) as folder:
        done = asyncio.run(_one_day(Path(folder), given.records_each, given.seed, alone=given.alone))
    print(json.dumps(done))


if __name__ == "__main__":
    main()
