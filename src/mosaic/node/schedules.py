"""Key schedules of people who live elsewhere: fetched when the server or a reader needs one.

Source: edition §3 (who may sign: the server fetches the schedule).
"""

from __future__ import annotations

import asyncio
import contextlib
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
_BYTES = 12 << 20
"""So much of one author is taken from one server: what decides now is a schedule and eight Vouches."""
_ASK_S = 15.0
"""How long one server may take, seconds; one that is slow must not keep others from being asked about."""
_ORDER = (VOUCH.bytes, KEY_SCHEDULE.bytes, PROFILE.bytes)
_ASK_AGAIN_NS = 600 * 1_000_000_000


class Schedules:
    """Fetches schedules, profiles and Vouches from people's outboxes, which are looked up where unknown.

    All outboxes of somebody are asked: one may keep a revocation back, and the
    word of any other is enough. Some people at a time: strangers' records cause
    it, so whom the server serves comes first.

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
        others = [server for server in servers if server != self._own][:SERVERS_OF_A_ROLE]
        answers = await asyncio.gather(*(self._ask(server, author) for server in others))
        found = {record[:48]: record for records in answers for record in records}
        if found:
            # What decides about the others goes first.
            await self._mirror(sorted(found.values(), key=_importance))

    async def _ask(self, server: PublicKey, author: PublicKey) -> list[bytes]:
        """What one server has of it; nothing if it does not answer."""
        # Only what the master key signed: a thief could bury it under what looks like it.
        wanted = Filter.of(authors=[author], signers=[author], kinds=[KEY_SCHEDULE, PROFILE, VOUCH])
        found: list[bytes] = []
        left = _BYTES
        try:
            async with (
                asyncio.timeout(_ASK_S),
                self._reach.server(server) as connection,
                contextlib.aclosing(connection.query(wanted, limit=_RECORDS)) as records,
            ):
                async for record in records:
                    left -= len(record.data)
                    if left < 0:
                        break
                    found.append(record.data)
        except (MosaicError, TimeoutError) as error:
            log.info(
                "the key schedule of %s can't be fetched from %s: %s",
                author.user_text,
                server.server_text,
                str(error) or "it does not answer in time",
            )
        return found


def _importance(record: bytes) -> int:
    return _ORDER.index(record[56:64]) if record[56:64] in _ORDER else len(_ORDER)
