"""What the node does for its stores now and then: giving back the space of what is no longer needed.

What the rules of retention no longer keep goes first. Superseded, removed and
refused records leave dead bytes in the log's closed
segments; compacting rewrites those segments while reading goes on. Blobs that
no record names go a day later (`mosaic.store.blob_sweep`).

Source: this project's own design, docs/architecture.md "The kernel".
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from mosaic.errors import StoreError
from mosaic.node.steps import in_thread
from mosaic.server.blob_book import uploads_of
from mosaic.server.retention_work import RetentionWork
from mosaic.store.blob_ledger import LEDGER, BlobLedger
from mosaic.store.blobs import BlobStore
from mosaic.store.store import Store

if TYPE_CHECKING:
    from mosaic.node.node import Node

log = logging.getLogger(__name__)

LOOK_S: Final = 60.0
"""How often the ledger of blobs reads what is new in the log, seconds."""
_REST_S: Final = 0.02


class Upkeep:
    """Compacts a store from time to time.

    Args:
        store: The store.
        pause_s: Seconds between two looks.
        retention: Removes first what is no longer to be kept, if there are rules about that.
    """

    def __init__(self, store: Store, pause_s: float, retention: RetentionWork | None = None) -> None:
        self._store = store
        self._pause_s = pause_s
        self._retention = retention

    async def run(self) -> None:
        """Looks now and after each pause, until cancelled."""
        while True:
            await self.once()
            await asyncio.sleep(self._pause_s)

    async def once(self) -> int:
        """Compacts in a thread; the bytes that were freed. A full disk is no reason to stop looking."""
        try:
            if self._retention is not None:
                await self._retention.once()
            freed = await asyncio.to_thread(self._store.compact)
        except StoreError as error:
            log.warning("the store could not be compacted: %s", error)
            return 0
        if freed:
            log.info("compacting the log freed %d bytes", freed)
        return freed


class BlobUpkeep:
    """Keeps the ledger of blobs up to date, and removes blobs that nobody needs.

    Args:
        ledger: The ledger.
        store: Where records are.
        served: Whether this server serves a key (32 bytes).
        quota: How many bytes of blobs a key (32 bytes) may have, 0 = any number.
        sweep_parts: Gives up blobs that wait too long for their next part.
        now_ns: The clock.
        pause_s: Seconds between two removals.
    """

    def __init__(
        self,
        ledger: BlobLedger,
        store: Store,
        *,
        served: Callable[[bytes], bool],
        quota: Callable[[bytes], int],
        sweep_parts: Callable[[], Awaitable[int]],
        now_ns: Callable[[], int],
        pause_s: float,
    ) -> None:
        self._ledger = ledger
        self._store = store
        self._served = served
        self._quota = quota
        self._sweep_parts = sweep_parts
        self._now_ns = now_ns
        self._pause_s = pause_s

    async def run(self) -> None:
        """Looks now and then, until cancelled."""
        await asyncio.to_thread(self._ledger.reconcile, self._now_ns())
        since_sweep = self._pause_s
        while True:
            await self.catch_up()
            if since_sweep >= self._pause_s:
                await self.sweep()
                since_sweep = 0.0
            await asyncio.sleep(LOOK_S)
            since_sweep += LOOK_S

    async def catch_up(self) -> None:
        """Reads what is new in the log, with pauses: nobody waits for it."""
        try:
            async for _ in in_thread(self._ledger.catch_up(self._store)):
                await asyncio.sleep(_REST_S)
        except (StoreError, sqlite3.Error) as error:
            log.warning("the ledger of blobs could not be brought up to date: %s", error)

    async def sweep(self) -> int:
        """Removes what nobody needs; how many blobs. Call `catch_up` first."""
        gone = 0
        try:
            gone += await self._sweep_parts()
            # Who may have how much lies in the database of this thread.
            quotas = {key: self._quota(key) for key in await asyncio.to_thread(self._ledger.uploaders)}
            steps = self._ledger.sweep(
                self._store, self._now_ns(), self._served, lambda key: quotas.get(key, 0)
            )
            async for _ in in_thread(steps):
                gone += 1
        except (StoreError, sqlite3.Error, OSError) as error:
            log.warning("blobs that nobody needs could not be removed: %s", error)
        if gone:
            log.info("%d blobs that nobody names were removed", gone)
        return gone


def blob_ledger(blobs: BlobStore, now_ns: int) -> BlobLedger:
    """The ledger of a blob store. Where there is none, as after a restore, it is made of what is there.

    Args:
        blobs: The blobs.
        now_ns: The time, ns.

    Raises:
        StoreError: it can't be written.
    """
    missing = not (blobs.folder / LEDGER).exists()
    ledger = BlobLedger(blobs, uploads_of(blobs.folder))
    if missing:
        ledger.reconcile(now_ns)
    return ledger


def blob_upkeep(node: Node) -> BlobUpkeep:
    """The upkeep of a node's blobs."""
    return BlobUpkeep(
        node.ledger,
        node.store,
        served=node.rules.served.is_ours,
        quota=node.server.blob_book.quota,
        sweep_parts=node.server.sweep_blobs,
        now_ns=node.clock.now_ns,
        pause_s=node.settings.upkeep_s,
    )
