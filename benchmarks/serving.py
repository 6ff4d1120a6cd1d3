"""The server under load: records in, answers out, records handed on; over each transport.

Rows are named for their transport where they would not be those of TCP: `query.500` is
TCP's, `query.500.quic` QUIC's. A link of QUIC is a connection with one stream.

The server has one core, the load client another one (`ingest.both_cores`: they
share two). Everything is acknowledged when it is on disk. Limits are found in
the same run on the same core, without sockets and without Python in between:

- ingest: check and append alone, one after the other, by CPU time;
- query: the store's scan alone;
- submit: the sync of one record alone, and 3 ms (p99) or 0.35 ms (p50);
- fan-out: the budget, 100,000 deliveries a second.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.load_client import load
from benchmarks.processes import DISK, one_core, server, server_core
from benchmarks.rows import Row, row
from mosaic.core.filter import CompiledFilter, Filter
from mosaic.core.kind import Kind
from mosaic.core.validation import check_batch
from mosaic.store.embedded import EmbeddedStore, open_store
from mosaic.store.store import Mode, run_scans

POST = Kind(bytes.fromhex("000000010001001c"))
OF_POSTS = Filter.of(kinds=[POST])
BATCH = 2_048
PAGE = 500
ROW_OF_SCANS = 32
FANOUT_BUDGET = 100_000
P50_ABOVE_SYNC_MS = 0.35
P99_ABOVE_SYNC_MS = 3.0


@dataclass(frozen=True)
class Size:
    """How much is measured.

    Args:
        rounds: How often all of it is.
        records: How many are submitted as fast as they are taken.
        latencies: How many are submitted one after another.
        pages: How many queries of many records are asked.
        questions: How many queries of one record are asked.
        fanned_out: How many records go to all subscribers.
    """

    rounds: int
    records: int
    latencies: int
    pages: int
    questions: int
    fanned_out: int


QUICK = Size(rounds=1, records=10_000, latencies=200, pages=300, questions=8_000, fanned_out=100)
FULL = Size(rounds=3, records=50_000, latencies=1_000, pages=2_000, questions=60_000, fanned_out=500)
TRANSPORTS = ("quic", "tcp", "ws")
INGEST_LINKS = (1, 4, 16)
BOTH_CORES_LINKS = 4


def run(quick: bool) -> list[Row]:
    """The rows of this benchmark; about 35 seconds if quick, else 5 minutes.

    Raises:
        RuntimeError: the server or the load client failed, or something was refused.
    """
    size = QUICK if quick else FULL
    values: dict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory(prefix="mosaic-bench-", dir=DISK) as folder:
        limits = _limits(Path(folder), size)
        for number in range(size.rounds):
            for transport in TRANSPORTS:
                _measure_pinned(values, size, number, transport)
                _measure_both(values, size, number, transport)
    rows = []
    for kind, (unit, limit) in limits.items():
        named = [_named(kind, transport) for transport in TRANSPORTS]
        rows += [row(name, unit, values[name], limit) for name in named]
    return rows


# --- what is measured -------------------------------------------------------------------------------


def _named(kind: str, transport: str) -> str:
    """The name of a transport's row: `ingest.*.4` → `ingest.quic.4`, `query.1` → `query.1.quic`."""
    if "*" in kind:
        return kind.replace("*", transport)
    return kind if transport == "tcp" else f"{kind}.{transport}"


def _measure_pinned(values: dict[str, list[float]], size: Size, number: int, transport: str) -> None:
    def note(kind: str, value: float) -> None:
        values[_named(kind, transport)].append(value)

    filter_hex = OF_POSTS.encode().hex()
    seed = 100 * number
    with server(transport, core=server_core()) as ask:
        for links in INGEST_LINKS:
            found = ask("ingest", links=links, count=size.records, seed_number=seed + links)
            note(f"ingest.*.{links}", found["records_per_s"])
        found = ask("latency", count=size.latencies, seed_number=seed + 50)
        note("submit.p50_ms", found["p50_ms"])
        note("submit.p99_ms", found["p99_ms"])
        asked = {"filter": filter_hex, "links": 4}
        found = ask("query", count=size.pages, limit=PAGE, in_flight=2, **asked)
        note("query.500", found["queries_per_s"])
        found = ask("query", count=size.questions, limit=1, in_flight=8, **asked)
        note("query.1", found["queries_per_s"])
        found = ask("fanout", count=size.fanned_out, filter=filter_hex, seed_number=seed + 60)
        if found["delivered"] != found["expected"]:
            raise RuntimeError(f"not everything was delivered: {found}")
        note("fanout.deliveries", found["deliveries_per_s"])


def _measure_both(values: dict[str, list[float]], size: Size, number: int, transport: str) -> None:
    with server(transport, core=None, check_threads=2) as ask:
        seed = 100 * number + 70
        found = ask("ingest", links=BOTH_CORES_LINKS, count=size.records, seed_number=seed, core=None)
        values[_named("ingest.both_cores", transport)].append(found["records_per_s"])


# --- their limits -------------------------------------------------------------------------------------


def _limits(folder: Path, size: Size) -> dict[str, tuple[str, float]]:
    """The unit and the limit of each kind of row."""
    made = folder / "records"
    load("make", count=size.records, out=made)
    records = list(_records_in(made.read_bytes()))
    store = open_store(folder / "limits")
    try:
        with one_core(server_core()):
            one_core_rate = _intake_limit(store, records)
            p50, p99 = _sync_ms(store, folder, size)
            compiled = OF_POSTS.compiled
            page = _rate(size.pages // 4, lambda: _page(store, compiled))
            rows = _rate(size.questions // ROW_OF_SCANS // 4, lambda: _singles(store, compiled))
    finally:
        store.close()
    ingest = {f"ingest.*.{links}": ("records/s", one_core_rate) for links in INGEST_LINKS}
    return ingest | {
        "ingest.both_cores": ("records/s", 2 * one_core_rate),
        "submit.p50_ms": ("ms", p50 + P50_ABOVE_SYNC_MS),
        "submit.p99_ms": ("ms", p99 + P99_ABOVE_SYNC_MS),
        "query.500": ("queries/s", page),
        "query.1": ("queries/s", ROW_OF_SCANS * rows),
        "fanout.deliveries": ("deliveries/s", FANOUT_BUDGET),
    }


def _intake_limit(store: EmbeddedStore, records: list[bytes]) -> float:
    """Records a second of CPU time, checked and appended in batches, nothing else."""
    check_batch(records[:BATCH])
    received = time.time_ns()
    start = time.process_time()
    for at in range(0, len(records), BATCH):
        batch = records[at : at + BATCH]
        if any(check_batch(batch)):
            raise RuntimeError("a record of the benchmark is not valid")
        store.append(
            batch, range(received + at, received + at + len(batch)), bytes([Mode.KEEP_ALL]) * len(batch)
        )
    return len(records) / (time.process_time() - start)


def _sync_ms(store: EmbeddedStore, folder: Path, size: Size) -> tuple[float, float]:
    """The median and the 99th percentile of the time that one record alone takes to the disk."""
    made = folder / "single"
    load("make", count=size.latencies, out=made, seed_number=9_999)
    received = time.time_ns() + 1_000_000
    times = []
    for number, record in enumerate(_records_in(made.read_bytes())):
        start = time.perf_counter()
        store.append([record], [received + number], bytes([Mode.KEEP_ALL]))
        times.append((time.perf_counter() - start) * 1_000)
    times.sort()
    return times[len(times) // 2], times[len(times) * 99 // 100]


def _rate(count: int, act: Callable[[], None]) -> float:
    start = time.perf_counter()
    for _ in range(max(1, count)):
        act()
    return max(1, count) / (time.perf_counter() - start)


def _page(store: EmbeddedStore, compiled: CompiledFilter) -> None:
    scan = store.scan(compiled, limit=PAGE, viewers=[])
    finished = False
    while not finished:
        _, _, finished = scan.frames(bytes(4), 65_536, 10**9)


def _singles(store: EmbeddedStore, compiled: CompiledFilter) -> None:
    scans = [(store.scan(compiled, limit=1, viewers=[]), bytes(4)) for _ in range(ROW_OF_SCANS)]
    run_scans(scans, 65_536, 10**9, groups=range(ROW_OF_SCANS), group_bytes=65_536)


def _records_in(data: bytes) -> Iterator[bytes]:
    """The records of a file, each behind its length (u32, little-endian)."""
    at = 0
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "little")
        yield data[at + 4 : at + 4 + length]
        at += 4 + length


if __name__ == "__main__":
    for line in run(quick="--quick" in sys.argv):
        print(json.dumps(line))
