"""Hearing what is said as it is said, without a home: subscriptions at people's own servers.

Source: messages.md (SUBSCRIBE), network.md (inboxes, outboxes); edition §3 (received times).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Final, TypeAlias

from mosaic.api.links import Links
from mosaic.api.reading import Reading
from mosaic.client.connection import Connection
from mosaic.client.following import Following, Heard, Lost
from mosaic.client.outbox import SERVERS_OF_A_ROLE
from mosaic.client.reach import Manner
from mosaic.core import core_tags
from mosaic.core.bootstrap import Usage
from mosaic.core.filter import Filter
from mosaic.core.keys import PublicKey
from mosaic.core.record import Record
from mosaic.core.timestamp import Timestamp
from mosaic.errors import MosaicError, Unreachable
from mosaic.node.arguments import Arguments, parse_time
from mosaic.node.control import Act, Items, JsonObject
from mosaic.social.feeds import FEED_KINDS

_AHEAD: Final = 64
_REMEMBERED: Final = 65_536
_OVERLAP_S: Final = 60
_SECOND: Final = 1_000_000_000
# With growing pauses these take some minutes.
_TRIES: Final = 10

log = logging.getLogger(__name__)


_Connect: TypeAlias = Callable[[], contextlib.AbstractAsyncContextManager[Connection]]


class Hearing:
    """The acts of who listens.

    Args:
        links: Reaches others.
        reading: Knows names.
        followed: Whom who speaks follows; may change.
        changed: Set whenever that has changed.
    """

    def __init__(
        self,
        links: Links,
        reading: Reading,
        followed: Mapping[PublicKey, object],
        changed: Callable[[], asyncio.Event],
    ) -> None:
        self._links = links
        self._reading = reading
        self._followed = followed
        self._changed = changed

    def table(self) -> dict[str, Act]:
        """These acts by their names."""
        return {"live": self.live, "mentions": self.mentions}

    async def live(self, _given: JsonObject) -> Items:
        """As the node's act `live`."""
        heard = _Heard(self._links)
        try:
            while True:
                changed = self._changed()
                people = (*self._links.me, *self._followed)
                for person in people:
                    wanted = Filter.of(authors=[person], kinds=FEED_KINDS)
                    heard.add(person, self._at(person), wanted, since=None)
                heard.keep(set(people))
                async with contextlib.aclosing(self._posts(heard, changed)) as items:
                    async for item in items:
                        yield item
        finally:
            await heard.stop()

    async def mentions(self, given: JsonObject) -> Items:
        """As the node's act `mentions`, heard at one's inboxes.

        Raises:
            Unreachable: none is known.
        """
        me, text = self._links.who.author, Arguments(given).optional_text("since")
        since = None if text is None else parse_time(text, self._links.clock.now())
        wanted = Filter.of(kinds=FEED_KINDS, tags=[core_tags.notify(me)])
        inboxes = await self._links.finder.servers_of(me, Usage.INBOX)
        if not inboxes:
            raise Unreachable("no server is known where you receive", hint="Name it: Client(…, servers=[…])")
        heard = _Heard(self._links)
        try:
            for server in inboxes[:SERVERS_OF_A_ROLE]:
                heard.add(server, self._by(server), wanted, since)
            async with contextlib.aclosing(self._posts(heard, asyncio.Event())) as items:
                async for item in items:
                    if item.get("author") != me.user_text:
                        yield item
        finally:
            await heard.stop()

    # --- inside -----------------------------------------------------------------------------------

    def _at(self, person: PublicKey) -> _Connect:
        return lambda: self._links.person(person)

    def _by(self, server: PublicKey) -> _Connect:
        return lambda: self._links.reach.server(server, Manner(self._links.who.secret, own_stream=True))

    async def _posts(self, heard: _Heard, changed: asyncio.Event) -> AsyncGenerator[JsonObject, None]:
        """What is heard, until `changed`; `live` once, as soon as all sources are ready."""
        while not changed.is_set():
            item = await heard.next(changed)
            if item is None:
                if heard.is_live():
                    yield {"live": True}
            elif isinstance(item, Record):
                post = await self._reading.post_of(item)
                for shown in await self._reading.shown([post]):
                    yield shown


class _Heard:
    """Several subscriptions as one; each record once.

    Args:
        links: Reaches others.
    """

    def __init__(self, links: Links) -> None:
        self._links = links
        self._queue: asyncio.Queue[Record | None] = asyncio.Queue(_AHEAD)
        self._tasks: dict[PublicKey, asyncio.Task[None]] = {}
        self._waiting: set[PublicKey] = set()
        self._told = False
        self._seen: OrderedDict[bytes, None] = OrderedDict()

    def add(self, source: PublicKey, connect: _Connect, wanted: Filter, since: Timestamp | None) -> None:
        """Begins to listen to a source, unless that is done already; with `since` also to what came since."""
        if source not in self._tasks:
            self._waiting.add(source)
            self._tasks[source] = asyncio.create_task(self._listen(source, connect, wanted, since))

    def keep(self, sources: set[PublicKey]) -> None:
        """Listens to no others any more."""
        for source in set(self._tasks) - sources:
            self._tasks.pop(source).cancel()
            self._ready(source)

    def is_live(self) -> bool:
        """Whether all sources are ready, for the first time that this is asked then."""
        if self._told or self._waiting:
            return False
        self._told = True
        return True

    async def next(self, changed: asyncio.Event) -> Record | None:
        """The next record; None when a source became ready, or `changed` is set."""
        getting = asyncio.ensure_future(self._queue.get())
        waiting = asyncio.ensure_future(changed.wait())
        try:
            await asyncio.wait({getting, waiting}, return_when=asyncio.FIRST_COMPLETED)
            return getting.result() if getting.done() else None
        finally:
            waiting.cancel()
            getting.cancel()

    async def stop(self) -> None:
        """Listens no more."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _listen(
        self, source: PublicKey, connect: _Connect, wanted: Filter, since: Timestamp | None
    ) -> None:
        now_ns = self._links.clock.now_ns
        begun_ns = now_ns()
        following = Following(
            connect,
            wanted,
            now_ns=now_ns,
            backoff=self._links.backoff,
            heard_until_ns=begun_ns if since is None else since + _OVERLAP_S * _SECOND,
            overlap_s=_OVERLAP_S,
        )
        stored: list[Record] | None = []
        async with contextlib.aclosing(following.events()) as events:
            async for event in events:
                if isinstance(event, Record):
                    if stored is None:
                        await self._put(connect, event)
                    else:
                        stored.append(event)
                elif stored is not None:
                    # Newest first, as servers give it; what was said before anybody asked is not told.
                    for record in reversed(stored):
                        if since is not None or record.timestamp >= begun_ns:
                            await self._put(connect, record)
                        else:
                            self._note(record)
                    stored = None if isinstance(event, Heard) else stored
                    self._ready(source)
                    await self._queue.put(None)
                if isinstance(event, Lost):
                    self._ready(source)

    async def _put(self, connect: _Connect, record: Record) -> None:
        if not self._note(record):
            return
        for failures in range(_TRIES):
            try:
                async with connect() as connection:
                    accepted = await self._links.authority.accepted(connection, [record])
            except MosaicError as error:
                log.info("who signed what came can't be asked now: %s", error)
                await asyncio.sleep(self._links.backoff.seconds(failures))
            else:
                if accepted:
                    await self._queue.put(record)
                return
        log.warning("one record is not told: nobody could be asked who signs for its author")

    def _note(self, record: Record) -> bool:
        """Whether a record is new."""
        if record.id.bytes in self._seen:
            return False
        self._seen[record.id.bytes] = None
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        return True

    def _ready(self, source: PublicKey) -> None:
        self._waiting.discard(source)
