"""A DHT in memory: answers come when the test says so, and lies are easy.

Source: BEP 44; this project's own design, docs/architecture.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from mosaic.core.dht_item import DhtItem
from mosaic.core.keys import PublicKey
from mosaic.dht.network import DhtPassed, Hear, Reach, WriteOutcome, WriteResult

NODES = 8


class FakeDht:
    """A `DhtNetwork` that holds one item for each key and salt, as one honest node would.

    `down` makes it unreachable. `items` may be changed at will; `pause_s` (seconds) passes before each of
    them is told, and before a look-up ends. `before_write` is called with what is about to be written, so
    that a test can let another writer be faster.
    """

    passed: DhtPassed | None = None

    def __init__(self) -> None:
        self.items: dict[tuple[PublicKey, bytes], Sequence[DhtItem]] = {}
        self.down = False
        self.pause_s = 0.0
        self.look_ups = 0
        self.under_way = 0
        self.most_under_way = 0
        self.written: list[DhtItem] = []
        self.before_write: Callable[[DhtItem], None] = lambda _: None

    def put(self, *items: DhtItem) -> None:
        """Lets these items, all of one key and salt, be what is answered, in this order."""
        self.items[items[0].key, items[0].salt] = items

    def held(self, key: PublicKey, salt: bytes) -> DhtItem | None:
        """The newest item that stands there."""
        return max(self.items.get((key, salt), ()), key=lambda item: item.seq, default=None)

    async def look_up(self, key: PublicKey, salt: bytes, hear: Hear) -> Reach:
        """See `DhtNetwork.look_up`."""
        self.look_ups += 1
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            for item in () if self.down else self.items.get((key, salt), ()):
                await asyncio.sleep(self.pause_s)
                hear(item)
            await asyncio.sleep(self.pause_s)
        finally:
            self.under_way -= 1
        return Reach(NODES, 0 if self.down else NODES)

    async def write(self, item: DhtItem, cas: int | None) -> WriteResult:
        """See `DhtNetwork.write`."""
        self.before_write(item)
        if self.down:
            return WriteResult(WriteOutcome.UNREACHABLE, "nobody answered in time")
        held = self.held(item.key, item.salt)
        if held is not None and cas is not None and held.seq != cas:
            return WriteResult(WriteOutcome.CAS_FAILED)
        if held is not None and held.seq > item.seq:
            return WriteResult(WriteOutcome.NOT_MOST_RECENT)
        self.written.append(item)
        self.put(item)
        return WriteResult(WriteOutcome.STORED, str(NODES))
