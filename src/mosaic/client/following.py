"""Subscriptions that outlive connections: nothing lost, nothing twice.

When the connection ends, a new one is made (after a while that grows), and the
subscription begins again at what the server received since shortly before;
what was seen already is left out.

Source: edition §1 (subscriptions), §3 (received times); filter.md (Received Since, Exclude).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import OrderedDict
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from mosaic.client.answers import CaughtUp
from mosaic.client.backoff import Backoff
from mosaic.core.filter import Filter
from mosaic.core.filter_element import Exclude, FilterElement, ReceivedSince
from mosaic.core.record import Record
from mosaic.core.timestamp import Timestamp
from mosaic.errors import MosaicError

log = logging.getLogger(__name__)

_SEEN = 65_536
_EXCLUDED = 63
_SECOND = 1_000_000_000


class Subscribable(Protocol):
    """A connection, as far as a subscription needs one."""

    def subscribe(self, wanted: Filter, limit: int = 0) -> AsyncGenerator[Record | CaughtUp, None]:
        """Stored records (at most `limit`, 0 = all), CaughtUp, live records; ends by an error only."""


Connect = Callable[[], contextlib.AbstractAsyncContextManager[Subscribable]]


@dataclass(frozen=True, slots=True)
class Heard:
    """Everything that the server received before `until_ns` (a Mosaic timestamp) has been given."""

    until_ns: int


@dataclass(frozen=True, slots=True)
class Lost:
    """The connection ended or could not be made; it is tried again after `wait_s` seconds."""

    error: MosaicError
    wait_s: float


Event = Record | Heard | Lost


class Following:
    """One subscription, kept up until it is closed.

    Args:
        connect: Makes a connection to the server.
        wanted: What is wanted.
        now_ns: The clock.
        backoff: How tries are spaced.
        heard_until_ns: From an earlier `Heard`; 0 asks for all that is stored.
        overlap_s: How far back to begin again, against clocks that disagree.
        sleep: Waits some seconds.
    """

    def __init__(
        self,
        connect: Connect,
        wanted: Filter,
        *,
        now_ns: Callable[[], int],
        backoff: Backoff,
        heard_until_ns: int = 0,
        overlap_s: int = 3_600,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._connect = connect
        self._wanted = wanted
        self._now_ns = now_ns
        self._backoff = backoff
        self._heard_ns = heard_until_ns
        self._overlap_ns = overlap_s * _SECOND
        self._sleep = sleep
        self._seen: OrderedDict[bytes, None] = OrderedDict()
        self._failures = 0

    async def events(self) -> AsyncGenerator[Event, None]:
        """Records, each once, and what happens to the connection; never ends by itself."""
        while True:
            try:
                async with (
                    self._connect() as connection,
                    contextlib.aclosing(self._once(connection)) as events,
                ):
                    async for event in events:
                        yield event
                error = MosaicError("the subscription ended")
            except MosaicError as caught:
                error = caught
            wait = self._backoff.seconds(self._failures)
            self._failures += 1
            yield Lost(error, wait)
            await self._sleep(wait)

    async def _once(self, connection: Subscribable) -> AsyncGenerator[Event, None]:
        begun_ns = self._now_ns()
        live = False
        async with contextlib.aclosing(connection.subscribe(self._from_here())) as items:
            async for item in items:
                self._failures = 0
                if isinstance(item, CaughtUp):
                    live = True
                    self._heard_ns = max(self._heard_ns, begun_ns)
                    yield Heard(self._heard_ns)
                    continue
                if self._is_new(item):
                    yield item
                if live:
                    # Live records come in the order in which the server received them.
                    self._heard_ns = max(self._heard_ns, self._now_ns())
                    yield Heard(self._heard_ns)

    def _is_new(self, record: Record) -> bool:
        prefix = record.data[:32]
        if prefix in self._seen:
            return False
        self._seen[prefix] = None
        if len(self._seen) > _SEEN:
            self._seen.popitem(last=False)
        return True

    def _from_here(self) -> Filter:
        """The filter, narrowed to what the server may have received since."""
        since = self._heard_ns - self._overlap_ns
        if since <= 0:
            return self._wanted
        types = {type(element) for element in self._wanted.elements}
        added: list[FilterElement] = []
        if ReceivedSince not in types:
            added.append(ReceivedSince(Timestamp(since)))
        if Exclude not in types and self._seen:
            latest = list(self._seen)[-_EXCLUDED:]
            added.append(Exclude(tuple(latest)))
        return Filter(self._wanted.elements + tuple(added))
