"""Beginning and end of links and of the server, and the limits between."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from mosaic.core.filter import Filter
from mosaic.errors import StoreError
from mosaic.policy.admission import Arrival
from mosaic.policy.submission import Way
from mosaic.policy.verdict import ACCEPT, Refuse, Verdict
from mosaic.server.settings import ServerSettings
from mosaic.store.embedded import open_store
from mosaic.testing import Person
from mosaic.transport import memory_pair
from mosaic.wire import client_messages as ask
from mosaic.wire import server_messages as tell
from mosaic.wire.header import encode_header
from mosaic.wire.result_code import ResultCode
from tests.server.world import SERVER_KEY, Client, running

ANNA, EVE = Person("anna"), Person("eve")
OF_ANNA = Filter.of(authors=[ANNA.key])


@pytest.mark.claim("C46")
async def test_a_link_without_hello_is_closed_after_ten_seconds(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        silent = await world.connect(greet=False)
        greeted = await world.connect()
        world.server.tick()
        world.clock.advance(seconds=10)
        world.server.tick()
        assert (await silent.take(tell.Closing)).result is ResultCode.INVALID
        await silent.until(lambda: silent.closed)
        await greeted.settled()
        assert world.server.links == 1


@pytest.mark.claim("C46")
async def test_a_hello_of_the_older_framing_is_answered_in_it(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        client = await world.connect(greet=False)
        old_hello = b"\x10" + (12).to_bytes(3, "little") + bytes(4) + (1).to_bytes(4, "little")
        client.send(old_hello)
        # The answer is no frame of ours: its header says a length of 0, which ends reading.
        await client.until(lambda: bool(client.refused))
        assert client.refused == [bytes((0xFE, 36, 0, 0, 0, 0, 0, 0))]


@pytest.mark.claim("C46")
async def test_unknown_messages_are_unrecognized_and_those_of_a_server_close_the_link(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        client = await world.connect()
        client.send(encode_header(0x55, 8))
        await client.until(lambda: bool(client.inbox))
        assert client.inbox.pop().encode() == encode_header(0xF0, 8)
        client.send(tell.LocallyComplete(1))
        assert (await client.take(tell.Closing)).result is ResultCode.INVALID
        await client.until(lambda: client.closed)


@pytest.mark.claim("C89")
async def test_a_length_beyond_its_limit_is_refused_from_the_header(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        for header, result in (
            (encode_header(5, 8 + 1_048_577), ResultCode.TOO_LARGE),
            (encode_header(2, 65_553), ResultCode.TOO_LARGE),
            (bytes((5, 0, 0, 0, 7, 0, 0, 0)), ResultCode.INVALID),
            (encode_header(5, 8 + 215), ResultCode.INVALID),
        ):
            client = await world.connect()
            client.send(header + bytes(215 if header[4] == 223 else 0))
            assert (await client.take(tell.Closing)).result is result
            await client.until(lambda: client.closed)  # noqa: B023


async def test_a_dht_look_up_finds_nothing_yet(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        client = await world.connect()
        client.send(ask.DhtLookup(3, server=False, key=ANNA.key_bytes))
        assert (await client.take(tell.DhtResponse, 3)).result is ResultCode.NOT_FOUND


@pytest.mark.claim("C89")
async def test_one_link_too_many_is_told_so(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA, settings=ServerSettings(connections=3)) as world:
        clients = [await world.connect() for _ in range(3)]
        refused = await world.connect(greet=False)
        assert (await refused.take(tell.Closing)).result is ResultCode.TEMPORARY_ERROR
        await refused.until(lambda: refused.closed)
        clients[0].network.abort(clients[0].link)
        await clients[0].until(lambda: clients[0].closed)
        await clients[1].settled()
        await world.connect()


async def test_too_many_links_from_one_address_are_too_fast(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA, settings=ServerSettings(connections_per_address=1)) as world:
        await world.connect()
        refused = await world.connect(greet=False)
        assert (await refused.take(tell.Closing)).result is ResultCode.TOO_FAST


@pytest.mark.claim("C46")
@pytest.mark.parametrize(
    "result",
    [
        ResultCode.IP_TEMP_BANNED,
        ResultCode.IP_PERM_BANNED,
        ResultCode.PUBKEY_TEMP_BANNED,
        ResultCode.PUBKEY_PERM_BANNED,
    ],
)
async def test_a_rule_may_turn_somebody_away(tmp_path: Path, result: ResultCode) -> None:
    def hook(arrival: Arrival) -> Verdict:
        return Refuse(result, "banned") if arrival.key == EVE.key_bytes else ACCEPT

    async with running(tmp_path, ANNA, admission=[hook]) as world:
        await world.connect(ANNA.master)
        eve = await world.connect(EVE.master, greet=False)
        assert (await eve.take(tell.Closing)).result is result
        await eve.until(lambda: eve.closed)
        assert world.server.metrics.links_refused == 1


@pytest.mark.claim("C46", "C89")
async def test_stopping_answers_what_has_arrived_and_says_so(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        anna, reader = await world.connect(), await world.connect()
        query_id, _ = await reader.subscribe(OF_ANNA)
        records = [ANNA.record(world.now()).data for _ in range(500)]
        anna.send(*(ask.Submission(record) for record in records))
        await anna.until(lambda: bool(anna.inbox))
        stopping = asyncio.create_task(world.server.stop(2))
        results = {}
        for _ in records:
            answer = await anna.take(tell.SubmissionResult)
            results[answer.prefix] = answer.result
        assert set(results) == {record[:32] for record in records}
        assert set(results.values()) <= {ResultCode.ACCEPTED, ResultCode.SHUTTING_DOWN}
        accepted = [record for record in records if results[record[:32]] is ResultCode.ACCEPTED]
        for client in (anna, reader):
            assert (await client.take(tell.Closing)).result is ResultCode.SHUTTING_DOWN
            await client.until(lambda: client.closed)  # noqa: B023
        await stopping
        assert reader.records(query_id) == accepted
    store = open_store(tmp_path / "store")
    assert all(position is not None for position in store.contains([record[:48] for record in accepted]))
    assert store.stats()["records"] == len(accepted)
    assert store.verify() == []
    store.close()


async def test_the_node_is_told_too_that_the_server_has_stopped(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        await world.server.stop(0)
        record = ANNA.record(world.now()).data
        assert await world.server.submit([record, record], Way.OWNER) == [ResultCode.SHUTTING_DOWN] * 2


@pytest.mark.claim("C46")
async def test_while_stopping_everything_new_is_answered_with_shutting_down(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        anna = await world.connect(ANNA.master)
        world.server._sessions.refuse_new()
        assert await anna.submit(ANNA.record(world.now())) == [ResultCode.SHUTTING_DOWN]
        assert await anna.query(OF_ANNA) == ([], ResultCode.SHUTTING_DOWN)
        anna.send(ask.Subscribe(5, 0, OF_ANNA.encode()), ask.Get(6, ()))
        assert (await anna.take(tell.QueryClosed, 5)).result is ResultCode.SHUTTING_DOWN
        assert (await anna.take(tell.QueryClosed, 6)).result is ResultCode.SHUTTING_DOWN
        late = await world.connect(greet=False)
        assert (await late.take(tell.Closing)).result is ResultCode.SHUTTING_DOWN


async def test_a_store_that_fails_is_a_temporary_error_for_who_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path, ANNA) as world:
        anna = await world.connect()
        await anna.submit(ANNA.record(world.now()))

        class Broken:
            def frames(self, *_: object) -> object:
                raise StoreError("the disk fails")

        def scan(*_: object, **__: object) -> Broken:
            return Broken()

        real = world.server._questions._store

        class Half:
            """Every second question fails."""

            asked = 0

            def scan(self, *args: object, **named: object) -> object:
                Half.asked += 1
                return Broken() if Half.asked % 2 else real.scan(*args, **named)  # type: ignore[arg-type]

        monkeypatch.setattr(world.server._questions, "_store", Half())
        wanted = OF_ANNA.encode()
        anna.send(*(ask.Query(number, 0, wanted) for number in range(6)))
        results = [(await anna.collect(number)) for number in range(6)]
        assert [(len(found), result) for found, result in results] == [
            (0, ResultCode.TEMPORARY_ERROR),
            (1, ResultCode.SUCCESS),
        ] * 3
        monkeypatch.setattr(world.server._subscriptions, "_store", Half())
        Half.asked = 0
        anna.send(ask.Subscribe(7, 0, wanted))
        assert (await anna.take(tell.QueryClosed, 7)).result is ResultCode.TEMPORARY_ERROR


async def test_a_fault_of_the_server_costs_one_link_and_not_its_neighbours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path, ANNA) as world:
        first, second = await world.connect(), await world.connect()

        def fail(*_: object) -> None:
            raise ZeroDivisionError("a mistake")

        monkeypatch.setattr(world.server._questions, "get", fail)
        first.send(ask.Get(1, ()))
        assert (await first.take(tell.Closing)).result is ResultCode.GENERAL_ERROR
        await first.until(lambda: first.closed)
        assert await second.submit(ANNA.record(world.now())) == [ResultCode.ACCEPTED]


async def test_a_network_may_come_before_and_after_the_start(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        ours, theirs = memory_pair(world.transport, server_key=SERVER_KEY)
        client = Client(theirs)
        client.send(ask.Hello(0))
        world.server.attach(ours)
        await client.take(tell.HelloAck)
        assert await world.server.submit([ANNA.record(world.now()).data], Way.OWNER) == [ResultCode.ACCEPTED]
        assert (await client.query(OF_ANNA))[1] is ResultCode.SUCCESS
