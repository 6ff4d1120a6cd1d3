from __future__ import annotations

import os
import platform
import subprocess
import sys

from mosaic.cli.arenas import one_arena_a_core

COUNT = """
import ctypes, os, sys, threading
os.cpu_count = lambda: 2
if sys.argv[1] == "bound":
    from mosaic.cli.arenas import one_arena_a_core
    assert one_arena_a_core()
gate = threading.Barrier(25)
def work():
    gate.wait()
    ctypes.CDLL(None).malloc(100_000)
    gate.wait()
threads = [threading.Thread(target=work) for _ in range(24)]
[thread.start() for thread in threads]
gate.wait(), gate.wait()
ctypes.CDLL(None).malloc_stats()
"""


def arenas(argument: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", COUNT, argument],
        env=dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)),
        capture_output=True,
        check=True,
        text=True,
    )
    return done.stderr.count("Arena ")


def test_threads_share_a_few_arenas() -> None:
    if platform.libc_ver()[0] == "glibc":
        assert arenas("bound") <= 2 < arenas("free")
    else:
        assert one_arena_a_core() in (True, False)
