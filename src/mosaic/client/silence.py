"""Whether a server says anything after it was told something.

A link can be dead while its two ends don't know: a machine lost its power, a
router forgot. Whoever writes or asks gets no answer then; that is noticed by
what was said and what was heard, and costs not a byte as long as answers come.

Source: this project's own design, docs/architecture.md "A server is judged".
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

_SLOWEST: Final = 32_768
"""Bytes a second that any link is thought to carry: long records take time to get there."""


class Silence:
    """How long nothing has been heard since something was said.

    Args:
        most_s: How long that may be, in seconds.
        is_busy: Whether something long is under way, which takes its time and is looked after elsewhere.
    """

    def __init__(self, most_s: float, is_busy: Callable[[], bool]) -> None:
        self._most_s = most_s
        self._is_busy = is_busy
        self.doubt: Callable[[], None] = lambda: None
        """Called when it is longer; again each time that long has passed since something was said anew."""
        self._since_s: float | None = None
        self._bytes = 0
        self._timer: asyncio.TimerHandle | None = None

    def said(self, length: int) -> None:
        """Something was sent that should be answered: `length` bytes."""
        self._bytes += length
        if self._since_s is not None:
            return
        loop = asyncio.get_running_loop()
        self._since_s, self._bytes = loop.time(), length
        if self._timer is None:
            self._timer = loop.call_later(self._allowed_s, self._look)

    def heard(self) -> None:
        """Something came."""
        self._since_s = None

    def end(self) -> None:
        """Nobody waits any more."""
        self._since_s = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    @property
    def _allowed_s(self) -> float:
        return self._most_s + self._bytes / _SLOWEST

    def _look(self) -> None:
        self._timer = None
        if self._since_s is None:
            return
        loop = asyncio.get_running_loop()
        left_s = self._since_s + self._allowed_s - loop.time()
        if left_s > 0.0:
            self._timer = loop.call_later(left_s, self._look)
            return
        self._since_s = None
        if self._is_busy():
            self.said(0)
        else:
            self.doubt()
