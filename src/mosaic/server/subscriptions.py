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

import logging
from collections.abc import Callable, Sequence
from typing import Final

from mosaic.core.filter import CompiledFilter
from mosaic.errors import MosaicError
from mosaic.fanout.fanout import Fanout
from mosaic.policy.access import is_open, may_read
from mosaic.server.batch import NOT_STORED
from mosaic.server.live import Live
from mosaic.server.metrics import Metrics
from mosaic.server.peer import Peer
from mosaic.server.reader import Reader, Reading, Then
from mosaic.server.settings import ServerSettings
from mosaic.server.subscription import Held, Subscription
from mosaic.store.store import Store
from mosaic.transport.network import Network
from mosaic.wire.header import MessageType, encode_header
from mosaic.wire.result_code import ResultCode, for_error

_LOG: Final = logging.getLogger(__name__)
_HEADER: Final = 8


class Subscriptions:
    """All open subscriptions.

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
        settings: Live[ServerSettings],
        metrics: Metrics,
        *,
        now_ns: Callable[[], int],
    ) -> None:
        self._store = store
        self._reader = reader
        self._settings = settings
        self._metrics = metrics
        self._now_ns = now_ns
        self._fanout = Fanout()
        self._open: dict[int, Subscription] = {}
        self._lagging: dict[Subscription, None] = {}
        self._next = 1
        self._position = store.end  # up to which the log has been handed on

    def __len__(self) -> int:
        """How many are open."""
        return len(self._open)

    # --- opening and closing

    def open(self, peer: Peer, query_id: int, compiled: CompiledFilter, limit: int) -> None:
        """Opens a subscription under a query id; its stored records (at most `limit`, 0 = all) come first.

        Raises:
            StoreError: the store failed.
        """
        scan = self._store.scan(compiled, limit=limit, viewers=peer.viewers, before=self._position)
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
            if pending <= self._settings.current.queue_bytes // 2:
                self._resume(subscription)
                continue
            lag = subscription.behind
            if pending < lag.pending:
                lag.pending, lag.since_ns = pending, now_ns
            elif now_ns - lag.since_ns > self._settings.current.slow_reader_ns:
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
        lag, subscription.lag = subscription.lag, None
        peer = subscription.peer
        try:
            if lag is not None:
                self._hand_out(subscription, lag.held, parts)
            if lag is None or lag.missed is None:
                subscription.live = True
                return
            scan = self._store.follow(
                subscription.compiled, lag.missed, viewers=peer.viewers, before=self._position
            )
        except MosaicError as error:
            _LOG.error("a subscription could not go on: %s (%s)", error, error.hint)
            # What stands before the end of a subscription goes out before it.
            peer.send(b"".join(parts))
            parts.clear()
            self.cut(subscription, for_error(error))
            return
        then = self._caught_up(subscription)
        self._read(subscription, Reading(peer, subscription.query_id, scan, then, following=True))

    def _hand_out(self, subscription: Subscription, held: Sequence[Held], parts: list[bytes]) -> None:
        """Adds what was held to what goes out, but not what has been deleted or hidden meanwhile."""
        stored = [one.position for one in held if one.is_stored]
        gone = {at for at, record in zip(stored, self._store.read(stored), strict=True) if record is None}
        for record, position, label in held:
            if position not in gone and may_read(record, subscription.peer.viewers, label):
                length = _HEADER + len(record)
                parts += (encode_header(MessageType.RECORD, length, query_id=subscription.query_id), record)
                self._metrics.deliveries += 1

    def _read(self, subscription: Subscription, reading: Reading) -> None:
        subscription.reading = reading
        self._reader.ask(reading)

    def _release(self, subscription: Subscription) -> None:
        if subscription.lag is not None:
            subscription.peer.held_bytes -= sum(len(one.record) for one in subscription.lag.held)

    # --- handing on

    def has_consumers(self, record: bytes, label: int) -> bool:
        """Whether an ephemeral record with this label would reach a subscriber now."""
        return any(
            may_read(record, self._open[number].peer.viewers, label)
            for number in self._fanout.reach([record], [self._now_ns()])[0]
        )

    def reach(
        self,
        records: list[bytes],
        received_ns: list[int],
        positions: list[int],
        labels: bytes,
        former: bytes = b"",
    ) -> int:
        """Hands new records, in the order of the log, to the subscriptions that they match.

        Args:
            records: Whole records.
            received_ns: When each was received (ns, Mosaic time).
            positions: Where each stands in the log.
            labels: What is noted beside each about who may read it.
            former: What was noted before, of records that were stored already: only who could not read them
                then gets them.

        Returns:
            How many times one of them matched.
        """
        deliveries = 0
        for at, numbers in enumerate(self._fanout.reach(records, received_ns)):
            if numbers and former:
                numbers = self._new_to(numbers, records[at], former[at])  # noqa: PLW2901
            if numbers:
                self._deliver(records[at], positions[at], labels[at], numbers)
                deliveries += len(numbers)
        return deliveries

    def _new_to(self, numbers: list[int], record: bytes, former: int) -> list[int]:
        """Those of some subscriptions whose owners could not read a record before.

        Who could, and is still reading what is stored, may meet it at both places or at none: that
        subscription ends, which is rare.
        """
        new: list[int] = []
        for number in numbers:
            subscription = self._open.get(number)
            if subscription is None:
                continue
            if not may_read(record, subscription.peer.viewers, former):
                new.append(number)
            elif not subscription.live:
                self.cut(subscription, ResultCode.TEMPORARY_ERROR)
        return new

    def handed_on(self, position: int) -> None:
        """The log was handed on up to a position: what is opened from now on reads what lies before it."""
        self._position = max(self._position, position)

    def _deliver(self, record: bytes, position: int, label: int, numbers: list[int]) -> None:
        """Hands one record to the subscriptions that it matches and whose owners may read it."""
        everybody = is_open(record, label)
        groups: dict[Network, tuple[list[tuple[int, int]], list[Subscription]]] = {}
        network: Network | None = None
        targets: list[tuple[int, int]] = []
        subscriptions: list[Subscription] = []
        for number in numbers:
            subscription = self._open.get(number)
            if subscription is None:
                continue
            if not everybody and not may_read(record, subscription.peer.viewers, label):
                continue
            if not subscription.live:
                self._hold(subscription, record, position, label)
                continue
            peer = subscription.peer
            if peer.network is not network:
                network = peer.network
                targets, subscriptions = groups.setdefault(network, ([], []))
            targets.append((peer.link, subscription.query_id))
            subscriptions.append(subscription)
        for carrier, (reached, theirs) in groups.items():
            full = carrier.deliver(record, reached)
            self._metrics.deliveries += len(reached) - len(full)
            for index in full:
                self._fall_behind(theirs[index], record, position, label)

    def _fall_behind(self, subscription: Subscription, record: bytes, position: int, label: int) -> None:
        peer = subscription.peer
        subscription.live = False
        subscription.behind.pending = peer.network.pending(peer.link)
        subscription.behind.since_ns = self._now_ns()
        self._lagging[subscription] = None
        self._hold(subscription, record, position, label)

    def _hold(self, subscription: Subscription, record: bytes, position: int, label: int) -> None:
        """Keeps a record for a subscription that is behind, or notes from where it has to read."""
        peer, lag = subscription.peer, subscription.behind
        has_room = peer.held_bytes + len(record) <= self._settings.current.held_bytes
        if has_room and (lag.missed is None or position == NOT_STORED):
            peer.held_bytes += len(record)
            lag.held.append(Held(record, position, label))
        elif position != NOT_STORED:
            if lag.missed is None:
                lag.missed = position
            lag.missed_records += 1
            if (
                lag.missed_records > self._settings.current.slow_reader_records
                and subscription in self._lagging
            ):
                self.cut(subscription, ResultCode.TEMPORARY_ERROR)
