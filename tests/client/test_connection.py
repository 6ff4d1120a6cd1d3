from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.client.scripted import SERVER_KEY, Wire
from tests.client.virtual_time import elapsed, run
from tests.core.makers import MASTER, NOW, OTHER, post

from mosaic.client.answers import CaughtUp
from mosaic.client.settings import ClientSettings
from mosaic.core import blob_hash, builder, kinds, nonce
from mosaic.core.filter import Filter
from mosaic.core.record import Record
from mosaic.errors import BlobTooLarge, Disconnected, ProtocolViolation, Refused, UsageError, WrongServerKey
from mosaic.transport.transport import Target
from mosaic.wire.blob_messages import BlobPartResult
from mosaic.wire.result_code import ResultCode

POSTS = [post(timestamp=NOW - n, payload=b"post %d" % n) for n in range(5)]
ALL = Filter.of(authors=[MASTER.public])


@pytest.fixture
async def wire(tmp_path: Path) -> AsyncIterator[Wire]:
    wire = Wire(folder=str(tmp_path))
    yield wire
    await wire.far.stop(0)
    await wire.server.network.stop(0)


async def everything(wire: Wire, wanted: Filter = ALL, limit: int = 0) -> list[Record]:
    connection = await wire.connect()
    return [record async for record in connection.query(wanted, limit)]


@pytest.mark.claim("C45")
async def test_a_submission_is_answered_by_its_own_result(wire: Wire) -> None:
    connection = await wire.connect()
    assert connection.server_key is not None
    assert connection.server_key.bytes == SERVER_KEY
    wire.server.answer = lambda record: (
        ResultCode.ACCEPTED if record == POSTS[0].data else ResultCode.UNAUTHORIZED
    )
    results = await connection.submit_all([record.data for record in POSTS])
    assert results == [ResultCode.ACCEPTED] + [ResultCode.UNAUTHORIZED] * 4
    assert wire.server.submitted == [record.data for record in POSTS]


async def test_the_same_record_twice_at_once_is_answered_twice(wire: Wire) -> None:
    connection = await wire.connect()
    results = await connection.submit_all([POSTS[0].data, POSTS[0].data])
    assert results == [ResultCode.ACCEPTED] * 2


async def test_a_connection_that_ends_before_many_are_answered_is_told_as_one_error(wire: Wire) -> None:
    connection = await wire.connect()
    all_there = asyncio.Event()

    def nothing(record: bytes) -> None:
        if record == POSTS[-1].data:
            all_there.set()

    wire.server.answer = nothing
    handing_in = asyncio.create_task(connection.submit_all([record.data for record in POSTS]))
    await all_there.wait()
    (link,) = wire.server.sessions
    wire.server.network.close(link)
    with pytest.raises(Disconnected):
        await handing_in
    assert connection.is_idle


async def test_no_answer_is_told_and_leaves_nothing_behind(tmp_path: Path) -> None:
    wire = Wire(ClientSettings(answer_s=0.0))
    connection = await wire.connect()
    wire.server.answer = lambda _: None
    with pytest.raises(Disconnected, match="in time"):
        await connection.submit(POSTS[0].data)
    assert connection.is_idle


async def test_a_server_that_says_nothing_at_all_is_taken_to_be_gone(tmp_path: Path) -> None:
    wire = Wire(ClientSettings(answer_s=0.0))
    connection = await wire.connect()
    wire.server.answer = lambda _: None
    with pytest.raises(Disconnected, match="in time"):
        await connection.submit(POSTS[0].data)
    assert not connection.is_open


@pytest.mark.claim("C44")
async def test_a_query_gives_what_matches_newest_first(wire: Wire) -> None:
    wire.server.held = [POSTS[2], POSTS[0], POSTS[1], post(OTHER, author=OTHER)]
    assert await everything(wire) == POSTS[:3]
    assert await everything(wire, limit=2) == POSTS[:2]


@pytest.mark.claim("C44")
async def test_get_takes_ids_and_addresses_mixed(wire: Wire) -> None:
    wire.server.held = list(POSTS)
    connection = await wire.connect()
    found = await connection.get([POSTS[0].id, POSTS[3].address])
    assert sorted(found) == sorted([POSTS[0], POSTS[3]])
    assert await connection.get([]) == []


async def test_a_refused_query_is_an_error_with_its_code(wire: Wire) -> None:
    wire.server.query_result = ResultCode.TOO_OPEN
    with pytest.raises(Refused) as caught:
        await everything(wire)
    assert caught.value.result == ResultCode.TOO_OPEN


@pytest.mark.claim("C25")
async def test_what_is_not_valid_or_was_not_asked_for_never_reaches_the_caller(wire: Wire) -> None:
    forged = bytearray(POSTS[1].data)
    forged[-1] ^= 1
    stranger = post(OTHER, author=OTHER)
    wire.server.held = [POSTS[0]]
    wire.server.extra = [bytes(forged), stranger.data, POSTS[2].data]
    connection = await wire.connect()
    assert [record async for record in connection.query(ALL)] == [POSTS[0], POSTS[2]]
    assert connection.dropped == 2


async def test_a_server_that_gives_more_than_was_asked_for_is_not_heard_out(wire: Wire) -> None:
    wire.server.held = [POSTS[0]]
    wire.server.extra = [POSTS[1].data, POSTS[2].data]
    assert await everything(wire, limit=2) == POSTS[:2]


@pytest.mark.parametrize("way", ["get", "query", "sync_get"])
async def test_a_server_that_is_there_and_never_ends_its_answer_is_not_waited_for(way: str) -> None:
    wire = Wire(ClientSettings(answer_s=0.0))
    wire.server.slow = True
    connection = await wire.connect()

    async def ask() -> list[Record]:
        if way == "get":
            return await connection.get([POSTS[0].id])
        prefix = POSTS[0].data[:32]
        items = connection.query(ALL) if way == "query" else connection.sync_get([prefix])
        return [record async for record in items]

    with pytest.raises(Disconnected, match="in time"):
        await ask()
    assert connection.is_open


def test_a_server_that_answers_drop_by_drop_is_not_waited_for() -> None:
    names = [record.id for record in POSTS]

    async def drip() -> float:
        wire = Wire(ClientSettings(answer_s=30.0, silence_s=10_000.0))
        wire.server.slow = True
        connection = await wire.connect()
        asking = asyncio.create_task(connection.get(names))
        await asyncio.sleep(1)
        query_id = wire.server.unanswered[-1]
        for record in POSTS:
            await asyncio.wait([asking], timeout=25)
            if not asking.done():
                wire.server.send(next(iter(wire.server.sessions)), query_id, record.data)
        with pytest.raises(Disconnected, match="in time"):
            await asking
        return elapsed()

    # It would have been 126 s, and could be as many times 25 s as there are names.
    assert run(drip()) < 80


@pytest.mark.parametrize("by_address", [True, False])
def test_what_stands_at_an_address_and_has_no_end_is_not_all_kept_in_memory(by_address: bool) -> None:
    at = nonce.from_time(NOW)
    versions = [
        builder.build(MASTER, kind=kinds.MICROBLOG, nonce=at, timestamp=NOW - n, payload=bytes(40_000))
        for n in range(8)
    ]

    async def ask() -> list[Record]:
        wire = Wire(ClientSettings(unread_bytes=200_000))
        wire.server.slow = True
        connection = await wire.connect()
        asked = [versions[0].address] if by_address else [record.id for record in versions]
        asking = asyncio.create_task(connection.get(asked))
        await asyncio.sleep(1)
        (query_id,) = wire.server.unanswered
        link = next(iter(wire.server.sessions))
        for record in versions:
            wire.server.send(link, query_id, record.data)
            await asyncio.sleep(1)
        wire.server.network.send(link, wire.server.sessions[link].query_closed(query_id, ResultCode.SUCCESS))
        return await asking

    assert len(run(ask())) == (4 if by_address else 8)


async def test_what_a_server_sends_twice_is_given_once(wire: Wire) -> None:
    wire.server.held = [POSTS[0]]
    wire.server.extra = [POSTS[0].data, POSTS[1].data, POSTS[1].data]
    assert await everything(wire) == POSTS[:2]


async def test_a_record_from_the_future_is_held_back_until_its_time(wire: Wire) -> None:
    limit = 15 * 60 * 10**9
    early, due = post(timestamp=NOW + limit + 10**6), post(timestamp=NOW + limit)
    connection = await wire.connect()
    live = connection.subscribe(ALL)
    assert isinstance(await anext(live), CaughtUp)
    wire.server.receive(early)
    wire.server.receive(due)
    assert await anext(live) == due
    # Its time comes a millisecond later.
    assert await anext(live) == early
    await live.aclose()


async def test_what_is_held_back_is_bounded_and_let_go_with_the_connection() -> None:
    far = NOW + 20 * 60 * 10**9
    future = [post(timestamp=far + n) for n in range(4)]
    wire = Wire(ClientSettings(unread_bytes=2 * len(future[0])))
    connection = await wire.connect()
    live = connection.subscribe(ALL)
    assert isinstance(await anext(live), CaughtUp)
    for record in [*future, post(timestamp=NOW + 2 * 86_400 * 10**9), POSTS[0]]:
        wire.server.receive(record)
    assert await anext(live) == POSTS[0]
    assert connection.dropped == 3
    assert len(connection._queries._held_back) == 2
    wire.server.cut()
    with pytest.raises(Disconnected):
        await anext(live)
    assert len(connection._queries._held_back) == 0


@pytest.mark.claim("C44")
async def test_a_subscription_gives_stored_then_live_records(wire: Wire) -> None:
    wire.server.held = [POSTS[3], POSTS[2]]
    connection = await wire.connect()
    items = connection.subscribe(ALL)
    assert [await anext(items) for _ in range(2)] == [POSTS[2], POSTS[3]]
    assert isinstance(await anext(items), CaughtUp)
    wire.server.receive(POSTS[1])
    wire.server.receive(post(OTHER, author=OTHER))
    wire.server.receive(POSTS[0])
    assert [await anext(items) for _ in range(2)] == [POSTS[1], POSTS[0]]
    await items.aclose()
    # Nobody listens any more: the server is told.
    await connection.ping()
    assert wire.server.subscribed == []
    assert connection.is_idle


async def test_many_things_at_once_find_their_askers(wire: Wire) -> None:
    wire.server.held = list(POSTS)
    connection = await wire.connect()

    async def ask(number: int) -> list[Record]:
        return [record async for record in connection.query(Filter.of(timestamps=[POSTS[number].timestamp]))]

    answers = await asyncio.gather(*(ask(number % 5) for number in range(200)))
    assert answers == [[POSTS[number % 5]] for number in range(200)]


async def test_a_server_that_breaks_off_fails_all_that_waits(wire: Wire) -> None:
    connection = await wire.connect()
    wire.server.answer = lambda _: None
    items = connection.subscribe(ALL)
    await anext(items)
    submission = asyncio.ensure_future(connection.submit(POSTS[0].data))
    await asyncio.sleep(0)
    wire.server.cut()
    with pytest.raises(Disconnected):
        await submission
    with pytest.raises(Disconnected):
        await anext(items)
    assert not connection.is_open
    with pytest.raises(Disconnected):
        await connection.submit(POSTS[0].data)


async def test_another_key_than_expected_ends_the_connection(wire: Wire) -> None:
    connection = wire.switch.connection(wire.far.dial(Target.in_memory(bytes([8]) * 32)))
    with pytest.raises(WrongServerKey):
        await connection.opened()


async def test_a_server_that_breaks_the_protocol_is_left(wire: Wire) -> None:
    connection = await wire.connect()
    items = connection.subscribe(ALL)
    await anext(items)
    (link,) = wire.server.sessions
    wire.server.network.send(link, bytes([0x05]) + bytes(3) + (8 + 216).to_bytes(4, "little") + bytes(216))
    with pytest.raises(ProtocolViolation):
        await anext(items)


async def test_more_than_anybody_reads_is_given_up(tmp_path: Path) -> None:
    wire = Wire(ClientSettings(unread_bytes=3 * len(POSTS[0])))
    wire.server.held = list(POSTS)
    connection = await wire.connect()
    items = connection.query(ALL)
    found = [await anext(items)]
    await connection.ping()
    with pytest.raises(ProtocolViolation, match="more came"):
        found += [record async for record in items]
    assert found == POSTS[: len(found)]


@pytest.mark.claim("C45")
@pytest.mark.parametrize("length", [0, 1000, 300_000, 3_000_000])
async def test_blobs_go_out_of_files_and_come_into_files(wire: Wire, tmp_path: Path, length: int) -> None:
    blob = bytes(range(256)) * (length // 256) + bytes(length % 256)
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(blob)
    name = blob_hash.of(blob)
    connection = await wire.connect()
    assert await connection.blobs.put(source, name, len(blob)) is ResultCode.SUCCESS
    assert wire.server.blobs == {name: blob}
    assert await connection.blobs.get(name, target) == length
    assert target.read_bytes() == blob


async def test_a_blob_that_is_not_there_is_told(wire: Wire, tmp_path: Path) -> None:
    connection = await wire.connect()
    with pytest.raises(Refused) as caught:
        await connection.blobs.get(bytes(32), tmp_path / "target")
    assert caught.value.result == ResultCode.NOT_FOUND
    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize("in_parts", [True, False])
async def test_a_blob_that_is_too_long_or_never_ends_is_not_fetched(
    wire: Wire, tmp_path: Path, in_parts: bool
) -> None:
    blob = bytes(3_000)
    name = blob_hash.of(blob)
    if in_parts:
        wire.server.part = lambda asked: BlobPartResult(
            asked.hash, ResultCode.SUCCESS, asked.offset, 1 << 60, bytes(1_000)
        ).encode()
    else:
        wire.server.blobs[name] = blob
    connection = await wire.connect()
    with pytest.raises(BlobTooLarge):
        await connection.blobs.get(name, tmp_path / "target", 2_999)
    assert not (tmp_path / "target").exists()
    if not in_parts:
        assert await connection.blobs.get(name, tmp_path / "target", 3_000) == 3_000


def test_a_server_that_chats_and_gives_no_blob_is_not_waited_for(tmp_path: Path) -> None:
    async def ask() -> float:
        wire = Wire(ClientSettings(answer_s=30.0, silence_s=100_000.0), str(tmp_path))
        wire.server.part = lambda _: None
        connection = await wire.connect()
        asking = asyncio.create_task(connection.blobs.get(bytes(32), tmp_path / "target"))
        for _ in range(500):
            await asyncio.wait([asking], timeout=10)
            if asking.done():
                break
            await connection.ping()
        with pytest.raises(Disconnected):
            await asking
        return elapsed()

    assert run(ask()) < 1_000


async def test_limits_that_no_message_holds_are_refused(wire: Wire) -> None:
    with pytest.raises(UsageError):
        await everything(wire, limit=65_536)


def test_every_setting_has_a_help_line() -> None:

    assert all(field.metadata.get("help") for field in dataclasses.fields(ClientSettings))
