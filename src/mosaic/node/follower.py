"""Follows people: reads their outboxes and hands what comes to the own server.

One task for each person and outbox. What was read is remembered, so that a
restart goes on where it stopped; what is read is stored by the own server like
anything else, so that feeds show it and it survives a restart.

Source: network.md (outboxes); this project's own design, docs/architecture.md "A person acts".
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from mosaic.client.backoff import Backoff
from mosaic.client.connection import Connection
from mosaic.client.following import Event, Following, Heard, Lost
from mosaic.client.link_pool import LinkPool
from mosaic.client.outbox import SERVERS_OF_A_ROLE
from mosaic.client.settings import ClientSettings
from mosaic.core import core_tags
from mosaic.core.bootstrap import Usage
from mosaic.core.community_kinds import VOUCH
from mosaic.core.filter import Filter
from mosaic.core.key_schedule import KeySchedule
from mosaic.core.keys import PublicKey
from mosaic.core.kinds import KEY_SCHEDULE
from mosaic.core.record import Record
from mosaic.core.timestamp import Timestamp
from mosaic.core.url import Scheme, ServerUrl
from mosaic.errors import MosaicError, Unreachable
from mosaic.node.clock import Clock
from mosaic.node.directory import HomeDirectory
from mosaic.node.private_db import PrivateDb
from mosaic.wire.result_code import ResultCode

log = logging.getLogger(__name__)

_WAITING = 1_024
_BATCH = 512
_TRY_TO_STORE_AGAIN_S = 5.0
_TRIES = 4
_SECOND = 1_000_000_000


class Mirror(Protocol):
    """The way to the own server for records that were read elsewhere."""

    async def __call__(
        self, records: Sequence[bytes], received_by_ns: int | None = None
    ) -> Sequence[ResultCode]:
        """Hands records in; what became of each.

        Args:
            records: Whole records.
            received_by_ns: By when an outbox of their author says that it received them (ns), if it does.

        Raises:
            MosaicError: some could not be written.
        """


# A filter holds 63 keys. People who are followed later get subscriptions of their own until the next start.
_PEOPLE_IN_A_GROUP = 60


CONNECTED = "connected"
CONNECTING = "connecting"


@dataclass(slots=True)
class Group:
    """People who are read from one server by one subscription.

    Args:
        server: The server's key.
        people: Who is read.
        state: `connected`, `connecting`, or why not.
        next_try_ns: When it is tried again (a Mosaic timestamp) if the last try failed.
        urls: Where the last try went.
        via: What the connection goes over, once there is one.
        task: What keeps it up.
    """

    server: PublicKey
    people: tuple[PublicKey, ...]
    state: str = CONNECTING
    next_try_ns: int = 0
    urls: tuple[ServerUrl, ...] = ()
    via: Scheme | None = None
    task: asyncio.Task[None] | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """What the follower is made of, besides its storage.

    Args:
        client: Choices of the client.
        backoff: How tries are spaced.
        schedule_of: The key schedule of somebody that is at hand.
        reached: Told whenever a server was reached.
        lost: Told whenever a server was lost, or not reached.
    """

    client: ClientSettings
    backoff: Backoff
    schedule_of: Callable[[PublicKey], KeySchedule | None]
    reached: Callable[[PublicKey], None]
    lost: Callable[[PublicKey], None]


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
        self._asked_back: set[tuple[PublicKey, PublicKey, PublicKey, int]] = set()

    def update(self) -> None:
        """Begins and ends subscriptions as the private database and the directory say.

        A subscription that waits for a server at places where it no longer is begins again.
        """
        wanted: dict[PublicKey, set[PublicKey]] = {}
        for key in self._db.all_followed():
            person = PublicKey(key)
            for server in list(self._directory.servers(person, Usage.OUTBOX))[:SERVERS_OF_A_ROLE]:
                wanted.setdefault(server.key, set()).add(person)
        for group in list(self._groups):
            if not wanted.get(group.server, set()).issuperset(group.people) or self._has_moved(group):
                self._groups.remove(group)
                if group.task is not None:
                    group.task.cancel()
        for place, people in wanted.items():
            self._begin(place, people - {who for g in self._groups if g.server == place for who in g.people})

    def _has_moved(self, group: Group) -> bool:
        """Whether a server that can't be reached is known to be elsewhere by now."""
        return group.state != CONNECTED and self._directory.address(group.server).urls != group.urls

    def _begin(self, server: PublicKey, people: set[PublicKey]) -> None:
        """Begins to read people from a server, those apart of whom nothing was read yet."""
        new = {who for who in people if not self._db.heard_until(server.bytes, who.bytes)}
        for some in (sorted(people - new), sorted(new)):
            for start in range(0, len(some), _PEOPLE_IN_A_GROUP):
                group = Group(server, tuple(some[start : start + _PEOPLE_IN_A_GROUP]))
                group.urls = self._directory.address(server).urls
                self._groups.append(group)
                group.task = asyncio.create_task(self._follow(group))

    def groups(self) -> Sequence[Group]:
        """All subscriptions, as they are now."""
        return tuple(self._groups)

    def state(self, person: PublicKey) -> dict[PublicKey, str]:
        """For each outbox of a followed person: `connected`, `connecting`, or why not."""
        return {group.server: group.state for group in self._groups if person in group.people}

    async def stop(self) -> None:
        """Ends all subscriptions."""
        tasks = [group.task for group in self._groups if group.task is not None]
        self._groups.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _follow(self, group: Group) -> None:
        """Reads a group until cancelled. What nobody foresaw is told, and that group tried again later."""
        while True:
            try:
                await self._read_group(group)
            except Exception:
                log.exception("reading from %s failed", group.server.server_text)
                group.state = "something went wrong here; the log tells what"
                group.next_try_ns = self._clock.now_ns() + int(self._settings.client.retry_most_s * _SECOND)
                self._settings.lost(group.server)
            await asyncio.sleep(self._settings.client.retry_most_s)

    async def _read_group(self, group: Group) -> None:
        server = group.server
        following = Following(
            lambda: self._connect(group),
            Filter.of(authors=group.people),
            now_ns=self._clock.now_ns,
            backoff=self._settings.backoff,
            heard_until_ns=min(self._db.heard_until(server.bytes, who.bytes) for who in group.people),
            overlap_s=self._settings.client.overlap_s,
        )
        waiting: asyncio.Queue[Event] = asyncio.Queue(_WAITING)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._read(following, waiting))
            tasks.create_task(self._write(group, waiting))

    @contextlib.asynccontextmanager
    async def _connect(self, group: Group) -> AsyncIterator[Connection]:
        """A connection to a group's server, where it is known to be now."""
        address = self._directory.address(group.server)
        group.urls = address.urls
        if not address.urls:
            raise Unreachable("it is not known yet where this server listens")
        async with self._pool.connect(address, own_stream=True) as connection:
            group.via = None if connection.url is None else connection.url.scheme
            yield connection

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
        tell what the others are worth, and Vouches before them, so that nothing
        goes that stays valid; what still waits for one is tried again some times.
        """
        left = sorted(records, key=_importance)
        doubted: list[Record] = []
        tries = 0
        while left:
            try:
                results = await self._mirror([record.data for record in left])
            except MosaicError as error:
                group.state = f"what was read can't be stored: {error}"
                log.warning("what was read from %s can't be stored: %s", group.server.server_text, error)
            else:
                answered = list(zip(left, results, strict=True))
                left = [record for record, result in answered if result.is_server_error]
                doubted += [record for record, result in answered if _may_doubt(record, result)]
                tries += 1
                if left and tries == _TRIES:
                    log.warning("%d records from %s were not taken", len(left), group.server.server_text)
                    break
            if left:
                await asyncio.sleep(_TRY_TO_STORE_AGAIN_S)
        await self._ask_back(group, doubted)

    async def _ask_back(self, group: Group, doubted: Sequence[Record]) -> None:
        """Fetches what keys signed before they were revoked since a time, though it comes here later.

        It counts if the author's outbox had it by then (edition §3); asked once for each revocation.
        """
        for author, signer, since in _revocations(doubted, self._settings.schedule_of):
            asked = (group.server, author, signer, since)
            if asked in self._asked_back:
                continue
            self._asked_back.add(asked)
            wanted = Filter.of(authors=[author], signers=[signer], received_until=Timestamp(since))
            try:
                async with self._connect(group) as connection:
                    batch: list[bytes] = []
                    async for record in connection.query(wanted):
                        batch.append(record.data)
                        if len(batch) == _BATCH:
                            await self._mirror(batch, since)
                            batch = []
                    await self._mirror(batch, since)
            except MosaicError as error:
                self._asked_back.discard(asked)
                log.warning("what %s had in time can't be read: %s", group.server.server_text, error)

    def _note(self, group: Group, events: Sequence[Event]) -> None:
        """Remembers how far was read and how the connection does."""
        for event in events:
            if isinstance(event, Lost):
                group.state = str(event.error)
                group.next_try_ns = self._clock.now_ns() + int(event.wait_s * _SECOND)
                self._settings.lost(group.server)
            elif isinstance(event, Heard) and group.state != CONNECTED:
                group.state = CONNECTED
                self._settings.reached(group.server)
        heard = max((event.until_ns for event in events if isinstance(event, Heard)), default=0)
        if heard:
            with self._db.transaction():
                for person in group.people:
                    self._db.set_heard_until(group.server.bytes, person.bytes, heard)


def _importance(record: Record) -> int:
    """What is handed in before what."""
    return 0 if record.kind == VOUCH else 1 if record.kind == KEY_SCHEDULE else 2


def _may_doubt(record: Record, result: ResultCode) -> bool:
    """Whether a record was refused for its signer, or is a new schedule that may have made others go."""
    return result is ResultCode.UNAUTHORIZED or (
        result is ResultCode.ACCEPTED and record.kind == KEY_SCHEDULE
    )


def _revocations(
    doubted: Sequence[Record], schedule_of: Callable[[PublicKey], KeySchedule | None]
) -> Iterator[tuple[PublicKey, PublicKey, int]]:
    """The revocations since a time that concern some records, each once: author, signer, time (ns)."""
    found: dict[tuple[PublicKey, PublicKey, int], None] = {}
    for record in doubted:
        schedule = schedule_of(record.author)
        if schedule is None:
            continue
        signers = (
            [PublicKey(key) for key in core_tags.subkeys(record)]
            if record.kind == KEY_SCHEDULE
            else [record.signer]
        )
        for signer in signers:
            since = schedule.revoked_past(signer)
            if since is not None and (record.kind == KEY_SCHEDULE or record.timestamp <= since):
                found[record.author, signer, since] = None
    return iter(found)
