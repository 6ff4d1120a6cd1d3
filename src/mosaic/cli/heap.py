"""Keeps the memory of a long-lived process at what it needs, where the C library is glibc.

glibc makes up to eight heaps for each core, and each keeps what it once needed
at most: a server's memory would creep up for days under a load that does not
grow, and stay up after a burst.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
from typing import Final

_M_ARENA_MAX: Final = -8
"""glibc's number for this setting (malloc.h)."""
_EVERY_S: Final = 30.0


def one_arena_a_core() -> bool:
    """Bounds the heaps from now on; False where the C library has no such setting."""
    return _call("mallopt", _M_ARENA_MAX, max(2, os.cpu_count() or 2))


def give_back() -> bool:
    """Gives free memory back to the system; False if there was none, or no way to do so."""
    return _call("malloc_trim", 0)


async def keep_giving_back() -> None:
    """Does so every half minute, beside the event loop, until cancelled."""
    while True:
        await asyncio.sleep(_EVERY_S)
        await asyncio.to_thread(give_back)


def _call(name: str, *arguments: int) -> bool:
    try:
        function = getattr(ctypes.CDLL(None), name)
    except (AttributeError, OSError, TypeError):
        return False
    return bool(function(*arguments))
