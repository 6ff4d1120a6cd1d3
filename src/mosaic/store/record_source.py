"""Reading a store without being able to change it: what the node hands to those who only look.

Source: record.md (references), filter.md; edition §3 (newest first, read access).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mosaic.core.filter import Filter
from mosaic.core.record import Record
from mosaic.core.reference import Reference
from mosaic.store.store import Scan, Store

_RECORDS_A_SLICE = 128
_SLICE_NS = 5_000_000


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """A record as it stands in a store.

    Attributes:
        position: Its log number.
        received_ns: When it was first received (ns, Mosaic time).
        record: The record, checked when it came.
    """

    position: int
    received_ns: int
    record: Record


class RecordSource:
    """The reading half of a store.

    Args:
        store: Is never written to from here.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def query(
        self,
        filter: Filter,  # noqa: A002 - the protocol's own word
        viewers: Sequence[bytes] | None = None,
        limit: int = 0,
    ) -> Iterator[StoredRecord]:
        """What a filter matches, newest first by (timestamp, id); read in slices as they are asked for.

        Args:
            filter: What is asked for.
            viewers: The keys (32 bytes) of who asks; None = the owner, who may read all.
            limit: How many at most (0 = all).

        Raises:
            InvalidFilter: The filter can't be compiled.
            StoreError: The store is closed.
        """
        return _slices(self._store.scan(filter.compiled, limit=limit, viewers=viewers))

    def follow(
        self,
        filter: Filter,  # noqa: A002 - the protocol's own word
        position: int,
        viewers: Sequence[bytes] | None = None,
    ) -> Iterator[StoredRecord]:
        """What a filter matches from a position on, in the order in which it came, up to now.

        Args:
            filter: What is asked for.
            position: The log number to begin at.
            viewers: As in `query`.

        Raises:
            InvalidFilter: The filter can't be compiled.
            StoreError: The store is closed.
        """
        return _slices(self._store.follow(filter.compiled, position, viewers=viewers))

    def get(self, reference: Reference, viewers: Sequence[bytes] | None = None) -> list[StoredRecord]:
        """What a reference names, newest first: one record for an id, all that is served for an address."""
        return list(_slices(self._store.lookup([reference.bytes], viewers=viewers)))

    @property
    def end(self) -> int:
        """The position from which `follow` gives only what is not there yet."""
        return self._store.end


def _slices(scan: Scan) -> Iterator[StoredRecord]:
    finished = False
    while not finished:
        found, finished = scan.records(_RECORDS_A_SLICE, _SLICE_NS)
        for position, received_ns, data in found:
            yield StoredRecord(position, received_ns, Record(data))
