"""Which open subscriptions a record reaches.

Records come in the order of the log, each once; a subscription is reached by
what comes after it was opened. What was there before it is given from the
store, up to the position at which it was opened.

Source: messages.md "Subscribe", edition §3 (subscription).
"""

from __future__ import annotations

from collections.abc import Sequence

from mosaic._kernel import _rust


class Fanout:
    """The open subscriptions, by numbers of the caller's. A record costs what it hits, not how many wait."""

    __slots__ = ("_subscriptions",)

    def __init__(self) -> None:
        self._subscriptions = _rust.Subscriptions()

    def __len__(self) -> int:
        """How many are open."""
        return len(self._subscriptions)

    def memory(self) -> int:
        """The bytes that all that is open takes up, filters and index."""
        return self._subscriptions.memory()

    def open(self, number: int, compiled: _rust.Filter) -> None:
        """Opens a subscription.

        Args:
            number: One that is not in use (u64).
            compiled: What it asks for.
        """
        self._subscriptions.add(number, compiled)

    def close(self, number: int) -> bool:
        """Closes a subscription; whether it was open."""
        return self._subscriptions.remove(number)

    def reach(self, records: Sequence[bytes], received_ns: Sequence[int]) -> list[list[int]]:
        """For each record the numbers of the subscriptions whose filter it matches, ascending.

        Who may read a record is not judged here.

        Args:
            records: Valid records.
            received_ns: When each was received, ns.
        """
        return self._subscriptions.match(records, received_ns)
