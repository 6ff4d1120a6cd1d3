from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from tests.client.internet import Internet
from tests.client.test_dialling import trip
from tests.core.makers import MASTER, NOW, OTHER, SUBKEY

from mosaic.client.address import ServerAddress
from mosaic.client.link_pool import LinkPool
from mosaic.client.named_key import NamedKey
from mosaic.client.reach import PLAIN, Manner, Reach
from mosaic.client.settings import ClientSettings
from mosaic.core.bootstrap import Usage
from mosaic.core.keys import PublicKey, SecretKey
from mosaic.core.url import ServerUrl
from mosaic.errors import InvalidText, PeerError, Refused, Unreachable, WrongServerKey
from mosaic.wire.result_code import ResultCode

ONE, TWO = SecretKey.from_seed(bytes([40]) * 32), SecretKey.from_seed(bytes([41]) * 32)
URLS = [ServerUrl.parse(f"mosaictcp://9.9.9.{n}:1320/") for n in range(6)]


class Book:
    """A `ServerFinder` that knows what a test wrote, and writes down what it is asked."""

    def __init__(self) -> None:
        self.people: dict[PublicKey, list[PublicKey]] = {}
        self.urls: dict[PublicKey, tuple[ServerUrl, ...]] = {}
        self.newer: dict[PublicKey, tuple[ServerUrl, ...]] = {}
        self.newer_people: dict[PublicKey, list[PublicKey]] = {}
        self.asked: list[tuple[str, PublicKey, bool]] = []

    async def servers_of(
        self, person: PublicKey, usage: Usage, *, fresh: bool = False
    ) -> Sequence[PublicKey]:
        self.asked.append((usage.name or "", person, fresh))
        newer = self.newer_people if fresh else {}
        return newer.get(person, self.people.get(person, []))

    async def address_of(self, server: PublicKey, *, fresh: bool = False) -> ServerAddress:
        self.asked.append(("address", server, fresh))
        newer = self.newer if fresh else {}
        return ServerAddress(server, newer.get(server, self.urls.get(server, ())))


class Scene:
    def __init__(self) -> None:
        self.internet = Internet()
        self.book = Book()
        self.pool = LinkPool(self.internet, ClientSettings(), lambda: NOW)
        self.reach = Reach(self.pool, self.book)

    async def reached(self, key: NamedKey | str, manner: Manner = PLAIN) -> PublicKey | None:
        async with self.reach.key(key, manner) as connection:
            return connection.server_key

    async def fails(self, key: NamedKey | str) -> PeerError:
        with pytest.raises(PeerError) as caught:
            await self.reached(key)
        await asyncio.sleep(1)
        assert self.internet.live == 0
        return caught.value


@pytest.mark.claim("C22")
def test_a_key_is_read_as_what_it_says_it_is() -> None:
    key = MASTER.public
    assert NamedKey.parse(key.user_text) == NamedKey(key, server=False)
    assert NamedKey.parse(key.server_text) == NamedKey(key, person=False)
    assert NamedKey.parse(f" {key.user_text.removeprefix('mopub0')}\n") == NamedKey(key)
    assert NamedKey.parse(key.bytes.hex().upper()) == NamedKey(key)
    for text in ("", "mopub0", "anna", key.bytes.hex()[:-2], "mosec0" + key.user_text[6:]):
        with pytest.raises(InvalidText):
            NamedKey.parse(text)


@pytest.mark.claim("C82")
@trip
async def test_from_a_persons_key_to_the_first_server_that_answers() -> None:
    scene = Scene()
    scene.book.people[MASTER.public] = [ONE.public, TWO.public]
    scene.book.urls = {ONE.public: (URLS[1],), TWO.public: (URLS[2],)}
    scene.internet.open("9.9.9.2", 1320, TWO)
    assert await scene.reached(MASTER.public.user_text) == TWO.public
    # It is asked again only when nobody answers.
    assert not any(fresh for _, _, fresh in scene.book.asked)
    assert ("OUTBOX", MASTER.public, False) in scene.book.asked


@trip
async def test_inboxes_are_reached_as_such() -> None:
    scene = Scene()
    scene.book.people[MASTER.public] = [ONE.public]
    scene.book.urls[ONE.public] = (URLS[1],)
    scene.internet.open("9.9.9.1", 1320, ONE)
    await scene.reached(NamedKey(MASTER.public), Manner(SUBKEY, Usage.INBOX))
    assert scene.book.asked[0] == ("INBOX", MASTER.public, False)
    (target,) = scene.internet.targets
    assert target.seed == SUBKEY.reveal()


@trip
async def test_from_a_servers_key_to_it() -> None:
    scene = Scene()
    scene.book.urls[ONE.public] = (URLS[1],)
    scene.internet.open("9.9.9.1", 1320, ONE)
    assert await scene.reached(ONE.public.server_text) == ONE.public
    assert scene.book.asked == [("address", ONE.public, False)]


@pytest.mark.claim("C22")
@trip
async def test_a_bare_key_may_be_either() -> None:
    scene = Scene()
    scene.book.urls[ONE.public] = (URLS[1],)
    scene.internet.open("9.9.9.1", 1320, ONE)
    assert await scene.reached(ONE.public.bytes.hex()) == ONE.public
    scene.book.people[MASTER.public] = [ONE.public]
    assert await scene.reached(MASTER.public.bytes.hex()) == ONE.public


@trip
async def test_when_all_that_is_known_fails_it_is_looked_up_again() -> None:
    scene = Scene()
    scene.book.people[MASTER.public] = [ONE.public]
    scene.book.urls[ONE.public] = (URLS[1],)
    scene.book.newer[ONE.public] = (URLS[1], URLS[2])
    scene.internet.open("9.9.9.2", 1320, ONE)
    assert await scene.reached(MASTER.public.user_text) == ONE.public
    # What failed just now is not dialled again.
    assert scene.internet.dialled() == [("9.9.9.1", 1320), ("9.9.9.2", 1320)]


@trip
async def test_who_has_moved_is_found_at_the_new_server() -> None:
    scene = Scene()
    scene.book.people[MASTER.public] = [ONE.public]
    scene.book.newer_people[MASTER.public] = [TWO.public]
    scene.book.urls = {ONE.public: (URLS[1],), TWO.public: (URLS[2],)}
    scene.internet.open("9.9.9.2", 1320, TWO)
    assert await scene.reached(MASTER.public.user_text) == TWO.public


@trip
async def test_a_server_at_other_ports_is_found_from_its_old_address() -> None:
    scene = Scene()
    scene.book.newer[ONE.public] = (URLS[2],)
    scene.internet.open("9.9.9.2", 1320, ONE)
    async with scene.reach.server(ServerAddress(ONE.public, (URLS[1],))) as connection:
        assert connection.url == URLS[2]


@trip
async def test_addresses_that_were_given_count_as_well() -> None:
    scene = Scene()
    here = ServerUrl.parse("mosaictcp://127.0.0.1:1320")
    scene.internet.open("127.0.0.1", 1320, ONE)
    given = ServerAddress(ONE.public, (here,), frozenset({here}))
    async with scene.reach.server(given) as connection:
        assert connection.url == here


@trip
async def test_nobody_under_a_key_is_told() -> None:
    scene = Scene()
    error = await scene.fails(MASTER.public.user_text)
    assert isinstance(error, Unreachable)
    assert MASTER.public.user_text in str(error)
    assert [fresh for _, _, fresh in scene.book.asked] == [False, True]


@pytest.mark.claim("C50")
@trip
async def test_all_failures_are_told_and_an_impostor_first() -> None:
    scene = Scene()
    scene.book.people[MASTER.public] = [ONE.public, TWO.public]
    scene.book.urls = {ONE.public: (URLS[1],), TWO.public: (URLS[2],)}
    scene.internet.open("9.9.9.2", 1320, OTHER)
    error = await scene.fails(MASTER.public.user_text)
    assert isinstance(error, WrongServerKey)
    assert [url for url, _ in error.tried] == [str(URLS[1]), str(URLS[2])]
    assert MASTER.public.user_text in str(error)


@trip
async def test_a_server_that_will_not_leads_to_the_next() -> None:
    scene = Scene()
    scene.book.people[MASTER.public] = [ONE.public, TWO.public]
    scene.book.urls = {ONE.public: (URLS[1],), TWO.public: (URLS[2],)}
    place = scene.internet.open("9.9.9.1", 1320, ONE)
    place.server.greets = ResultCode.PUBKEY_PERM_BANNED
    error = await scene.fails(MASTER.public.user_text)
    assert isinstance(error, Refused)
    scene.internet.open("9.9.9.2", 1320, TWO)
    assert await scene.reached(MASTER.public.user_text) == TWO.public


@trip
async def test_only_the_first_three_servers_are_used() -> None:
    scene = Scene()
    keys = [SecretKey.from_seed(bytes([50 + n]) * 32).public for n in range(5)]
    scene.book.people[MASTER.public] = keys
    scene.book.urls = {key: (URLS[n],) for n, key in enumerate(keys)}
    await scene.fails(MASTER.public.user_text)
    assert len(scene.internet.targets) == 3
