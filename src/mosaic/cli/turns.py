"""Short turns on the processor, where Linux gives them, and as many open files as the system lets have.

A server works a little on each of many messages, in a few threads that wake
each other. Where others want the same cores, each waking waits its turn: who
asks for short turns gets them sooner, and no more of them in all. Before
Linux 6.12 the kernel takes no notice.

Each link is an open file. Systems begin with 1,024 of them for a process, and
let it have many times more if it asks.

Source: sched_setattr(2), getrlimit(2); the kernel's Documentation/scheduler/sched-eevdf.rst.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys
from typing import Final

if sys.platform != "win32":
    import resource

_TURN_NS: Final = 200_000
"""How long a turn is; the kernel takes 0.1 ms to 100 ms."""
_CALLS: Final = {"x86_64": 314, "aarch64": 274, "riscv64": 274}
"""The number of sched_setattr by machine."""
_ATTRIBUTES: Final = struct.Struct("=IIQiIQQQ")
"""size, policy, flags, nice, priority, runtime, deadline, period."""
FILES: Final = 65_536
"""How many open files are asked for, as in the unit for systemd."""


def short_turns() -> bool:
    """Asks for short turns for this thread and all that it begins; False where there is no such thing.

    Whom his operator has given other turns (idle, batch, real time) they stay.
    """
    number = _CALLS.get(platform.machine())
    if sys.platform != "linux" or number is None or os.sched_getscheduler(0) != os.SCHED_OTHER:
        return False
    asked = _ATTRIBUTES.pack(_ATTRIBUTES.size, 0, 0, os.nice(0), 0, _TURN_NS, 0, 0)
    try:
        return int(ctypes.CDLL(None).syscall(number, 0, asked, 0)) == 0
    except (AttributeError, OSError):
        return False


def many_files() -> int:
    """Asks for as many open files as the system lets it have; how many it may have now (0: unknown)."""
    if sys.platform == "win32":
        return 0
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return soft
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError):
        return soft
    return wanted
