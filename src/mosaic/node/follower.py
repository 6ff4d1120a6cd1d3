"""Follows people: reads each at one of his outboxes and hands what comes to the own server.

    whom do I follow → their outboxes → few servers that cover them (`client.cover`)
        → one subscription for many people (`reading_group`) → the own server (`read_records`)

When a server fails, its people are read at the next of their outboxes at once.
What was heard of each is remembered for each server, so that a restart and
whoever takes over go on where reading stopped, and what is here already is
left out. What is older is fetched apart (`history`); what the other outboxes
have beyond is found by comparing (`comparing`).

Source: network.md (outboxes); this project's own design, docs/architecture.md "Whom one follows is read".
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from mosaic.client.backoff import Backoff
from mosaic.client.connection import Connection
from mosaic.client.cover import cover
from mosaic.client.following import Event, Following, Heard, Lost
from mosaic.client.link_pool import LinkPool
from mosaic.client.outages import Outages
from mosaic.client.outbox import SERVERS_OF_A_ROLE
from mosaic.client.settings import ClientSettings
from mosaic.core.bootstrap import Usage
from mosaic.core.filter import Filter
from mosaic.core.keys import PublicKey
from mosaic.core.record import Record
from mosaic.core.timestamp import Timestamp
from mosaic.errors import Unreachable
from mosaic.node.clock import Clock
from mosaic.node.directory import HomeDirectory
from mosaic.node.private_db import PrivateDb
from mosaic.node.read_records import BATCH, ReadRecords
from mosaic.node.reading_group import CONNECTED, CONNECTING, MOST, Group, parted

log = logging.getLogger(__name__)

IN_RESERVE: Final = "in reserve"
"""The state of an outbox that is not read because another one is."""

_WAITING: Final = 1_024
_SECOND: Final = 1_000_000_000
_FIRST_PATIENCE_S: Final = 5.0
# What somebody wrote while he was offline comes later than its time says.
_OFFLINE_NS: Final = 2 * 86_400 * _SECOND
_AHEAD_NS: Final = 900 * _SECOND
_LEAST: Final = 0.05
_LACKING_NS: Final = 86_400 * _SECOND
_EXCLUDED: Final = 63


@dataclass(frozen=True, slots=True)
class Settings:
    """What the follower is made of, besides its storage.

    Args:
        client: Choices of the client.
        backoff: How tries are spaced.
        score: How well a server does, 0 to 1.
        at_hand: The records (32 bytes of each id) at hand of some people since a time.
        reached: Told whenever a server was reached.
        lost: Told whenever a server was lost, or not reached.
        late: Told whenever a server let people wait who can be read elsewhere.
        begun: Told of people who are read newly, and from which time (ns) on all comes that they write.
        heard: Told at which server some people have been heard up to now.
        taken_over: Told which people are read at a server now who were read at others before.
    """

    client: ClientSettings
    backoff: Backoff
    score: Callable[[PublicKey], float]
    at_hand: Callable[[Sequence[PublicKey], Timestamp], Sequence[bytes]]
    reached: Callable[[PublicKey], None]
    lost: Callable[[PublicKey], None]
    late: Callable[[PublicKey], None]
    begun: Callable[[PublicKey, int], None]
    heard: Callable[[PublicKey, Sequence[PublicKey]], None]
    taken_over: Callable[[PublicKey, Sequence[PublicKey]], None]


class Follower:
    """Keeps up the subscriptions by which everybody is read who is followed.

    Args:
        db: Where is remembered what was read.
        directory: Who uses which servers.
        pool: Connections to servers.
        storing: Takes what was read.
        clock: The clock.
        settings: Choices.
    """

    def __init__(
        self,
        db: PrivateDb,
        directory: HomeDirectory,
        pool: LinkPool,
        storing: ReadRecords,
        clock: Clock,
        settings: Settings,
    ) -> None:
        self._db = db
        self._directory = directory
        self._pool = pool
        self._storing = storing
        self._clock = clock
        self._settings = settings
        self._outages = Outages(clock.now_ns, settings.backoff)
        self._groups: list[Group] = []
        self._overlap_ns = settings.client.overlap_s * _SECOND
        self._outboxes: Mapping[PublicKey, Sequence[PublicKey]] = {}
        self._read_at: dict[PublicKey, PublicKey] = {}
        self._read_since_ns: dict[PublicKey, int] = {}
        self._lacking: dict[tuple[PublicKey, PublicKey], int] = {}
        """Until when somebody is not read at a server (person, server) that lacked what he wrote."""

    # --- who is read where ---------------------------------------------------------------------------

    def update(self) -> None:
        """Begins and ends subscriptions as follows, outboxes, and how servers do, say by now.

        A subscription that waits for a server at places where it no longer is begins again.
        """
        self._outboxes = {
            person: [server.key for server in self._directory.servers(person, Usage.OUTBOX)][
                :SERVERS_OF_A_ROLE
            ]
            for person in map(PublicKey, self._db.all_followed())
        }
        self._plan()

    def judged_anew(self) -> None:
        """Takes that a server does well again, or no longer."""
        if self._groups:
            self._plan()

    def lacked(self, person: PublicKey, written_ns: int, given_by: PublicKey) -> bool:
        """Takes that one outbox of somebody gave what another one, where he is read, has not given.

        He is read elsewhere for a day: he may have left that server, or be banned there, or it withholds.

        Args:
            person: Who.
            written_ns: When he wrote it (a Mosaic timestamp).
            given_by: The server that gave it.

        Returns:
            Whether that is so: not where it was written before he was read there.
        """
        server = self._read_at.get(person)
        if server is None or server == given_by or not self.should_have_given(person, written_ns, server):
            return False
        self._lacking[person, server] = self._clock.now_ns() + _LACKING_NS
        self._plan()
        return True

    def should_have_given(self, person: PublicKey, written_ns: int, server: PublicKey) -> bool:
        """Whether a server should have given what somebody wrote: he is read there.

        So should one where he was read until it lacked something.

        Args:
            person: Who.
            written_ns: When he wrote it (a Mosaic timestamp).
            server: Which server.
        """
        if (person, server) in self._lacking:
            return True
        return self._read_at.get(person) == server and written_ns >= self._read_since_ns.get(person, 0)

    def _plan(self) -> None:
        """The same where only how servers do has changed."""
        wanted = self._wanted()
        for group in list(self._groups):
            stays = wanted.get(group.server, set()).issuperset(group.people)
            if not stays or self._has_moved(group):
                self._end(group)
        for server, people in wanted.items():
            read = {who for group in self._groups if group.server == server for who in group.people}
            self._begin(server, people - read)

    def outboxes(self) -> Mapping[PublicKey, Sequence[PublicKey]]:
        """The outboxes of everybody who is followed, as of the last update: three, the preferred first."""
        return self._outboxes

    def _wanted(self) -> dict[PublicKey, set[PublicKey]]:
        """Who is to be read at each server.

        Whoever has no server that answers is tried at all of his: the first that does is read.
        """
        score = functools.cache(self._score)
        outboxes = {person: self._complete(person, servers) for person, servers in self._outboxes.items()}
        covered = cover(outboxes, score, self._kept(outboxes))
        wanted = {server: set(people) for server, people in covered.items()}
        for person, servers in outboxes.items():
            if not any(score(server) > _LEAST or self._is_connected(server) for server in servers):
                for server in servers:
                    wanted.setdefault(server, set()).add(person)
        return wanted

    def _complete(self, person: PublicKey, servers: Sequence[PublicKey]) -> Sequence[PublicKey]:
        """The outboxes of somebody that did not lack anything lately; all of them if each did."""
        now_ns = self._clock.now_ns()
        good = [server for server in servers if self._lacking.get((person, server), 0) <= now_ns]
        return good or servers

    def _kept(self, outboxes: Mapping[PublicKey, Sequence[PublicKey]]) -> dict[PublicKey, PublicKey]:
        """Where people are read now, or were last."""
        kept: dict[PublicKey, PublicKey] = {}
        for group in sorted(self._groups, key=lambda one: one.state == CONNECTED):
            kept.update(dict.fromkeys(group.people, group.server))
        for person, servers in outboxes.items():
            if person not in kept:
                heard = {self._db.heard_until(server.bytes, person.bytes): server for server in servers}
                if last := max(heard, default=0):
                    kept[person] = heard[last]
        return kept

    def _score(self, server: PublicKey) -> float:
        """How well a server does; least where it did not answer lately, 0 where it is not worth a try now."""
        score = max(_LEAST, self._settings.score(server))
        if self._is_connected(server):
            return score
        urls = self._directory.address(server).urls
        if not urls or self._outages.lasts(server, urls):
            return 0.0
        return _LEAST if self._outages.doubts(server, urls) else score

    def _is_connected(self, server: PublicKey) -> bool:
        return any(group.server == server and group.state == CONNECTED for group in self._groups)

    def _has_moved(self, group: Group) -> bool:
        """Whether a server that can't be reached is known to be elsewhere by now."""
        return group.state != CONNECTED and self._directory.address(group.server).urls != group.urls

    # --- groups --------------------------------------------------------------------------------------

    def _begin(self, server: PublicKey, people: set[PublicKey]) -> None:
        """Begins to read people from a server; they join those who came lately."""
        if not people:
            return
        for group in self._groups:
            if group.server == server and group.takes_more and len(group.people) + len(people) <= MOST:
                self._end(group)
                people = people | set(group.people)
                break
        now_ns = self._clock.now_ns()
        last = {person: self._db.heard_last(person.bytes) for person in people}
        for person in sorted(people):
            if not last[person]:
                last[person] = now_ns
                # Whatever is younger was received since then, by a clock that differs by as much as may be.
                self._settings.begun(person, now_ns - self._overlap_ns + _AHEAD_NS)
        for some in self._told_apart(parted(people, last.__getitem__), last):
            self._start(
                Group(
                    server,
                    some,
                    resumes_ns=min(last[person] for person in some),
                    is_first=any(not self._db.heard_until(server.bytes, who.bytes) for who in some),
                )
            )

    def _told_apart(
        self, groups: Sequence[tuple[PublicKey, ...]], last: Mapping[PublicKey, int]
    ) -> Iterator[tuple[PublicKey, ...]]:
        """The same, in halves where more is at hand than a filter can say is not to be sent again."""
        for people in groups:
            since = self._at_hand_since(min(last[person] for person in people) - self._overlap_ns)
            if len(people) == 1 or len(self._settings.at_hand(people, since)) <= _EXCLUDED:
                yield people
            else:
                middle = len(people) // 2
                yield from self._told_apart((people[:middle], people[middle:]), last)

    @staticmethod
    def _at_hand_since(received_ns: int) -> Timestamp:
        """The least timestamp of what a server may have received since a time (ns) that is not old."""
        return Timestamp(max(0, received_ns - _AHEAD_NS))

    def _start(self, group: Group) -> None:
        group.urls = self._directory.address(group.server).urls
        self._groups.append(group)
        group.task = asyncio.create_task(self._follow(group))
        takes_over = any(person in self._read_at for person in group.people)
        self._wait_for(group, self._settings.client.next_server_s if takes_over else _FIRST_PATIENCE_S)

    def _wait_for(self, group: Group, patience_s: float) -> None:
        """Waits for the server of a group; no longer than so many seconds where others can be asked."""
        if group.patience is not None:
            group.patience.cancel()
        group.patience = asyncio.get_running_loop().call_later(patience_s, self._no_longer, group)

    def _end(self, group: Group) -> None:
        self._groups.remove(group)
        group.end()

    def _no_longer(self, group: Group) -> None:
        """Waits no longer for a server whose people can be read elsewhere."""
        if group in self._groups and group.state != CONNECTED:
            self._outages.late(group.server, group.urls)
            self._settings.late(group.server)
            self._plan()

    def groups(self) -> Sequence[Group]:
        """All subscriptions, as they are now."""
        return tuple(self._groups)

    def state(self, person: PublicKey) -> dict[PublicKey, str]:
        """For each outbox of a followed person: `connected`, `connecting`, `in reserve`, or why not."""
        states = {group.server: group.state for group in self._groups if person in group.people}
        servers = self._directory.servers(person, Usage.OUTBOX)[:SERVERS_OF_A_ROLE]
        rest = IN_RESERVE if states else CONNECTING
        return {server.key: states.get(server.key, rest) for server in servers}

    async def stop(self) -> None:
        """Ends all subscriptions."""
        groups = tuple(self._groups)
        self._groups.clear()
        for group in groups:
            group.end()
        await asyncio.gather(*(group.task for group in groups if group.task), return_exceptions=True)

    # --- one group -----------------------------------------------------------------------------------

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
        client = self._settings.client
        # A server that was not heard yet may have had all of it just now, from where its author used to be.
        back_ns = self._overlap_ns + (_AHEAD_NS if group.is_first else _OFFLINE_NS)
        since = Timestamp(max(0, group.resumes_ns - back_ns))
        following = Following(
            lambda: self._connect(group),
            Filter.of(authors=group.people, since=since),
            now_ns=self._clock.now_ns,
            backoff=self._settings.backoff,
            heard_until_ns=group.resumes_ns,
            overlap_s=client.overlap_s,
            at_hand=lambda received_ns: self._settings.at_hand(
                group.people, self._at_hand_since(received_ns)
            ),
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
        async with self._pool.connect(address, own_stream=True, lasting=True) as connection:
            group.via = None if connection.url is None else connection.url.scheme
            yield connection

    @staticmethod
    async def _read(following: Following, waiting: asyncio.Queue[Event]) -> None:
        async with contextlib.aclosing(following.events()) as events:
            async for event in events:
                await waiting.put(event)

    async def _write(self, group: Group, waiting: asyncio.Queue[Event]) -> None:
        """Stores what was read, as much at once as has come; notes how far that is only then."""

        def troubled(why: str) -> None:
            group.state = why

        while True:
            events = [await waiting.get()]
            while not waiting.empty() and len(events) < BATCH:
                events.append(waiting.get_nowait())
            if group.state != CONNECTED and not all(isinstance(event, Lost) for event in events):
                self._reached(group)
            records = [event for event in events if isinstance(event, Record)]
            if records:
                await self._storing.store(group.server, records, lambda: self._connect(group), troubled)
            self._note(group, events)

    def _reached(self, group: Group) -> None:
        """The server answers: whoever is in the group is read here, and nowhere else."""
        group.state = CONNECTED
        self._outages.reached(group.server)
        new = [who for who in group.people if who not in self._read_at]
        moved = [who for who in group.people if self._read_at.get(who, group.server) != group.server]
        self._read_at.update(dict.fromkeys(group.people, group.server))
        self._read_since_ns.update({who: self._clock.now_ns() for who in (*moved, *new)})
        self._settings.reached(group.server)
        if moved:
            self._settings.taken_over(group.server, moved)
        people = set(group.people)
        if any(other is not group and not people.isdisjoint(other.people) for other in self._groups):
            self._plan()

    def _note(self, group: Group, events: Sequence[Event]) -> None:
        """Remembers how far was read and how the connection does."""
        heard = max((event.until_ns for event in events if isinstance(event, Heard)), default=0)
        if heard:
            group.state = CONNECTED
            with self._db.transaction():
                for person in group.people:
                    self._db.set_heard_until(group.server.bytes, person.bytes, heard)
            self._settings.heard(group.server, group.people)
        if isinstance(lost := events[-1], Lost):
            if not lost.wait_s and group in self._groups:
                # Mostly the server is still there: to read elsewhere at once would cost much for nothing.
                group.state = CONNECTING
                self._wait_for(group, self._settings.client.next_server_s / 2)
                return
            group.state = str(lost.error)
            group.next_try_ns = self._clock.now_ns() + int(lost.wait_s * _SECOND)
            self._outages.failed(group.server, group.urls)
            self._settings.lost(group.server)
            self._plan()
