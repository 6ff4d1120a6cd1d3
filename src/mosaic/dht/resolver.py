"""From a key to its bootstrap: what is known at once, then what the DHT says, as it says it.

Source: bootstrap.md (distribution, caching), edition §4; a bare key may be both (C22).
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from itertools import islice
from typing import Generic, TypeVar

from mosaic.core.bootstrap import ServerBootstrap, UserBootstrap
from mosaic.core.dht_item import SERVER_SALT, USER_SALT, DhtItem
from mosaic.core.keys import PublicKey
from mosaic.dht.network import DhtNetwork
from mosaic.dht.newer import is_newer, is_readable
from mosaic.dht.pace import LONGEST_WAIT_S, SECOND, Pace
from mosaic.dht.sequence_store import Known, SequenceStore
from mosaic.dht.settings import DhtSettings
from mosaic.errors import DhtBusy

Bootstrap_co = TypeVar("Bootstrap_co", bound=UserBootstrap | ServerBootstrap, covariant=True)


@dataclass(frozen=True, slots=True)
class Found(Generic[Bootstrap_co]):
    """A bootstrap that was found.

    Args:
        item: The signed item, which proves it.
        bootstrap: What it says, read leniently.
        checked_ns: When the DHT last answered a look-up of it, ns; 0 = this look-up is not complete yet.
    """

    item: DhtItem
    bootstrap: Bootstrap_co
    checked_ns: int

    @property
    def seq(self) -> int:
        """The sequence number."""
        return self.item.seq


class LookUp(Enum):
    """How the last look-up of a key ended."""

    NONE = "there was none"
    FOUND = "found"
    NOTHING = "nobody has published anything"
    UNREACHABLE = "the DHT did not answer"
    BUSY = "too many look-ups were under way"


@dataclass(frozen=True, slots=True)
class LastLookUp:
    """What is known about look-ups of a key and salt.

    Args:
        ended: How the last one ended.
        at_ns: When, ns; 0 if there was none.
        next_ns: From when on another may begin, ns.
    """

    ended: LookUp
    at_ns: int
    next_ns: int


class _Entry:
    """The look-ups of one key and salt."""

    __slots__ = ("at_ns", "changed", "ended", "key", "pace", "salt", "task")

    def __init__(self, key: PublicKey, salt: bytes) -> None:
        self.key = key
        self.salt = salt
        self.pace = Pace()
        self.task: asyncio.Task[None] | None = None
        self.changed = asyncio.Event()
        self.ended = LookUp.NONE
        self.at_ns = 0


class Resolver:
    """Finds bootstraps and remembers them.

    Look-ups of one key are shared by all who ask. An answer once seen is never
    gone behind, also after a restart.

    Args:
        network: The DHT; None where it is off: then only what is known is given.
        store: What outlives a restart.
        now_ns: The time, ns as a Mosaic timestamp.
        settings: Times and bounds.
        sleep: Waits for seconds.
    """

    def __init__(
        self,
        network: DhtNetwork | None,
        store: SequenceStore,
        now_ns: Callable[[], int],
        settings: DhtSettings | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._network = network
        self._store = store
        self._now_ns = now_ns
        self._settings = settings or DhtSettings()
        self._sleep = sleep
        self._entries: OrderedDict[tuple[PublicKey, bytes], _Entry] = OrderedDict()
        self._turn = asyncio.Semaphore(self._settings.at_a_time)
        self._open = 0

    # --- what is known --------------------------------------------------------------------------

    def cached_user(self, key: PublicKey) -> Found[UserBootstrap] | None:
        """What is known of a user, without asking."""
        known = self._store.known(key, USER_SALT)
        return None if known is None else _user(known)

    def last_look_up(self, key: PublicKey, salt: bytes) -> LastLookUp:
        """How the last look-up ended and when the next may begin, for people to be told."""
        entry = self._entry(key, salt)
        return LastLookUp(entry.ended, entry.at_ns, entry.pace.next_ns())

    # --- asking -----------------------------------------------------------------------------------

    async def user(
        self, key: PublicKey, *, fresh: bool = False
    ) -> AsyncGenerator[Found[UserBootstrap], None]:
        """What is known of a user, then each newer answer as it arrives; ends when the look-up is complete.

        Nothing is looked up while the answer is younger than an hour, unless it shall be `fresh`: then at
        once, and after 1, 2, 4 and 5 seconds again; what comes sooner waits. A key about which was asked
        for minutes already is looked up more rarely, and what comes sooner gets what is known. Who stops
        listening does not stop the look-up.
        """
        entry = self._entry(key, USER_SALT)
        async for known in self._answers(entry, fresh=fresh):
            yield _user(known)

    async def server(
        self, key: PublicKey, *, fresh: bool = False
    ) -> AsyncGenerator[Found[ServerBootstrap], None]:
        """What is known of a server, then each newer answer; see `user`."""
        entry = self._entry(key, SERVER_SALT)
        async for known in self._answers(entry, fresh=fresh):
            yield _server(known)

    async def either(
        self, key: PublicKey, *, fresh: bool = False
    ) -> AsyncGenerator[Found[UserBootstrap] | Found[ServerBootstrap], None]:
        """Both of a bare key, which may be a user, a server, or both; each answer as it arrives."""
        user, server = self._entry(key, USER_SALT), self._entry(key, SERVER_SALT)
        queue: asyncio.Queue[Found[UserBootstrap] | Found[ServerBootstrap] | None] = asyncio.Queue()

        async def pump(entry: _Entry) -> None:
            try:
                async for known in self._answers(entry, fresh=fresh):
                    queue.put_nowait(_user(known) if entry is user else _server(known))
            finally:
                queue.put_nowait(None)

        pumps = [asyncio.create_task(pump(entry)) for entry in (user, server)]
        try:
            left = len(pumps)
            while left:
                found = await queue.get()
                if found is None:
                    left -= 1
                else:
                    yield found
        finally:
            for task in pumps:
                task.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)

    def learn(self, item: DhtItem) -> bool:
        """Takes what somebody else found, a server that was asked for instance; whether it is news.

        It counts only if it is signed and newer than what is known.
        """
        return item.verify() and self._hear(self._entry(item.key, item.salt), item)

    async def stop(self) -> None:
        """Ends all look-ups."""
        tasks = [entry.task for entry in self._entries.values() if entry.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- within -----------------------------------------------------------------------------------

    def _entry(self, key: PublicKey, salt: bytes) -> _Entry:
        place = (key, salt)
        entry = self._entries.get(place)
        if entry is None:
            entry = self._entries[place] = _Entry(key, salt)
            self._forget_some()
        self._entries.move_to_end(place)
        return entry

    def _forget_some(self) -> None:
        """What was asked for longest ago leaves the memory; what is under way stays."""
        excess = len(self._entries) - self._settings.most_remembered
        for place in list(islice(self._entries, max(excess, 0))):
            if self._entries[place].task is None:
                del self._entries[place]

    def _known(self, entry: _Entry) -> Known | None:
        """The newest that was seen. The store is asked each time: the publisher writes there too."""
        return self._store.known(entry.key, entry.salt)

    async def _answers(self, entry: _Entry, *, fresh: bool) -> AsyncGenerator[Known, None]:
        """What is known, and whatever newer is heard until the look-up ends."""
        # Begun before anything is given: who is content with what is known does not come back for the rest.
        if entry.task is None and self._network is not None and self._is_due(entry, fresh=fresh):
            self._begin(entry, self._network)
        task = entry.task
        told = self._known(entry)
        if told is not None:
            yield told
        while task is not None and not task.done():
            changed = asyncio.create_task(entry.changed.wait())
            try:
                await asyncio.wait({task, changed}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                changed.cancel()
            known = self._known(entry)
            if known is not None and (told is None or known.item != told.item):
                told = known
                yield known

    def _is_due(self, entry: _Entry, *, fresh: bool) -> bool:
        now_ns = self._now_ns()
        if fresh:
            return entry.pace.next_ns() - now_ns <= LONGEST_WAIT_S * SECOND
        if now_ns < entry.pace.next_ns():
            return False
        known = self._known(entry)
        if known is None:
            believed_ns = self._settings.absent_s * SECOND
            return entry.ended is not LookUp.NOTHING or now_ns - entry.at_ns >= believed_ns
        return now_ns - known.checked_ns >= self._settings.recheck_s * SECOND

    def _begin(self, entry: _Entry, network: DhtNetwork) -> None:
        if self._open >= self._settings.most_waiting:
            entry.ended, entry.at_ns = LookUp.BUSY, self._now_ns()
            return
        self._open += 1
        entry.task = asyncio.create_task(self._look_up(entry, network), name="dht look-up")
        entry.task.add_done_callback(lambda _: self._end(entry))

    def _end(self, entry: _Entry) -> None:
        self._open -= 1
        entry.task = None
        self._forget_some()

    async def _look_up(self, entry: _Entry, network: DhtNetwork) -> None:
        while (pause_ns := entry.pace.next_ns() - self._now_ns()) > 0:
            await self._sleep(pause_ns / SECOND)
        async with self._turn:
            entry.pace.note(self._now_ns())
            try:
                reach = await network.look_up(entry.key, entry.salt, lambda item: self._hear(entry, item))
            except DhtBusy:
                entry.ended = LookUp.BUSY
                return
            finally:
                entry.at_ns = self._now_ns()
        known = self._known(entry)
        if not reach.answered:
            entry.ended = LookUp.UNREACHABLE
        elif known is None:
            entry.ended = LookUp.NOTHING
        else:
            entry.ended = LookUp.FOUND
            self._store.save(Known(known.item, entry.at_ns))

    def _hear(self, entry: _Entry, item: DhtItem) -> bool:
        known = self._known(entry)
        if not is_newer(item, known) or not is_readable(item):
            return False
        self._store.save(Known(item, 0 if known is None else known.checked_ns))
        entry.pace.start_over()
        entry.changed.set()
        entry.changed.clear()
        return True


def _user(known: Known) -> Found[UserBootstrap]:
    return Found(known.item, UserBootstrap.read(known.item.value), known.checked_ns)


def _server(known: Known) -> Found[ServerBootstrap]:
    return Found(known.item, ServerBootstrap.read(known.item.value), known.checked_ns)
