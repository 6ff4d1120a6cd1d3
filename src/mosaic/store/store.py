"""What a store of records does for the rooms above, whatever keeps the bytes.

A *position* is a log number: it grows with each record that is stored and is
never used again. A *cursor* (`Scan`) is opaque to all but the store that made it.

Source: kind.md, record.md; edition §3 (replaceable, read access, received times).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import IntEnum
from typing import Final, Protocol

from mosaic._kernel import _rust
from mosaic.errors import MosaicError

_AT_ONCE: Final = 1_024
_SLICE_NS: Final = 50_000_000


class Mode(IntEnum):
    """How a record stands to others at its address: kind.md, bits 1 and 0; edition §3 (who may replace)."""

    KEEP_ALL = _rust.KEEP_ALL
    """Unique and versioned kinds: all are served."""
    REPLACE_SIGNER = _rust.REPLACE_SIGNER
    """The greatest (timestamp, id) of each signer at the address is served."""
    REPLACE_ADDRESS = _rust.REPLACE_ADDRESS
    """The greatest (timestamp, id) of the address is served."""


DELETES: Final[int] = _rust.DELETES
"""A bit beside a Deletion's mode: it counts, so it removes what it names and refuses it while it stands."""


class Outcome(IntEnum):
    """What became of a record that was given to `Store.append`."""

    STORED = _rust.STORED
    """It is on disk."""
    DUPLICATE = _rust.DUPLICATE
    """The same id is there."""
    SUPERSEDED = _rust.SUPERSEDED
    """A greater (timestamp, id) is there; nothing was written."""
    REFUSED = _rust.REFUSED
    """Its id was refused for good."""
    DELETED = _rust.DELETED
    """A Deletion that counts covers it; nothing was written."""


class Scan(Protocol):
    """A query under way; continues where it stopped."""

    def frames(self, head: bytes, max_bytes: int, max_ns: int) -> tuple[bytes, int, bool]:
        """The next RECORD frames, joined: (frames, number of records, finished).

        A frame is `head` (4 bytes), its total length as u32 and the record. Stops
        at about `max_bytes` of frames or `max_ns` of work.
        """

    def records(self, max_records: int, max_ns: int) -> tuple[list[tuple[int, int, bytes]], bool]:
        """The next (position, received_ns, record) triples, and whether it is finished.

        At most `max_records` of them; stops at about `max_ns` of work.
        """


class Snapshot(Protocol):
    """The log's files at one moment, for a copy while the store is in use."""

    @property
    def files(self) -> list[tuple[str, int]]:
        """(name in the folder `log`, bytes that count), oldest first."""

    @property
    def end(self) -> int:
        """The position behind the last record in them."""

    @property
    def last_received_ns(self) -> int:
        """The greatest received time up to then."""

    def release(self) -> None:
        """Lets the files be rewritten again. A second call does nothing."""


class Store(Protocol):
    """Records on disk. Any thread may read while one writes; all calls are safe from any thread.

    Every method raises `StoreError` when the store is closed or the disk fails.
    """

    def append(
        self,
        records: Sequence[bytes],
        received_ns: Sequence[int],
        modes: bytes,
        *,
        labels: bytes | None = None,
    ) -> tuple[bytes, list[int]]:
        """Writes records that were checked: one write and one sync for all of them.

        Args:
            records: Whole records, 216 to 1,048,576 bytes each.
            received_ns: When each was received (ns, Mosaic time).
            modes: One `Mode` for each, as bytes, with `DELETES` for a Deletion that counts.
            labels: One `Label` for each, as bytes, which narrows who may read it; none if left out.

        Returns:
            One `Outcome` for each, as bytes, and the positions: of what was
            STORED, of the first one for a DUPLICATE, else 0. What is STORED is
            on disk.

        Raises:
            StoreFull: No room; nothing of the batch is there afterwards.
            UsageError: Lengths differ, or a record, mode or label can't be one.
        """

    def readmit(self, positions: Sequence[int], label: int, *, deletes: bool = False) -> list[int]:
        """Puts served records at new positions under another label, received times as they were.

        `deletes`: Deletions among them count from now on. Who could read a
        record before is not given it again by `follow` from behind its first
        position; the owner is.

        Returns:
            The new positions, 0 for what is not served.

        Raises:
            StoreFull: No room; everything is as it was.
        """

    def labels(self, positions: Sequence[int]) -> bytes:
        """The label of the record at each position; 255 where none is served."""

    def labelled(self, label: int, *, after: int = 0, limit: int = 1000) -> list[int]:
        """Positions behind `after` of served records with one bit of a label, ascending, `limit` at most."""

    def remove(self, positions: Sequence[int], *, refuse: bool = False) -> int:
        """Stops serving the records at some positions, durably; how many were served.

        `refuse`: their ids are refused from now on, too, for good.
        """

    def contains(self, ids: Sequence[bytes]) -> list[int | None]:
        """The position for each id (48 bytes, or its first 32), or None where it is not served."""

    def read(self, positions: Sequence[int]) -> list[bytes | None]:
        """The record at each position, or None where it is no longer served."""

    def scan(
        self,
        filter: _rust.Filter,  # noqa: A002 - the protocol's own word
        *,
        limit: int = 0,
        viewers: Sequence[bytes] | None = None,
        before: int | None = None,
        after: int | None = None,
    ) -> Scan:
        """What the filter matches, newest first by (timestamp, id), both descending.

        Args:
            filter: A compiled filter.
            limit: Counts records after access (0 = none).
            viewers: The keys (32 bytes) a reader has proven; None = the owner, who may read all.
            before: Only positions under it.
            after: Only positions from it on.
        """

    def lookup(self, references: Sequence[bytes], *, viewers: Sequence[bytes] | None = None) -> Scan:
        """What references name, in their order, each record once.

        An id (48 bytes, or its first 32) names one record; an address the newest if replaceable (of each
        signer where they do not replace each other), else all, newest first.
        """

    def follow(
        self,
        filter: _rust.Filter,  # noqa: A002
        position: int,
        *,
        viewers: Sequence[bytes] | None = None,
        before: int | None = None,
    ) -> Scan:
        """What matches from `position` on, in the order of the log, up to its end at the time of the call.

        `before`: only positions under it.
        """

    def signers(self, address: bytes) -> list[bytes]:
        """The distinct signing keys (32 bytes) of what is served at a 48-byte address."""

    @property
    def end(self) -> int:
        """The position that the next record gets, or a smaller one not yet given away."""

    @property
    def last_received_ns(self) -> int:
        """The greatest received time of all that was ever stored (0 in a new store)."""

    def stats(self) -> dict[str, int]:
        """Figures: records, removed, log_bytes, index_bytes, live_bytes, segments, end and those below.

        `tombstones`: what Deletions that count name; `labelled`: records that are withheld or hidden;
        `format`: that of the log.
        """

    def compact(self, *, min_dead_ratio: float = 0.5, roll: bool = False) -> int:
        """Gives back the room of what is no longer served; the bytes freed. Positions stay.

        Waits until snapshots are released.

        Args:
            min_dead_ratio: The share (0 to 1) of a segment's bytes that must be dead to make it worth it.
            roll: Ends the segment that is written to first; with a ratio of 0 all that is dead goes.
        """

    def tally(self, filter: _rust.Filter) -> list[tuple[bytes, bytes, int, int]]:  # noqa: A002
        """What is served and matches: (author, kind, records, bytes of the log) for each author and kind."""

    def snapshot(self) -> Snapshot:
        """The files as they are now; none is rewritten or removed until it is released."""

    def verify(self) -> list[str]:
        """Compares index and log; a sentence for each difference, none when they agree.

        Reads everything there is: on a large store it takes seconds, for which an `append` may have to wait.
        """

    def close(self) -> None:
        """Makes all durable and lets go of the folder. A second call does nothing."""


def all_of(scan: Scan) -> Iterator[tuple[int, int, bytes]]:
    """What a scan finds to its end, as (position, received ns, record), read in stretches.

    Raises:
        StoreError: the store failed.
    """
    finished = False
    while not finished:
        found, finished = scan.records(_AT_ONCE, _SLICE_NS)
        yield from found


def run_scans(
    scans: Sequence[tuple[Scan, bytes]],
    max_bytes: int,
    max_ns: int,
    *,
    groups: Sequence[int],
    group_bytes: int,
) -> list[tuple[bytes, int, bool] | MosaicError]:
    """`Scan.frames(head, …)` for several scans; of the embedded store in one call that frees the GIL.

    Args:
        scans: Each with the head of its frames (4 bytes).
        max_bytes: About so many bytes of frames from each.
        max_ns: So much work for each.
        groups: A number for each scan: who gets its frames.
        group_bytes: Once a group has so many bytes, its other scans are left as they are: (b"", 0, False).

    Returns:
        The slice of each, or the error with which it failed.
    """
    own = [(scan, head) for scan, head in scans if isinstance(scan, _rust.Scan)]
    if len(own) == len(scans):
        return _rust.run_scans(own, max_bytes, max_ns, groups=groups, group_bytes=group_bytes)
    slices: list[tuple[bytes, int, bool] | MosaicError] = []
    used: dict[int, int] = {}
    for (scan, head), group in zip(scans, groups, strict=True):
        if used.get(group, 0) >= group_bytes:
            slices.append((b"", 0, False))
            continue
        try:
            frames = scan.frames(head, max_bytes, max_ns)
        except MosaicError as error:
            slices.append(error)
            continue
        slices.append(frames)
        used[group] = used.get(group, 0) + len(frames[0])
    return slices
