"""Which open subscriptions a record reaches, each exactly once.

Records come in the order of the log. A subscription follows from a position:
what lies before it was given to it from the store. While it has no position
yet it is *waiting*: only what is never stored reaches it, which could not be
found later.

Source: messages.md "Subscribe", edition §3 (subscription).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from mosaic._kernel import _rust

NOT_STORED: Final = -1
"""The position of an ephemeral record."""


class Fanout:
    """The open subscriptions, by numbers of the caller's."""

    __slots__ = ("_following", "_open", "_waiting")

    def __init__(self) -> None:
        self._open = _rust.Subscriptions()
        self._waiting: set[int] = set()
        self._following: dict[int, int] = {}

    def __len__(self) -> int:
        """How many are open."""
        return len(self._open)

    def open(self, number: int, compiled: _rust.Filter, from_position: int | None = None) -> None:
        """Opens a subscription under a number that is not in use.

        Args:
            number: The caller's (u64).
            compiled: What it asks for.
            from_position: The first position that it wants; None leaves it waiting.
        """
        self._open.add(number, compiled)
        if from_position is None:
            self._waiting.add(number)
        elif from_position > 0:
            self._following[number] = from_position

    def follow_from(self, number: int, position: int) -> None:
        """A waiting subscription has been given what lies before `position`; what comes is for it."""
        if number in self._waiting:
            self._waiting.discard(number)
            self._following[number] = position

    def close(self, number: int) -> bool:
        """Closes a subscription; whether it was open."""
        self._waiting.discard(number)
        self._following.pop(number, None)
        return self._open.remove(number)

    def reach(
        self, records: Sequence[bytes], received_ns: Sequence[int], positions: Sequence[int]
    ) -> list[list[int]]:
        """For each record the numbers of the subscriptions that it is for, ascending.

        Args:
            records: Valid records in the order of the log.
            received_ns: When each was received.
            positions: Where each stands in the log, NOT_STORED for ephemeral ones.
        """
        reached = self._open.match(records, received_ns)
        if self._waiting or self._following:
            self._hold_back(reached, positions)
        return reached

    def _hold_back(self, reached: list[list[int]], positions: Sequence[int]) -> None:
        last = max(positions, default=NOT_STORED)
        for index, numbers in enumerate(reached):
            position = positions[index]
            if numbers and position != NOT_STORED:
                reached[index] = [
                    number
                    for number in numbers
                    if number not in self._waiting and self._following.get(number, 0) <= position
                ]
        # Positions rise: who follows from one that has been passed needs no more comparing.
        passed = [number for number, position in self._following.items() if position <= last]
        for number in passed:
            del self._following[number]
