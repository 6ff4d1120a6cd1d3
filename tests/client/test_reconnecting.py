"""Nothing lost and nothing twice, whatever breaks in between."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.client.internet import Internet, Place
from tests.client.scripted import Subscribed
from tests.client.virtual_time import elapsed, run
from tests.core.makers import MASTER, NOW, post

from mosaic.client.address import ServerAddress
from mosaic.client.backoff import Backoff
from mosaic.client.connection import Connection
from mosaic.client.following import Following, Heard
from mosaic.client.link_pool import LinkPool
from mosaic.client.reach import Reach
from mosaic.client.settings import ClientSettings
from mosaic.core.bootstrap import Usage
from mosaic.core.filter import Filter
from mosaic.core.keys import PublicKey, SecretKey
from mosaic.core.record import Record
from mosaic.core.url import ServerUrl
from mosaic.protocol import events

SECOND = 10**9
SERVERS = [SecretKey.from_seed(bytes([40 + n]) * 32) for n in range(2)]
URLS = [[ServerUrl.parse(f"mosaictcp://9.9.9.{n}:{port}/") for port in (1320, 1321)] for n in range(2)]
ALL = Filter.of(authors=[MASTER.public])
SOON = 60 * SECOND


class Mirror:
    """One of two servers that get the same records, each at its own time by its own clock."""

    def __init__(self, world: World, places: Sequence[Place], skew_s: int) -> None:
        self.world = world
        self.skew_s = skew_s
        self.places = places
        self.received: list[tuple[int, Record]] = []
        for place in places:
            place.server.act = self.acting(place)  # type: ignore[method-assign]

    def acting(self, place: Place):  # type: ignore[no-untyped-def]
        honest = place.server.act
        server = place.server

        def act(link: int, event: object) -> None:
            if not isinstance(event, events.SubscribeAsked):
                honest(link, event)
                return
            wanted = Filter.parse(event.filter)
            for received, record in sorted(self.received, key=lambda one: one[1], reverse=True):
                if wanted.matches(record, received):
                    server.send(link, event.query_id, record.data)
            server.network.send(link, server.sessions[link].locally_complete(event.query_id))
            server.subscribed.append(Subscribed(link, event.query_id, wanted))

        return act

    def receive(self, record: Record) -> None:
        now = self.world.now() + self.skew_s * SECOND
        last = self.received[-1][0] if self.received else 0
        self.received.append((max(now, last + 1), record))
        for place in self.places:
            for one in place.server.subscribed:
                if one.wanted.matches(record, self.received[-1][0]):
                    place.server.send(one.link, one.query_id, record.data)

    def cut(self) -> None:
        for place in self.places:
            place.server.cut()

    def listen(self, up: bool) -> None:
        for place in self.places:
            place.silent = not up


class World:
    def __init__(self, skews: tuple[int, int]) -> None:
        self.internet = Internet()
        self.mirrors = [
            Mirror(self, [self.internet.open(url.host, url.port, secret) for url in urls], skew)
            for secret, urls, skew in zip(SERVERS, URLS, skews, strict=True)
        ]
        settings = ClientSettings(connect_s=2, reach_s=3)
        self.pool = LinkPool(self.internet, settings, self.now)
        self.reach = Reach(self.pool, self)
        self.written = 0
        # What a node keeps on disk.
        self.stored: dict[bytes, Record] = {}
        self.heard: dict[PublicKey, int] = {}
        self.twice: list[Record] = []
        self.task: asyncio.Task[None] | None = None
        self.in_turn = [0, 1]
        self.restarted = False

    def now(self) -> int:
        return NOW + int(elapsed() * SECOND)

    async def servers_of(
        self, person: PublicKey, usage: Usage, *, fresh: bool = False
    ) -> Sequence[PublicKey]:
        return [SERVERS[n].public for n in self.in_turn]

    async def address_of(self, server: PublicKey, *, fresh: bool = False) -> ServerAddress:
        number = [secret.public for secret in SERVERS].index(server)
        return ServerAddress(server, tuple(URLS[number]))

    @contextlib.asynccontextmanager
    async def connect(self) -> AsyncIterator[Connection]:
        async with self.reach.key(MASTER.public.user_text) as connection:
            yield connection

    def begin(self) -> None:
        following = Following(
            self.connect,
            ALL,
            now_ns=self.now,
            backoff=Backoff(bytes, first_s=1, most_s=16),
            heard_until_ns=dict(self.heard),
            overlap_s=100,
            known=lambda record: self.restarted and record.data[:48] in self.stored,
        )
        self.task = asyncio.create_task(self.follow(following))

    async def follow(self, following: Following) -> None:
        async with contextlib.aclosing(following.events()) as stream:
            async for event in stream:
                if isinstance(event, Record):
                    if event.data[:48] in self.stored:
                        self.twice.append(event)
                    self.stored[event.data[:48]] = event
                elif isinstance(event, Heard) and event.server is not None:
                    self.heard[event.server] = event.until_ns

    async def end(self) -> None:
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)
        self.pool.close()

    async def write(self, ahead_s: int = 0, mirrors: Sequence[int] = (0, 1)) -> None:
        """Somebody publishes; of the two servers, one may get it first."""
        self.written += 1
        time = self.now() + ahead_s * SECOND + self.written
        record = post(timestamp=time, payload=b"post %d" % self.written)
        for mirror in mirrors:
            self.mirrors[mirror].receive(record)


Step: TypeAlias = tuple[str, int]

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["write", "late", "future", "cut", "down", "up", "wait", "restart", "turn", "break"]),
        st.integers(0, 5),
    ),
    max_size=40,
)


async def live_through(steps: Sequence[Step], skews: tuple[int, int]) -> None:
    world = World(skews)
    world.begin()
    late: list[Record] = []
    for what, number in steps:
        mirror = world.mirrors[number % 2]
        match what:
            case "write":
                await world.write()
            case "future":
                # Held back until it is at most a quarter of an hour ahead.
                await world.write(ahead_s=900 + number * 100)
            case "late":
                # One server gets it at once, the other some time later, with its old timestamp.
                world.written += 1
                record = post(timestamp=world.now() - SOON * number, payload=b"late %d" % world.written)
                mirror.receive(record)
                late.append(record)
            case "cut":
                mirror.cut()
            case "down":
                mirror.listen(False)
                mirror.cut()
            case "up":
                mirror.listen(True)
            case "wait":
                await asyncio.sleep((0.0, 0.005, 0.02, 1, 30, 300)[number])
            case "restart":
                await world.end()
                world.restarted = True
                world.begin()
            case "turn":
                world.in_turn.reverse()
            case "break":
                # In the middle of what is being sent.
                await world.write()
                await asyncio.sleep(0)
                mirror.cut()
    for mirror in world.mirrors:
        mirror.listen(True)
        for record in late:
            if record not in [each for _, each in mirror.received]:
                mirror.receive(record)
    await asyncio.sleep(2_000)
    await world.end()
    published = {record.data[:48] for mirror in world.mirrors for _, record in mirror.received}
    assert set(world.stored) == published
    assert world.twice == []


@pytest.mark.claim("C7", "C44")
@settings(max_examples=150, deadline=None)
@given(STEPS, st.tuples(st.integers(-45, 45), st.integers(-45, 45)))
def test_every_record_arrives_exactly_once(steps: Sequence[Step], skews: tuple[int, int]) -> None:
    run(live_through(steps, skews))


@pytest.mark.parametrize(
    "steps",
    [
        # A record of the future is held back when the connection ends, much later.
        [("wait", 3), ("future", 5), ("wait", 3), ("write", 0), ("wait", 5), ("write", 0), ("cut", 0)],
        # It is held back again after a restart, from among what is stored.
        [("future", 4), ("wait", 5), ("restart", 0), ("wait", 2), ("cut", 0)],
        # Only the second server has one, since long ago by its clock.
        [("late", 1), ("wait", 3), ("wait", 5), ("write", 0), ("wait", 3), ("turn", 0), ("cut", 0)],
        [("write", 0), ("down", 0), ("down", 1), ("write", 0), ("wait", 5), ("up", 1), ("restart", 0)],
    ],
)
def test_breaks_that_are_easily_gotten_wrong(steps: Sequence[Step]) -> None:
    run(live_through(steps, (0, 0)))
