"""Where one of somebody's servers fails the next one answers, however it fails."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from pathlib import Path

import pytest
from tests.client import bad_servers
from tests.client.scripted import ScriptedServer, settings
from tests.client.test_reach import Book
from tests.core.makers import MASTER, NOW, SUBKEY, post

from mosaic.client.address import ServerAddress
from mosaic.client.link_pool import LinkPool
from mosaic.client.reach import Reach
from mosaic.client.reputation import Observation, What
from mosaic.client.settings import ClientSettings
from mosaic.client.surroundings import Surroundings
from mosaic.core.filter import Filter
from mosaic.core.keys import PublicKey, SecretKey
from mosaic.core.record import Record
from mosaic.core.url import Scheme, ServerUrl
from mosaic.errors import PeerError, Unreachable, UsageError
from mosaic.transport.sockets import SocketNetwork
from mosaic.transport.transport import Transport
from mosaic.wire.result_code import ResultCode

BAD, GOOD = (SecretKey.from_seed(bytes([n]) * 32) for n in (60, 61))
WANTED = Filter.of(authors=[MASTER.public])
POSTS = [post(payload=bytes([n])) for n in range(3)]


class Town:
    """Somebody with two servers: the first one preferred, and bad in some way."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.networks: list[SocketNetwork] = []
        self.seen: list[tuple[PublicKey, Observation]] = []
        self.changed = asyncio.Event()
        self.book = Book()
        self.book.people[MASTER.public] = [BAD.public, GOOD.public]
        self.good = self.serve(GOOD)
        self.good.held = list(POSTS)
        dialer = SocketNetwork(settings(str(folder)))
        self.networks.append(dialer)
        client = ClientSettings(private_addresses=True, next_server_s=0.05, silence_s=0.3, connect_s=2.0)
        self.pool = LinkPool(dialer, client, lambda: NOW, Surroundings(observe=self.observe))
        self.reach = Reach(self.pool, self.book)

    def observe(self, server: PublicKey, seen: Observation) -> None:
        self.seen.append((server, seen))
        self.changed.set()

    def serve(self, secret: SecretKey) -> ScriptedServer:
        listener = SocketNetwork(settings(str(self.folder)))
        self.networks.append(listener)
        server = ScriptedServer(listener)
        server.secret = secret
        server.start()
        port = listener.listen(Transport.TCP, "127.0.0.1", 0, secret.reveal())
        self.at(secret, port)
        return server

    def at(self, secret: SecretKey, port: int) -> None:
        self.book.urls[secret.public] = (ServerUrl(Scheme.TCP, "127.0.0.1", port),)

    def several(self) -> AsyncGenerator[Record, None]:
        return self.reach.any_of(MASTER.public.user_text).query(WANTED)

    async def asked(self) -> list[Record]:
        async with asyncio.timeout(30):
            return [record async for record in self.several()]

    async def until_seen(self, what: What) -> None:
        async with asyncio.timeout(30):
            while not any(server == BAD.public and seen.what is what for server, seen in self.seen):
                self.changed.clear()
                await self.changed.wait()

    async def stop(self) -> None:
        self.pool.close()
        for network in self.networks:
            await network.stop(0.2)


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    town = Town(tmp_path)
    yield town
    await town.stop()


Bad = Callable[[], contextlib.AbstractAsyncContextManager[int]]


@pytest.mark.claim("C51", "C83")
@pytest.mark.parametrize(
    ("bad", "noted"),
    [
        (bad_servers.nobody, What.FAILED),
        (bad_servers.black_hole, What.FAILED),
        (bad_servers.stuck, What.FAILED),
        (bad_servers.garbage, What.FAILED),
    ],
)
async def test_the_next_server_answers_and_the_first_is_found_out(town: Town, bad: Bad, noted: What) -> None:
    async with bad() as port:
        town.at(BAD, port)
        assert await town.asked() == sorted(POSTS, reverse=True)
        async with town.reach.key(MASTER.public.user_text) as connection:
            assert connection.server_key == GOOD.public
        # Who was too slow goes on until it is known what became of it.
        await town.until_seen(noted)


async def test_a_server_that_stands_still_with_its_link_open_is_noticed_by_the_first_question(
    town: Town,
) -> None:
    frozen = town.serve(BAD)
    frozen.held = [POSTS[0]]
    async with town.reach.key(MASTER.public.user_text) as connection:
        assert connection.server_key == BAD.public
        frozen.network.pause()
        assert await town.asked() == sorted(POSTS, reverse=True)
        await town.until_seen(What.SLOW)
        await town.until_seen(What.FAILED)
        frozen.network.resume()


async def test_a_link_on_which_nothing_comes_is_asked_after_when_somebody_looks(town: Town) -> None:
    frozen = town.serve(BAD)
    async with town.reach.key(MASTER.public.user_text) as connection:
        await town.pool.look(-1.0)
        assert connection.closed is None
        frozen.network.pause()
        await town.pool.look(-1.0)
        frozen.network.resume()
    assert not connection.is_open


@pytest.mark.claim("C83")
async def test_who_gets_no_answer_has_all_links_to_that_server_asked_after(town: Town) -> None:
    frozen = town.serve(BAD)
    there = ServerAddress(BAD.public, town.book.urls[BAD.public])
    async with town.pool.connect(there) as reading, town.pool.connect(there, SUBKEY) as writing:
        assert await writing.submit(POSTS[0].data) is ResultCode.ACCEPTED
        frozen.network.pause()
        async with asyncio.timeout(20):  # nobody waits for half a minute for an answer
            with pytest.raises(PeerError):
                await writing.submit(POSTS[1].data)
            while reading.is_open:
                town.changed.clear()
                await town.changed.wait()
        frozen.network.resume()
    assert [seen.what for _, seen in town.seen].count(What.FAILED) >= 1


async def test_somebody_who_looks_at_one_person_has_that_persons_servers_asked_after(town: Town) -> None:
    frozen = town.serve(BAD)
    async with town.reach.key(MASTER.public.user_text) as connection:
        assert connection.server_key == BAD.public
        frozen.network.pause()
        await town.pool.look(-1.0, {GOOD.public})
        assert connection.is_open
        await town.pool.look(-1.0, {BAD.public})
        frozen.network.resume()
    assert not connection.is_open


async def test_a_server_that_dies_in_the_middle_of_an_answer_is_taken_over(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    dying = town.serve(BAD)
    dying.held = [POSTS[0]]

    def one_and_no_more(link: int, query_id: int, _found: object) -> None:
        dying.send(link, query_id, POSTS[0].data)
        dying.network.close(link)

    monkeypatch.setattr(dying, "serve", one_and_no_more)
    assert sorted(await town.asked(), reverse=True) == sorted(POSTS, reverse=True)


async def test_a_server_with_nothing_is_not_the_last_word(town: Town) -> None:
    town.serve(BAD)
    assert await town.asked() == sorted(POSTS, reverse=True)
    found = await town.reach.any_of(MASTER.public.user_text).get([POSTS[1].id])
    assert found == [POSTS[1]]


async def test_a_server_that_has_enough_is_asked_alone(town: Town) -> None:
    first = town.serve(BAD)
    first.held = list(POSTS)
    assert await town.asked() == sorted(POSTS, reverse=True)
    assert await town.reach.any_of(MASTER.public.user_text).get([POSTS[1].id]) == [POSTS[1]]
    assert not town.good.sessions
    # Nothing was looked up freshly either.
    assert not any(fresh for _, _, fresh in town.book.asked)


async def test_what_two_servers_give_comes_once_and_no_more_than_was_asked_for(town: Town) -> None:
    slow = town.serve(BAD)
    slow.held, slow.slow = list(POSTS), True
    found = [record async for record in town.reach.any_of(MASTER.public.user_text).query(WANTED, 2)]
    assert found == sorted(POSTS, reverse=True)[:2]


async def test_when_all_refuse_it_is_told_why(town: Town) -> None:
    town.serve(BAD).query_result = ResultCode.TOO_OPEN
    town.good.held, town.good.query_result = [], ResultCode.TOO_FAST
    with pytest.raises(PeerError) as caught:
        await town.asked()
    assert "TOO_OPEN" in str(caught.value)
    assert "TOO_FAST" in str(caught.value)


async def test_a_mistake_of_ones_own_is_no_servers_fault(town: Town) -> None:
    town.serve(BAD)
    with pytest.raises(UsageError):
        [record async for record in town.reach.any_of(MASTER.public.user_text).query(WANTED, -1)]


async def test_nobody_answers(town: Town) -> None:
    async with bad_servers.nobody() as port:
        town.at(BAD, port)
        town.at(GOOD, port)
        with pytest.raises(Unreachable):
            await town.asked()
        assert any(fresh for _, _, fresh in town.book.asked)


async def test_a_liar_is_noted_and_what_he_says_is_not_given(town: Town) -> None:
    liar = town.serve(BAD)
    liar.extra = [POSTS[0].data[:-1] + bytes([POSTS[0].data[-1] ^ 1])]
    liar.held = list(POSTS)
    assert await town.asked() == sorted(POSTS, reverse=True)
    assert any(server == BAD.public and seen.what is What.WRONG for server, seen in town.seen)
    assert not any(server == GOOD.public and seen.what is What.WRONG for server, seen in town.seen)


async def test_what_nobody_asked_for_is_noted(town: Town) -> None:
    liar = town.serve(BAD)
    liar.extra = [post(GOOD, author=GOOD, payload=b"unasked").data]
    liar.held = list(POSTS)
    assert await town.asked() == sorted(POSTS, reverse=True)
    assert any(seen.what is What.WRONG and "nobody asked" in seen.note for _, seen in town.seen)


async def test_who_does_badly_is_asked_last(town: Town) -> None:
    first = town.serve(BAD)
    first.held = list(POSTS)
    reach = Reach(town.pool, town.book, lambda server: 0.1 if server == BAD.public else 0.9)
    async with reach.key(MASTER.public.user_text) as connection:
        assert connection.server_key == GOOD.public
