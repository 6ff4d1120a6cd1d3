"""What the node does for its store now and then: giving back the space of what is no longer served.

Superseded, removed and refused records leave dead bytes in the log's closed
segments; compacting rewrites those segments while reading goes on.

Source: this project's own design, docs/architecture.md "The kernel".
"""

from __future__ import annotations

import asyncio
import logging

from mosaic.errors import StoreError
from mosaic.store.store import Store

log = logging.getLogger(__name__)


class Upkeep:
    """Compacts a store from time to time.

    Args:
        store: The store.
        pause_s: Seconds between two looks.
    """

    def __init__(self, store: Store, pause_s: float) -> None:
        self._store = store
        self._pause_s = pause_s

    async def run(self) -> None:
        """Looks now and after each pause, until cancelled."""
        while True:
            await self.once()
            await asyncio.sleep(self._pause_s)

    async def once(self) -> int:
        """Compacts in a thread; the bytes that were freed. A full disk is no reason to stop looking."""
        try:
            freed = await asyncio.to_thread(self._store.compact)
        except StoreError as error:
            log.warning("the store could not be compacted: %s", error)
            return 0
        if freed:
            log.info("compacting the log freed %d bytes", freed)
        return freed
