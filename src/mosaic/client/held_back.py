"""Records from the future, kept until their time has come.

A server may send any number of them, so that what is kept is bounded in bytes
and in time; the rest is dropped.

Source: edition §3 (more than 15 minutes ahead: held back by clients).
"""

from __future__ import annotations

import asyncio
from typing import Final

from mosaic.client.answers import Answers
from mosaic.core.record import Record

_SECOND: Final = 1_000_000_000
_LONGEST_WAIT_NS: Final = 86_400 * _SECOND


class HeldBack:
    """What one connection holds back.

    Args:
        limit_bytes: How many bytes of records at most.
    """

    __slots__ = ("_bytes", "_dropped_since_ns", "_limit", "_timers")

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._bytes = 0
        self._timers: dict[asyncio.TimerHandle, int] = {}
        self._dropped_since_ns: int | None = None

    def __len__(self) -> int:
        """How many records are held."""
        return len(self._timers)

    @property
    def since_ns(self) -> int | None:
        """When the oldest came of what is held, or was when all was let go of; None if nothing is or was."""
        return next(iter(self._timers.values()), self._dropped_since_ns)

    def keep(self, record: Record, wait_ns: int, answers: Answers, now_ns: int) -> bool:
        """Shows a record to a query after `wait_ns`, if it is still open then; False if it is too much."""
        if wait_ns >= _LONGEST_WAIT_NS or self._bytes + len(record) > self._limit:
            return False

        def show() -> None:
            self._timers.pop(timer, None)
            self._bytes -= len(record)
            if not answers.put(record):
                answers.give_up()

        timer = asyncio.get_running_loop().call_later(wait_ns / _SECOND, show)
        self._timers[timer] = now_ns
        self._bytes += len(record)
        return True

    def drop(self) -> None:
        """Lets go of everything."""
        self._dropped_since_ns = self.since_ns
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        self._bytes = 0
