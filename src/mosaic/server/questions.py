"""Questions: which GET, QUERY and SUBSCRIBE are answered, and how those end that can't be.

A question is refused when too many are open on its link, when its filter is
not well-formed or too open, and while the server stops. What is allowed is
read by `mosaic.server.reader` and kept open by `mosaic.server.subscriptions`.

Source: messages.md (GET, QUERY, SUBSCRIBE, UNSUBSCRIBE, QUERY CLOSED), edition §1.
"""

from __future__ import annotations

from collections.abc import Callable

from mosaic.core.filter import CompiledFilter, compile_filter
from mosaic.errors import InvalidFilter, MosaicError
from mosaic.protocol.events import QueryAsked, SubscribeAsked
from mosaic.server.live import Live
from mosaic.server.metrics import Metrics
from mosaic.server.openness import too_open
from mosaic.server.peer import Peer
from mosaic.server.reader import Reader, Reading
from mosaic.server.settings import ServerSettings
from mosaic.server.subscriptions import Subscriptions
from mosaic.store.store import Store
from mosaic.wire.result_code import ResultCode, for_error


def _always(peer: Peer) -> bool:
    """Work that nobody counts."""
    del peer
    return True


class Questions:
    """What links have asked of the store.

    Args:
        store: What is asked.
        reader: Answers GET and QUERY.
        subscriptions: Answers SUBSCRIBE.
        settings: The server's.
        metrics: Counted in.
        may_ask: Whether there is work left for a peer.
    """

    def __init__(
        self,
        store: Store,
        reader: Reader,
        subscriptions: Subscriptions,
        settings: Live[ServerSettings],
        metrics: Metrics,
        may_ask: Callable[[Peer], bool] = _always,
    ) -> None:
        self._may_ask = may_ask
        self._store = store
        self._reader = reader
        self._subscriptions = subscriptions
        self._settings = settings
        self._metrics = metrics
        self._stopping = False

    def refuse_new(self) -> None:
        """From now on questions are answered with SHUTTING_DOWN."""
        self._stopping = True

    # --- what is asked

    def ask(self, peer: Peer, asked: QueryAsked | SubscribeAsked, now_ns: int) -> None:
        """Begins to answer a QUERY or a SUBSCRIBE."""
        subscribes = isinstance(asked, SubscribeAsked)
        settings, limits = self._settings.current, peer.limits
        if subscribes:
            most = min(settings.subscriptions_per_link, limits.subscriptions)
        else:
            most = min(settings.queries_per_link, limits.queries)
        if len(peer.subscriptions if subscribes else peer.readings) >= most or not self._may_ask(peer):
            self._refuse(peer, asked.query_id, ResultCode.TOO_FAST)
            return
        compiled = self._compile(peer, asked, now_ns)
        if compiled is None:
            return
        try:
            if subscribes:
                self._subscriptions.open(peer, asked.query_id, compiled, asked.limit)
            else:
                scan = self._store.scan(compiled, limit=asked.limit, viewers=peer.viewers)
                self._read(Reading(peer, asked.query_id, scan, self._finish))
        except MosaicError as error:
            self._refuse(peer, asked.query_id, for_error(error))

    def get(self, peer: Peer, query_id: int, references: tuple[bytes, ...]) -> None:
        """Begins to answer a GET under its query id."""
        most = min(self._settings.current.queries_per_link, peer.limits.queries)
        if self._stopping or len(peer.readings) >= most or not self._may_ask(peer):
            result = ResultCode.SHUTTING_DOWN if self._stopping else ResultCode.TOO_FAST
            self._refuse(peer, query_id, result)
            return
        try:
            scan = self._store.lookup(references, viewers=peer.viewers)
        except MosaicError as error:
            self._refuse(peer, query_id, for_error(error))
            return
        self._read(Reading(peer, query_id, scan, self._finish))

    def unsubscribe(self, peer: Peer, query_id: int) -> None:
        """Ends the question of a query id, of any kind; the session asks once, and only for open ones."""
        subscription = peer.subscriptions.get(query_id)
        if subscription is not None:
            self._subscriptions.close(subscription)
        reading = peer.readings.pop(query_id, None)
        if reading is not None:
            reading.stopped = True
        peer.send(peer.session.query_closed(query_id, ResultCode.SUCCESS))

    # --- how it ends otherwise

    def failed(self, reading: Reading, result: ResultCode) -> None:
        """The store could not answer a question to its end."""
        peer = reading.peer
        subscription = peer.subscriptions.get(reading.query_id)
        if subscription is not None and subscription.reading is reading:
            self._subscriptions.cut(subscription, result)
        elif peer.readings.get(reading.query_id) is reading:
            del peer.readings[reading.query_id]
            self._refuse(peer, reading.query_id, result)

    def stalled(self, peer: Peer) -> None:
        """A peer has read none of its answers for too long: it gets no more of them."""
        self.cut(peer, ResultCode.TEMPORARY_ERROR)

    def cut(self, peer: Peer, result: ResultCode) -> None:
        """What is being read for a peer ends at once, with this result; what is live goes on."""
        for query_id, reading in list(peer.readings.items()):
            reading.stopped = True
            del peer.readings[query_id]
            peer.send(peer.session.query_closed(query_id, result))
        for subscription in list(peer.subscriptions.values()):
            if subscription.reading is not None:
                self._subscriptions.cut(subscription, result)

    def gone(self, peer: Peer) -> None:
        """A link has ended: nobody wants its answers."""
        self._subscriptions.gone(peer)
        self._reader.gone(peer)
        for reading in peer.readings.values():
            reading.stopped = True
        peer.readings.clear()

    def drained(self, peer: Peer) -> None:
        """A peer has read enough of its answers: what waited for that goes on."""
        self._reader.drained(peer)
        self._subscriptions.peer_drained(peer)

    # --- inside

    def _compile(self, peer: Peer, asked: QueryAsked | SubscribeAsked, now_ns: int) -> CompiledFilter | None:
        """The filter of a question that may be answered; else it is answered with the reason."""
        result: ResultCode
        try:
            compiled = compile_filter(asked.filter)
            if self._stopping:
                result = ResultCode.SHUTTING_DOWN
            elif too_open(compiled, asked.limit, self._settings.current, peer.limits, now_ns):
                result = ResultCode.TOO_OPEN
            else:
                return compiled
        except InvalidFilter:
            result = ResultCode.INVALID
        self._refuse(peer, asked.query_id, result)
        return None

    def _refuse(self, peer: Peer, query_id: int, result: ResultCode) -> None:
        self._metrics.queries_refused += 1
        peer.send(peer.session.query_closed(query_id, result))

    def _read(self, reading: Reading) -> None:
        self._metrics.queries += 1
        reading.peer.readings[reading.query_id] = reading
        self._reader.ask(reading)

    def _finish(self, reading: Reading, parts: list[bytes]) -> None:
        reading.peer.readings.pop(reading.query_id, None)
        parts.append(reading.peer.session.query_closed(reading.query_id, ResultCode.SUCCESS))
