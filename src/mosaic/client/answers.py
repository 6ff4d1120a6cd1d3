"""What comes back for one query: records that were checked, in a queue with a bound.

A server may lie. What is no valid record, what was not asked for and what was
sent twice is dropped and counted, never handed on.

Source: record.md (clients validate too); edition §3.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from mosaic.client.refusals import refused
from mosaic.core.record import Record
from mosaic.errors import MosaicError, ProtocolViolation
from mosaic.wire.result_code import ResultCode

_PREFIX = 32
# How many records a query remembers, to tell what comes again.
_REMEMBERED = 65_536


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """A subscription has had everything that was stored; what follows is live."""


class Answers:
    """The answers to one open query.

    Args:
        wanted: Whether a (valid) record is among what was asked for.
        unread_bytes: How much may wait to be read.
    """

    __slots__ = (
        "_arrived",
        "_bytes",
        "_end",
        "_items",
        "_limit",
        "_seen",
        "_wanted",
        "dropped",
        "is_over",
        "unasked",
    )

    def __init__(self, wanted: Callable[[Record], bool], unread_bytes: int) -> None:
        self._wanted = wanted
        self._limit = unread_bytes
        self._items: deque[Record | CaughtUp] = deque()
        self._bytes = 0
        self._seen: dict[bytes, None] = {}
        self._arrived = asyncio.Event()
        self._end: MosaicError | None = None
        self.is_over = False
        self.dropped = 0
        self.unasked = 0
        """Those of the dropped that were not asked for; what comes twice may be an oversight."""

    def put(self, record: Record) -> bool:
        """Takes a valid record; False when too much is unread."""
        if self.is_over:
            return True
        prefix = record.data[:_PREFIX]
        if prefix in self._seen or not self._wanted(record):
            self.dropped += 1
            self.unasked += prefix not in self._seen
            return True
        self._seen[prefix] = None
        if len(self._seen) > _REMEMBERED:
            del self._seen[next(iter(self._seen))]
        self._bytes += len(record)
        if self._bytes > self._limit:
            return False
        self._items.append(record)
        self._arrived.set()
        return True

    @property
    def is_awaited(self) -> bool:
        """Whether who reads would have to wait for the next one."""
        return not self._items and not self.is_over

    def caught_up(self) -> None:
        """The server has sent everything that it had stored."""
        self._items.append(CaughtUp())
        self._arrived.set()

    def close(self, result: ResultCode) -> None:
        """The server ended the query."""
        self.fail(None if result.is_success else refused(result))

    def fail(self, error: MosaicError | None) -> None:
        """Nothing more comes; `error` is raised to the reader after what has arrived."""
        if not self.is_over:
            self._end = error
            self.is_over = True
            self._arrived.set()

    def give_up(self) -> None:
        """More came than was read in time."""
        self.fail(
            ProtocolViolation(
                "more came than was read in time",
                hint="Ask for less at once: with a limit, or a narrower filter.",
            )
        )

    async def next(self) -> Record | CaughtUp | None:
        """The next answer, None at the end.

        Raises:
            Refused: the server would not, or no longer.
            Disconnected: the connection ended first.
            ProtocolViolation: the server sent what it may not.
        """
        while not self._items:
            if self.is_over:
                if self._end is not None:
                    raise self._end
                return None
            self._arrived.clear()
            await self._arrived.wait()
        item = self._items.popleft()
        if isinstance(item, Record):
            self._bytes -= len(item)
        return item
