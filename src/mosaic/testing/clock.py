"""A clock that stands still until it is told to go on.

Source: this project's own design, docs/architecture.md "Layers".
"""

from __future__ import annotations

from typing import Final

START_NS: Final = 1_800_000_000_000_000_000
"""Where a FakeClock begins: in January 2027, ns as a Mosaic timestamp."""


class FakeClock:
    """Gives the time that it was set to.

    Args:
        now_ns: Where it begins, ns.
    """

    def __init__(self, now_ns: int = START_NS) -> None:
        self.time_ns = now_ns

    def now_ns(self) -> int:
        """The time, ns as a Mosaic timestamp."""
        return self.time_ns

    def advance(self, *, seconds: float = 0, nanoseconds: int = 0) -> int:
        """Goes on by `seconds` and `nanoseconds` and returns the new time, ns."""
        self.time_ns += int(seconds * 1_000_000_000) + nanoseconds
        return self.time_ns
