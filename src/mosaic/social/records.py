"""What this room needs from a store: reading, nothing else. The node gives it in.

Source: this project's own design, docs/architecture.md "A person acts".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from mosaic.core.filter import Filter
from mosaic.core.record import Record
from mosaic.core.reference import Reference


class Records(Protocol):
    """Reads the records that are at hand, as the person may see them."""

    def newest_first(self, wanted: Filter, limit: int = 0) -> Iterator[Record]:
        """What the filter matches, newest first by (timestamp, id); at most `limit` records (0 = all)."""

    def at(self, reference: Reference) -> list[Record]:
        """What a reference names, newest first: one for an id, all versions for an address."""
