"""Key schedules of people who live elsewhere: fetched when the server or a reader needs one.

Source: edition §3 (who may sign: the server fetches the schedule).
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence

from mosaic.client.outbox import SERVERS_OF_A_ROLE
from mosaic.client.reach import Reach
from mosaic.client.server_finder import ServerFinder
from mosaic.core.bootstrap import Usage
from mosaic.core.filter import Filter
from mosaic.core.keys import PublicKey
from mosaic.core.kinds import KEY_SCHEDULE, PROFILE
from mosaic.errors import MosaicError

log = logging.getLogger(__name__)

_WAITING = 256
_REMEMBERED = 4_096
_ASK_AGAIN_NS = 600 * 1_000_000_000


class Schedules:
    """Fetches schedules (and profiles) from people's outboxes, which are looked up where they are not known.

    One after the other, since strangers' records cause it.

    Args:
        finder: Who uses which servers.
        reach: Connections to servers.
        mirror: Hands what was found to the own server.
        now_ns: The clock.
    """

    def __init__(
        self,
        finder: ServerFinder,
        reach: Reach,
        mirror: Callable[[Sequence[bytes]], Awaitable[object]],
        now_ns: Callable[[], int],
    ) -> None:
        self._finder = finder
        self._reach = reach
        self._mirror = mirror
        self._now_ns = now_ns
        self._waiting: asyncio.Queue[PublicKey] = asyncio.Queue(_WAITING)
        self._asked: OrderedDict[bytes, int] = OrderedDict()

    def wanted(self, author: bytes) -> None:
        """The newest key schedule of a master key (32 bytes) is needed soon; never blocks.

        What strangers cause is bounded: each author is asked for once in ten
        minutes, and no more than a few hundred wait.
        """
        now = self._now_ns()
        if now - self._asked.get(author, -_ASK_AGAIN_NS) < _ASK_AGAIN_NS or self._waiting.full():
            return
        self._asked[author] = now
        self._asked.move_to_end(author)
        if len(self._asked) > _REMEMBERED:
            self._asked.popitem(last=False)
        self._waiting.put_nowait(PublicKey(author))

    async def run(self) -> None:
        """Fetches what is wanted until it is cancelled."""
        while True:
            await self._fetch(await self._waiting.get())

    async def _fetch(self, author: PublicKey) -> None:
        servers = await self._finder.servers_of(author, Usage.OUTBOX)
        for server in servers[:SERVERS_OF_A_ROLE]:
            try:
                async with self._reach.server(server) as connection:
                    wanted = Filter.of(authors=[author], kinds=[KEY_SCHEDULE, PROFILE])
                    found = [record.data async for record in connection.query(wanted)]
                await self._mirror(found)
            except MosaicError as error:
                log.info("the key schedule of %s can't be fetched: %s", author.user_text, error)
                continue
            if found:
                return
