"""Several attempts, begun one after the other; the first that succeeds wins.

Source: RFC 8305 (happy eyeballs), in outline.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import TypeAlias, TypeVar

_T = TypeVar("_T")

Attempt: TypeAlias = Callable[[], Coroutine[object, None, _T | None]]
"""Tries; None is a failure, which the attempt has noted itself."""


async def race(attempts: Sequence[Attempt[_T]], *, pause_s: float, drop: Callable[[_T], None]) -> _T | None:
    """The result of the first attempt that succeeds, None when none does.

    The next attempt begins at once when one has failed, or else after a pause.
    When there is a winner, or the race is cancelled, the others are cancelled
    and have ended before this returns.

    Args:
        attempts: In the order in which they begin.
        pause_s: How long one has the field for itself, in seconds.
        drop: Takes the result of an attempt that succeeded besides the winner.

    Raises:
        Exception: whatever an attempt raised.
    """
    waiting = list(reversed(attempts))
    running: set[asyncio.Task[_T | None]] = set()
    try:
        while waiting or running:
            if waiting:
                running.add(asyncio.create_task(waiting.pop()()))
            done, _ = await asyncio.wait(
                running, timeout=pause_s if waiting else None, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                result = task.result()
                running.discard(task)
                if result is not None:
                    return await _without(running, result, drop)
    except BaseException:
        await _end(running, drop)
        raise
    return None


async def _without(others: set[asyncio.Task[_T | None]], winner: _T, drop: Callable[[_T], None]) -> _T:
    """The winner, when the others have ended."""
    try:
        await _end(others, drop)
    except BaseException:
        drop(winner)
        raise
    return winner


async def _end(running: set[asyncio.Task[_T | None]], drop: Callable[[_T], None]) -> None:
    for task in running:
        task.cancel()
    for result in await asyncio.gather(*running, return_exceptions=True):
        if result is not None and not isinstance(result, BaseException):
            drop(result)
    running.clear()
