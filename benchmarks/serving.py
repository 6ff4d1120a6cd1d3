"""The server under load: records in, answers out, records handed on.

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
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.load_client import ROOT, load_client
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
# Not /tmp, which is memory on many systems.
DISK = "/var/tmp"
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


QUICK = Size(rounds=2, records=20_000, latencies=300, pages=500, questions=15_000, fanned_out=200)
FULL = Size(rounds=5, records=100_000, latencies=2_000, pages=4_000, questions=100_000, fanned_out=1_500)


def run(quick: bool) -> list[Row]:
    """The rows of this benchmark; about 40 seconds if quick, else 6 minutes.

    Raises:
        RuntimeError: the server or the load client failed, or something was refused.
    """
    size = QUICK if quick else FULL
    values: dict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory(prefix="mosaic-bench-", dir=DISK) as folder:
        limits = _limits(Path(folder), size)
        for number in range(size.rounds):
            _measure_pinned(values, size, number)
            _measure_both(values, size, number)
    units = {"submit.p50_ms": "ms", "submit.p99_ms": "ms"}
    per_second = {"query.500": "queries/s", "query.1": "queries/s", "fanout.deliveries": "deliveries/s"}
    return [
        row(name, units.get(name) or per_second.get(name, "records/s"), found, limits[name])
        for name, found in values.items()
    ]


# --- what is measured -------------------------------------------------------------------------------


def _measure_pinned(values: dict[str, list[float]], size: Size, number: int) -> None:
    filter_hex = OF_POSTS.encode().hex()
    seed = 100 * number
    with server(core=server_core()) as load:
        for links in (1, 4, 16):
            found = load("ingest", links=links, count=size.records, seed_number=seed + links)
            values[f"ingest.tcp.{links}"].append(found["records_per_s"])
        found = load("latency", count=size.latencies, seed_number=seed + 50)
        values["submit.p50_ms"].append(found["p50_ms"])
        values["submit.p99_ms"].append(found["p99_ms"])
        asked = {"filter": filter_hex, "links": 4}
        found = load("query", count=size.pages, limit=PAGE, in_flight=2, **asked)
        values["query.500"].append(found["queries_per_s"])
        found = load("query", count=size.questions, limit=1, in_flight=8, **asked)
        values["query.1"].append(found["queries_per_s"])
        found = load("fanout", count=size.fanned_out, filter=filter_hex, seed_number=seed + 60)
        if found["delivered"] != found["expected"]:
            raise RuntimeError(f"not everything was delivered: {found}")
        values["fanout.deliveries"].append(found["deliveries_per_s"])


def _measure_both(values: dict[str, list[float]], size: Size, number: int) -> None:
    with server(core=None, check_threads=2) as load:
        found = load("ingest", links=4, count=size.records, seed_number=100 * number + 70, core=None)
        values["ingest.both_cores"].append(found["records_per_s"])


# --- their limits -------------------------------------------------------------------------------------


def _limits(folder: Path, size: Size) -> dict[str, float]:
    made = folder / "records"
    _load("make", count=size.records, out=made)
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
    return {
        "ingest.tcp.1": one_core_rate,
        "ingest.tcp.4": one_core_rate,
        "ingest.tcp.16": one_core_rate,
        "ingest.both_cores": 2 * one_core_rate,
        "submit.p50_ms": p50 + P50_ABOVE_SYNC_MS,
        "submit.p99_ms": p99 + P99_ABOVE_SYNC_MS,
        "query.500": page,
        "query.1": ROW_OF_SCANS * rows,
        "fanout.deliveries": FANOUT_BUDGET,
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
    _load("make", count=size.latencies, out=made, seed_number=9_999)
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


# --- processes and cores --------------------------------------------------------------------------------


def cores() -> list[int]:
    """The cores that may be used, none where the system can't pin a process."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def server_core() -> int | None:
    """The core of the server."""
    return cores()[0] if cores() else None


def client_core() -> int | None:
    """The core of the load client."""
    return cores()[-1] if cores() else None


@contextmanager
def one_core(core: int | None) -> Iterator[None]:
    """This process on one core."""
    if core is None:
        yield
        return
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


@contextmanager
def server(*, core: int | None, check_threads: int = 1) -> Iterator[Callable[..., dict[str, float]]]:
    """A server in a process and a folder of its own; gives a function that loads it.

    Args:
        core: The number of the core it is kept on; None lets it use all.
        check_threads: How many threads check its signatures.

    Raises:
        RuntimeError: it ended before it was ready.
    """
    with tempfile.TemporaryDirectory(prefix="mosaic-bench-", dir=DISK) as folder:
        command = [sys.executable, "-m", "benchmarks.server_process", folder]
        command += ["--check-threads", str(check_threads)]
        command += [] if core is None else ["--core", str(core)]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join((str(ROOT / "src"), str(ROOT)))}
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                line = process.stdout.readline()
                if not line:
                    raise RuntimeError("the server ended before it was ready; what it said stands above")
                port = json.loads(line)["port"]

                def load(mode: str, **options: object) -> dict[str, float]:
                    return _load(mode, **{"core": client_core(), "port": port} | options)

                yield load
            finally:
                process.stdin.close()
                process.stdout.read()


def _load(mode: str, **options: object) -> dict[str, float]:
    """Runs the load client; what it measured.

    Raises:
        RuntimeError: it failed, or the server refused something.
    """
    command = [load_client(), mode]
    for name, value in options.items():
        if value is not None:
            command += [f"--{name.replace('_', '-')}", str(value)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the load client failed: {done.stderr.strip()}")
    found: dict[str, float] = json.loads(done.stdout)
    if found.get("refused") or found.get("failed"):
        raise RuntimeError(f"the server refused something: {found}")
    return found


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
