"""Removing what the retention rules no longer keep, now and then, while the server runs.

Each rule reads its records newest first; what is too old, or beyond the
bytes that the rule keeps, goes in parts between which others are written.

Source: this project's own design, docs/architecture.md "Operations".
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import Final

from mosaic.core.filter import Filter
from mosaic.core.timestamp import Timestamp
from mosaic.policy.retention import AuthorClass, Retention, RetentionRule
from mosaic.server.writer import Writer
from mosaic.store.store import Store

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
    """

    def __init__(self, store: Store, writer: Writer, retention: Retention) -> None:
        self._store = store
        self._writer = writer
        self._retention = retention

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
        scan = self._store.scan(wanted.compiled)
        classes: dict[bytes, AuthorClass] = {}
        kept_bytes, full_until, removed, finished = 0, None, 0, False
        while not finished:
            rows, finished = await asyncio.to_thread(scan.records, _AT_ONCE, _SLICE_NS)
            doomed: list[int] = []
            for position, _, record in rows:
                author = record[64:96]
                if author not in classes:
                    classes[author] = self._retention.class_of(author)
                if not rule.is_about(record[56:64], classes[author]):
                    continue
                timestamp = int.from_bytes(record[:8], "big")
                kept_bytes += _ENTRY_HEAD + len(record)
                if rule.keep_bytes and kept_bytes > rule.keep_bytes and full_until is None:
                    full_until = timestamp
                if timestamp <= horizon or full_until is not None:
                    doomed.append(position)
            if doomed:
                removed += await self._writer.change(partial(self._store.remove, doomed))
        if rule.keep_bytes:
            self._retention.was_full(rule, full_until)
        return removed
