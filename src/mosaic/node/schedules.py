"""Key schedules of people who live elsewhere: fetched when the server or a reader needs one.

Source: edition §3 (who may sign: the server fetches the schedule).
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Sequence

from mosaic.client.outbox import SERVERS_OF_A_ROLE
from mosaic.client.reach import Reach
from mosaic.client.server_finder import ServerFinder
from mosaic.core.bootstrap import Usage
from mosaic.core.community_kinds import VOUCH
from mosaic.core.filter import Filter
from mosaic.core.keys import PublicKey
from mosaic.core.kinds import KEY_SCHEDULE, PROFILE
from mosaic.errors import MosaicError

log = logging.getLogger(__name__)

_WAITING = 256
_AT_ONCE = 4
_REMEMBERED = 4_096
_RECORDS = 64
_ORDER = (VOUCH.bytes, KEY_SCHEDULE.bytes, PROFILE.bytes)
_ASK_AGAIN_NS = 600 * 1_000_000_000


class Schedules:
    """Fetches schedules, profiles and Vouches from people's outboxes, which are looked up where unknown.

    Some at a time: strangers' records cause it, so whom the server serves comes first.

    Args:
        finder: Who uses which servers.
        reach: Connections to servers.
        mirror: Hands what was found to the own server.
        now_ns: The clock.
        own: The own server's key, which is not asked.
        served: Whether a master key (32 bytes) is that of somebody whom the own server serves.
    """

    def __init__(
        self,
        finder: ServerFinder,
        reach: Reach,
        mirror: Callable[[Sequence[bytes]], Awaitable[object]],
        now_ns: Callable[[], int],
        *,
        own: PublicKey | None = None,
        served: Callable[[bytes], bool] = lambda _: False,
    ) -> None:
        self._finder = finder
        self._reach = reach
        self._mirror = mirror
        self._now_ns = now_ns
        self._own = own
        self._served = served
        self._first: deque[PublicKey] = deque()
        self._others: deque[PublicKey] = deque()
        self._wake = asyncio.Event()
        self._asked: OrderedDict[bytes, int] = OrderedDict()

    def wanted(self, author: bytes) -> None:
        """The newest key schedule of a master key (32 bytes) is needed soon; never blocks.

        What strangers cause is bounded: each author is asked for once in ten
        minutes, and no more than a few hundred wait.
        """
        now = self._now_ns()
        if now - self._asked.get(author, -_ASK_AGAIN_NS) < _ASK_AGAIN_NS:
            return
        waiting = self._first if self._served(author) else self._others
        if len(waiting) >= _WAITING:
            return
        self._asked[author] = now
        self._asked.move_to_end(author)
        if len(self._asked) > _REMEMBERED:
            self._asked.popitem(last=False)
        waiting.append(PublicKey(author))
        self._wake.set()

    async def run(self) -> None:
        """Fetches what is wanted until it is cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(_AT_ONCE):
                group.create_task(self._work())

    async def _work(self) -> None:
        while True:
            while not (self._first or self._others):
                self._wake.clear()
                await self._wake.wait()
            author = (self._first or self._others).popleft()
            try:
                await self._fetch(author)
            except Exception:
                log.exception("the key schedule of %s can't be fetched", author.user_text)

    async def _fetch(self, author: PublicKey) -> None:
        servers = await self._finder.servers_of(author, Usage.OUTBOX)
        for server in [server for server in servers if server != self._own][:SERVERS_OF_A_ROLE]:
            try:
                async with self._reach.server(server) as connection:
                    wanted = Filter.of(authors=[author], kinds=[KEY_SCHEDULE, PROFILE, VOUCH])
                    found = [record.data async for record in connection.query(wanted, limit=_RECORDS)]
                # What decides about the others goes first.
                await self._mirror(sorted(found, key=_importance))
            except MosaicError as error:
                log.info("the key schedule of %s can't be fetched: %s", author.user_text, error)
                continue
            if found:
                return


def _importance(record: bytes) -> int:
    return _ORDER.index(record[56:64]) if record[56:64] in _ORDER else len(_ORDER)
