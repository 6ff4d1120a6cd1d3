"""Sync of two homes of a million records, of which each lacks a hundred that the other has.

One is a server in a process of its own; the other syncs with it over TCP, both
ways, as `mosaic sync` does. Between them is a relay that counts the bytes of
both directions, TLS and all. `sync_million.s` goes from the beginning of the
act to its end: both sets are gathered, compared, and what differs is fetched,
handed in, checked and written. Records are those of `benchmarks.store`; those
that differ are signed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

from benchmarks.processes import DISK, process
from benchmarks.rows import Row, row
from benchmarks.store import Writer, fill
from mosaic.client.address import ServerAddress
from mosaic.client.syncing import Direction, SyncProgress
from mosaic.core.filter import Filter
from mosaic.core.keys import SecretKey
from mosaic.core.record import Record
from mosaic.core.timestamp import Timestamp
from mosaic.core.url import ServerUrl
from mosaic.node.home import Home, try_lock
from mosaic.node.mirrors import synced
from mosaic.node.node import Node
from mosaic.node.synced import SyncPlan
from mosaic.social import posts
from mosaic.store.embedded import open_store

APART = 100
SECONDS_LIMIT = 5.0
BYTES_LIMIT = 1_000_000
SERVER_SEED = bytes(31) + b"\x01"


class Relay:
    """Passes bytes on between a client and the server at a port (of this machine), and counts them."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.bytes = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
        await asyncio.gather(self._pass(reader, far_writer), self._pass(far_reader, writer))

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65_536):
                self.bytes += len(data)
                writer.write(data)
                await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def _relayed(port: int) -> AsyncIterator[tuple[Relay, int]]:
    relay = Relay(port)
    listening = await asyncio.start_server(relay.serve, "127.0.0.1", 0)
    try:
        yield relay, listening.sockets[0].getsockname()[1]
    finally:
        listening.close()


@contextlib.asynccontextmanager
async def _opened(home: Home) -> AsyncIterator[Node]:
    lock = try_lock(home)
    assert lock is not None
    node = await Node.open(home, lock)
    try:
        yield node
    finally:
        await node.stop()


def _written(node: Node, base: int) -> list[bytes]:
    """Signed records, spread over the time of the others."""
    signer = node.people.find(None).signer
    kind = Record(Writer().batch(1)[0]).kind
    return [
        posts.other(
            signer,
            kind,
            b"apart %d" % number,
            now=Timestamp(1_700_000_000_000_000_000 + number * 9_900_000_000 + base),
            at=(1 << 63 | base << 20 | number).to_bytes(8, "big"),
            tags=[],
        ).data
        for number in range(APART)
    ]


async def _sync(node: Node, port: int) -> tuple[float, int, SyncProgress]:
    """Seconds, bytes on the wire, and what became of the records."""
    key = SecretKey.from_seed(SERVER_SEED).public
    last = SyncProgress()
    async with _relayed(port) as (relay, near):
        server = ServerAddress.by_hand(key, ServerUrl.parse(f"mosaictcp://127.0.0.1:{near}/"))
        plan = SyncPlan(server, None, Filter.of(), Direction.BOTH)
        begun = time.perf_counter()
        async with (
            node.pool.connect(server) as connection,
            contextlib.aclosing(synced(node, plan, connection)) as steps,
        ):
            async for progress in steps:
                last = progress
        return time.perf_counter() - begun, relay.bytes, last


async def _round(folder: Path, count: int) -> tuple[float, int]:
    home = Home(folder / "home")
    home.make()
    async with _opened(home) as node:
        await node.make_person("anna")
        ours, theirs = _written(node, 1), _written(node, 2)
    for records, place in ((ours, folder / "home"), (theirs, folder / "server" / "store")):
        if place.name == "home":
            for part in ("log", "index"):
                shutil.rmtree(place / part)
                shutil.copytree(folder / "base" / part, place / part)
        else:
            shutil.copytree(folder / "base", place)
        store = open_store(place)
        received = range(store.last_received_ns + 1, store.last_received_ns + 1 + APART)
        store.append(records, received, bytes(APART))
        store.close()
    command = [sys.executable, "-m", "benchmarks.server_process", str(folder / "server")]
    with process(command) as (_, ports):
        async with _opened(home) as node:
            seconds, wire, done = await _sync(node, ports["tcp"])
            held = node.store.stats()["records"]
    shutil.rmtree(folder / "home")
    shutil.rmtree(folder / "server")
    # The home's own key schedule and profile go up, too: they were not in the base.
    if done.received != APART or done.sent < APART or done.refused or held < count + 2 * APART:
        raise AssertionError(f"the sync did not do its work: {done}, {held} records")
    return seconds, wire


def run(quick: bool) -> list[Row]:
    """The rows of this benchmark: half a minute if quick, else two minutes.

    Raises:
        AssertionError: the sync did not exchange what it should.
        RuntimeError: the server ended before it was ready.
    """
    count, rounds = (100_000, 1) if quick else (1_000_000, 3)
    os.environ["MOSAIC_KEYRING"] = "no"
    measured = []
    with tempfile.TemporaryDirectory(prefix="mosaic-bench-", dir=DISK) as temporary:
        folder = Path(temporary)
        store = open_store(folder / "base")
        for _ in fill(store, Writer(), count):
            pass
        store.close()
        measured = [asyncio.run(_round(folder, count)) for _ in range(rounds)]
    size = f" ({count:,} records)" if quick else ""
    return [
        row("sync_million.s", f"s{size}", [seconds for seconds, _ in measured], SECONDS_LIMIT),
        row("sync_million.bytes", f"bytes{size}", [wire for _, wire in measured], BYTES_LIMIT),
    ]


if __name__ == "__main__":
    for line in run(quick="--quick" in sys.argv):
        print(line)
