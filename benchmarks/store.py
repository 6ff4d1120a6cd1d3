"""What the store costs on disk, and how soon it answers after a start.

Records of 400 bytes with one tag (a reply, to something else each time), by
1,000 people who sign with a device's key. Signatures are zeros: the store does
not look at them. `disk.ratio` is (bytes on disk) / (bytes of records) after a
clean stop, `disk.ratio_running` before it. `start.million_s` goes from starting
a process to its first answer, after clean stops and after kill -9 by turns.
Appending (in batches of 400) and scanning are told for information, a second of
CPU time each, with the prototype's figures as their limits.
"""

from __future__ import annotations

import random
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.rows import Row, row
from mosaic._kernel import _rust
from mosaic.store.embedded import EmbeddedStore, open_store

PEOPLE = 1_000
RECORD_BYTES = 400
KIND = bytes.fromhex("000000010001001c")
BATCH = 400
PAGE = 500

DISK_LIMIT = 1.9
START_LIMIT_S = 1.0
APPEND_LIMIT = 110_000
SCAN_LIMIT = 3_000

ANSWER = """
import os, sys
from mosaic._kernel._rust import Filter
from mosaic.store.embedded import open_store
store = open_store(sys.argv[1])
asked = Filter(bytes.fromhex(sys.argv[2]))
frames, count, _ = store.scan(asked, limit=1).frames(bytes(4), 1 << 20, 10**9)
assert count == 1
print("answered", flush=True)
if sys.argv[3] == "clean":
    store.close()
else:
    sys.stdin.read()
"""


class Writer:
    """Makes records, the same ones each time."""

    def __init__(self) -> None:
        self._rng = random.Random(1)
        self._keys = [_rust.public_key(self._rng.randbytes(32)) for _ in range(2 * PEOPLE)]
        self._made = 0

    def author(self, number: int) -> bytes:
        """The key (32 bytes) of a person, by their number."""
        return self._keys[2 * (number % PEOPLE)]

    def batch(self, count: int) -> list[bytes]:
        """The next `count` records."""
        return [self._record() for _ in range(count)]

    def _record(self) -> bytes:
        rng = self._rng
        person = rng.randrange(PEOPLE)
        timestamp = struct.pack(">Q", 1_700_000_000_000_000_000 + self._made * 1_000_000)
        self._made += 1
        tag = struct.pack("<HHI", 64, 2, 0) + KIND + rng.randbytes(48)
        payload = RECORD_BYTES - 152 - len(tag) - 64
        return b"".join(
            (
                timestamp,
                rng.randbytes(40),
                bytes([0x80]) + rng.randbytes(7),
                KIND,
                self._keys[2 * person],
                self._keys[2 * person + 1],
                timestamp,
                bytes(8),
                struct.pack("<HHI", len(tag), 64, payload),
                tag,
                bytes(payload + 64),
            )
        )


def author_filter(author: bytes) -> bytes:
    return struct.pack("<H", 48) + bytes(6) + bytes([1, 5]) + bytes(6) + author


def fill(store: EmbeddedStore, writer: Writer, count: int) -> Iterator[float]:
    """Appends `count` records; of each tenth the records a second of CPU time."""
    for _ in range(10):
        spent = 0.0
        for _ in range(count // 10 // BATCH):
            records = writer.batch(BATCH)
            received = range(store.last_received_ns + 1, store.last_received_ns + 1 + BATCH)
            begun = time.thread_time()
            store.append(records, received, bytes(BATCH))
            spent += time.thread_time() - begun
        yield count // 10 // BATCH * BATCH / spent


def scan(store: EmbeddedStore, writer: Writer, pages: int) -> float:
    """Pages of the newest 500 of a person each, a second of CPU time."""
    filters = [_rust.Filter(author_filter(writer.author(n))) for n in range(pages)]
    begun = time.thread_time()
    for one in filters:
        store.scan(one, limit=PAGE).frames(bytes(4), 1 << 20, 10**9)
    return pages / (time.thread_time() - begun)


def bytes_on_disk(folder: Path) -> int:
    """What the files take up, as the file system counts it."""
    return sum(file.stat().st_blocks * 512 for file in folder.rglob("*") if file.is_file())


def start_s(folder: Path, asked: bytes, ending: str) -> float:
    """Seconds from starting a process to its first answer; then it stops cleanly, or is killed."""
    begun = time.perf_counter()
    arguments = [sys.executable, "-c", ANSWER, str(folder), asked.hex(), ending]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        elapsed = time.perf_counter() - begun
        if ending == "killed":
            process.kill()
    if line != b"answered\n":
        raise AssertionError("the store did not answer")
    return elapsed


def run(quick: bool) -> list[Row]:
    """The rows of this benchmark; about 10 seconds if quick, else a minute and more."""
    count, rounds = (100_000, 2) if quick else (1_000_000, 5)
    size = f" ({count:,} records)"
    with tempfile.TemporaryDirectory(dir="/var/tmp") as temporary:
        folder = Path(temporary)
        store = open_store(folder)
        writer = Writer()
        appends = list(fill(store, writer, count))
        scan(store, writer, 50)
        scans = [scan(store, writer, 200) for _ in range(5)]
        records = store.stats()["records"] * RECORD_BYTES
        running = bytes_on_disk(folder) / records
        store.close()
        stopped = bytes_on_disk(folder) / records
        asked = author_filter(writer.author(0))
        # Each start finds what the one before left: at first a clean stop, then by turns.
        starts = [start_s(folder, asked, ending) for _ in range(rounds) for ending in ("killed", "clean")]
    return [
        row("disk.ratio", "x" + size, [stopped], DISK_LIMIT),
        row("disk.ratio_running", "x" + size, [running], DISK_LIMIT),
        row("start.million_s", "s" + (size if quick else ""), starts, START_LIMIT_S),
        row("store.append", "records/s", appends, APPEND_LIMIT),
        row("store.scan_500", "queries/s", scans, SCAN_LIMIT),
    ]


if __name__ == "__main__":
    for line in run(quick="--quick" in sys.argv):
        print(line)
