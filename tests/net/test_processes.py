"""The network test's short form with processes and sockets, in network namespaces where they can be had."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.claim("C1", "C2", "C36", "C51", "C64", "C82", "C83")
def test_readers_become_whole_whatever_servers_do(tmp_path: Path) -> None:
    result = tmp_path / "result.json"
    words = ["-m", "tests.net", "--short", "--on", "namespaces", "--json", str(result)]
    done = subprocess.run(
        [sys.executable, *words],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
        timeout=800,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(result.read_text())
    assert told["passed"]
    assert told["missing"] == told["wrong"] == 0
    assert done.stdout.splitlines()[-1] == told["verdict"]
    # Each kind of fault was there, and was measured.
    assert all(fault["median_s"] <= fault["max_s"] and fault["link_bytes"] for fault in told["faults"])
    assert {fault["name"] for fault in told["faults"] if fault["felt"] or fault["to_tell"]} >= {
        "a server dies",
        "it returns elsewhere",
        "a server bans people",
        "a server withholds",
        "a server forges",
        "half of the DHT lies",
        "stolen keys are revoked",
        "a third of the servers vanish",
    }
