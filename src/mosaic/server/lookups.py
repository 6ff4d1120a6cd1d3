"""Look-ups in the DHT that this server makes for its clients, of which browsers can make none.

Each runs beside everything else of its link, and ends with it. An answer
carries the item with the owner's signature, so that nobody has to trust this
server; it checks that signature itself and passes nothing on that does not
hold. How many run at once is bounded for each link and for all; strangers have
so many a minute for each address, whatever key they show.

Source: messages.md (DHT LOOKUP, DHT RESPONSE), edition §2 and §4.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final, Protocol

from mosaic.core.dht_item import SERVER_SALT, USER_SALT, DhtItem
from mosaic.core.keys import PublicKey
from mosaic.errors import InvalidKey, MosaicError
from mosaic.policy.rate import RateLimit
from mosaic.protocol.events import DhtAsked
from mosaic.server.live import Live
from mosaic.server.metrics import Metrics
from mosaic.server.peer import Peer
from mosaic.server.settings import ServerSettings
from mosaic.wire import server_messages as wire
from mosaic.wire.result_code import ResultCode, for_error

_LOG: Final = logging.getLogger(__name__)
_MINUTE_S: Final = 60


class Lookups(Protocol):
    """Looks into the DHT; the node implements it."""

    async def item(self, key: PublicKey, salt: bytes) -> DhtItem | None:
        """The newest signed item of a key under a salt (`USER_SALT` or `SERVER_SALT`), None if there is none.

        Raises:
            MosaicError: nobody can say now; the client is told by the error's result code.
        """


def _pace(settings: ServerSettings) -> tuple[float, int]:
    return settings.stranger_lookups_per_minute / _MINUTE_S, settings.stranger_lookup_burst


class LookupService:
    """Answers DHT LOOKUP.

    Args:
        lookups: Looks into the DHT; None finds nothing.
        settings: The server's.
        metrics: Counted in.
        now_ns: The clock.
    """

    def __init__(
        self,
        lookups: Lookups | None,
        settings: Live[ServerSettings],
        metrics: Metrics,
        now_ns: Callable[[], int],
    ) -> None:
        self._lookups = lookups
        self._settings = settings
        self._metrics = metrics
        self._now_ns = now_ns
        self._rate = RateLimit(*_pace(settings.current))
        settings.watch(lambda new: self._rate.configure(*_pace(new)))
        self._running: dict[Peer, set[asyncio.Task[None]]] = {}

    def asked(self, peer: Peer, asked: DhtAsked) -> None:
        """Begins to answer a look-up; what can't be looked up is answered at once."""
        refusal = self._refusal(peer, asked)
        if refusal is not None:
            self._metrics.lookups_refused += refusal is not ResultCode.NOT_FOUND
            peer.send(peer.session.dht_response(asked.query_id, refusal))
            return
        self._metrics.lookups += 1
        task = asyncio.create_task(self._answer(peer, asked), name="server: look-up")
        self._running.setdefault(peer, set()).add(task)
        task.add_done_callback(lambda done: self._ended(peer, done))

    def gone(self, peer: Peer) -> None:
        """A link has ended: nobody waits for its answers any more."""
        for task in self._running.pop(peer, ()):
            task.cancel()

    async def stop(self) -> None:
        """Gives up what is still under way."""
        running = [task for tasks in self._running.values() for task in tasks]
        self._running.clear()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _refusal(self, peer: Peer, asked: DhtAsked) -> ResultCode | None:
        """Why a look-up is not made, or None."""
        if self._lookups is None:
            return ResultCode.NOT_FOUND
        try:
            PublicKey.from_bytes(asked.key)
        except InvalidKey:
            return ResultCode.INVALID
        if len(self._running.get(peer, ())) >= self._settings.current.lookups_per_link:
            return ResultCode.TOO_FAST
        if sum(map(len, self._running.values())) >= self._settings.current.lookups:
            return ResultCode.TEMPORARY_ERROR
        # By address: a stranger has as many keys as he likes.
        if not peer.at_home and not self._rate.take(peer.address, 1, self._now_ns()):
            return ResultCode.TOO_FAST
        return None

    async def _answer(self, peer: Peer, asked: DhtAsked) -> None:
        try:
            async with asyncio.timeout(self._settings.current.lookup_s):
                item = await self._find(PublicKey(asked.key), SERVER_SALT if asked.server else USER_SALT)
        except TimeoutError:
            item, result = None, ResultCode.TEMPORARY_ERROR
        except MosaicError as error:
            item, result = None, for_error(error)
        except Exception:  # noqa: BLE001 - a fault of ours costs this look-up, and is told
            _LOG.exception("a look-up failed")
            item, result = None, ResultCode.GENERAL_ERROR
        else:
            result = ResultCode.NOT_FOUND if item is None else ResultCode.SUCCESS
        if not peer.gone:
            found = None if item is None else wire.DhtItem(item.seq, item.signature, item.value)
            peer.send(peer.session.dht_response(asked.query_id, result, found))

    async def _find(self, key: PublicKey, salt: bytes) -> DhtItem | None:
        if self._lookups is None:
            return None
        item = await self._lookups.item(key, salt)
        if item is not None and not (item.key == key and item.salt == salt and item.verify()):
            _LOG.error("a look-up of %s gave what its owner has not signed", key.user_text)
            return None
        return item

    def _ended(self, peer: Peer, task: asyncio.Task[None]) -> None:
        tasks = self._running.get(peer)
        if tasks is not None:
            tasks.discard(task)
            if not tasks:
                del self._running[peer]
