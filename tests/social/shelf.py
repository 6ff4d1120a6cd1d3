"""Records in a list, read as the social room reads a store."""

from __future__ import annotations

from collections.abc import Iterator

from mosaic.core.filter import Filter
from mosaic.core.kind import Duplicates
from mosaic.core.record import Record
from mosaic.core.reference import Address, Reference


class Shelf:
    def __init__(self, *held: Record) -> None:
        self.held = list(held)

    def newest_first(self, wanted: Filter, limit: int = 0) -> Iterator[Record]:
        found = [record for record in sorted(self.served, reverse=True) if wanted.matches(record)]
        return iter(found[: limit or None])

    def at(self, reference: Reference) -> list[Record]:
        if isinstance(reference, Address):
            return sorted((one for one in self.served if one.address == reference), reverse=True)
        return [record for record in self.served if record.id == reference]

    @property
    def served(self) -> list[Record]:
        newest: dict[bytes, Record] = {}
        for record in self.held:
            place = record.data[48:96]
            if record.kind.duplicates is not Duplicates.REPLACEABLE:
                place = record.data[:48]
            newest[place] = max(newest.get(place, record), record)
        return list(newest.values())
