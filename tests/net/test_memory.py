"""The network test's short form on memory links: it passes, and it happens again exactly."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def begin(folder: Path, seed: int, hashes: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.net", "--short", "--seed", str(seed)]
    return subprocess.Popen(
        [*command, "--json", str(folder / f"{seed}-{hashes}.json")],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONHASHSEED": hashes},
        stdout=subprocess.PIPE,
    )


def ended(folder: Path, seed: int, hashes: str, running: subprocess.Popen[bytes]) -> dict[str, object]:
    said, _ = running.communicate(timeout=800)
    assert running.returncode == 0, said.decode()
    assert said.splitlines()[-1].startswith(b"passed: ")
    result: dict[str, object] = json.loads((folder / f"{seed}-{hashes}.json").read_text())
    return result


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.claim("C1", "C2", "C36", "C51", "C64", "C82", "C83")
def test_readers_become_whole_whatever_servers_do_and_a_run_happens_again_exactly(tmp_path: Path) -> None:
    # However the interpreter hashes: the program sees to its own order.
    running = [(1, hashes, begin(tmp_path, 1, hashes)) for hashes in ("0", "random")]
    try:
        first, again = (ended(tmp_path, *run) for run in running)
    finally:
        # One that is left when the other has failed would be found, and complained of, in another test.
        for *_, process in running:
            process.kill()
            process.communicate()
    assert first == again
    assert first["trace"]
