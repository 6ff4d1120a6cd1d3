"""Finds what others published in two ways: the DHT, and servers that look into it for us.

The second way is for where the DHT is off, does not answer or finds nothing,
as behind a proxy or without UDP. A server's answer counts by the rules of the
DHT: the key has signed it, and nobody leads this home back to an older one.

Source: messages.md (DHT LOOKUP), rationale.md; edition §4.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from mosaic.client.own_servers import OwnServers
from mosaic.core.bootstrap import SERVER_SALT, USER_SALT
from mosaic.core.keys import PublicKey
from mosaic.dht.pace import SECOND, Pace
from mosaic.dht.sequence_store import SequenceStore
from mosaic.dht.settings import DhtSettings
from mosaic.errors import MosaicError, Unreachable
from mosaic.node.in_dht import InDht

log = logging.getLogger(__name__)

_AT_ONCE = 4
_UNDER_WAY = 64
_REMEMBERED = 4_096


@dataclass(slots=True)
class _Asked:
    """How often servers were asked about one key and salt."""

    pace: Pace = field(default_factory=Pace)
    at_ns: int = 0
    task: asyncio.Task[None] | None = None
    through: PublicKey | None = None
    seq: int = 0


class TwoWays:
    """A `seeker.Lookup`: what it finds is in the store when it returns.

    Look-ups of one key are shared by all who wait for them, and come with
    growing pauses, as those in the DHT do.

    Args:
        dht: The first way.
        servers: The second.
        any_servers: Whether there is any server to ask.
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
        self._asked: OrderedDict[tuple[PublicKey, bytes], _Asked] = OrderedDict()
        self._under_way: set[asyncio.Task[None]] = set()
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

        Args:
            key: Whose bootstrap.
            fresh: Look again now, as far as that is allowed yet.

        Raises:
            Unreachable: the DHT is off or did not answer, and no server knew anything.
            DhtBusy: too much is under way, and no server knew anything.
        """
        await self._look_up(key, USER_SALT, fresh=fresh)

    async def server(self, key: PublicKey, *, fresh: bool = False) -> None:
        """Looks up what a server published; as `user`.

        Args:
            key: Whose bootstrap.
            fresh: Look again now, as far as that is allowed yet.

        Raises:
            Unreachable: the DHT is off or did not answer, and no server knew anything.
            DhtBusy: too much is under way, and no server knew anything.
        """
        await self._look_up(key, SERVER_SALT, fresh=fresh)

    def found_through(self, key: PublicKey) -> PublicKey | None:
        """The server that gave what is known of somebody (a person or server), None if the DHT itself did."""
        for salt in (USER_SALT, SERVER_SALT):
            asked, known = self._asked.get((key, salt)), self._store.known(key, salt)
            if asked is not None and known is not None and asked.seq == known.item.seq:
                return asked.through
        return None

    async def stop(self) -> None:
        """Ends what is under way."""
        tasks = list(self._under_way)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _look_up(self, key: PublicKey, salt: bytes, *, fresh: bool) -> None:
        wrong: MosaicError | None = None
        if self._dht.is_on:
            try:
                await (self._dht.user if salt == USER_SALT else self._dht.server)(key, fresh=fresh)
            except MosaicError as error:
                wrong = error
            else:
                if self._store.known(key, salt) is not None:
                    return
        before = self._seq(key, salt)
        if self._any_servers():
            await self._ask(key, salt, fresh=fresh)
        if wrong is not None and self._seq(key, salt) == before:
            raise wrong
        if not self._dht.is_on and not self._seq(key, salt):
            raise Unreachable(
                "the DHT is off, and no server that was asked knows this key",
                hint="Name one of their servers, or let the node enter the DHT.",
            )

    def _seq(self, key: PublicKey, salt: bytes) -> int:
        known = self._store.known(key, salt)
        return 0 if known is None else known.item.seq

    async def _ask(self, key: PublicKey, salt: bytes, *, fresh: bool) -> None:
        """Waits for the servers' answers, if they are asked."""
        place = (key, salt)
        asked = self._asked.setdefault(place, _Asked())
        self._asked.move_to_end(place)
        if asked.task is None:
            if not self._is_due(place, asked, fresh=fresh) or len(self._under_way) >= _UNDER_WAY:
                return
            asked.pace.note(self._now_ns())
            asked.at_ns = self._now_ns()
            asked.task = asyncio.create_task(self._ask_servers(place, asked, fresh=fresh), name="look-up")
            self._under_way.add(asked.task)
            asked.task.add_done_callback(lambda task: self._end(asked, task))
        # Who does not wait any more leaves the answer to others.
        await asyncio.wait({asked.task})

    def _is_due(self, place: tuple[PublicKey, bytes], asked: _Asked, *, fresh: bool) -> bool:
        now_ns = self._now_ns()
        if fresh or not asked.at_ns:
            return now_ns >= asked.pace.next_ns()
        believed_s = self._settings.recheck_s if self._seq(*place) else self._settings.absent_s
        return now_ns - asked.at_ns >= believed_s * SECOND

    async def _ask_servers(self, place: tuple[PublicKey, bytes], asked: _Asked, *, fresh: bool) -> None:
        least = self._seq(*place) + (1 if fresh else 0)
        async with self._room:
            answer = await self._servers.look_up(*place, max(least, 1))
        if answer is not None and self._dht.learn(answer.item):
            asked.through, asked.seq = answer.server, answer.item.seq
            asked.pace.start_over()
            log.info("a newer bootstrap was found through %s", answer.server.server_text)

    def _end(self, asked: _Asked, task: asyncio.Task[None]) -> None:
        asked.task = None
        self._under_way.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a look-up by servers failed", exc_info=error)
        while len(self._asked) > _REMEMBERED:
            place, oldest = next(iter(self._asked.items()))
            if oldest.task is not None:
                break
            del self._asked[place]
