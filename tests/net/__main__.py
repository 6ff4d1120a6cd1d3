"""The network test: `python -m tests.net`, and `make test-net`.

Prints a line for each fault, and in the end whether all is as it must be.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from mosaic.testing.simulation import mishaps
from mosaic.testing.simulation.memory_town import MemoryTown
from mosaic.testing.simulation.report import Report
from mosaic.testing.simulation.trial import FULL, SHORT, Scale, Trial
from mosaic.testing.simulation.virtual_time import VirtualLoop, is_repeatable, run

_MEMORY = Path("/dev/shm")


def main() -> int:
    """Runs what the arguments name; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.net", description=__doc__)
    parser.add_argument("--short", action="store_true", help="a small town")
    parser.add_argument("--seed", type=int, default=1, help="decides who does what")
    parser.add_argument("--json", type=Path, help="where the result is written")
    parser.add_argument("--lines", type=Path, help="where each event is written")
    parser.add_argument("--profile", type=Path, help="where a profile is written")
    chosen = parser.parse_args()
    if not is_repeatable():
        # Sets of texts have the order of their hashes, which must be the same in every run.
        again = [sys.executable, "-m", "tests.net", *sys.argv[1:]]
        return subprocess.run(again, env={**os.environ, "PYTHONHASHSEED": "0"}, check=False).returncode
    os.environ["MOSAIC_KEYRING"] = "no"
    logging.basicConfig(level=logging.CRITICAL)
    report = in_memory(SHORT if chosen.short else FULL, chosen.seed, chosen.lines)
    if chosen.json is not None:
        chosen.json.write_text(json.dumps(report.as_object(), indent=1) + "\n")
    print(report.last_line)
    return 0 if report.passed else 1


def in_memory(scale: Scale, seed: int, lines: Path | None = None) -> Report:
    """The test in one process, on memory links and virtual time."""
    began = time.monotonic()
    with (
        tempfile.TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None) as folder,
        (lines or Path(os.devnull)).open("w") as out,
    ):

        async def play() -> Report:
            town = MemoryTown(
                Path(folder),
                seed,
                servers=scale.servers,
                people=scale.people,
                machines=scale.machines,
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

        report = run(play)
    print(
        f"{report.more['virtual_s']} s of virtual time, {report.more['events']} events in "
        f"{time.monotonic() - began:.0f} s; everything that happened: {report.trace}"
    )
    return report


if __name__ == "__main__":
    sys.exit(main())
