"""At which server people are read, in a simulated world: at one; at the next at once when that one fails."""

from __future__ import annotations

import asyncio
import contextlib
import statistics
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from functools import partial
from pathlib import Path

import pytest
from tests.node.conftest import do, one

from mosaic.client.reputation import Observation, What
from mosaic.client.traffic import Purpose
from mosaic.core.filter import Filter
from mosaic.core.keys import PublicKey
from mosaic.core.kinds import MICROBLOG
from mosaic.core.timestamp import Timestamp
from mosaic.node.comparing import Compared
from mosaic.node.face import Face
from mosaic.node.follower import IN_RESERVE
from mosaic.node.node import Node
from mosaic.node.reading_group import CONNECTED
from mosaic.policy.submission import Way
from mosaic.social import posts
from mosaic.testing import Person
from mosaic.testing.simulation import virtual_time
from mosaic.testing.simulation.homes import PERSON, SERVER, SimulatedHome
from mosaic.testing.simulation.world import World
from mosaic.wire.result_code import ResultCode

OUTBOXES = 3
COMPARE_S = PERSON.client.compare_s


class Village:
    """An author with three outboxes, and a reader."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.world = World(seed, machines=8)
        self.keys: dict[PublicKey, SimulatedHome] = {}
        self.fetched = 0
        """How many records servers have sent to the reader."""
        self.servers = [
            SimulatedHome(self.world, folder / f"{seed}-s{n}", f"10.1.0.{n + 1}", SERVER)
            for n in range(OUTBOXES)
        ]
        self.author_home = SimulatedHome(self.world, folder / f"{seed}-a", "10.2.0.1", PERSON)
        self.reader_home = SimulatedHome(self.world, folder / f"{seed}-r", "10.2.0.2", PERSON)

    async def begin(self) -> None:
        for server in self.servers:
            self.keys[(await server.start(listens=True)).server_secret.public] = server
        author = await self.author_home.start("author")
        reader = await self.reader_home.start("reader")
        mirror = reader.storing._mirror

        async def counted(
            records: Sequence[bytes], received_by_ns: int | None = None
        ) -> Sequence[ResultCode]:
            self.fetched += len(records)
            return await mirror(records, received_by_ns)

        reader.storing._mirror = counted
        for server in self.servers:
            await do(author, "servers_add", server_key=server.node.server_secret.public.server_text)

    async def end(self) -> None:
        for home in (self.author_home, self.reader_home, *self.servers):
            if home.is_running:
                await home.stop()

    @property
    def author(self) -> Node:
        return self.author_home.node

    @property
    def reader(self) -> Node:
        return self.reader_home.node

    @property
    def key(self) -> PublicKey:
        first = self.author.people.first
        assert first is not None
        return first.key

    async def post(self, text: str) -> None:
        await one(self.author, "post", text=text)

    async def follow(self) -> None:
        await one(self.reader, "follow", working=True, person=self.key.user_text)

    def read(self) -> list[str]:
        """What the reader has of the author, the newest first."""
        wanted = Filter.of(authors=[self.key], kinds=[MICROBLOG])
        return [record.payload.decode() for record in self.reader.records.newest_first(wanted)]

    def states(self) -> list[str]:
        return sorted(self.reader.follower.state(self.key).values())

    def is_read(self) -> bool:
        return CONNECTED in self.states()

    def read_at(self) -> SimulatedHome:
        (key,) = [key for key, state in self.reader.follower.state(self.key).items() if state == CONNECTED]
        return self.keys[key]

    async def until(self, look: Callable[[], object], most_s: float = 120.0) -> float:
        """Waits for something; how long that took, in seconds."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        while not look():
            assert loop.time() - begun < most_s, (self.states(), self.read())
            await asyncio.sleep(0.01)
        return loop.time() - begun


@contextlib.asynccontextmanager
async def village(folder: Path, seed: int = 1) -> AsyncIterator[Village]:
    made = Village(folder, seed)
    await made.begin()
    try:
        yield made
    finally:
        await made.end()


def played(play: Callable[[], Coroutine[object, None, None]]) -> None:
    virtual_time.run(play)


@pytest.mark.claim("C82")
def test_somebody_with_three_outboxes_is_read_at_one_and_nothing_comes_twice(tmp_path: Path) -> None:
    async def play() -> None:
        async with village(tmp_path) as here:
            for n in range(70):
                await here.post(f"post {n}")
            await asyncio.sleep(30)
            before = here.fetched
            await here.follow()
            await here.until(lambda: len(here.read()) == 70)
            assert here.states() == [CONNECTED, IN_RESERVE, IN_RESERVE]
            await here.until(lambda: here.reader.history.progress(here.key).done)
            for n in range(5):
                await here.post(f"live {n}")
            await here.until(lambda: len(here.read()) == 75)
            # All outboxes are compared in the end, and nothing comes of it.
            await here.until(lambda: all(Compared(here.reader.db).at_ns(one, here.key) for one in here.keys))
            # 75 posts, the key schedule and the profile.
            assert here.fetched - before == 77

    played(play)


@pytest.mark.claim("C82")
@pytest.mark.parametrize("seeds", [range(2), pytest.param(range(2, 30), marks=pytest.mark.slow)])
@pytest.mark.timeout(600)
def test_the_next_outbox_takes_over_at_once_without_anything_twice(tmp_path: Path, seeds: range) -> None:
    taken: list[float] = []

    async def play(seed: int) -> None:
        async with village(tmp_path, seed) as here:
            await here.post("first")
            await here.follow()
            await here.until(lambda: here.read() == ["first"] and IN_RESERVE in here.states())
            await asyncio.sleep(100)
            server, before = here.read_at(), here.fetched
            await server.stop()
            taken.append(await here.until(lambda: here.is_read() and here.read_at() is not server))
            await here.post("second")
            await here.until(lambda: here.read() == ["second", "first"])
            assert here.fetched - before == 1

    for seed in seeds:
        played(partial(play, seed))
    assert statistics.median(taken) <= 1.5
    assert max(taken) <= 2.0


def test_a_server_that_lets_people_wait_is_passed_over(tmp_path: Path) -> None:
    async def play() -> None:
        async with village(tmp_path) as here:
            await here.post("first")
            await here.follow()
            await here.until(lambda: here.read() == ["first"] and IN_RESERVE in here.states())
            first = here.read_at()
            second, third = [server for server in here.servers if server is not first]
            # Two are silent: one that is asked next, and then the one that is left answers.
            here.world.links.cut_off(second.address)
            await first.stop()
            took_s = await here.until(lambda: here.is_read() and here.read_at() is third)
            assert took_s <= 2.0

    played(play)


@pytest.mark.claim("C82")
def test_what_the_outbox_that_is_read_lacks_comes_by_comparing(tmp_path: Path) -> None:
    async def play() -> None:
        async with village(tmp_path) as here:
            await here.post("first")
            await here.follow()
            await here.until(lambda: here.read() == ["first"] and IN_RESERVE in here.states())
            other = next(server for server in here.servers if server is not here.read_at())
            person = here.author.people.first
            assert person is not None
            kept_back = posts.post(person.signer, "second", now=here.author.clock.now())
            before = here.fetched
            await other.node.server.submit([kept_back.data], Way.MIRROR)
            await here.until(lambda: here.read() == ["second", "first"], 2 * COMPARE_S)
            await asyncio.sleep(3 * COMPARE_S)
            assert here.fetched - before == 1

    played(play)


def records_that_came(node: Node) -> int:
    """The bytes of all records that servers have sent."""
    each = node.pool.passed.by_server().values()
    return sum(passed.came for of in each for what, passed in of.items() if what is Purpose.RECORDS)


@pytest.mark.claim("C82", "C83")
def test_what_two_outboxes_have_that_the_third_lacks_comes_once_also_when_they_are_judged(
    tmp_path: Path,
) -> None:
    async def play() -> None:
        async with village(tmp_path) as here:
            await here.post("first")
            await here.follow()
            await here.until(lambda: here.read() == ["first"] and IN_RESERVE in here.states())
            await asyncio.sleep(2 * COMPARE_S)
            lacking = here.read_at()
            person = here.author.people.first
            assert person is not None
            second = posts.post(person.signer, "second", now=here.author.clock.now())
            for server in here.servers:
                if server is not lacking:
                    await server.node.server.submit([second.data], Way.MIRROR)
            # What is younger than a minute may be on its way.
            await asyncio.sleep(61)
            before = records_that_came(here.reader)
            for key in here.keys:
                here.reader.comparing.soon(key, [here.key])
            await here.until(lambda: here.read() == ["second", "first"])
            await asyncio.sleep(20 * 60)
            assert records_that_came(here.reader) - before == len(second.data)
            (key,) = [key for key, home in here.keys.items() if home is lacking]
            for other in here.keys:
                assert (here.reader.reputations.of(other).withheld > 0) == (other == key)

    played(play)


@pytest.mark.claim("C64", "C82", "C83")
def test_who_is_banned_where_he_is_read_is_read_elsewhere_once_that_shows(tmp_path: Path) -> None:
    async def play() -> None:
        async with village(tmp_path) as here:
            await here.post("first")
            await here.follow()
            await here.until(lambda: here.read() == ["first"] and IN_RESERVE in here.states())
            banning = here.read_at()
            await one(banning.node, "admin_ban", what=here.key.user_text, reason="a whim")
            await asyncio.sleep(COMPARE_S)
            await here.post("second")
            await here.until(lambda: here.read() == ["second", "first"], 3 * COMPARE_S)
            await here.until(here.is_read)
            assert here.read_at() is not banning
            # From then on nobody waits for the next comparison.
            await here.post("third")
            assert await here.until(lambda: "third" in here.read()) < 5
            assert here.fetched <= 6

    played(play)


@pytest.mark.claim("C82", "C83")
def test_a_server_that_gives_what_is_false_is_left_at_once(tmp_path: Path) -> None:
    async def play() -> None:
        async with village(tmp_path) as here:
            await here.post("first")
            await here.follow()
            await here.until(lambda: here.read() == ["first"] and IN_RESERVE in here.states())
            liar = here.read_at()
            here.reader.reputations.noted(liar.node.server_secret.public, Observation(What.WRONG))
            await here.until(lambda: here.is_read() and here.read_at() is not liar)
            await here.post("second")
            assert await here.until(lambda: "second" in here.read()) < 5

    played(play)


@pytest.mark.claim("C82")
def test_old_posts_come_newest_first_and_go_on_after_a_restart(tmp_path: Path) -> None:
    async def play() -> None:
        async with village(tmp_path) as here:
            person = here.author.people.first
            assert person is not None
            now = here.author.clock.now_ns()
            ages = range(1, 551)
            old = [
                posts.post(person.signer, f"{age}", now=Timestamp(now - age * 7_200 * 10**9)).data
                for age in ages
            ]
            for server in here.servers:
                await server.node.server.submit(old, Way.MIRROR)
            # Without the author's key schedule nothing is shown.
            await here.until(
                lambda: all(each.node.everything.schedule_record(here.key) for each in here.servers)
            )
            await here.follow()
            # Whenever somebody looks, what is here is the newest of what there is.
            seen: set[int] = set()
            words: set[str] = set()
            while len(here.read()) < 250:
                assert here.read() == [str(age) for age in ages[: len(here.read())]]
                seen.add(len(here.read()))
                words.add(Face(here.reader).people()[0].old_posts)
                await asyncio.sleep(0.01)
            assert 50 in seen
            await here.reader_home.stop()
            await here.reader_home.start()
            await here.until(lambda: here.reader.history.progress(here.key).done)
            assert here.read() == [str(age) for age in ages]
            (item,) = await do(here.reader, "following", working=True)
            done = "older posts are here: 550"
            assert item["old_posts"] == {"records": 550, "done": True, "standing": done}
            assert Face(here.reader).people()[0].old_posts == done
            assert "older posts are being fetched: 50 so far" in words

    played(play)


def test_old_posts_of_who_is_followed_no_more_are_not_fetched(tmp_path: Path) -> None:
    async def play() -> None:
        async with village(tmp_path) as here:
            person = here.author.people.first
            assert person is not None
            now = here.author.clock.now_ns()
            times = [Timestamp(now - age * 7_200 * 10**9) for age in range(1, 2_001)]
            old = [posts.post(person.signer, "old", now=time).data for time in times]
            for server in here.servers:
                await server.node.server.submit(old, Way.MIRROR)
            await here.follow()
            await here.until(lambda: len(here.read()) >= 250)
            await one(here.reader, "unfollow", working=True, person=here.key.user_text)
            await asyncio.sleep(60)
            assert len(here.read()) < 1_000
            await here.follow()
            await here.until(lambda: len(here.read()) == 2_000)

    played(play)


def test_old_posts_of_who_is_followed_again_come_again(tmp_path: Path) -> None:
    async def play() -> None:
        async with village(tmp_path) as here:
            person = here.author.people.first
            assert person is not None
            long_ago = here.author.clock.now_ns() - 300 * 86_400 * 10**9
            old = posts.post(person.signer, "long ago", now=Timestamp(long_ago))
            await here.post("first")
            for server in here.servers:
                await server.node.server.submit([old.data], Way.MIRROR)
            await here.follow()
            await here.until(lambda: here.read() == ["first", "long ago"])
            # All is compared; nobody follows any more, and the cache lets it go.
            await here.until(lambda: all(Compared(here.reader.db).at_ns(one, here.key) for one in here.keys))
            await one(here.reader, "unfollow", working=True, person=here.key.user_text)
            gone = Filter.of(authors=[here.key], kinds=[MICROBLOG]).compiled
            moderation = here.reader.server.moderation
            await moderation._remove_all(gone, refuse=False, keep_lasting=False)
            assert here.read() == []
            await here.follow()
            await here.until(lambda: here.read() == ["first", "long ago"], 600)

    played(play)


def test_old_posts_of_a_new_outbox_come(tmp_path: Path) -> None:
    async def play() -> None:
        async with village(tmp_path) as here:
            await here.post("first")
            await here.follow()
            await here.until(lambda: here.read() == ["first"] and IN_RESERVE in here.states())
            new = SimulatedHome(here.world, tmp_path / "new", "10.1.0.9", SERVER)
            at = await new.start(listens=True)
            person = here.author.people.first
            assert person is not None
            long_ago = here.author.clock.now_ns() - 300 * 86_400 * 10**9
            old = posts.post(person.signer, "long ago", now=Timestamp(long_ago))
            await at.server.submit([old.data], Way.MIRROR)
            gone = here.read_at().node.server_secret.public.server_text
            await do(here.author, "servers_add", server_key=at.server_secret.public.server_text)
            await do(here.author, "servers_remove", server_key=gone)
            await here.until(lambda: here.read() == ["first", "long ago"], 7_200)
            await new.stop()

    played(play)


def test_whoever_follows_many_reads_them_by_few_subscriptions(tmp_path: Path) -> None:
    async def play() -> None:
        world = World(3, machines=8)
        server = SimulatedHome(world, tmp_path / "s", "10.1.0.1", SERVER)
        reader = SimulatedHome(world, tmp_path / "r", "10.2.0.1", PERSON)
        at = await server.start(listens=True)
        node = await reader.start("reader")
        people = [Person(f"p{n}") for n in range(130)]
        now = at.clock.now_ns()
        await at.server.submit([person.record(now - 10**9).data for person in people], Way.MIRROR)
        where = {"server": str(at.urls[0]), "key": at.server_secret.public.server_text}
        for person in people[:100]:
            await do(node, "follow", where, working=True, person=person.key.user_text)
        groups = node.follower.groups()
        assert sum(len(group.people) for group in groups) == 100
        assert len(groups) <= 8
        # Who comes later leaves the others alone.
        await do(node, "follow", where, working=True, person=people[100].key.user_text)
        assert len(set(groups) - set(node.follower.groups())) <= 1
        await reader.stop()
        node = await reader.start()
        assert len(node.follower.groups()) == 2
        await reader.stop()
        await server.stop()

    played(play)
