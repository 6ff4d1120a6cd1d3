"""Starts the server, the attackers and the honest people, and tells what came of it.

`python -m tests.faults.flood.campaign --scale 1 --seconds 60` prints it as JSON.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.faults.flood.server import ROOT, Attacked, environment

SETTLE_S = 1.0
"""How long the honest people go on when the attack is over."""


def process(module: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", f"tests.faults.flood.{module}", *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
        cwd=ROOT,
    )


def line(running: subprocess.Popen[str]) -> dict[str, Any]:
    """The next line of JSON that a process prints. Raises RuntimeError when it has ended instead."""
    assert running.stdout is not None
    text = running.stdout.readline()
    if not text:
        raise RuntimeError(f"{running.args!r} ended; what it said stands above")
    found: dict[str, Any] = json.loads(text)
    return found


def resident(pid: int) -> int:
    """Bytes that a process has in memory."""
    fields = dict(each.split(":", 1) for each in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(fields["VmRSS"].split()[0]) * 1024


def run(seconds: float, scale: float) -> dict[str, Any]:
    """What came of a flood, for somebody whom the server serves and for a stranger who writes to him.

    Args:
        seconds: How long it takes.
        scale: The share of 10,000 links, 2,000 half-open ones, 1,000,000 records and 10,000 filters.
    """
    amounts = {"links": 10_000, "half-open": 2_000, "records": 1_000_000, "filters": 10_000}
    running: list[subprocess.Popen[str]] = []
    with (
        tempfile.TemporaryDirectory(prefix="mosaic-flood-", dir="/var/tmp") as folder,
        Attacked(Path(folder)) as server,
    ):
        try:
            before = resident(server.pid)
            scaled = [part for name, most in amounts.items() for part in (f"--{name}", int(most * scale))]
            attack = process("attack", "--port", server.port, "--seconds", seconds, *scaled)
            running.append(attack)
            line(attack)
            lasting = ("--port", server.port, "--seconds", seconds + SETTLE_S)
            honest = process("honest", *lasting)
            guest = process(
                "honest", *lasting, "--name", "guest", "--source", "127.2.0.2", "--notify", "honest"
            )
            running += [honest, guest]
            memory = []
            while honest.poll() is None:
                memory.append(resident(server.pid))
                time.sleep(1)
            met, guest_met, done = line(honest), line(guest), line(attack)
            counted = server.counts()
            ended = server.stop()
        finally:
            for each in running:
                if each.poll() is None:
                    each.kill()
                with each:  # closes its pipes and waits
                    pass
    return {
        "seconds": seconds,
        "scale": scale,
        "honest": met,
        "guest": guest_met,
        "attack": done,
        "memory_mib": {"before": round(before / 2**20, 1), "most": round(max(memory) / 2**20, 1)},
        "server": {name: count for name, count in counted.items() if count},
        "exit_code": ended,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--scale", type=float, default=1)
    options = parser.parse_args()
    print(json.dumps(run(options.seconds, options.scale), indent=1))


if __name__ == "__main__":
    main()
