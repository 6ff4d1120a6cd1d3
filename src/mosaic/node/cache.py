"""The cache of a home: measured, and cut back when its quota is used up or the disk has little room.

It is looked at each minute, which costs nothing while little has come since the
store was walked last. Compacting comes before anything is let go for the disk's
sake, and after it, since only that gives back room.

Source: this project's own design, docs/architecture.md "What stays, what goes".
"""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from mosaic.core.keys import PublicKey
from mosaic.errors import StoreError
from mosaic.policy.cache import CACHE, HORIZON, Share, Sharing, most_bytes, stays
from mosaic.policy.retention import AuthorClass
from mosaic.policy.rules import waits_for_room
from mosaic.server.cache_work import CacheWork, Size

if TYPE_CHECKING:
    from mosaic.node.node import Node

log = logging.getLogger(__name__)

LOOK_S: Final = 60.0
"""How often it is looked whether something has to go, seconds."""
_WORTH_BYTES: Final = 1 << 20
_LITTLE_BYTES: Final = 1 << 16
_DEAD: Final = 0.2


class Cache:
    """What others wrote, in one home.

    Args:
        node: The open home.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self.disk_free: Callable[[], int] = lambda: shutil.disk_usage(node.home.folder).free
        """How many bytes are free where the home is."""
        self._tight = False
        node.rules.first.append(waits_for_room(lambda: self._tight, self._is_known))
        self._measured: tuple[int, int] | None = None
        self._sizes: tuple[int, dict[Share, Size]] = (0, {})

    @property
    def gone_until_ns(self) -> int:
        """Up to which timestamp (ns) records of followed people were let go; -1 if none were.

        What is older is not fetched by itself, or it would come and go for ever.
        """
        return self._node.rules.retention.full_until.get(HORIZON, -1)

    def wanted_since_ns(self, person: PublicKey) -> int:
        """From which timestamp (ns) on somebody's records are fetched by themselves: all of who is kept."""
        return 0 if self._node.kept.has_person(person.bytes) else self.gone_until_ns + 1

    async def run(self) -> None:
        """Looks now and then, until cancelled."""
        while True:
            try:
                await self.once()
            except (StoreError, OSError) as error:
                log.warning("what others wrote could not be cut back: %s", error)
            await asyncio.sleep(LOOK_S)

    async def once(self) -> Size:
        """Looks once; what went.

        Raises:
            StoreError: the store failed.
            OSError: the disk can't be asked.
        """
        gone = await self._look()
        # What strangers bring waits while there is too little room although all that may go went.
        self._tight = self._short() > 0
        return gone

    async def _look(self) -> Size:
        settings, store = self._node.settings.cache, self._node.store
        short = self._short()
        if short <= 0 and not (settings.keep_bytes and self._most() > settings.keep_bytes):
            return Size()
        if short > 0 and self._has_dead():
            await asyncio.to_thread(lambda: store.compact(min_dead_ratio=_DEAD, roll=True))
            short = self._short()
        if self._measured is not None and self._most() < _LITTLE_BYTES and short > 0:
            # Hardly anything of the cache is left that could go.
            return Size()
        work = self._node.server.moderation.cache()
        sharing = self.sharing()
        sizes = {share: size.bytes for share, size in (await work.sizes(sharing)).items()}
        gone = await self._cut_back(work, sharing, sizes, short)
        if gone.records and short > 0:
            await asyncio.to_thread(lambda: store.compact(min_dead_ratio=_DEAD, roll=True))
        return gone

    async def _cut_back(
        self, work: CacheWork, sharing: Sharing, sizes: Mapping[Share, int], short: int
    ) -> Size:
        quota = self._node.settings.cache.keep_bytes
        takes = sum(sizes[share] for share in CACHE)
        most = most_bytes(takes, quota, short)
        if most is None:
            if not quota or takes < quota // 2:
                self._node.rules.retention.full_until.pop(HORIZON, None)
            self._measure(takes)
            return Size()
        gone = await work.evict(sharing, stays(sizes, most), self._begins)
        self._measure(takes - gone.bytes)
        log.info("%d records of others were let go, %d bytes", gone.records, gone.bytes)
        self._node.tell_changed()
        return gone

    def _begins(self, share: Share, until_ns: int) -> None:
        """Before anything goes, so that it stays away whatever happens meanwhile."""
        if share is Share.FOLLOWED and until_ns > self.gone_until_ns:
            self._node.rules.retention.full_until[HORIZON] = until_ns

    def _measure(self, takes: int) -> None:
        self._measured = takes, self._node.store.stats()["live_bytes"]

    def _most(self) -> int:
        """What the cache takes at most (bytes), without looking: all that has come since may belong to it."""
        live = self._node.store.stats()["live_bytes"]
        if self._measured is None:
            return live
        takes, then = self._measured
        return takes + max(0, live - then)

    def _short(self) -> int:
        """How many bytes the disk lacks of what is to be free; 0 or less if nothing."""
        wanted = self._node.settings.cache.disk_free_bytes
        return wanted - self.disk_free() if wanted else 0

    def is_short(self) -> bool:
        """Whether less is free on the disk than is to be. Raises OSError."""
        return self._short() > 0

    def _is_known(self, author: bytes) -> bool:
        node = self._node
        return node.rules.class_of(author) is not AuthorClass.STRANGER or author in node.db.all_followed()

    def _has_dead(self) -> bool:
        stats = self._node.store.stats()
        return stats["log_bytes"] - stats["live_bytes"] > _WORTH_BYTES

    def sharing(self) -> Sharing:
        """What records are to this home, as it is now."""
        node = self._node
        followed = frozenset(node.db.all_followed())
        mirrored = [
            mirror.wanted.compiled for mirror in node.settings.mirror if mirror.dir in {"down", "both"}
        ]

        def keeps(record: bytes) -> bool:
            return node.kept.has(record) or any(wanted.matches(record) for wanted in mirrored)

        return Sharing(node.people.serves, node.rules.served.serves, followed.__contains__, keeps)

    async def sizes(self, *, lately_ns: int = 0) -> dict[Share, Size]:
        """How much there is of each share.

        Args:
            lately_ns: What was found so lately (ns) is told again: the whole store is walked for it.

        Raises:
            StoreError: the store failed.
        """
        now_ns = self._node.clock.now_ns()
        at_ns, sizes = self._sizes
        if not sizes or not 0 <= now_ns - at_ns < lately_ns:
            sizes = await self._node.server.moderation.cache().sizes(self.sharing())
            self._measure(sum(sizes[share].bytes for share in CACHE))
            self._sizes = now_ns, sizes
        return sizes
