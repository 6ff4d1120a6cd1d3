"""The network test: `python -m tests.net`, and `make test-net`.

Prints a line for each fault, and in the end whether all is as it must be.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from mosaic.testing.simulation import mishaps
from mosaic.testing.simulation.homes import hurried
from mosaic.testing.simulation.memory_town import MemoryTown
from mosaic.testing.simulation.report import Report
from mosaic.testing.simulation.scale import FULL, SHORT, Scale
from mosaic.testing.simulation.trial import Trial
from mosaic.testing.simulation.virtual_time import VirtualLoop, is_repeatable, run
from tests.net.places import places
from tests.net.real_town import RealTown

_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None


def main() -> int:
    """Runs what the arguments name; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.net", description=__doc__)
    parser.add_argument("--short", action="store_true", help="a small town")
    parser.add_argument(
        "--on",
        choices=("memory", "namespaces", "processes"),
        default="memory",
        help="memory links, or processes: in network namespaces where the machine allows them",
    )
    parser.add_argument("--seed", type=int, default=1, help="decides who does what")
    parser.add_argument(
        "--twice", action="store_true", help="on memory links: a second run beside it must be the same"
    )
    parser.add_argument("--json", type=Path, help="where the result is written")
    parser.add_argument("--lines", type=Path, help="where each event is written")
    chosen = parser.parse_args()
    if not is_repeatable():
        # Sets of texts have the order of their hashes, which must be the same in every run.
        again = [sys.executable, "-m", "tests.net", *sys.argv[1:]]
        os.execve(sys.executable, again, {**os.environ, "PYTHONHASHSEED": "0"})
    # Whoever is asked to stop takes its processes and namespaces away first.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    os.environ["MOSAIC_KEYRING"] = "no"
    logging.basicConfig(level=logging.CRITICAL)
    scale = SHORT if chosen.short else FULL
    if chosen.on == "memory":
        report = (twice if chosen.twice else in_memory)(scale, chosen.seed, chosen.lines)
    else:
        report = asyncio.run(in_processes(scale, chosen.seed, namespaces=chosen.on == "namespaces"))
    if chosen.json is not None:
        chosen.json.write_text(json.dumps(report.as_object(), indent=1) + "\n")
    print(report.last_line)
    return 0 if report.passed else 1


def in_memory(scale: Scale, seed: int, lines: Path | None = None) -> Report:
    """The test in one process, on memory links and virtual time."""
    began = time.monotonic()
    with (
        tempfile.TemporaryDirectory(dir=_MEMORY) as folder,
        (lines or Path(os.devnull)).open("w") as out,
    ):

        def too_long(*_: object) -> None:
            raise TimeoutError(f"it was not over within {scale.limit_s:.0f} s")

        signal.signal(signal.SIGALRM, too_long)
        signal.setitimer(signal.ITIMER_REAL, scale.limit_s)

        async def play() -> Report:
            town = MemoryTown(
                Path(folder),
                seed,
                servers=scale.servers,
                people=scale.people,
                machines=scale.machines,
                person=hurried(scale.compare_s),
                lines=out if lines else None,
            )
            print(
                f"network test: {scale.people} people, {scale.servers} servers, {scale.machines} DHT nodes; "
                f"{town.how}; seed {seed}"
            )
            await town.begin()
            try:
                trial = Trial(town, scale, seed, lambda line: print(line, flush=True))
                await mishaps.run(trial)
            finally:
                await town.end()
            loop = asyncio.get_running_loop()
            assert isinstance(loop, VirtualLoop)
            trial.report.unseen.extend(loop.failures)
            trial.report.trace = town.world.trace.digest
            trial.report.more = {"virtual_s": round(loop.time(), 3), "events": town.world.trace.events}
            return trial.report

        try:
            report = run(play)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    print(
        f"{report.more['virtual_s']} s of virtual time, {report.more['events']} events in "
        f"{time.monotonic() - began:.0f} s; everything that happened: {report.trace}"
    )
    return report


def twice(scale: Scale, seed: int, lines: Path | None = None) -> Report:
    """The same while another process plays it, too: both must be the same to the nanosecond and the byte."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "again.json"
        words = ["-m", "tests.net", "--seed", str(seed), "--json", str(result)]
        again = subprocess.Popen(
            [sys.executable, *words, *(["--short"] if scale is SHORT else [])], stdout=subprocess.DEVNULL
        )
        try:
            report = in_memory(scale, seed, lines)
            again.wait(scale.limit_s)
        finally:
            again.kill()
            again.wait()
        other = json.loads(result.read_text()) if result.exists() else {"trace": "nothing"}
    if other == json.loads(json.dumps(report.as_object())):
        print("played once more in another process: the same to the nanosecond and the byte")
    else:
        report.unseen.append(f"the same seed gave something else in another process: {other['trace']}")
    return report


async def in_processes(scale: Scale, seed: int, *, namespaces: bool) -> Report:
    """The test with processes and sockets."""
    began = time.monotonic()
    with (
        tempfile.TemporaryDirectory(dir=_MEMORY) as folder,
        places(namespaces=namespaces) as where,
    ):
        town = RealTown(Path(folder), where, scale)
        print(
            f"network test: {scale.people} people, {scale.servers} servers, {scale.machines} DHT nodes; "
            f"{town.how}; seed {seed}",
            flush=True,
        )
        try:
            await town.begin()
            print(f"all run after {time.monotonic() - began:.0f} s", flush=True)
            trial = Trial(town, scale, seed, lambda line: print(line, flush=True))
            try:
                async with asyncio.timeout(scale.limit_s):
                    await mishaps.run(trial)
            except TimeoutError:
                trial.report.unseen.append(f"it was not over within {scale.limit_s:.0f} s")
        finally:
            await town.end()
    print(f"{time.monotonic() - began:.0f} s")
    return trial.report


if __name__ == "__main__":
    sys.exit(main())
