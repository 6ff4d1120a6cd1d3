"""Handing on what is new, in the order of the log: to subscriptions, and to listeners within the node.

Some batches may wait here; when there are more, the writer waits. A long batch
is handed on in parts, so that links have their turn in between.

Source: messages.md (SUBSCRIBE), edition §1, §3.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable
from typing import Final, TypeAlias

from mosaic.server.batch import NOT_STORED, Committed
from mosaic.server.subscriptions import Subscriptions

_LOG: Final = logging.getLogger(__name__)
_AT_ONCE: Final = 64
_DELIVERIES_AT_ONCE: Final = 2_000
_QUEUED: Final = 4

Listener: TypeAlias = Callable[[int, bytes], None]
"""Is told (position, record) of what was stored, in the order of the log; NOT_STORED for what was not."""


class Publisher:
    """Takes what was written and hands it on.

    Args:
        subscriptions: Reached by records; told the position up to which the log was handed on.
    """

    def __init__(self, subscriptions: Subscriptions) -> None:
        self._subscriptions = subscriptions
        self._listeners: list[Listener] = []
        self._queue: deque[Committed] = deque()
        self._wake = asyncio.Event()
        self._taken = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()
        self._task: asyncio.Task[None] | None = None

    # --- life

    def start(self) -> None:
        """Begins to hand on."""
        self._task = asyncio.create_task(self._hand_on_all(), name="fan-out")

    async def drained(self) -> None:
        """Waits until all that was published has been handed on."""
        await self._empty.wait()

    async def stop(self) -> None:
        """Ends handing on."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Calls `listener` for each record that is handed on; call what comes back to end that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    # --- handing on

    async def publish(self, committed: Committed) -> None:
        """Takes records to be handed on, in the order of the log; waits while too many are before them."""
        self._queue.append(committed)
        self._empty.clear()
        self._wake.set()
        while len(self._queue) > _QUEUED:
            self._taken.clear()
            await self._taken.wait()

    async def _hand_on_all(self) -> None:
        while True:
            if not self._queue:
                self._empty.set()
                self._wake.clear()
                await self._wake.wait()
            committed = self._queue.popleft()
            self._taken.set()
            try:
                await self._hand_on(committed)
            except Exception:  # noqa: BLE001 - one record must not stop all others
                _LOG.exception("%d records were not handed on", len(committed.records))
            self._subscriptions.handed_on(committed.end)

    async def _hand_on(self, committed: Committed) -> None:
        records, positions = committed.records, committed.positions
        deliveries = begin = 0
        count = _AT_ONCE
        while begin < len(records):
            end = begin + count
            reached = 0
            if self._subscriptions:
                received = committed.received_ns[begin:end]
                reached = self._subscriptions.reach(
                    records[begin:end],
                    received,
                    positions[begin:end],
                    committed.labels[begin:end],
                    committed.former[begin:end],
                )
                deliveries += reached
            if self._listeners:
                self._tell(records[begin:end], positions[begin:end])
            following = (position for position in positions[end:] if position != NOT_STORED)
            self._subscriptions.handed_on(next(following, committed.end))
            begin = end
            # Authors with many subscribers: fewer records at a time, so that links have their turn as often.
            count = max(1, min(_AT_ONCE, count * _DELIVERIES_AT_ONCE // max(reached, 1)))
            if deliveries >= _DELIVERIES_AT_ONCE:
                deliveries = 0
                await asyncio.sleep(0)

    def _tell(self, records: list[bytes], positions: list[int]) -> None:
        for record, position in zip(records, positions, strict=True):
            for listener in self._listeners:
                try:
                    listener(position, record)
                except Exception:  # noqa: BLE001 - what listens is not ours
                    _LOG.exception("a listener for changes failed")
