"""Subscriptions that outlive connections: nothing lost, nothing twice.

When the connection ends, a new one is made (after a while that grows), and the
subscription begins again at what the server received since shortly before;
what was seen already is left out. The new connection may lead to another
server: each has received things at its own times, so that each is asked since
what was heard from it.

Source: edition §1 (subscriptions), §3 (received times); filter.md (Received Since, Exclude).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import OrderedDict
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from mosaic.client.answers import CaughtUp
from mosaic.client.backoff import Backoff
from mosaic.core.filter import Filter
from mosaic.core.filter_element import Exclude, FilterElement, ReceivedSince
from mosaic.core.keys import PublicKey
from mosaic.core.record import Record
from mosaic.core.timestamp import Timestamp
from mosaic.errors import MosaicError

log = logging.getLogger(__name__)

_SEEN = 65_536
_EXCLUDED = 63
_SECOND = 1_000_000_000
_LASTING_NS = 60 * _SECOND


class Subscribable(Protocol):
    """A connection, as far as a subscription needs one."""

    @property
    def server_key(self) -> PublicKey | None:
        """The key that the server has proven."""

    @property
    def held_since_ns(self) -> int | None:
        """When the oldest record came that is not shown yet because its time has not come; None for none."""

    def subscribe(self, wanted: Filter, limit: int = 0) -> AsyncGenerator[Record | CaughtUp, None]:
        """Stored records (at most `limit`, 0 = all), CaughtUp, live records; ends by an error only."""


Connect = Callable[[], contextlib.AbstractAsyncContextManager[Subscribable]]


@dataclass(frozen=True, slots=True)
class Heard:
    """Everything that a server received before a time has been given.

    Args:
        until_ns: A Mosaic timestamp.
        server: Which server.
    """

    until_ns: int
    server: PublicKey | None


@dataclass(frozen=True, slots=True)
class Lost:
    """The connection ended or could not be made; it is tried again after `wait_s` seconds.

    At once (0) where it had lasted for a while.
    """

    error: MosaicError
    wait_s: float


Event = Record | Heard | Lost


class Following:
    """One subscription, kept up until it is closed.

    Args:
        connect: Makes a connection to a server.
        wanted: What is wanted.
        now_ns: The clock.
        backoff: How tries are spaced.
        heard_until_ns: From an earlier `Heard`, of each server; one number if `connect` always leads to the
            same server. 0 asks for all that is stored.
        overlap_s: How far back to begin again, against clocks that disagree.
        known: Whether a record is at hand from an earlier run, and need not be given again.
        at_hand: The records (32 bytes of each id) at hand of those that servers may have received since a
            time (ns): they need not send them again. A filter holds 63 of them.
        sleep: Waits some seconds.
    """

    def __init__(  # noqa: PLR0913 - what a subscription is made of
        self,
        connect: Connect,
        wanted: Filter,
        *,
        now_ns: Callable[[], int],
        backoff: Backoff,
        heard_until_ns: int | Mapping[PublicKey, int] = 0,
        overlap_s: int = 3_600,
        known: Callable[[Record], bool] = lambda _: False,
        at_hand: Callable[[int], Sequence[bytes]] = lambda _: (),
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._connect = connect
        self._wanted = wanted
        self._now_ns = now_ns
        self._backoff = backoff
        self._heard_before = heard_until_ns
        self._heard: dict[PublicKey | None, int] = {}
        self._overlap_ns = overlap_s * _SECOND
        self._known = known
        self._at_hand = at_hand
        self._sleep = sleep
        self._seen: OrderedDict[bytes, None] = OrderedDict()
        self._failures = 0
        self._begun_ns: int | None = None
        """When the subscription began that is open now."""

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
            # What lasted long broke by chance, or else that shows at once.
            lasted = self._begun_ns is not None and self._now_ns() - self._begun_ns >= _LASTING_NS
            wait = 0.0 if lasted else self._backoff.seconds(self._failures)
            self._failures += not lasted
            self._begun_ns = None
            yield Lost(error, wait)
            await self._sleep(wait)

    async def _once(self, connection: Subscribable) -> AsyncGenerator[Event, None]:
        server = connection.server_key
        begun_ns, before_ns = self._now_ns(), self._heard_until(server)
        live_ns: int | None = None
        async with contextlib.aclosing(connection.subscribe(self._since(server))) as items:
            async for item in items:
                self._failures = 0
                if self._begun_ns is None:
                    self._begun_ns = begun_ns
                if isinstance(item, CaughtUp):
                    live_ns = self._now_ns()
                elif self._is_new(item):
                    yield item
                if live_ns is None:
                    continue
                # Live records come in the order in which the server received them.
                until_ns = begun_ns if isinstance(item, CaughtUp) else self._now_ns()
                held_ns = connection.held_since_ns
                if held_ns is not None:
                    # It was not given yet. If it was stored, the server may have had it for long.
                    until_ns = min(until_ns, held_ns) if held_ns > live_ns else before_ns
                self._heard[server] = max(self._heard_until(server), until_ns)
                yield Heard(self._heard[server], server)

    def _heard_until(self, server: PublicKey | None) -> int:
        if server in self._heard:
            return self._heard[server]
        if isinstance(self._heard_before, int):
            return self._heard_before
        return 0 if server is None else self._heard_before.get(server, 0)

    def _is_new(self, record: Record) -> bool:
        prefix = record.data[:32]
        if prefix in self._seen:
            return False
        self._seen[prefix] = None
        if len(self._seen) > _SEEN:
            self._seen.popitem(last=False)
        return not self._known(record)

    def _since(self, server: PublicKey | None) -> Filter:
        """The filter, narrowed to what the server may have received since."""
        since = self._heard_until(server) - self._overlap_ns
        if since <= 0:
            return self._wanted
        types = {type(element) for element in self._wanted.elements}
        added: list[FilterElement] = []
        if ReceivedSince not in types:
            added.append(ReceivedSince(Timestamp(since)))
        if Exclude not in types:
            latest = tuple(dict.fromkeys([*list(self._seen)[-_EXCLUDED:], *self._at_hand(since)]))
            if latest:
                added.append(Exclude(latest[:_EXCLUDED]))
        return Filter(self._wanted.elements + tuple(added))
