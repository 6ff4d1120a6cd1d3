"""What the policies of a public outbox cost: the same records into two servers, with all of them and bare.

Both take records of 400 authors over 4 links of somebody whom they serve, on one core. The bare one asks
nothing about them. The other has the roles of a public server with a list of the people that it serves,
10,000 bans of networks and keys, and limits by standing. Paces are records for each second that the
server's process has worked, so that what else the machine does is not in them. `policies.ratio` is the
share of the bare server's pace that is left; its limit is 0.8.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from pathlib import Path

from benchmarks.load_client import load
from benchmarks.processes import DISK, SOMEBODY, client_core, process, server_core
from benchmarks.rows import Row, row

LINKS = 4
LEAST = 0.8


def run(quick: bool) -> list[Row]:
    """The rows of this benchmark; about a minute if quick, else three. On Linux only.

    Raises:
        RuntimeError: the server or the load client failed, or something was refused.
    """
    count, rounds = (10_000, 2) if quick else (50_000, 5)
    paces: dict[str, list[float]] = {"bare": [], "all": []}
    for number in range(rounds):
        # In turns, and the other way around each time.
        for which in sorted(paces, reverse=bool(number % 2)):
            paces[which].append(_pace(which, count, number + 1))
    bare = statistics.median(paces["bare"])
    return [
        row("policies.bare", "records/CPU s", paces["bare"], bare),
        row("policies.all", "records/CPU s", paces["all"], bare),
        row("policies.ratio", "of bare", [statistics.median(paces["all"]) / bare], LEAST),
    ]


def _pace(policies: str, count: int, seed_number: int) -> float:
    with tempfile.TemporaryDirectory(prefix="mosaic-bench-", dir=DISK) as folder:
        command = [sys.executable, "-m", "benchmarks.server_process", folder, "--policies", policies]
        core = server_core()
        command += [] if core is None else ["--core", str(core)]
        with process(command) as (pid, ports):
            before = _worked(pid)
            load(
                "ingest",
                links=LINKS,
                count=count,
                seed_number=seed_number,
                seed=SOMEBODY,
                core=client_core(),
                port=ports["tcp"],
            )
            return count / (_worked(pid) - before)


def _worked(pid: int) -> float:
    """Seconds that all threads of a process have worked."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
