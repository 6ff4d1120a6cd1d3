"""How much memory this machine, or the group in which this process runs, has left.

What a stranger's file asks for is compared with it: where memory is promised
and not there, the system would end this process, or another one.

Source: proc(5) (meminfo), cgroups(7) (memory.max, memory.stat).
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Final

_MACHINE: Final = Path("/proc/meminfo")
_GROUP: Final = Path("/sys/fs/cgroup")


def free_memory(machine: Path = _MACHINE, group: Path = _GROUP) -> int | None:
    """Bytes that can be had without anything being ended for them; None where the system does not tell.

    Args:
        machine: Tells of the whole machine.
        group: Tells of the group of processes.
    """
    known = [left for left in (_of_machine(machine), _of_group(group)) if left is not None]
    return min(known, default=None)


def _of_machine(file: Path) -> int | None:
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in file.read_text("ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return None


def _of_group(folder: Path) -> int | None:
    # `memory.max` is the word "max" where nothing is bounded. What is kept of files can be let go of.
    with contextlib.suppress(OSError, ValueError, KeyError):
        most = int((folder / "memory.max").read_text("ascii"))
        held = dict(line.split() for line in (folder / "memory.stat").read_text("ascii").splitlines())
        return max(0, most - int(held["anon"]))
    return None
