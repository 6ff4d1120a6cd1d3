"""The search for people's servers: when it looks, when it looks again, what it says meanwhile."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Coroutine
from pathlib import Path

import pytest
from tests.client import virtual_time
from tests.node.test_found_on_disk import CARA, HERE, OTHER, SERVER, THERE, World, says, uses

from mosaic.core.invite_link import NamedServer
from mosaic.core.keys import PublicKey
from mosaic.errors import Unreachable
from mosaic.node.clock import Clock
from mosaic.node.seeker import Seeker


class Dht:
    """Answers with what stands in it; remembers who asked when, and whether freshly."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.down = False
        self.is_possible = True
        self.users = {CARA.public: uses(1, (7, SERVER))}
        self.servers = {SERVER.public: says(SERVER, 1, HERE)}
        self.asked: list[tuple[PublicKey, bool, float]] = []

    async def user(self, key: PublicKey, *, fresh: bool) -> None:
        self._answer(key, self.users.get(key), fresh=fresh)

    async def server(self, key: PublicKey, *, fresh: bool) -> None:
        self._answer(key, self.servers.get(key), fresh=fresh)

    def _answer(self, key: PublicKey, known: object, *, fresh: bool) -> None:
        self.asked.append((key, fresh, virtual_time.elapsed()))
        if self.down:
            raise Unreachable("the DHT did not answer")
        if known is not None:
            self.world.bootstraps.save(known)  # type: ignore[arg-type]

    def times(self, key: PublicKey) -> list[float]:
        return [at for asked, _, at in self.asked if asked == key]


class Search:
    def __init__(self, path: Path) -> None:
        self.world = World(path)
        self.dht = Dht(self.world)
        self.told = 0
        self.seeker = Seeker(self.dht, self.world.directory, self.clock(), bytes, self.tell)

    @staticmethod
    def clock() -> Clock:
        """The clock of the loop, from a fixed day on."""
        return Clock(lambda: 1_700_000_000 * 10**9 + int(virtual_time.elapsed() * 10**9))

    def tell(self) -> None:
        self.told += 1

    @property
    def words(self) -> str:
        return self.seeker.state(CARA.public)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "private.db"


def play(path: Path, story: Coroutine[object, None, None]) -> None:
    virtual_time.run(story)


@pytest.mark.claim("C19", "C82")
def test_servers_are_found_and_looked_up_again_after_an_hour(path: Path) -> None:
    async def story() -> None:
        search = Search(path)
        search.seeker.want([CARA.public])
        assert search.words == "looking for their servers"
        await asyncio.sleep(1)
        assert search.world.outboxes() == [(SERVER.public, (HERE,))]
        assert search.words == ""
        assert search.told
        await asyncio.sleep(3_000)
        assert len(search.dht.times(CARA.public)) == 1
        await asyncio.sleep(1_000)
        assert len(search.dht.times(CARA.public)) == 2
        await search.seeker.stop()

    play(path, story())


def test_who_is_not_found_is_looked_for_less_and_less_and_it_says_when(path: Path) -> None:
    async def story() -> None:
        search = Search(path)
        search.dht.users.clear()
        search.seeker.want([CARA.public])
        await asyncio.sleep(1)
        assert search.words.startswith("nobody has published servers under this key yet; will look again at ")
        await asyncio.sleep(100_000)
        times = search.dht.times(CARA.public)
        pauses = [round(later - earlier, 3) for earlier, later in itertools.pairwise(times)]
        assert pauses[:3] == [4.5, 9, 18]
        assert pauses == sorted(pauses)
        assert max(pauses) <= 1_800
        # As soon as something is there, it is found.
        search.dht.users[CARA.public] = uses(1, (7, SERVER))
        await asyncio.sleep(1_800)
        assert search.world.outboxes() == [(SERVER.public, (HERE,))]
        await search.seeker.stop()

    play(path, story())


@pytest.mark.claim("C82")
def test_who_is_known_by_hints_alone_is_looked_for_within_seconds_and_then_less_and_less(path: Path) -> None:
    async def story() -> None:
        search = Search(path)
        search.dht.users.clear()
        search.world.directory.learn_hint(CARA.public, NamedServer(OTHER.public, (THERE,)))
        search.seeker.want([CARA.public])
        await asyncio.sleep(1)
        # There is a place to try, and nothing is said to be wrong.
        assert search.world.outboxes() == [(OTHER.public, (THERE,))]
        assert search.words == ""
        await asyncio.sleep(100)
        times = search.dht.times(CARA.public)
        pauses = [round(later - earlier, 3) for earlier, later in itertools.pairwise(times)]
        assert pauses[:3] == [4.5, 9, 18]
        search.dht.users[CARA.public] = uses(1, (7, SERVER))
        await asyncio.sleep(100)
        assert search.world.outboxes() == [(SERVER.public, (HERE,))]
        # What is signed is rechecked after an hour, as anybody's.
        known = len(search.dht.times(CARA.public))
        await asyncio.sleep(3_000)
        assert len(search.dht.times(CARA.public)) == known
        await search.seeker.stop()

    play(path, story())


@pytest.mark.claim("C14", "C51", "C82")
def test_who_can_not_be_reached_any_more_is_looked_for_at_once_and_found_within_seconds(path: Path) -> None:
    async def story() -> None:
        search = Search(path)
        search.seeker.want([CARA.public])
        await asyncio.sleep(100)
        search.seeker.lost(SERVER.public)
        assert search.words == "their servers don't answer; looking whether they moved"
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert (SERVER.public, True, 100.0) in [(k, f, round(at, 3)) for k, f, at in search.dht.asked]
        for moved_after in (1.0, 20.0, 100.0):
            await asyncio.sleep(moved_after)
            port = int(moved_after)
            url = type(HERE)(HERE.scheme, HERE.host, port)
            search.dht.servers[SERVER.public] = says(SERVER, 2 + port, url)
            await asyncio.sleep(5)
            assert search.world.outboxes() == [(SERVER.public, (url,))]
        search.seeker.reached(SERVER.public)
        assert search.words == ""
        await search.seeker.stop()

    play(path, story())


@pytest.mark.claim("C51", "C82")
def test_what_somebody_published_is_looked_up_at_once_when_all_fails_and_then_at_most_every_30_s(
    path: Path,
) -> None:
    async def story() -> None:
        search = Search(path)
        search.seeker.want([CARA.public])
        await asyncio.sleep(100)
        search.seeker.lost(SERVER.public)
        await asyncio.sleep(10)
        assert [round(at, 3) for at in search.dht.times(CARA.public) if at >= 100] == [100]
        # One that came back and fails anew may be another story.
        search.seeker.reached(SERVER.public)
        search.seeker.lost(SERVER.public)
        await asyncio.sleep(3_000)
        times = [at for at in search.dht.times(CARA.public) if at > 109]
        assert round(times[0], 3) == 110
        pauses = [round(later - earlier, 3) for earlier, later in itertools.pairwise(times)]
        assert min(pauses) >= 30
        # Whoever is without a server for an hour is still found within a minute when he has another one.
        assert max(pauses) <= 60
        await search.seeker.stop()

    play(path, story())


@pytest.mark.claim("C14", "C51")
def test_a_dht_that_did_not_answer_is_asked_again_soon_for_somebody(path: Path) -> None:
    async def story() -> None:
        search = Search(path)
        search.seeker.want([CARA.public])
        await asyncio.sleep(100)
        search.dht.down = True
        search.seeker.lost(SERVER.public)
        await asyncio.sleep(2)
        search.dht.down = False
        search.dht.users[CARA.public] = uses(2, (7, OTHER))
        search.dht.servers[OTHER.public] = says(OTHER, 1, THERE)
        await asyncio.sleep(5)
        assert [server for server, _ in search.world.outboxes()] == [OTHER.public]
        await search.seeker.stop()

    play(path, story())


@pytest.mark.claim("C51")
def test_who_has_a_server_that_fails_is_looked_up_once_perhaps_he_left_it_with_others(path: Path) -> None:
    async def story() -> None:
        search = Search(path)
        search.dht.users[CARA.public] = uses(1, (7, SERVER), (7, OTHER))
        search.dht.servers[OTHER.public] = says(OTHER, 1, THERE)
        search.seeker.want([CARA.public])
        await asyncio.sleep(100)
        asked = len(search.dht.asked)
        search.seeker.lost(SERVER.public)
        await asyncio.sleep(1)
        assert [fresh for _, fresh, _ in search.dht.asked[asked:]] == [True] * 3
        asked = len(search.dht.asked)
        for _ in range(5):
            await asyncio.sleep(100)
            search.seeker.reached(SERVER.public)
            search.seeker.lost(SERVER.public)
        assert len(search.dht.asked) == asked
        search.seeker.lost(OTHER.public)
        await asyncio.sleep(1)
        assert len(search.dht.asked) > asked
        await search.seeker.stop()

    play(path, story())


def test_looking_for_a_server_that_stays_away_becomes_rare(path: Path) -> None:
    async def story() -> None:
        search = Search(path)
        search.seeker.want([CARA.public])
        await asyncio.sleep(1)
        search.seeker.lost(SERVER.public)
        await asyncio.sleep(300)
        soon = len(search.dht.times(SERVER.public))
        assert soon < 90
        await asyncio.sleep(86_400)
        assert len(search.dht.times(SERVER.public)) - soon < 300
        await search.seeker.stop()

    play(path, story())


@pytest.mark.claim("C14")
def test_with_the_dht_down_what_is_known_leads_on_and_the_reason_is_told(path: Path) -> None:
    async def story() -> None:
        search = Search(path)
        search.dht.down = True
        search.seeker.want([CARA.public])
        await asyncio.sleep(1)
        assert search.words.startswith("the DHT did not answer; will look again at ")
        search.dht.down = False
        search.seeker.hurry()
        await asyncio.sleep(0.1)
        assert search.world.outboxes() == [(SERVER.public, (HERE,))]
        search.dht.down = True
        search.seeker.lost(SERVER.public)
        await asyncio.sleep(10)
        assert search.world.outboxes() == [(SERVER.public, (HERE,))]
        await search.seeker.stop()

    play(path, story())


def test_who_is_no_longer_wanted_is_no_longer_looked_for(path: Path) -> None:
    async def story() -> None:
        search = Search(path)
        search.dht.users.clear()
        search.seeker.want([CARA.public])
        await asyncio.sleep(1)
        search.seeker.want([])
        asked = len(search.dht.asked)
        await asyncio.sleep(10_000)
        assert len(search.dht.asked) == asked
        assert search.words == "no server of theirs is known"
        await search.seeker.stop()

    play(path, story())


def test_published_servers_without_an_address_are_told_apart(path: Path) -> None:
    async def story() -> None:
        search = Search(path)
        search.dht.servers.clear()
        search.seeker.want([CARA.public])
        await asyncio.sleep(1)
        assert search.words.startswith("their servers have published no address; will look again at ")
        await search.seeker.stop()

    play(path, story())


def test_what_is_found_about_others_is_of_no_use(path: Path) -> None:
    async def story() -> None:
        search = Search(path)
        search.seeker.want([CARA.public])
        await asyncio.sleep(1)
        assert search.seeker.concerns(CARA.public)
        assert search.seeker.concerns(SERVER.public)
        assert not search.seeker.concerns(OTHER.public)
        # She uses another server now, and it is heard of before she is looked up again.
        search.world.bootstraps.save(uses(2, (7, OTHER)))
        assert search.seeker.concerns(CARA.public)
        assert search.seeker.concerns(OTHER.public)
        assert not search.seeker.concerns(SERVER.public)
        search.seeker.want([])
        assert not search.seeker.concerns(CARA.public)
        assert not search.seeker.concerns(OTHER.public)

    play(path, story())


def test_where_nobody_can_be_asked_whatever_is_found_was_looked_for_here(path: Path) -> None:
    search = Search(path)
    search.dht.is_possible = False
    assert search.seeker.concerns(OTHER.public)
