"""Following one persona of a person: of whom personas are named, only what these signed is read.

Source: identity.md, rationale.md (subkeys may be personas that readers follow one by one).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from itertools import islice

from mosaic.core.filter import Filter
from mosaic.core.record import Record
from mosaic.core.reference import Reference
from mosaic.social.records import Records


class OnlyPersonas:
    """Records, without those of other personas than the ones that are followed: `Records` again.

    What a master key signed, as profiles, is everybody's.

    Args:
        records: All.
        personas: Of each person (32-byte master key) of whom only some are read, their keys (32 bytes each).
    """

    def __init__(self, records: Records, personas: Mapping[bytes, Collection[bytes]]) -> None:
        self._records = records
        self._personas = personas

    def newest_first(self, wanted: Filter, limit: int = 0) -> Iterator[Record]:
        """What the filter matches, newest first; at most `limit` records (0 = all)."""
        found = (record for record in self._records.newest_first(wanted) if self._is_read(record))
        return islice(found, limit or None)

    def at(self, reference: Reference) -> list[Record]:
        """What a reference names, newest first."""
        return [record for record in self._records.at(reference) if self._is_read(record)]

    def _is_read(self, record: Record) -> bool:
        personas = self._personas.get(record.author_bytes)
        return (
            personas is None or record.signer_bytes in personas or record.signer_bytes == record.author_bytes
        )
