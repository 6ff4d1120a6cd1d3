"""A hundred thousand open subscriptions of twenty authors each: what a record costs, and what each one holds.

`subscriptions.match` is the time to find out whom a record reaches, in batches
as the server hands them on, where the authors of records and subscriptions are
drawn evenly from a hundred thousand; `subscriptions.reach_zipf` is the time for
each subscription that a record reaches where a few authors have most of the
subscribers (for information). `subscriptions.bytes` is the growth of a server's resident memory
for each subscription, opened over TCP, a thousand on each link.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import struct
import sys
import tempfile
import time
from collections.abc import Sequence

from benchmarks.idle import resident
from benchmarks.processes import DISK, process
from benchmarks.rows import Row, row
from mosaic._kernel import _rust
from mosaic.fanout.fanout import Fanout
from mosaic.transport import Event, SocketNetwork, Target, Transport, TransportSettings
from mosaic.transport.events import LINK_OPENED
from mosaic.wire.client_messages import Hello, Subscribe
from mosaic.wire.header import MessageType
from mosaic.wire.limits import SPOOL_PREFIX, frame_limits

AUTHORS = 20
PEOPLE = 100_000
ON_A_LINK = 1_000
BATCH = 64
MICROSECONDS_LIMIT = 20.0
BYTES_LIMIT = 2_048.0
REACHED_LIMIT = 1.0
KIND = bytes.fromhex("000000010001001c")


def _people(count: int) -> list[bytes]:
    """Keys (32 bytes each) of so many people."""
    return [_rust.public_key(struct.pack("<Q24x", number + 1)) for number in range(count)]


def _filter_of(authors: Sequence[bytes]) -> bytes:
    """A filter of these authors (32 bytes each)."""
    element = bytes([1, 1 + 4 * len(authors), 0, 0, 0, 0, 0, 0]) + b"".join(authors)
    return struct.pack("<H6x", 8 + len(element)) + element


def _record_by(author: bytes, number: int) -> bytes:
    """What of a record matters for matching; nothing of it is signed."""
    time_ns = struct.pack(">Q", 1_700_000_000_000_000_000 + number)
    head = time_ns + bytes(40) + b"\x80" + bytes(7) + KIND + author + author + time_ns + bytes(8)
    return head + struct.pack("<HHI", 0, 64, 184) + bytes(184 + 64)


def _match_us(
    keys: Sequence[bytes], chosen: Sequence[int], writers: Sequence[int], count: int
) -> list[tuple[float, float]]:
    """Microseconds for a record, and for each subscription that it reaches, of each batch."""
    fanout = Fanout()
    draws = iter(chosen)
    for number in range(count):
        authors = {keys[one] for one in itertools.islice(draws, AUTHORS)}
        fanout.open(number, _rust.Filter(_filter_of(sorted(authors))))
    spent = []
    for begin in range(0, len(writers), BATCH):
        records = [_record_by(keys[writer], writer) for writer in writers[begin : begin + BATCH]]
        times = [1] * len(records)
        begun = time.perf_counter()
        reached = fanout.reach(records, times)
        elapsed = (time.perf_counter() - begun) * 1e6
        spent.append((elapsed / len(records), elapsed / max(1, sum(map(len, reached)))))
    return spent


class Subscriber:
    """Opens subscriptions over one link after the other, and counts LOCALLY COMPLETE."""

    def __init__(self, network: SocketNetwork) -> None:
        self._network = network
        self._complete: dict[int, int] = {}
        self._changed = asyncio.Event()
        network.start(self._take)

    def _take(self, events: Sequence[Event]) -> None:
        for link, what, _ in events:
            if what in {LINK_OPENED, MessageType.LOCALLY_COMPLETE}:
                self._complete[link] = self._complete.get(link, -1) + 1
        self._changed.set()

    async def _until(self, link: int, count: int) -> None:
        while self._complete.get(link, -1) < count:
            self._changed.clear()
            await self._changed.wait()

    async def open(self, port: int, filters: Sequence[bytes]) -> None:
        """One link to a port of this machine, with these filters open on it."""
        link = self._network.dial(Target(Transport.TCP, "127.0.0.1", port))
        await self._until(link, 0)
        frames = [Hello(0).encode()]
        frames += [Subscribe(number, 0, data).encode() for number, data in enumerate(filters)]
        self._network.send(link, b"".join(frames))
        await self._until(link, len(filters))


async def _bytes_each(keys: Sequence[bytes], chosen: Sequence[int], links: int) -> float:
    draws = iter(chosen)

    def filters(count: int) -> list[bytes]:
        return [_filter_of([keys[one] for one in itertools.islice(draws, AUTHORS)]) for _ in range(count)]

    with tempfile.TemporaryDirectory(prefix="mosaic-bench-", dir=DISK) as folder:
        command = [
            sys.executable,
            "-m",
            "benchmarks.server_process",
            folder,
            "--subscriptions",
            str(ON_A_LINK),
        ]
        with process(command) as (pid, ports):
            network = SocketNetwork(
                TransportSettings(
                    frame_limits=tuple(frame_limits()), spool_prefix=tuple(SPOOL_PREFIX), spool_folder=folder
                )
            )
            subscriber = Subscriber(network)
            for _ in range(3):
                await subscriber.open(ports["tcp"], filters(10))
            before = resident(pid)
            for _ in range(links):
                await subscriber.open(ports["tcp"], filters(ON_A_LINK))
            held = (resident(pid) - before) / (links * ON_A_LINK)
            await network.stop(0)
            return held


def run(quick: bool) -> list[Row]:
    """The rows of this benchmark: some seconds if quick, else a minute.

    Raises:
        RuntimeError: the server ended before it was ready.
    """
    count, batches = (10_000, 20) if quick else (100_000, 200)
    rng = random.Random(1)
    keys = _people(count)
    even = rng.choices(range(count), k=count * (AUTHORS + 1))
    zipf = rng.choices(range(count), weights=[1 / (n + 1) for n in range(count)], k=count * AUTHORS)
    size = f" ({count:,} open)"
    records = rng.choices(range(count), k=batches * BATCH)
    matched = [each for each, _ in _match_us(keys, even, records, count)]
    reached = [each for _, each in _match_us(keys, zipf, zipf[: 4 * BATCH], count)]
    rows = [
        row("subscriptions.match", "us a record" + size, matched, MICROSECONDS_LIMIT),
        row("subscriptions.reach_zipf", "us each reached" + size, reached, REACHED_LIMIT),
    ]
    each = asyncio.run(_bytes_each(keys, even, count // ON_A_LINK))
    rows.append(row("subscriptions.bytes", "bytes each" + size, [each], BYTES_LIMIT))
    return rows


if __name__ == "__main__":
    for line in run(quick="--quick" in sys.argv):
        print(line)
