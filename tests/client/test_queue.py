from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from tests.core.makers import NOW, OTHER, SUBKEY, post

from mosaic.client.address import ServerAddress
from mosaic.client.backoff import Backoff
from mosaic.client.queue import Delivery, OutgoingQueue, State, Submitter
from mosaic.core.url import ServerUrl
from mosaic.errors import Disconnected, RecordTooLong, Unreachable
from mosaic.node.deliveries import Deliveries
from mosaic.node.private_db import PrivateDb
from mosaic.wire.result_code import ResultCode

SECOND = 10**9
HERE = ServerAddress(SUBKEY.public, (ServerUrl.parse("mosaictcp://127.0.0.1:1/"),))
THERE = ServerAddress(OTHER.public, (ServerUrl.parse("mosaictcp://127.0.0.1:2/"),))
FIRST, SECOND_POST, THIRD = (post(payload=b"%d" % number) for number in range(3))


class World:
    """Servers that answer as a test says, a clock, and a queue over a real database."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.now = NOW
        self.answer: Callable[[ServerAddress, bytes], ResultCode] = lambda _server, _record: (
            ResultCode.ACCEPTED
        )
        self.away: set[ServerAddress] = set()
        self.given: list[tuple[ServerAddress, bytes]] = []
        self.senders: list[bytes] = []
        self.without_room: set[bytes] = set()
        self.open()

    def open(self) -> None:
        self.db = PrivateDb(self.path / "private.db")
        self.storage = Deliveries(self.db)
        self.queue = OutgoingQueue(
            self.storage,
            self.connect,
            now_ns=lambda: self.now,
            backoff=Backoff(bytes, first_s=2, most_s=60),
            owed=self.owed,
        )

    @contextlib.asynccontextmanager
    async def connect(self, server: ServerAddress, sender: bytes) -> AsyncIterator[Submitter]:
        if server in self.away:
            raise Unreachable("nobody answered")
        self.senders.append(sender)
        yield Station(self, server)

    async def owed(self, delivery: Delivery, _connection: Submitter) -> bool:
        if delivery.record in self.without_room:
            raise RecordTooLong("no room for the work")
        return False

    async def settle(self) -> None:
        """Runs the queue until nothing is due any more."""
        task = asyncio.create_task(self.queue.run())
        while self.storage.due(self.now, 1):  # noqa: ASYNC110 - the queue tells nobody
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    def of(self, record: bytes) -> list[Delivery]:
        return self.queue.of_record(record[:48])


class Station:
    def __init__(self, world: World, server: ServerAddress) -> None:
        self.world = world
        self.server = server

    async def submit(self, record: bytes) -> ResultCode:
        self.world.given.append((self.server, record))
        return self.world.answer(self.server, record)


@pytest.fixture
async def world(tmp_path: Path) -> World:
    return World(tmp_path)


async def test_each_record_reaches_each_server_once(world: World) -> None:
    assert world.queue.add(FIRST.data, b"me", [HERE, THERE]) == 2
    assert world.queue.add(FIRST.data, b"me", [HERE]) == 0
    world.queue.add(SECOND_POST.data, b"me", [HERE])
    await world.settle()
    assert sorted(world.given, key=str) == sorted(
        [(HERE, FIRST.data), (THERE, FIRST.data), (HERE, SECOND_POST.data)], key=str
    )
    assert {one.state for one in world.of(FIRST.data)} == {State.DELIVERED}
    assert world.queue.waiting == 0
    # One connection for what goes to one server.
    assert world.senders == [b"me", b"me"]


async def test_records_to_one_server_keep_their_order(world: World) -> None:
    for record in (THIRD, FIRST, SECOND_POST):
        world.queue.add(record.data, b"", [HERE])
    await world.settle()
    assert [data for _, data in world.given] == [THIRD.data, FIRST.data, SECOND_POST.data]


async def test_a_server_that_is_away_holds_up_nobody_else_and_is_tried_again(world: World) -> None:
    world.away = {HERE}
    world.queue.add(FIRST.data, b"", [HERE, THERE])
    await world.settle()
    here, there = world.of(FIRST.data)
    assert (here.state, here.attempts, here.note) == (State.QUEUED, 1, "nobody answered")
    assert there.state is State.DELIVERED
    assert here.next_try_ns == NOW + 1 * SECOND
    world.now += SECOND
    await world.settle()
    (here, _) = world.of(FIRST.data)
    assert here.next_try_ns == world.now + 2 * SECOND
    world.away = set()
    world.now += 2 * SECOND
    await world.settle()
    assert [one.state for one in world.of(FIRST.data)] == [State.DELIVERED] * 2


@pytest.mark.parametrize(
    "result",
    [
        ResultCode.TOO_FAST,
        ResultCode.TEMPORARY_ERROR,
        ResultCode.SHUTTING_DOWN,
        ResultCode.PUBKEY_TEMP_BANNED,
    ],
)
async def test_what_may_pass_is_tried_again(world: World, result: ResultCode) -> None:
    world.answer = lambda _server, _record: result
    world.queue.add(FIRST.data, b"", [HERE])
    await world.settle()
    (delivery,) = world.of(FIRST.data)
    assert (delivery.state, delivery.result) == (State.QUEUED, result)
    world.answer = lambda _server, _record: ResultCode.DUPLICATE
    world.now = delivery.next_try_ns
    await world.settle()
    (delivery,) = world.of(FIRST.data)
    assert (delivery.state, delivery.result) == (State.DELIVERED, ResultCode.DUPLICATE)


@pytest.mark.parametrize(
    "result", [ResultCode.UNAUTHORIZED, ResultCode.INVALID, ResultCode.PUBKEY_PERM_BANNED]
)
async def test_a_last_word_ends_a_delivery_and_is_kept(world: World, result: ResultCode) -> None:
    world.answer = lambda _server, _record: result
    world.queue.add(FIRST.data, b"", [HERE])
    world.queue.add(SECOND_POST.data, b"", [HERE])
    await world.settle()
    assert [one.state for one in world.of(FIRST.data) + world.of(SECOND_POST.data)] == [State.REFUSED] * 2
    assert [one.result for one in world.of(FIRST.data)] == [result]


async def test_every_code_is_either_a_last_word_or_not(world: World) -> None:
    for result in ResultCode:
        record = post(payload=result.name.encode())
        world.answer = lambda _server, _record, result=result: result  # type: ignore[misc]
        world.queue.add(record.data, b"", [HERE])
        await world.settle()
        (delivery,) = world.of(record.data)
        assert delivery.attempts == 1
        assert (delivery.state is State.DELIVERED) == result.is_success


async def test_what_is_queued_survives_a_restart(world: World) -> None:
    world.away = {HERE}
    world.queue.add(FIRST.data, b"me", [HERE])
    await world.settle()
    world.db.close()
    world.open()
    world.away = set()
    assert world.queue.waiting == 1
    world.storage.retry_now(world.now)
    await world.settle()
    assert world.given == [(HERE, FIRST.data)]
    assert world.senders == [b"me"]


async def test_a_connection_that_breaks_leaves_the_rest_queued(world: World) -> None:
    def break_at_second(_server: ServerAddress, record: bytes) -> ResultCode:
        if record == SECOND_POST.data:
            raise Disconnected("broken")
        return ResultCode.ACCEPTED

    world.answer = break_at_second
    for record in (FIRST, SECOND_POST, THIRD):
        world.queue.add(record.data, b"", [HERE])
    await world.settle()
    states = [world.of(record.data)[0].state for record in (FIRST, SECOND_POST, THIRD)]
    assert states == [State.DELIVERED, State.QUEUED, State.QUEUED]


async def test_after_a_month_without_an_answer_it_is_given_up_and_told(world: World) -> None:
    world.away = {HERE}
    world.queue.add(FIRST.data, b"", [HERE])
    await world.settle()
    world.now += 31 * 86_400 * SECOND
    await world.settle()
    (delivery,) = world.of(FIRST.data)
    assert delivery.state is State.REFUSED
    assert delivery.note.startswith("given up")


async def test_who_waits_learns_what_became_of_a_record(world: World) -> None:
    task = asyncio.create_task(world.queue.run())
    world.queue.add(FIRST.data, b"", [HERE])
    (delivery,) = await world.queue.settled(FIRST.id.bytes, 30)
    assert delivery.state is State.DELIVERED
    assert await world.queue.settled(bytes(48), 30) == []
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_old_deliveries_are_forgotten_but_never_queued_ones(world: World) -> None:
    world.queue.add(FIRST.data, b"", [HERE])
    await world.settle()
    world.away = {HERE}
    world.queue.add(SECOND_POST.data, b"", [HERE])
    world.storage.forget_old(world.now + 31 * 86_400 * SECOND)
    assert world.of(FIRST.data) == []
    assert len(world.of(SECOND_POST.data)) == 1


async def test_much_for_a_server_that_is_away_is_tried_once_and_hides_nothing(world: World) -> None:
    world.away = {HERE}
    many = [post(payload=b"%d" % number, timestamp=NOW + number).data for number in range(300)]
    for record in many:
        world.queue.add(record, b"", [HERE])
    world.queue.add(FIRST.data, b"", [THERE])
    await world.settle()
    assert world.given == [(THERE, FIRST.data)]
    # All of it waits; what was not even tried was not counted as a try.
    assert world.storage.due(world.now, 1) == []
    assert [world.of(record)[0].attempts for record in (many[0], many[299])] == [1, 0]
    world.away = set()
    world.now += 10 * SECOND
    await world.settle()
    assert [data for server, data in world.given if server == HERE] == many


async def test_two_senders_to_one_server_take_turns(world: World) -> None:
    world.queue.add(FIRST.data, b"anna", [HERE])
    world.queue.add(SECOND_POST.data, b"ben", [HERE])
    await world.settle()
    assert sorted(world.senders) == [b"anna", b"ben"]
    assert world.queue.waiting == 0


async def test_a_record_that_can_not_be_made_again_holds_up_none_behind_it(world: World) -> None:
    world.without_room = {FIRST.data}
    world.answer = lambda _, record: ResultCode.TOO_FAST if record == FIRST.data else ResultCode.ACCEPTED
    for record in (FIRST, SECOND_POST):
        world.queue.add(record.data, b"", [HERE])
    await world.settle()
    (first,), (second,) = world.of(FIRST.data), world.of(SECOND_POST.data)
    assert (first.state, second.state) == (State.REFUSED, State.DELIVERED)
    assert "no room" in first.note


async def test_a_disk_that_is_full_is_not_tried_over_and_over(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(world.storage, "settle", full)
    world.queue.add(FIRST.data, b"", [HERE])
    world.queue.add(FIRST.data, b"", [THERE])
    task = asyncio.create_task(world.queue.run())
    for _ in range(200):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert len(world.given) == 2
    assert {delivery.state for delivery in world.of(FIRST.data)} == {State.QUEUED}
