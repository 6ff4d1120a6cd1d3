from __future__ import annotations

import os
import platform
import subprocess
import sys

from mosaic.cli.heap import give_back, large_blocks_apart, one_arena_a_core

COUNT = """
import ctypes, os, sys, threading
os.cpu_count = lambda: 2
if sys.argv[1] == "bound":
    from mosaic.cli.heap import one_arena_a_core
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


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env=dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)),
        capture_output=True,
        check=True,
        text=True,
    )


def arenas(argument: str) -> int:
    return run(COUNT, argument).stderr.count("Arena ")


def test_threads_share_a_few_arenas() -> None:
    if platform.libc_ver()[0] == "glibc":
        assert arenas("bound") <= 2 < arenas("free")
    else:
        assert one_arena_a_core() in (True, False)


HOLES = """
import ctypes
from mosaic.cli.heap import give_back
def resident():
    fields = dict(line.split(":", 1) for line in open("/proc/self/status"))
    return int(fields["VmRSS"].split()[0])
c = ctypes.CDLL(None)
c.malloc.restype, c.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
held = [c.malloc(100_000) for _ in range(500)]
for block in held:
    ctypes.memset(block, 1, 100_000)
for block in held[:-1]:
    c.free(block)
before = resident()
assert give_back()
print(before - resident())
"""


def test_what_is_free_goes_back_to_the_system() -> None:
    if platform.libc_ver()[0] == "glibc":
        assert int(run(HOLES).stdout) > 40_000  # KiB
    else:
        assert give_back() in (True, False)


LARGE = """
import ctypes, sys
if sys.argv[1] == "apart":
    from mosaic.cli.heap import large_blocks_apart
    assert large_blocks_apart()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]
libc.free(libc.malloc(8_000_000))
blocks = [libc.malloc(1_000_000) for _ in range(16)]
libc.malloc_stats()
"""


def test_large_blocks_stay_apart_after_a_larger_one_was_freed() -> None:
    if platform.libc_ver()[0] != "glibc":
        assert large_blocks_apart() in (True, False)
        return
    mapped = {
        how: int(run(LARGE, how).stderr.split("max mmap regions =")[1].split()[0])
        for how in ("apart", "default")
    }
    assert mapped["default"] < 8
    assert mapped["apart"] >= 16


APART = """
import gc
import mosaic.cli.serving
from mosaic.cli.heap import set_apart_what_stays
set_apart_what_stays()
assert gc.get_freeze_count() > 10_000, gc.get_freeze_count()
before = gc.get_stats()[2]["collections"]
kept = []
for number in range(400_000):
    cycle = []
    cycle.append(cycle)
    if number % 40 == 0:
        kept.append([number])
print(gc.get_stats()[2]["collections"] - before)
"""


def test_dead_cycles_are_collected_often_beside_what_stays() -> None:
    assert int(run(APART).stdout) >= 2
