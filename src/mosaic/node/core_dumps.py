"""No picture of this process's memory goes to a disk, nor to another process of the same account.

Keys that are unlocked lie in memory. A crash would write all of that into a
file, and any program that runs as the same user could read it at any time.
Where the system can, both are off from the moment this process begins; the
superuser, and a debugger that it starts, are not kept out.

Source: core(5), getrlimit(2), prctl(2) (PR_SET_DUMPABLE), ptrace(2); this project's own design,
docs/architecture.md "One home".
"""

from __future__ import annotations

import contextlib
import ctypes
import sys
from typing import Final

if sys.platform != "win32":
    import resource

_PR_SET_DUMPABLE: Final = 4
"""Linux's number for this call (prctl.h)."""


def switch_off() -> None:
    """Lets this process leave no core dump, and no other one look into it, as far as the system knows how.

    Programs that this one starts may leave dumps if they raise their limit themselves.
    """
    if sys.platform == "win32":
        return
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    if sys.platform == "linux":
        # A program that takes dumps by a pipe is started whatever the limit is; this keeps it from that, too.
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
