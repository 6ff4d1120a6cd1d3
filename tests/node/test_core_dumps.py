"""No core dump, and no look into memory from outside, of a process that may hold keys."""

from __future__ import annotations

import ctypes
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from tests.loopback.processes import SOURCE, environment, run

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="asks the kernel of Linux")
_PR_CAPBSET_DROP = 24
_TO_LOOK_INTO_OTHERS = (19, 21, 38)
"""CAP_SYS_PTRACE, CAP_SYS_ADMIN, CAP_PERFMON."""


def without_power_over_others() -> None:
    """A superuser may look into everything: from here on this process is one user among others."""
    for power in _TO_LOOK_INTO_OTHERS:
        ctypes.CDLL(None).prctl(_PR_CAPBSET_DROP, power, 0, 0, 0)


def read_by_another_process(path: str) -> bytes:
    """What a program of the same user reads there; nothing if it may not."""
    return subprocess.run(
        ["cat", path],
        capture_output=True,
        check=False,
        preexec_fn=without_power_over_others,
    ).stdout


def said(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
    )
    return done.stdout.strip()


def test_the_limit_is_nothing_and_that_of_others_stays() -> None:
    before = resource.getrlimit(resource.RLIMIT_CORE)
    hard = before[1]
    code = (
        "import resource; from mosaic.node.core_dumps import switch_off;"
        f"resource.setrlimit(resource.RLIMIT_CORE, ({hard}, {hard})); switch_off();"
        "print(resource.getrlimit(resource.RLIMIT_CORE))"
    )
    assert said(code) == str((0, hard))
    assert resource.getrlimit(resource.RLIMIT_CORE) == before


@LINUX
def test_a_process_says_that_it_is_not_to_be_dumped_and_still_reads_of_itself() -> None:
    code = (
        "import ctypes, os; from mosaic.node.core_dumps import switch_off; switch_off();"
        "print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), len(os.listdir('/proc/self/fd')) > 0,"
        "'RssAnon' in open('/proc/self/status').read())"
    )
    assert said(code) == "0 True True"


@LINUX
@pytest.mark.claim("C11")
def test_nobody_looks_into_a_node(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert run("init", "--name", "anna", "--home", home).returncode == 0
    at = ["--tcp", "127.0.0.1:0", "--quic", "off", "--ws", "off", "--web", "off", "--dht", "off"]
    serving = [sys.executable, "-m", "mosaic", "serve", "--home", str(home), *at]
    # A process of the same user that has not switched it off can be read: that makes the difference.
    limits = ""
    for command, shown in (([sys.executable, "-c", "print(1, flush=True); input()"], True), (serving, False)):
        with subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment(),
            preexec_fn=without_power_over_others,  # noqa: PLW1509 - no thread is at work here
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline()
            assert (b"MOSAIC_KEYRING" in read_by_another_process(f"/proc/{process.pid}/environ")) is shown
            limits = Path(f"/proc/{process.pid}/limits").read_text()
            process.kill()
    (core,) = [line for line in limits.splitlines() if line.startswith("Max core file size")]
    assert core.split()[4] == "0"
