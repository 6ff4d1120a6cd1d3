"""DHT LOOKUP: what a server finds for its clients, and what it does for none of them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from mosaic.core.dht_item import SERVER_SALT, USER_SALT, DhtItem
from mosaic.core.keys import PublicKey
from mosaic.errors import MosaicError, Unreachable
from mosaic.server.settings import ServerSettings
from mosaic.testing import Person
from mosaic.wire import client_messages as ask
from mosaic.wire import server_messages as tell
from mosaic.wire.result_code import ResultCode
from tests.server.world import Client, World, running

pytestmark = pytest.mark.claim("C20")

ALICE, STRANGER, BOB = Person("alice"), Person("stranger"), Person("bob")
USER_ITEM = DhtItem.sign(BOB.master, USER_SALT, 7, b"U\n1 mosrv0\n")
SERVER_ITEM = DhtItem.sign(BOB.master, SERVER_SALT, 9, b"S\nmosaic://example.org/\n")


class Dht:
    """A DHT that answers what it is told to, when it is told to."""

    def __init__(self, *items: DhtItem | None, error: Exception | None = None, held: bool = False) -> None:
        self.items = {item.salt: item for item in items if item is not None}
        self.error = error
        self.asked: list[tuple[PublicKey, bytes]] = []
        self.cancelled = 0
        self.go_on = asyncio.Event()
        self.changed = asyncio.Event()
        if not held:
            self.go_on.set()

    async def item(self, key: PublicKey, salt: bytes) -> DhtItem | None:
        self.asked.append((key, salt))
        self.changed.set()
        try:
            await self.go_on.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            self.changed.set()
            raise
        if self.error is not None:
            raise self.error
        return self.items.get(salt)

    async def until(self, count: int, what: str) -> None:
        async with asyncio.timeout(20):
            while (len(self.asked) if what == "asked" else self.cancelled) < count:
                self.changed.clear()
                await self.changed.wait()


async def look_up(
    client: Client, *, server: bool = False, key: bytes = BOB.key_bytes, query_id: int = 5
) -> tell.DhtResponse:
    client.send(ask.DhtLookup(query_id, server, key))
    return await client.take(tell.DhtResponse, query_id)


async def test_an_answer_proves_itself(tmp_path: Path) -> None:
    dht = Dht(USER_ITEM, SERVER_ITEM)
    async with running(tmp_path, ALICE, lookups=dht) as world:
        client = await world.connect()
        for item, server in ((USER_ITEM, False), (SERVER_ITEM, True)):
            answer = await look_up(client, server=server)
            assert answer.result is ResultCode.SUCCESS
            assert answer.item() == (item.seq, item.signature, item.value)
        assert dht.asked == [(BOB.key, USER_SALT), (BOB.key, SERVER_SALT)]
        assert world.server.metrics.lookups == 2


async def test_nothing_found_is_eight_bytes(tmp_path: Path) -> None:
    async with running(tmp_path, ALICE, lookups=Dht()) as world:
        answer = await look_up(await world.connect())
        assert (answer.result, len(answer.encode())) == (ResultCode.NOT_FOUND, 8)


async def test_a_server_without_a_dht_finds_nothing(tmp_path: Path) -> None:
    async with running(tmp_path, ALICE) as world:
        assert (await look_up(await world.connect())).result is ResultCode.NOT_FOUND


@pytest.mark.parametrize(
    "item",
    [
        DhtItem(BOB.key, USER_SALT, 8, USER_ITEM.value, USER_ITEM.signature),
        DhtItem(BOB.key, USER_SALT, 7, b"U\n", USER_ITEM.signature),
        DhtItem.sign(STRANGER.master, USER_SALT, 7, USER_ITEM.value),
    ],
    ids=["other number", "other text", "other key"],
)
async def test_what_the_owner_has_not_signed_is_not_passed_on(tmp_path: Path, item: DhtItem) -> None:
    async with running(tmp_path, ALICE, lookups=Dht(item)) as world:
        assert (await look_up(await world.connect())).result is ResultCode.NOT_FOUND


async def test_an_item_under_another_salt_is_not_passed_on(tmp_path: Path) -> None:
    dht = Dht()
    dht.items[USER_SALT] = SERVER_ITEM
    async with running(tmp_path, ALICE, lookups=dht) as world:
        assert (await look_up(await world.connect())).result is ResultCode.NOT_FOUND


@pytest.mark.parametrize(
    ("error", "result"),
    [
        (Unreachable(), ResultCode.TEMPORARY_ERROR),
        (MosaicError(), ResultCode.GENERAL_ERROR),
        (RuntimeError("a fault"), ResultCode.GENERAL_ERROR),
    ],
)
async def test_what_goes_wrong_is_told(
    tmp_path: Path, error: Exception, result: ResultCode, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(tmp_path, ALICE, lookups=Dht(error=error)) as world:
        client = await world.connect()
        assert (await look_up(client)).result is result
        assert (await look_up(client)).result is result
    assert ("a look-up failed" in caplog.text) is isinstance(error, RuntimeError)


async def test_bytes_that_are_no_key_are_not_looked_up(tmp_path: Path) -> None:
    dht = Dht(USER_ITEM)
    async with running(tmp_path, ALICE, lookups=dht) as world:
        assert (await look_up(await world.connect(), key=b"\xff" * 32)).result is ResultCode.INVALID
    assert dht.asked == []


async def test_it_takes_so_long_and_no_longer(tmp_path: Path) -> None:
    dht = Dht(held=True)
    async with running(tmp_path, ALICE, lookups=dht, settings=ServerSettings(lookup_s=0)) as world:
        assert (await look_up(await world.connect())).result is ResultCode.TEMPORARY_ERROR


async def test_other_messages_do_not_wait(tmp_path: Path) -> None:
    dht = Dht(USER_ITEM, held=True)
    async with running(tmp_path, ALICE, lookups=dht) as world:
        client = await world.connect(ALICE.device())
        client.send(ask.DhtLookup(5, False, BOB.key_bytes))
        record = ALICE.schedule(world.now())
        assert await client.submit(record) == [ResultCode.ACCEPTED]
        assert await client.get(record.data[:48]) == [record.data]
        dht.go_on.set()
        assert (await client.take(tell.DhtResponse, 5)).result is ResultCode.SUCCESS


async def test_one_link_has_so_many_at_once(tmp_path: Path) -> None:
    dht = Dht(USER_ITEM, held=True)
    settings = ServerSettings(lookups_per_link=3, stranger_lookup_burst=100)
    async with running(tmp_path, ALICE, lookups=dht, settings=settings) as world:
        client, other = await world.connect(), await world.connect()
        for number in range(5):
            client.send(ask.DhtLookup(number, False, BOB.key_bytes))
        assert {(await client.take(tell.DhtResponse)).query_id for _ in range(2)} == {3, 4}
        other.send(ask.DhtLookup(9, False, BOB.key_bytes))
        await dht.until(4, "asked")
        dht.go_on.set()
        assert (await other.take(tell.DhtResponse, 9)).result is ResultCode.SUCCESS
        results = [(await client.take(tell.DhtResponse)).result for _ in range(3)]
        assert results == [ResultCode.SUCCESS] * 3
        assert (await look_up(client)).result is ResultCode.SUCCESS  # there is room again


async def test_all_links_have_so_many_at_once(tmp_path: Path) -> None:
    dht = Dht(USER_ITEM, held=True)
    async with running(tmp_path, ALICE, lookups=dht, settings=ServerSettings(lookups=1)) as world:
        first, second = await world.connect(), await world.connect()
        first.send(ask.DhtLookup(1, False, BOB.key_bytes))
        await dht.until(1, "asked")
        assert (await look_up(second)).result is ResultCode.TEMPORARY_ERROR


async def test_strangers_have_so_many_a_minute_whatever_key_they_show(tmp_path: Path) -> None:
    settings = ServerSettings(stranger_lookups_per_minute=6, stranger_lookup_burst=2)
    async with running(tmp_path, ALICE, lookups=Dht(USER_ITEM), settings=settings) as world:

        async def results(count: int, *clients: Client) -> list[ResultCode]:
            return [(await look_up(clients[n % len(clients)])).result for n in range(count)]

        strangers = [await world.connect(), await world.connect(STRANGER.device("a"))]
        strangers.append(await world.connect(STRANGER.device("b")))
        assert await results(3, *strangers) == [ResultCode.SUCCESS, ResultCode.SUCCESS, ResultCode.TOO_FAST]
        world.clock.advance(seconds=10)
        assert await results(2, *strangers) == [ResultCode.SUCCESS, ResultCode.TOO_FAST]
        assert world.server.metrics.lookups_refused == 2
        at_home = await world.connect(ALICE.master)
        assert await results(6, at_home) == [ResultCode.SUCCESS] * 6


async def ended_while_asking(world: World, dht: Dht) -> None:
    client = await world.connect()
    client.send(ask.DhtLookup(1, False, BOB.key_bytes), ask.DhtLookup(2, True, BOB.key_bytes))
    await dht.until(2, "asked")
    client.network.abort(client.link)
    await dht.until(2, "cancelled")


async def test_the_end_of_a_link_ends_its_look_ups(tmp_path: Path) -> None:
    dht = Dht(held=True)
    async with running(tmp_path, ALICE, lookups=dht) as world:
        await ended_while_asking(world, dht)
        dht.go_on.set()
        assert (await look_up(await world.connect())).result is ResultCode.NOT_FOUND


async def test_the_end_of_the_server_ends_all(tmp_path: Path) -> None:
    dht = Dht(held=True)
    async with running(tmp_path, ALICE, lookups=dht) as world:
        client = await world.connect()
        client.send(ask.DhtLookup(1, False, BOB.key_bytes))
        await dht.until(1, "asked")
    assert dht.cancelled == 1
