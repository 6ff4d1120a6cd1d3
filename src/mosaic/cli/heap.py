"""Keeps the memory of a long-lived process at what it needs, where the C library is glibc.

glibc makes up to eight heaps for each core, and each keeps what it once needed
at most: a server's memory would creep up for days under a load that does not
grow, and stay up after a burst. Its threshold for blocks of their own rises
with the largest block ever freed, so that after one long frame all later ones
come from the heaps, where any small block above them keeps them from being
given back.

Source: mallopt(3), malloc_trim(3).
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
from typing import Final

_M_ARENA_MAX: Final = -8
"""glibc's number for this setting (malloc.h)."""
_M_MMAP_THRESHOLD: Final = -3
"""Another: blocks from this size on are mapped by themselves, and a freed one is gone at once."""
_LARGE_BLOCK: Final = 128 * 1024
"""Where the threshold stands at first, in bytes; setting it keeps it there."""
EVERY_S: Final = 5.0
"""How often free memory is given back, in seconds."""


def one_arena_a_core() -> bool:
    """Bounds the heaps from now on, in number; False where the C library has no such setting."""
    return _call("mallopt", _M_ARENA_MAX, max(2, os.cpu_count() or 2))


def large_blocks_apart() -> bool:
    """Keeps large blocks out of the heaps from now on; False where there is no such setting."""
    return _call("mallopt", _M_MMAP_THRESHOLD, _LARGE_BLOCK)


def set_apart_what_stays() -> None:
    """Lets the collector of cycles pass over all that is loaded now.

    It runs in full only when a quarter of what has lived long is new: beside a
    whole program's modules that takes megabytes of dead cycles. Beside nothing
    it runs often, and at little cost each time.
    """
    gc.collect()
    gc.freeze()
    gc.collect()  # what has lived long is counted here, and now without what is set apart


def give_back() -> bool:
    """Gives free memory back to the system; False if there was none, or no way to do so."""
    return _call("malloc_trim", 0)


async def keep_giving_back() -> None:
    """Does so every few seconds, beside the event loop, until cancelled."""
    while True:
        await asyncio.sleep(EVERY_S)
        await asyncio.to_thread(give_back)


def _call(name: str, *arguments: int) -> bool:
    try:
        function = getattr(ctypes.CDLL(None), name)
    except (AttributeError, OSError, TypeError):
        return False
    return bool(function(*arguments))
