"""Removing what the retention rules no longer keep, now and then, while the server runs.

Each rule reads its records newest first; what is too old, or beyond the
bytes that the rule keeps, goes in parts between which others are written.

Source: this project's own design, docs/architecture.md "Operations".
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from mosaic.core.filter import Filter
from mosaic.core.timestamp import Timestamp
from mosaic.policy.retention import AuthorClass, Retention, RetentionRule
from mosaic.server.writer import Writer
from mosaic.store.store import Store
from mosaic.store.stretches import Stretches

_LOG: Final = logging.getLogger(__name__)
_AT_ONCE: Final = 1_024
_SLICE_NS: Final = 20_000_000
_ENTRY_HEAD: Final = 32


class RetentionWork:
    """Applies retention rules to a store. Belongs to the thread of the event loop.

    Args:
        store: Where records are.
        writer: Removes them.
        retention: The rules.
        removed: Told records that are gone.
    """

    def __init__(
        self,
        store: Store,
        writer: Writer,
        retention: Retention,
        removed: Callable[[Sequence[bytes]], None] = lambda _records: None,
    ) -> None:
        self._store = store
        self._writer = writer
        self._retention = retention
        self._removed = removed

    async def once(self) -> int:
        """Applies each rule once; how many records went.

        Raises:
            StoreError: the store failed.
        """
        removed = 0
        for rule in tuple(self._retention.rules):
            gone = await self._apply(rule)
            if gone:
                _LOG.info("retention removed %d records", gone)
            removed += gone
        return removed

    async def _apply(self, rule: RetentionRule) -> int:
        horizon = self._retention.too_old(rule)
        # Bytes are counted from the newest on; what is too old needs no look at what is not.
        wanted = Filter.of(
            kinds=None if rule.kind is None else [rule.kind],
            until=None if rule.keep_bytes else Timestamp(max(horizon, 0)),
        )
        classes: dict[bytes, AuthorClass] = {}
        kept_bytes, full, removed = 0, False, 0
        async for rows in Stretches(self._store.scan(wanted.compiled), _AT_ONCE, _SLICE_NS):
            doomed: list[tuple[int, bytes]] = []
            for position, _, record in rows:
                author = record[64:96]
                if author not in classes:
                    classes[author] = self._retention.class_of(author)
                if not rule.is_about(record[56:64], classes[author]) or self._retention.spares(record):
                    continue
                timestamp = int.from_bytes(record[:8], "big")
                length = _ENTRY_HEAD + len(record)
                if rule.keep_bytes and kept_bytes + length > rule.keep_bytes and not full:
                    full = True
                    # Before anything goes, so that it stays away whatever happens meanwhile.
                    self._retention.was_full(rule, timestamp)
                if timestamp <= horizon or full:
                    doomed.append((position, record))
                else:
                    kept_bytes += length
            if doomed:
                positions = [position for position, _ in doomed]
                removed += await self._writer.change(partial(self._store.remove, positions))
                self._removed([record for _, record in doomed])
        if rule.keep_bytes and not full:
            self._retention.has_room(rule, kept_bytes)
        return removed
