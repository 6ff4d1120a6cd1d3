"""Requests that are answered by name: SUBMISSION by the record's first 32 bytes, blobs by their hash.

Such requests have no query id. The same one may be sent several times, and
each answer counts for one of them.

Source: messages.md (SUBMISSION RESULT, BLOB SUBMISSION RESULT, BLOB RESULT).
"""

from __future__ import annotations

from collections import Counter


class Awaited:
    """How many answers are still to come, by name."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts: Counter[bytes] = Counter()

    def __len__(self) -> int:
        """For how many different names an answer is to come."""
        return len(self._counts)

    def add(self, name: bytes) -> None:
        """One more answer is to come."""
        self._counts[name] += 1

    def take(self, name: bytes) -> bool:
        """Takes one answer; False if none is to come."""
        count = self._counts.get(name, 0)
        if count > 1:
            self._counts[name] = count - 1
        elif count:
            del self._counts[name]
        return count > 0

    def clear(self) -> None:
        """Nothing is to come any more."""
        self._counts.clear()
