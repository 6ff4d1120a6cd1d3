"""Key schedules of people who live elsewhere: fetched when the server or a reader needs one.

Source: edition §3 (who may sign: the server fetches the schedule).
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence

from mosaic.client.link_pool import LinkPool
from mosaic.client.outbox import SERVERS_OF_A_ROLE
from mosaic.core.bootstrap import Usage
from mosaic.core.filter import Filter
from mosaic.core.keys import PublicKey
from mosaic.core.kinds import KEY_SCHEDULE, PROFILE
from mosaic.errors import MosaicError
from mosaic.node.directory import HomeDirectory

log = logging.getLogger(__name__)

_WAITING = 256
_REMEMBERED = 4_096
_ASK_AGAIN_NS = 600 * 1_000_000_000


class Schedules:
    """Fetches schedules (and profiles) from the outboxes that are known of people.

    Args:
        directory: Who uses which servers.
        pool: Connections to servers.
        mirror: Hands what was found to the own server.
        now_ns: The clock.
    """

    def __init__(
        self,
        directory: HomeDirectory,
        pool: LinkPool,
        mirror: Callable[[Sequence[bytes]], Awaitable[object]],
        now_ns: Callable[[], int],
    ) -> None:
        self._directory = directory
        self._pool = pool
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
        for server in list(self._directory.servers(author, Usage.OUTBOX))[:SERVERS_OF_A_ROLE]:
            try:
                async with self._pool.connect(server) as connection:
                    wanted = Filter.of(authors=[author], kinds=[KEY_SCHEDULE, PROFILE])
                    found = [record.data async for record in connection.query(wanted)]
                await self._mirror(found)
            except MosaicError as error:
                log.info("the key schedule of %s can't be fetched: %s", author.user_text, error)
                continue
            if found:
                return
