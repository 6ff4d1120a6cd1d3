"""Walking a scan to its end beside whatever else the event loop does.

Source: this project's own design, docs/architecture.md "The kernel".
"""

from __future__ import annotations

import asyncio

from mosaic.store.store import Scan


class Stretches:
    """What a scan finds to its end, in stretches that are read in a thread: the event loop goes on meanwhile.

    Gives lists of (position, received ns, record) to `async for`; some may be empty.

    Args:
        scan: The scan; nothing else may use it.
        most: Records in one stretch.
        max_ns: About so much work (ns) for one stretch.
    """

    def __init__(self, scan: Scan, most: int, max_ns: int) -> None:
        self._scan = scan
        self._most = most
        self._max_ns = max_ns
        self._finished = False

    def __aiter__(self) -> Stretches:
        """Itself: it can be walked once."""
        return self

    async def __anext__(self) -> list[tuple[int, int, bytes]]:
        """The next stretch. Raises StoreError: the store failed."""
        if self._finished:
            raise StopAsyncIteration
        found, self._finished = await asyncio.to_thread(self._scan.records, self._most, self._max_ns)
        return found
