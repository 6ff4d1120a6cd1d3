"""Subscriptions: stored records newest first, LOCALLY COMPLETE, then each new one exactly once.

When a subscription is opened, the position up to which the log has been handed
on is noted. What lies before it comes from the store; from then on each record
that is handed on reaches the subscription: at once when it is *live*, else it
is held for it, and what finds no room there is read from the log later.

    SUBSCRIBE ──> behind ──all was sent──> live
                    ^                        │
                    └────── queue full ──────┘

Who leaves his queue full for too long, or falls too far behind, gets QUERY
CLOSED TEMPORARY ERROR. Nobody waits for anybody.

Source: messages.md (SUBSCRIBE, UNSUBSCRIBE), edition §1, §3.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable
from typing import Final, TypeAlias

from mosaic.core.filter import CompiledFilter
from mosaic.errors import MosaicError
from mosaic.fanout.fanout import Fanout
from mosaic.policy.access import is_open, may_read
from mosaic.server.batch import NOT_STORED, Committed
from mosaic.server.metrics import Metrics
from mosaic.server.peer import Peer
from mosaic.server.reader import Reader, Reading, Then
from mosaic.server.settings import ServerSettings
from mosaic.store.store import Store
from mosaic.transport.network import Network
from mosaic.wire.header import MessageType, encode_header
from mosaic.wire.result_code import ResultCode, for_error

_LOG: Final = logging.getLogger(__name__)
_AT_ONCE: Final = 64
_DELIVERIES_AT_ONCE: Final = 2_000
_HEADER: Final = 8
_QUEUED: Final = 4

Listener: TypeAlias = Callable[[int, bytes], None]
"""Is told (position, record) of what was stored, in the order of the log; NOT_STORED for what was not."""


class Subscription:
    """One open subscription.

    Args:
        number: Its number in the fan-out.
        peer: Whose it is.
        query_id: Under which id.
        compiled: What it asks for.

    Attributes:
        live: Whether new records are delivered at once.
        network: What carries its link.
        target: Where they are delivered to: (link, query id).
        reading: What is being read for it, if anything.
        complete: Whether LOCALLY COMPLETE was sent.
        held: Records that came while it was behind.
        missed: The position from which on the log has to be read; None if all is held.
        missed_records: How many stored records there are at least.
        pending: What waited towards its peer when that was last looked at.
        behind_since_ns: When its queue was found full, or its peer was last seen to read.
    """

    __slots__ = (
        "behind_since_ns",
        "compiled",
        "complete",
        "held",
        "live",
        "missed",
        "missed_records",
        "network",
        "number",
        "peer",
        "pending",
        "query_id",
        "reading",
        "target",
    )

    def __init__(self, number: int, peer: Peer, query_id: int, compiled: CompiledFilter) -> None:
        self.number = number
        self.peer = peer
        self.query_id = query_id
        self.compiled = compiled
        self.live = False
        self.network = peer.network
        self.target = (peer.link, query_id)
        self.reading: Reading | None = None
        self.complete = False
        self.held: list[bytes] = []
        self.missed: int | None = None
        self.missed_records = 0
        self.pending = 0
        self.behind_since_ns = 0


class Subscriptions:
    """All open subscriptions, and what is being handed on to them.

    Args:
        store: Where older records are read from.
        reader: Who reads them.
        settings: The server's.
        metrics: Counted in.
        now_ns: The clock.
    """

    def __init__(
        self,
        store: Store,
        reader: Reader,
        settings: ServerSettings,
        metrics: Metrics,
        *,
        now_ns: Callable[[], int],
    ) -> None:
        self._store = store
        self._reader = reader
        self._settings = settings
        self._metrics = metrics
        self._listeners: list[Listener] = []
        self._now_ns = now_ns
        self._fanout = Fanout()
        self._open: dict[int, Subscription] = {}
        self._lagging: dict[Subscription, None] = {}
        self._next = 1
        self._queue: deque[Committed] = deque()
        self._wake = asyncio.Event()
        self._taken = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()
        self._task: asyncio.Task[None] | None = None
        self.position = store.end
        """The position up to which the log has been handed on."""

    def __len__(self) -> int:
        """How many are open."""
        return len(self._open)

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

    # --- opening and closing

    def open(self, peer: Peer, query_id: int, compiled: CompiledFilter, limit: int) -> None:
        """Opens a subscription and begins with its stored records (at most `limit`, 0 = all).

        Raises:
            StoreError: the store failed.
        """
        scan = self._store.scan(compiled, limit=limit, viewers=peer.viewers, before=self.position)
        subscription = Subscription(self._next, peer, query_id, compiled)
        self._next += 1
        self._open[subscription.number] = subscription
        peer.subscriptions[query_id] = subscription
        self._fanout.open(subscription.number, compiled)
        self._metrics.subscriptions_opened += 1
        self._read(subscription, Reading(peer, query_id, scan, self._caught_up(subscription)))

    def close(self, subscription: Subscription) -> None:
        """Forgets a subscription. What it is told about that is the caller's."""
        self._open.pop(subscription.number, None)
        self._fanout.close(subscription.number)
        self._lagging.pop(subscription, None)
        subscription.peer.subscriptions.pop(subscription.query_id, None)
        self._release(subscription)
        subscription.live = False
        if subscription.reading is not None:
            subscription.reading.stopped = True
            subscription.reading = None

    def cut(self, subscription: Subscription, result: ResultCode) -> None:
        """Closes a subscription for a reason of the server's, and says so."""
        self.close(subscription)
        peer = subscription.peer
        self._metrics.subscriptions_cut += 1
        if not peer.gone:
            peer.send(peer.session.query_closed(subscription.query_id, result))

    def gone(self, peer: Peer) -> None:
        """A link has ended, and all its subscriptions with it."""
        for subscription in list(peer.subscriptions.values()):
            self.close(subscription)

    # --- catching up

    def peer_drained(self, peer: Peer) -> None:
        """A peer has read what was queued for it: its subscriptions that fell behind go on."""
        for subscription in list(peer.subscriptions.values()):
            if subscription in self._lagging:
                self._resume(subscription)

    def look_after(self) -> None:
        """Goes on with who has read meanwhile, and cuts who has read nothing for too long."""
        now_ns = self._now_ns()
        for subscription in list(self._lagging):
            peer = subscription.peer
            pending = peer.network.pending(peer.link)
            if pending <= self._settings.queue_bytes // 2:
                self._resume(subscription)
            elif pending < subscription.pending:
                subscription.pending, subscription.behind_since_ns = pending, now_ns
            elif now_ns - subscription.behind_since_ns > self._settings.slow_reader_ns:
                self.cut(subscription, ResultCode.TEMPORARY_ERROR)

    def _resume(self, subscription: Subscription) -> None:
        self._lagging.pop(subscription, None)
        parts: list[bytes] = []
        self._go_on(subscription, parts)
        if parts:
            subscription.peer.send(b"".join(parts))

    def _caught_up(self, subscription: Subscription) -> Then:
        def then(reading: Reading, parts: list[bytes]) -> None:
            del reading
            subscription.reading = None
            if not subscription.complete:
                subscription.complete = True
                parts.append(subscription.peer.session.locally_complete(subscription.query_id))
            self._go_on(subscription, parts)

        return then

    def _go_on(self, subscription: Subscription, parts: list[bytes]) -> None:
        """What was held goes out; then the subscription is live, or reads what it missed."""
        self._release(subscription)
        held, subscription.held = subscription.held, []
        for record in held:
            if may_read(record, subscription.peer.viewers):
                head = encode_header(
                    MessageType.RECORD, _HEADER + len(record), query_id=subscription.query_id
                )
                parts += (head, record)
                self._metrics.deliveries += 1
        if subscription.missed is None:
            subscription.live = True
            return
        peer = subscription.peer
        try:
            scan = self._store.follow(
                subscription.compiled, subscription.missed, viewers=peer.viewers, before=self.position
            )
        except MosaicError as error:
            _LOG.error("a subscription could not go on: %s (%s)", error, error.hint)
            # What stands before the end of a subscription goes out before it.
            peer.send(b"".join(parts))
            parts.clear()
            self.cut(subscription, for_error(error))
            return
        subscription.missed = None
        subscription.missed_records = 0
        then = self._caught_up(subscription)
        self._read(subscription, Reading(peer, subscription.query_id, scan, then))

    def _read(self, subscription: Subscription, reading: Reading) -> None:
        subscription.reading = reading
        self._reader.ask(reading)

    def _release(self, subscription: Subscription) -> None:
        subscription.peer.held_bytes -= sum(map(len, subscription.held))

    # --- handing on

    def has_consumers(self, record: bytes) -> bool:
        """Whether an ephemeral record would reach a subscriber now."""
        return any(
            may_read(record, self._open[number].peer.viewers)
            for number in self._fanout.reach([record], [self._now_ns()])[0]
        )

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
            self.position = max(self.position, committed.end)

    async def _hand_on(self, committed: Committed) -> None:
        records, positions = committed.records, committed.positions
        deliveries = 0
        for begin in range(0, len(records), _AT_ONCE):
            end = begin + _AT_ONCE
            if self._open:
                reached = self._fanout.reach(records[begin:end], committed.received_ns[begin:end])
                for at, numbers in enumerate(reached, begin):
                    if numbers:
                        self._deliver(records[at], positions[at], numbers)
                        deliveries += len(numbers)
            if self._listeners:
                self._tell(records[begin:end], positions[begin:end])
            following = (position for position in positions[end:] if position != NOT_STORED)
            self.position = max(self.position, next(following, committed.end))
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

    def _deliver(self, record: bytes, position: int, numbers: list[int]) -> None:
        """Hands one record to the subscriptions that it matches and whose owners may read it."""
        everybody = is_open(record)
        groups: dict[Network, tuple[list[tuple[int, int]], list[Subscription]]] = {}
        network: Network | None = None
        targets: list[tuple[int, int]] = []
        subscriptions: list[Subscription] = []
        for number in numbers:
            subscription = self._open.get(number)
            if subscription is None:
                continue
            if not everybody and not may_read(record, subscription.peer.viewers):
                continue
            if not subscription.live:
                self._hold(subscription, record, position)
                continue
            if subscription.network is not network:
                network = subscription.network
                targets, subscriptions = groups.setdefault(network, ([], []))
            targets.append(subscription.target)
            subscriptions.append(subscription)
        for carrier, (reached, theirs) in groups.items():
            full = carrier.deliver(record, reached)
            self._metrics.deliveries += len(reached) - len(full)
            for index in full:
                self._fall_behind(theirs[index], record, position)

    def _fall_behind(self, subscription: Subscription, record: bytes, position: int) -> None:
        peer = subscription.peer
        subscription.live = False
        subscription.pending = peer.network.pending(peer.link)
        subscription.behind_since_ns = self._now_ns()
        self._lagging[subscription] = None
        self._hold(subscription, record, position)

    def _hold(self, subscription: Subscription, record: bytes, position: int) -> None:
        """Keeps a record for a subscription that is behind, or notes from where it has to read."""
        peer = subscription.peer
        if (subscription.missed is None or position == NOT_STORED) and peer.held_bytes + len(
            record
        ) <= self._settings.held_bytes:
            peer.held_bytes += len(record)
            subscription.held.append(record)
        elif position != NOT_STORED:
            if subscription.missed is None:
                subscription.missed = position
            subscription.missed_records += 1
            if (
                subscription.missed_records > self._settings.slow_reader_records
                and subscription in self._lagging
            ):
                self.cut(subscription, ResultCode.TEMPORARY_ERROR)
