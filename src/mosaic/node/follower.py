"""Follows people: reads their outboxes and hands what comes to the own server.

One task for each person and outbox. What was read is remembered, so that a
restart goes on where it stopped; what is read is stored by the own server like
anything else, so that feeds show it and it survives a restart.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from mosaic.client.address import ServerAddress
from mosaic.client.backoff import Backoff
from mosaic.client.following import Event, Following, Heard, Lost
from mosaic.client.link_pool import LinkPool
from mosaic.client.outbox import SERVERS_OF_A_ROLE
from mosaic.client.settings import ClientSettings
from mosaic.core.bootstrap import Usage
from mosaic.core.filter import Filter
from mosaic.core.keys import PublicKey
from mosaic.core.kinds import KEY_SCHEDULE
from mosaic.core.record import Record
from mosaic.errors import MosaicError
from mosaic.node.clock import Clock
from mosaic.node.directory import HomeDirectory
from mosaic.node.private_db import PrivateDb
from mosaic.wire.result_code import ResultCode

log = logging.getLogger(__name__)

_WAITING = 1_024
_BATCH = 512
_TRY_TO_STORE_AGAIN_S = 5.0
_TRIES = 4

Mirror = Callable[[Sequence[bytes]], Awaitable[Sequence[ResultCode]]]
"""Hands records that were read elsewhere to the own server, which stores or refuses them meanwhile."""

# A filter holds 63 keys. People who are followed later get subscriptions of their own until the next start.
_PEOPLE_IN_A_GROUP = 60


@dataclass(slots=True)
class Group:
    """People who are read from one server by one subscription.

    Args:
        server: The server.
        people: Who is read.
        state: `connected`, `connecting`, or why not.
        task: What keeps it up.
    """

    server: ServerAddress
    people: tuple[PublicKey, ...]
    state: str = "connecting"
    task: asyncio.Task[None] | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """What the follower is made of, besides its storage."""

    client: ClientSettings
    backoff: Backoff


class Follower:
    """Keeps up one subscription for each followed person and outbox.

    Args:
        db: Where is remembered what was read.
        directory: Who uses which servers.
        pool: Connections to servers.
        mirror: Takes what was read.
        clock: The clock.
        settings: Choices.
    """

    def __init__(
        self,
        db: PrivateDb,
        directory: HomeDirectory,
        pool: LinkPool,
        mirror: Mirror,
        clock: Clock,
        settings: Settings,
    ) -> None:
        self._db = db
        self._directory = directory
        self._pool = pool
        self._mirror = mirror
        self._clock = clock
        self._settings = settings
        self._groups: list[Group] = []

    def update(self) -> None:
        """Begins and ends subscriptions as the private database says."""
        wanted: dict[ServerAddress, set[PublicKey]] = {}
        for key in self._db.all_followed():
            person = PublicKey(key)
            for server in list(self._directory.servers(person, Usage.OUTBOX))[:SERVERS_OF_A_ROLE]:
                wanted.setdefault(server, set()).add(person)
        for group in list(self._groups):
            if not wanted.get(group.server, set()).issuperset(group.people):
                self._groups.remove(group)
                if group.task is not None:
                    group.task.cancel()
        for server, people in wanted.items():
            self._begin(
                server, people - {who for g in self._groups if g.server == server for who in g.people}
            )

    def _begin(self, server: ServerAddress, people: set[PublicKey]) -> None:
        """Begins to read people from a server, those apart of whom nothing was read yet."""
        new = {who for who in people if not self._db.heard_until(server.key.bytes, who.bytes)}
        for some in (sorted(people - new), sorted(new)):
            for start in range(0, len(some), _PEOPLE_IN_A_GROUP):
                group = Group(server, tuple(some[start : start + _PEOPLE_IN_A_GROUP]))
                self._groups.append(group)
                group.task = asyncio.create_task(self._follow(group))

    def state(self, person: PublicKey) -> Mapping[PublicKey, str]:
        """For each outbox of a followed person: `connected`, `connecting`, or why not."""
        return {group.server.key: group.state for group in self._groups if person in group.people}

    async def stop(self) -> None:
        """Ends all subscriptions."""
        tasks = [group.task for group in self._groups if group.task is not None]
        self._groups.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _follow(self, group: Group) -> None:
        server = group.server
        following = Following(
            lambda: self._pool.connect(server),
            Filter.of(authors=group.people),
            now_ns=self._clock.now_ns,
            backoff=self._settings.backoff,
            heard_until_ns=min(self._db.heard_until(server.key.bytes, who.bytes) for who in group.people),
            overlap_s=self._settings.client.overlap_s,
        )
        waiting: asyncio.Queue[Event] = asyncio.Queue(_WAITING)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._read(following, waiting))
            tasks.create_task(self._write(group, waiting))

    @staticmethod
    async def _read(following: Following, waiting: asyncio.Queue[Event]) -> None:
        async with contextlib.aclosing(following.events()) as events:
            async for event in events:
                await waiting.put(event)

    async def _write(self, group: Group, waiting: asyncio.Queue[Event]) -> None:
        """Stores what was read, as much at once as has come."""
        while True:
            events = [await waiting.get()]
            while not waiting.empty() and len(events) < _BATCH:
                events.append(waiting.get_nowait())
            await self._store(group, [event for event in events if isinstance(event, Record)])
            self._note(group, events)

    async def _store(self, group: Group, records: Sequence[Record]) -> None:
        """Hands records to the own server until it has stored or refused them all.

        Nothing is noted as heard before that. Schedules go first, since they
        tell what the others are worth; what still waits for one is tried again
        some times.
        """
        left = [record.data for record in sorted(records, key=lambda one: one.kind != KEY_SCHEDULE)]
        tries = 0
        while left:
            try:
                results = await self._mirror(left)
            except MosaicError as error:
                group.state = f"what was read can't be stored: {error}"
                log.warning("what was read from %s can't be stored: %s", group.server, error)
            else:
                left = [each for each, result in zip(left, results, strict=True) if result.is_server_error]
                tries += 1
                if left and tries == _TRIES:
                    log.warning("%d records from %s were not taken", len(left), group.server)
                    return
            if left:
                await asyncio.sleep(_TRY_TO_STORE_AGAIN_S)

    def _note(self, group: Group, events: Sequence[Event]) -> None:
        """Remembers how far was read and how the connection does."""
        for event in events:
            if isinstance(event, Lost):
                group.state = str(event.error)
            elif isinstance(event, Heard):
                group.state = "connected"
        heard = max((event.until_ns for event in events if isinstance(event, Heard)), default=0)
        if heard:
            with self._db.transaction():
                for person in group.people:
                    self._db.set_heard_until(group.server.key.bytes, person.bytes, heard)
