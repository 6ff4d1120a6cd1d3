"""Short turns and many open files, as a serving process asks for them."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="asks Linux")

TURNS = """
import ctypes, os, threading
from mosaic.cli import turns

def turn() -> int:
    answer = ctypes.create_string_buffer(turns._ATTRIBUTES.size)
    assert ctypes.CDLL(None).syscall(turns._CALLS[os.uname().machine] + 1, 0, answer, len(answer), 0) == 0
    return turns._ATTRIBUTES.unpack(answer.raw)[5]

nice = os.nice(3)
before, asked, after = turn(), turns.short_turns(), turn()
assert asked
found = []
thread = threading.Thread(target=lambda: found.append(turn()))
thread.start()
thread.join()
# Kernels before 6.12 have turns of one length, which they do not tell.
assert after == before or after == found[0] == turns._TURN_NS < (before or 1 << 62), (before, after, found)
assert os.nice(0) == nice
"""
OTHERS = """
import os
from mosaic.cli import turns

os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
assert not turns.short_turns()
assert os.sched_getscheduler(0) == os.SCHED_BATCH
"""
FILES = """
import resource
from mosaic.cli import turns

_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
assert turns.many_files() == resource.getrlimit(resource.RLIMIT_NOFILE)[0] == min(turns.FILES, hard)
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 100))
assert turns.many_files() == 100
assert turns.many_files() == 100
"""


@pytest.mark.parametrize("program", [TURNS, OTHERS, FILES], ids=["turns", "others", "files"])
def test_a_process_gets_what_it_asks_for(program: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
