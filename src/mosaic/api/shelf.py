"""Records that were fetched, read as the social room reads a store.

Source: record.md (kinds that replace, kinds that keep all versions); edition §3.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mosaic.core.filter import Filter
from mosaic.core.kind import Duplicates
from mosaic.core.record import Record
from mosaic.core.reference import Address, Reference


class Shelf:
    """A `social.records.Records` over a few records in memory.

    Args:
        records: Records that were checked and judged already; the same one may come twice.
    """

    def __init__(self, records: Iterable[Record]) -> None:
        newest: dict[bytes, Record] = {}
        for record in records:
            replaceable = record.kind.duplicates is Duplicates.REPLACEABLE
            place = record.address.bytes if replaceable else record.id.bytes
            known = newest.get(place)
            if known is None or known.id < record.id:
                newest[place] = record
        self._records = sorted(newest.values(), key=lambda record: record.id, reverse=True)

    def newest_first(self, wanted: Filter, limit: int = 0) -> Iterator[Record]:
        """What the filter matches, newest first; at most `limit` records (0 = all)."""
        found = 0
        for record in self._records:
            if wanted.matches(record):
                yield record
                found += 1
                if found == limit:
                    return

    def at(self, reference: Reference) -> list[Record]:
        """What a reference names, newest first: one for an id, all versions for an address."""
        if isinstance(reference, Address):
            return [record for record in self._records if record.address == reference]
        return [record for record in self._records if record.id == reference]
