"""Finds what others published: what is known, the DHT, and servers that look into it for us, in a race.

The first verified answer is good enough to go on with; whoever asked does not
wait for the rest, which goes on and may bring something newer. Servers are
asked where the DHT is off, does not answer or is slow, as behind a proxy or
without UDP. A server's answer counts by the rules of the DHT: the key has
signed it, and nobody leads this home back to an older one.

Source: messages.md (DHT LOOKUP), bootstrap.md (caching), rationale.md; edition §4.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from mosaic.client.own_servers import OwnServers
from mosaic.core.bootstrap import SERVER_SALT, USER_SALT
from mosaic.core.dht_item import DhtItem
from mosaic.core.keys import PublicKey
from mosaic.dht.pace import SECOND, Pace
from mosaic.dht.sequence_store import SequenceStore
from mosaic.dht.settings import DhtSettings
from mosaic.errors import MosaicError, Unreachable
from mosaic.node.in_dht import InDht

log = logging.getLogger(__name__)

HEAD_START_S: Final = 0.25
"""How long the DHT may take before servers are asked beside it: they need not know whom we look for."""

_AT_ONCE: Final = 4
_UNDER_WAY: Final = 64
_REMEMBERED: Final = 4_096

Place: TypeAlias = tuple[PublicKey, bytes]
"""A key and a salt."""


class _Search:
    """One look-up under way, shared by all who wait for it.

    Args:
        before: What was known when it began.
    """

    def __init__(self, before: DhtItem | None) -> None:
        self.before = before
        self.news = asyncio.Event()
        self.wrong: MosaicError | None = None
        self.task: asyncio.Task[None] | None = None


@dataclass(slots=True)
class _Asked:
    """How often servers were asked about one key and salt, and who gave what is known."""

    pace: Pace = field(default_factory=Pace)
    at_ns: int = 0
    through: PublicKey | None = None
    seq: int = 0


class Finding:
    """A `seeker.Lookup`: what it finds is in the store when it returns, and what is found later gets there.

    Look-ups of one key are shared by all who wait for them, and come with
    growing pauses.

    Args:
        dht: The first way.
        servers: The second.
        any_servers: Whether there is any server that can be asked about everybody.
        store: What is known.
        now_ns: The time, ns as a Mosaic timestamp.
        settings: Times.
    """

    def __init__(
        self,
        dht: InDht,
        servers: OwnServers,
        any_servers: Callable[[], bool],
        store: SequenceStore,
        now_ns: Callable[[], int],
        settings: DhtSettings,
    ) -> None:
        self._dht = dht
        self._servers = servers
        self._any_servers = any_servers
        self._store = store
        self._now_ns = now_ns
        self._settings = settings
        self._asked: OrderedDict[Place, _Asked] = OrderedDict()
        self._searches: dict[Place, _Search] = {}
        self._asking = 0
        self._room = asyncio.Semaphore(_AT_ONCE)

    @property
    def is_possible(self) -> bool:
        """Whether there is any way at all."""
        return self._dht.is_on or self._any_servers()

    @property
    def asks_servers(self) -> bool:
        """Whether there is a server to ask."""
        return self._any_servers()

    async def user(self, key: PublicKey, *, fresh: bool = False) -> None:
        """Looks up what a person published, unless that is known and recent.

        Returns with the first answer that was not known before; the look-up goes on.

        Args:
            key: Whose bootstrap.
            fresh: Look again now, as far as that is allowed yet.

        Raises:
            Unreachable: the DHT is off or did not answer, and no server knew anything.
            DhtBusy: too much is under way, and no server knew anything.
        """
        await self._look_up((key, USER_SALT), fresh=fresh)

    async def server(self, key: PublicKey, *, fresh: bool = False) -> None:
        """Looks up what a server published; as `user`.

        Args:
            key: Whose bootstrap.
            fresh: Look again now, as far as that is allowed yet.

        Raises:
            Unreachable: the DHT is off or did not answer, and no server knew anything.
            DhtBusy: too much is under way, and no server knew anything.
        """
        await self._look_up((key, SERVER_SALT), fresh=fresh)

    def found_through(self, key: PublicKey) -> PublicKey | None:
        """The server that gave what is known of somebody (a person or server), None if the DHT itself did."""
        for salt in (USER_SALT, SERVER_SALT):
            asked, known = self._asked.get((key, salt)), self._item((key, salt))
            if asked is not None and known is not None and asked.seq == known.seq:
                return asked.through
        return None

    async def stop(self) -> None:
        """Ends what is under way."""
        tasks = [search.task for search in self._searches.values() if search.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- one look-up -------------------------------------------------------------------------------

    async def _look_up(self, place: Place, *, fresh: bool) -> None:
        search = self._searches.get(place)
        if search is None:
            search = self._searches[place] = _Search(self._item(place))
            search.task = asyncio.create_task(self._search(place, search, fresh=fresh), name="look-up")
            search.task.add_done_callback(lambda done: self._end(place, done))
        task = search.task
        assert task is not None
        news = asyncio.ensure_future(search.news.wait())
        try:
            # Who does not wait any more leaves the answer to others.
            await asyncio.wait({task, news}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            news.cancel()
        if search.news.is_set():
            return
        if search.wrong is not None:
            raise search.wrong
        if not self._dht.is_on and self._item(place) is None:
            raise Unreachable(
                "the DHT is off, and no server that was asked knows this key",
                hint="Name one of their servers, or let the node enter the DHT.",
            )

    async def _search(self, place: Place, search: _Search, *, fresh: bool) -> None:
        """Goes both ways."""
        if not self._dht.is_on:
            await self._by_servers(place, search, fresh=fresh)
            return
        dht = asyncio.create_task(self._in_dht(place, search, fresh=fresh), name="look-up in the DHT")
        try:
            await asyncio.wait({dht}, timeout=HEAD_START_S)
            known = self._item(place) is not None
            is_enough = search.news.is_set() or (known and (dht.done() or not fresh))
            if not is_enough or search.wrong is not None:
                await self._by_servers(place, search, fresh=fresh)
            await dht
        finally:
            dht.cancel()
            await asyncio.gather(dht, return_exceptions=True)

    async def _in_dht(self, place: Place, search: _Search, *, fresh: bool) -> None:
        key, salt = place
        try:
            async with contextlib.aclosing(self._dht.answers(key, salt, fresh=fresh)) as answers:
                async for _ in answers:
                    self._heard(place, search)
        except MosaicError as error:
            search.wrong = error

    async def _by_servers(self, place: Place, search: _Search, *, fresh: bool) -> None:
        """Waits for the servers' answers, if they are asked."""
        key, salt = place
        if not self._servers.any(key):
            return
        asked = self._asked.setdefault(place, _Asked())
        self._asked.move_to_end(place)
        if not self._is_due(place, asked, fresh=fresh) or self._asking >= _UNDER_WAY:
            return
        asked.at_ns = self._now_ns()
        asked.pace.note(asked.at_ns)
        self._asking += 1
        try:
            async with self._room, contextlib.aclosing(self._servers.answers(key, salt)) as answers:
                async for answer in answers:
                    if self._dht.learn(answer.item):
                        asked.through, asked.seq = answer.server, answer.item.seq
                        asked.pace.start_over()
                        log.info("a newer bootstrap was found through %s", answer.server.server_text)
                    self._heard(place, search)
        finally:
            self._asking -= 1

    def _heard(self, place: Place, search: _Search) -> None:
        if self._item(place) != search.before:
            search.news.set()

    def _item(self, place: Place) -> DhtItem | None:
        known = self._store.known(*place)
        return None if known is None else known.item

    def _is_due(self, place: Place, asked: _Asked, *, fresh: bool) -> bool:
        now_ns = self._now_ns()
        if fresh or not asked.at_ns:
            return now_ns >= asked.pace.next_ns()
        known = self._item(place) is not None
        believed_s = self._settings.recheck_s if known else self._settings.absent_s
        return now_ns - asked.at_ns >= believed_s * SECOND

    def _end(self, place: Place, task: asyncio.Task[None]) -> None:
        del self._searches[place]
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a look-up failed", exc_info=error)
        while len(self._asked) > _REMEMBERED:
            self._asked.popitem(last=False)
