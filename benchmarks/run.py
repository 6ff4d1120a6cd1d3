"""Runs all benchmarks, prints a table and writes `benchmarks/results/*.json`.

    python -m benchmarks            all, at most 10 minutes
    python -m benchmarks --quick    a first look, at most a minute
    python -m benchmarks serving    only those of one module

A result file is a list of {"name", "unit", "min", "median", "max", "limit",
"ratio"}. Limits are found in the same run, so that a slow machine is compared
with itself; `ratio` is median / limit.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.rows import Row

MODULES = (
    "check",
    "store",
    "serving",
    "handshake",
    "failover",
    "idle",
    "dht",
    "resolving",
    "moving",
    "syncing",
    "subscribing",
    "backing_up",
    "policies",
    "flood",
    "data_use",
    "feed",
)
RESULTS = Path(__file__).parent / "results"
COLUMNS = ("name", "unit", "min", "median", "max", "limit", "ratio")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs what is asked for; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("modules", nargs="*", choices=[*MODULES, []], help="which ones; all if not given")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the results are written")
    options = parser.parse_args(arguments)
    options.results.mkdir(parents=True, exist_ok=True)
    print(_line(dict(zip(COLUMNS, COLUMNS, strict=True))), flush=True)
    for name in options.modules or MODULES:
        started = time.monotonic()
        rows: list[Row] = importlib.import_module(f"benchmarks.{name}").run(options.quick)
        for row in rows:
            print(_line(row), flush=True)
        (options.results / f"{name}.json").write_text(json.dumps(rows, indent=1) + "\n")
        print(f"# {name}: {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    return 0


def _line(row: Row) -> str:
    name, unit, *figures = (_cell(row[column]) for column in COLUMNS)
    return f"{name:<24} {unit:<14}" + "".join(f"{figure:>14}" for figure in figures)


def _cell(value: str | float | None) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.3f}"


if __name__ == "__main__":
    sys.exit(main())
