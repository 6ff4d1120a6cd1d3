"""How many heaps the C library keeps for the threads of a long-lived process.

glibc makes up to eight for each core. Each keeps what it once needed at most,
so that a server's memory creeps up for days under a load that does not grow.
One for each core is enough for threads that mostly wait.
"""

from __future__ import annotations

import ctypes
import os
from typing import Final

_M_ARENA_MAX: Final = -8
"""glibc's number for this setting (malloc.h)."""


def one_arena_a_core() -> bool:
    """Bounds the heaps from now on; False where the C library has no such setting."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return bool(mallopt(_M_ARENA_MAX, max(2, os.cpu_count() or 2)))
