"""Measuring what of a store is a cache, and letting the oldest of it go, while the server runs.

The store is walked newest first; what has no room any more goes in parts
between which others are written. Nothing is refused afterwards.

Source: this project's own design, docs/architecture.md "What stays, what goes".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from mosaic.core.filter import Filter
from mosaic.policy.cache import CACHE, Share, Sharing
from mosaic.server.writer import Writer
from mosaic.store.store import Store
from mosaic.store.stretches import Stretches

_AT_ONCE: Final = 1_024
_SLICE_NS: Final = 20_000_000
_ENTRY_HEAD: Final = 32


@dataclass(slots=True)
class Size:
    """How much there is of something.

    Attributes:
        records: How many records.
        bytes: What they take of the log.
    """

    records: int = 0
    bytes: int = 0

    def add(self, length: int) -> None:
        """One more record of a length (bytes)."""
        self.records += 1
        self.bytes += _ENTRY_HEAD + length


class CacheWork:
    """Looks through a store. Belongs to the thread of the event loop.

    Args:
        store: Where records are.
        writer: Removes them.
        removed: Told records that are gone.
    """

    def __init__(self, store: Store, writer: Writer, removed: Callable[[Sequence[bytes]], None]) -> None:
        self._store = store
        self._writer = writer
        self._removed = removed

    async def sizes(self, sharing: Sharing) -> dict[Share, Size]:
        """How much there is of each share. Raises StoreError: the store failed."""
        sizes = {share: Size() for share in Share}
        async for rows in Stretches(self._store.scan(Filter().compiled), _AT_ONCE, _SLICE_NS):
            for _, _, record in rows:
                sizes[sharing.share(record)].add(len(record))
        return sizes

    async def evict(
        self, sharing: Sharing, stays: Mapping[Share, int], begins: Callable[[Share, int], None]
    ) -> Size:
        """Lets the oldest of the cache go; how much went.

        Args:
            sharing: What records are.
            stays: How many bytes of each share of the cache stay.
            begins: Told, before anything of a share goes, the newest timestamp (ns) that does.

        Raises:
            StoreError: the store failed; what went until then is gone.
        """
        kept = {share: Size() for share in CACHE}
        gone, full = Size(), set[Share]()
        async for rows in Stretches(self._store.scan(Filter().compiled), _AT_ONCE, _SLICE_NS):
            doomed: list[tuple[int, bytes]] = []
            for position, _, record in rows:
                share = sharing.share(record)
                if share not in kept:
                    continue
                length = _ENTRY_HEAD + len(record)
                if share not in full and kept[share].bytes + length > stays.get(share, 0):
                    full.add(share)
                    begins(share, int.from_bytes(record[:8], "big"))
                if share in full:
                    doomed.append((position, record))
                    gone.add(len(record))
                else:
                    kept[share].add(len(record))
            if doomed:
                positions = [position for position, _ in doomed]
                await self._writer.change(partial(self._store.remove, positions))
                self._removed([record for _, record in doomed])
        return gone
