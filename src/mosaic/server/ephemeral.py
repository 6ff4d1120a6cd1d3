"""Ephemeral records that were passed on: each goes out once, and is never stored.

Source: kind.md (ephemeral), edition §3.
"""

from __future__ import annotations

from typing import Final

_PREFIX: Final = 32


class EphemeralMemory:
    """Remembers ids until their records would be refused for their age.

    Args:
        window_ns: How far the timestamp of an ephemeral record may be off.
        capacity: How many are remembered at most.
    """

    __slots__ = ("_capacity", "_until", "_window_ns")

    def __init__(self, window_ns: int, capacity: int) -> None:
        self._window_ns = window_ns
        self._capacity = capacity
        self._until: dict[bytes, int] = {}

    def configure(self, window_ns: int, capacity: int) -> None:
        """Another window and room for so many records from now on; what is remembered stays its own time."""
        self._window_ns = window_ns
        self._capacity = capacity

    def __len__(self) -> int:
        """How many are remembered."""
        return len(self._until)

    def in_time(self, record: bytes, now_ns: int) -> bool:
        """Whether a valid record's timestamp is near enough."""
        return abs(int.from_bytes(record[0:8], "big") - now_ns) <= self._window_ns

    def knows(self, record: bytes) -> bool:
        """Whether this record was passed on before."""
        return record[:_PREFIX] in self._until

    def remember(self, record: bytes, now_ns: int) -> bool:
        """Remembers a record that is in time; False when there is no room, and it must not be passed on."""
        if len(self._until) >= self._capacity:
            self._forget(now_ns)
            if len(self._until) >= self._capacity:
                return False
        self._until[record[:_PREFIX]] = int.from_bytes(record[0:8], "big") + self._window_ns
        return True

    def _forget(self, now_ns: int) -> None:
        self._until = {prefix: until for prefix, until in self._until.items() if until >= now_ns}
