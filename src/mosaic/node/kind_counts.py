"""How many new records there were of each kind, since the node began.

Source: kinds.md; this project's own design, docs/architecture.md "Operations".
"""

from __future__ import annotations

from mosaic.core import community_kinds, kinds


class KindCounts:
    """Counts by kind. Kinds without a name count as one, for anybody can make up more of them."""

    def __init__(self) -> None:
        self._names = {
            kind.bytes: name for kind, name in (*kinds.NAMES.items(), *community_kinds.NAMES.items())
        }
        self._counts: dict[bytes, int] = {}

    def note(self, _position: int, record: bytes) -> None:
        """Counts a record; at which position it stands does not matter."""
        kind = record[56:64]
        if kind not in self._names:
            kind = b""
        self._counts[kind] = self._counts.get(kind, 0) + 1

    @property
    def counts(self) -> dict[str, int]:
        """How many of each, by name; `other` for kinds without one."""
        return {self._names.get(kind, "other"): count for kind, count in self._counts.items()}
