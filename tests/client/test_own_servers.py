from __future__ import annotations

import asyncio
import contextlib

import pytest
from tests.client.internet import Internet, Place
from tests.client.test_dialling import trip
from tests.client.virtual_time import elapsed
from tests.core.makers import MASTER, NOW, OTHER, SUBKEY

from mosaic.client.address import ServerAddress
from mosaic.client.link_pool import LinkPool
from mosaic.client.own_servers import Answer, OwnServers
from mosaic.client.settings import ClientSettings
from mosaic.core.dht_item import SERVER_SALT, USER_SALT, DhtItem
from mosaic.core.keys import SecretKey
from mosaic.core.url import ServerUrl
from mosaic.errors import Disconnected, ProtocolViolation, Refused
from mosaic.protocol import events
from mosaic.wire.result_code import ResultCode
from mosaic.wire.server_messages import DhtItem as Found

SERVERS = [SecretKey.from_seed(bytes([40 + n]) * 32) for n in range(5)]
TEXT = b"S\nmosaictcp://9.9.9.1/"


def signed(seq: int, secret: SecretKey = MASTER, salt: bytes = USER_SALT, text: bytes = TEXT) -> Found:
    item = DhtItem.sign(secret, salt, seq, text)
    return Found(item.seq, item.signature, item.value)


class Town:
    """Some servers of one's own."""

    def __init__(self, servers: int = 3) -> None:
        self.internet = Internet()
        self.places: list[Place] = []
        addresses = []
        for n, secret in enumerate(SERVERS[:servers]):
            self.places.append(self.internet.open(f"9.9.9.{n}", 1320, secret))
            addresses.append(ServerAddress(secret.public, (ServerUrl.parse(f"mosaictcp://9.9.9.{n}:1320"),)))
        self.pool = LinkPool(self.internet, ClientSettings(), lambda: NOW)
        self.addresses = addresses
        self.own = OwnServers(self.pool, lambda _: [(address, SUBKEY) for address in addresses])

    def holds(self, server: int, found: Found, *, of_server: bool = False) -> None:
        self.places[server].server.dht[of_server, MASTER.public.bytes] = found

    async def answers(self) -> list[Answer]:
        return [answer async for answer in self.own.answers(MASTER.public, USER_SALT)]

    async def look_up(self, salt: bytes = USER_SALT) -> DhtItem | None:
        """By the first server alone."""
        async with self.pool.connect(self.addresses[0]) as connection:
            return await connection.look_up(MASTER.public, salt)

    async def close(self) -> None:
        """Gives up dials under way, and lets them end."""
        self.pool.close()
        await asyncio.sleep(1.0)

    @property
    def asked(self) -> list[int]:
        return [len(place.server.looked_up) for place in self.places]


@pytest.mark.claim("C20")
@trip
async def test_a_bootstrap_comes_with_its_proof() -> None:
    town = Town()
    town.holds(0, signed(7))
    item = await town.look_up()
    assert item is not None
    assert (item.key, item.salt, item.seq, item.value) == (MASTER.public, USER_SALT, 7, TEXT)
    assert await town.look_up(SERVER_SALT) is None
    assert town.places[0].server.looked_up == [(False, MASTER.public.bytes), (True, MASTER.public.bytes)]


@pytest.mark.claim("C20")
@trip
async def test_what_the_key_has_not_signed_is_refused() -> None:
    town = Town()
    good = signed(7)
    for lie in (
        signed(7, OTHER),
        good._replace(sequence=8),
        good._replace(text=good.text + b"\n"),
        good._replace(signature=bytes(64)),
        # Signed as a server's bootstrap, given as a user's.
        signed(7, salt=SERVER_SALT),
        good._replace(text=bytes(984)),
    ):
        town.holds(0, lie)
        with pytest.raises(ProtocolViolation):
            await town.look_up()


@trip
async def test_a_refusal_and_a_server_that_does_not_know_the_message_are_told() -> None:
    town = Town()
    town.places[0].server.dht_result = ResultCode.TOO_FAST
    with pytest.raises(Refused) as caught:
        await town.look_up()
    assert caught.value.result == ResultCode.TOO_FAST
    town.places[0].server.looks_up = False
    with pytest.raises(Refused, match="does not look"):
        await town.look_up()


@trip
async def test_a_connection_that_ends_ends_the_look_up() -> None:
    town = Town()
    server = town.places[0].server
    answer = server.act

    def cut(link: int, event: object) -> None:
        if isinstance(event, events.DhtAsked):
            server.network.abort(link)
        else:
            answer(link, event)

    server.act = cut  # type: ignore[method-assign]
    with pytest.raises(Disconnected):
        await town.look_up()


@pytest.mark.claim("C20")
@trip
async def test_two_servers_are_asked_for_one_proves_nothing() -> None:
    town = Town()
    town.holds(0, signed(3))
    town.holds(1, signed(4))
    assert [(answer.item.seq, answer.server) for answer in await town.answers()] == [
        (3, SERVERS[0].public),
        (4, SERVERS[1].public),
    ]
    assert town.asked == [1, 1, 0]


@pytest.mark.claim("C20")
@trip
async def test_not_found_asks_the_next() -> None:
    town = Town()
    town.holds(2, signed(3))
    (answer,) = await town.answers()
    assert (answer.item.seq, answer.server) == (3, SERVERS[2].public)
    assert town.asked == [1, 1, 1]


@trip
async def test_lies_and_servers_that_are_away_lead_to_the_next() -> None:
    town = Town()
    town.holds(0, signed(9, OTHER))
    del town.internet.places[next(iter(list(town.internet.places)[1:]))]
    town.holds(2, signed(3))
    assert [answer.item.seq for answer in await town.answers()] == [3]
    await town.close()


@trip
async def test_the_first_answer_does_not_wait_for_servers_that_say_nothing() -> None:
    town = Town()
    for place in town.places[:2]:
        place.silent = True
    town.holds(2, signed(3))
    async with contextlib.aclosing(town.own.answers(MASTER.public, USER_SALT)) as answers:
        assert (await anext(answers)).item.seq == 3
    assert elapsed() < 1.0
    await town.close()


@trip
async def test_nobody_knows_and_nobody_is_asked_twice() -> None:
    town = Town(servers=5)
    assert await town.answers() == []
    assert town.asked == [1, 1, 1, 1, 0]
    assert await Town(servers=0).answers() == []
