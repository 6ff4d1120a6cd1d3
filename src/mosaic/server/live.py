"""A value that an operator may change while the server runs.

Who needs it holds the `Live` and reads `current` each time; who must do
something at a change says so with `watch`.

Source: this project's own design, docs/architecture.md "Operations".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

_T = TypeVar("_T")


class Live(Generic[_T]):
    """Holds what counts now. Belongs to the thread of the event loop; reading is safe in any.

    Args:
        current: What counts at first.
    """

    __slots__ = ("_told", "current")

    def __init__(self, current: _T) -> None:
        self.current = current
        self._told: list[Callable[[_T], None]] = []

    def replace(self, new: _T) -> None:
        """From now on `new` counts; all who watch are told, in the order in which they began."""
        self.current = new
        for tell in self._told:
            tell(new)

    def watch(self, tell: Callable[[_T], None]) -> None:
        """Calls `tell` with each value that comes after the one that counts now."""
        self._told.append(tell)
