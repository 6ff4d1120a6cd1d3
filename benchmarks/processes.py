"""Servers and listeners in processes of their own, and the cores that they run on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from benchmarks.load_client import ROOT, load

DISK = "/var/tmp"
"""Where servers keep what they measure with. Not /tmp, which is memory on many systems."""

SOMEBODY = "05" * 32
"""The secret of the person who loads servers; they serve him."""


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
def process(command: list[str]) -> Iterator[tuple[int, dict[str, int]]]:
    """A process that prints a JSON line when it is ready and ends when its input does: its pid, that line.

    Raises:
        RuntimeError: it ended before it was ready.
    """
    environment = os.environ | {"PYTHONPATH": os.pathsep.join((str(ROOT / "src"), str(ROOT)))}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT
    ) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        try:
            line = running.stdout.readline()
            if not line:
                raise RuntimeError("the process ended before it was ready; what it said stands above")
            ready: dict[str, int] = json.loads(line)
            yield running.pid, ready
        finally:
            running.stdin.close()
            running.stdout.read()


@contextmanager
def server(
    transport: str, *, core: int | None, check_threads: int = 1
) -> Iterator[Callable[..., dict[str, float]]]:
    """A server in a process and a folder of its own; gives a function that loads it.

    Args:
        transport: Over what: "quic", "tcp" or "ws".
        core: The number of the core it is kept on; None lets it use all.
        check_threads: How many threads check its signatures.

    Raises:
        RuntimeError: it ended before it was ready.
    """
    with tempfile.TemporaryDirectory(prefix="mosaic-bench-", dir=DISK) as folder:
        command = [sys.executable, "-m", "benchmarks.server_process", folder]
        command += ["--check-threads", str(check_threads)]
        command += [] if core is None else ["--core", str(core)]
        with process(command) as (_, ports):
            reached = {
                "core": client_core(),
                "transport": transport,
                "port": ports[transport],
                "seed": SOMEBODY,
            }

            def ask(mode: str, **options: object) -> dict[str, float]:
                return load(mode, **(reached | options))

            yield ask
