"""GET and QUERY: order, limits, what is refused, and readers that do not read."""

from __future__ import annotations

from pathlib import Path

import pytest

from mosaic.core import core_tags, kinds, social_kinds
from mosaic.core.filter import Filter
from mosaic.core.timestamp import Timestamp
from mosaic.policy.submission import Way
from mosaic.server.settings import ServerSettings
from mosaic.testing import Person
from mosaic.testing.people import kind_of
from mosaic.wire import client_messages as ask
from mosaic.wire import server_messages as tell
from mosaic.wire.result_code import ResultCode
from tests.server.world import running

ANNA, BEN = Person("anna"), Person("ben")
SUCCESS = ResultCode.SUCCESS
HOUR = 3600


@pytest.mark.claim("C44")
async def test_answers_come_newest_first_and_end_at_the_limit(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA, BEN) as world:
        anna = await world.connect()
        records = [person.record(world.now(n)).data for n in range(50) for person in (ANNA, BEN)]
        await anna.submit(*records)
        newest_first = sorted(records, key=lambda record: record[:48], reverse=True)
        wanted = Filter.of(kinds=[kind_of()])
        assert await anna.query(wanted) == (newest_first, SUCCESS)
        for limit in (1, 7, 100, 101, 65_535):
            assert await anna.query(wanted, limit) == (newest_first[:limit], SUCCESS)


@pytest.mark.claim("C36")
async def test_one_query_by_the_root_brings_a_whole_thread(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA, BEN) as world:
        anna = await world.connect()
        kind = kinds.REPLY_COMMENT
        top = ANNA.record(world.now(), kind=kinds.MICROBLOG, payload=b"top")
        records, parent = [], top
        for number in range(1, 20):
            author = (ANNA, BEN)[number % 2]
            record = author.record(
                world.now(number), kind=kind, tags=social_kinds.thread_tags(parent), payload=b"%d" % number
            )
            records.append(record.data)
            # Some answer the top, others each other; all of them hang on the same root.
            parent = record if number % 3 else top
        other = BEN.record(world.now(), kind=kinds.MICROBLOG, payload=b"another")
        elsewhere = ANNA.record(
            world.now(30), kind=kind, tags=social_kinds.thread_tags(other), payload=b"elsewhere"
        )
        await anna.submit(top.data, other.data, *records, elsewhere.data)
        found, result = await anna.query(Filter.of(tags=[core_tags.root(top.kind, top.id)]))
        assert result is SUCCESS
        assert sorted(found) == sorted(records)


@pytest.mark.claim("C44")
async def test_get_takes_ids_and_addresses_mixed_and_leaves_out_what_is_not_there(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        anna = await world.connect()
        one, two = ANNA.record(world.now()), ANNA.record(world.now(1))
        await anna.submit(one, two)
        nowhere = ANNA.record(world.now())
        assert await anna.get(two.id.bytes, nowhere.id.bytes, one.address.bytes) == [two.data, one.data]
        assert await anna.get() == []


@pytest.mark.claim("C41")
async def test_a_filter_without_a_narrow_element_needs_a_small_limit_or_a_short_past(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, ANNA) as world:
        anna = await world.connect()
        record = ANNA.record(world.now()).data
        await anna.submit(record)
        everything = Filter.of()
        lately = Filter.of(since=Timestamp(world.now(-2 * HOUR)))
        long_ago = Filter.of(since=Timestamp(world.now(-2 * HOUR - 1)))
        received = Filter.of(received_since=Timestamp(world.now(-HOUR)))
        too_open: tuple[list[bytes], ResultCode] = ([], ResultCode.TOO_OPEN)
        assert await anna.query(everything) == too_open
        assert await anna.query(everything, 501) == too_open
        assert await anna.query(long_ago) == too_open
        assert await anna.query(Filter.of(until=Timestamp(world.now()))) == too_open
        assert await anna.query(everything, 500) == ([record], SUCCESS)
        assert await anna.query(lately) == ([record], SUCCESS)
        assert await anna.query(received) == ([record], SUCCESS)
        # Of two the first counts, here as in matching.
        both = Filter(long_ago.elements + lately.elements)
        assert await anna.query(both) == too_open
        anna.send(ask.Subscribe(77, 0, everything.encode()))
        assert (await anna.take(tell.QueryClosed, 77)).result is ResultCode.TOO_OPEN
        assert anna.inbox == []


@pytest.mark.claim("C41")
async def test_an_operator_may_refuse_all_open_filters(tmp_path: Path) -> None:
    settings = ServerSettings(open_query_limit=0, open_query_window_ns=0)
    async with running(tmp_path, ANNA, settings=settings) as world:
        anna = await world.connect()
        world.clock.advance(seconds=1)
        for wanted in (Filter.of(), Filter.of(since=Timestamp(world.now(-1)))):
            assert await anna.query(wanted, 1) == ([], ResultCode.TOO_OPEN)
        assert await anna.query(Filter.of(kinds=[kind_of()])) == ([], SUCCESS)


@pytest.mark.claim("C41")
async def test_ranges_include_both_ends(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        anna = await world.connect()
        records = [ANNA.record(world.now() + n).data for n in range(5)]
        await anna.submit(*records)
        first, last = Timestamp(world.now() + 1), Timestamp(world.now() + 3)
        found, _ = await anna.query(Filter.of(authors=[ANNA.key], since=first, until=last))
        assert found == [records[3], records[2], records[1]]


async def test_a_malformed_filter_is_invalid(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        anna = await world.connect()
        unknown = (16).to_bytes(2, "little") + bytes(6) + bytes((0x77, 1)) + bytes(6)
        zero_length = (16).to_bytes(2, "little") + bytes(6) + bytes((1, 0)) + bytes(6)
        for number, data in enumerate((unknown, zero_length)):
            anna.send(ask.Query(number, 0, data))
            assert (await anna.take(tell.QueryClosed, number)).result is ResultCode.INVALID
            anna.send(ask.Subscribe(number, 0, data))
            assert (await anna.take(tell.QueryClosed, number)).result is ResultCode.INVALID


async def test_a_query_id_that_is_open_twice_closes_the_link(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        anna = await world.connect()
        query_id, _ = await anna.subscribe(Filter.of(authors=[ANNA.key]))
        anna.send(ask.Query(query_id, 0, Filter.of(authors=[ANNA.key]).encode()))
        assert (await anna.take(tell.Closing)).result is ResultCode.INVALID
        await anna.until(lambda: anna.closed)


async def test_too_many_queries_at_once_are_too_fast(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA, settings=ServerSettings(queries_per_link=3)) as world:
        anna = await world.connect()
        wanted = Filter.of(authors=[ANNA.key]).encode()
        anna.send(*(ask.Query(number, 0, wanted) for number in range(5)))
        results = [(await anna.take(tell.QueryClosed, number)).result for number in range(5)]
        assert results == [SUCCESS] * 3 + [ResultCode.TOO_FAST] * 2
        assert await anna.query(Filter.of(authors=[ANNA.key])) == ([], SUCCESS)


async def test_a_query_may_be_stopped_and_its_id_used_again(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        anna = await world.connect()
        records = [ANNA.record(world.now(), payload=bytes(20_000)).data for _ in range(120)]
        await anna.submit(*records)
        wanted = Filter.of(authors=[ANNA.key]).encode()
        anna.stop_reading()
        anna.send(ask.Query(500, 0, wanted))
        for _ in range(3):
            await world.server.submit([ANNA.record(world.now()).data], Way.OWNER)
        anna.send(ask.Unsubscribe(500), ask.Query(500, 1, wanted))
        anna.go_on_reading()
        first, result = await anna.collect(500)
        assert result is SUCCESS
        assert len(first) < 123
        again, result = await anna.collect(500)
        assert (len(again), result) == (1, SUCCESS)


async def test_who_does_not_read_waits_alone_and_is_given_up_in_the_end(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        anna, idle = await world.connect(), await world.connect()
        records = [ANNA.record(world.now(n), payload=bytes(10_000)).data for n in range(200)]
        await anna.submit(*records)
        wanted = Filter.of(authors=[ANNA.key])
        idle.stop_reading()
        idle.send(*(ask.Query(number, 0, wanted.encode()) for number in range(10)))
        everything = records[::-1]
        for _ in range(3):
            assert await anna.query(wanted) == (everything, SUCCESS)
        network = world.server._entrances.networks[1]
        assert 0 < network.pending(1) <= 262_144
        world.server.tick()
        world.clock.advance(seconds=31)
        world.server.tick()
        idle.go_on_reading()
        results = {(await idle.take(tell.QueryClosed, number)).result for number in range(10)}
        assert results == {ResultCode.TEMPORARY_ERROR}
        # The link itself lives on.
        assert await idle.query(wanted, 2) == (everything[:2], SUCCESS)


async def test_a_reader_that_is_slow_gets_everything_in_time(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        anna = await world.connect()
        records = [ANNA.record(world.now(n), payload=bytes(10_000)).data for n in range(100)]
        await anna.submit(*records)
        anna.stop_reading()
        anna.send(ask.Query(7, 0, Filter.of(authors=[ANNA.key]).encode()))
        other = await world.connect()
        await other.settled()
        anna.go_on_reading()
        found, result = await anna.collect(7)
        assert (found, result) == (records[::-1], SUCCESS)


async def test_the_largest_records_are_answered(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        anna = await world.connect()
        largest = [ANNA.record(world.now(n), payload=bytes(1_048_576 - 216)).data for n in range(3)]
        assert await anna.submit(*largest) == [ResultCode.ACCEPTED] * 3
        assert await anna.query(Filter.of(authors=[ANNA.key])) == (largest[::-1], SUCCESS)
        _, stored = await anna.subscribe(Filter.of(authors=[ANNA.key]))
        assert stored == largest[::-1]


async def test_many_questions_for_large_records_stay_within_the_queue(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        anna = await world.connect()
        largest = [ANNA.record(world.now(n), payload=bytes(1_000_000)).data for n in range(2)]
        assert await anna.submit(*largest) == [ResultCode.ACCEPTED] * 2
        anna.stop_reading()
        wanted = Filter.of(authors=[ANNA.key]).encode()
        anna.send(*(ask.Query(number, 0, wanted) for number in range(20)))
        other = await world.connect()
        for _ in range(5):
            await other.query(Filter.of(authors=[ANNA.key]), 1)
        # One such record is more than the queue should hold, but no second one comes behind it.
        assert world.server._entrances.networks[0].pending(1) < 2_300_000
        # Small answers still find their place.
        anna.send(ask.Get(99, ()))
        anna.go_on_reading()
        assert await anna.collect(99) == ([], SUCCESS)
        for number in range(20):
            assert await anna.collect(number) == (largest[::-1], SUCCESS)


@pytest.mark.claim("C44")
async def test_answers_that_wait_for_their_reader_hold_up_nobody(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        anna = await world.connect(ANNA.master)
        records = [ANNA.record(world.now(n), payload=bytes(100_000)).data for n in range(6)]
        await anna.submit(*records)
        wanted = Filter.of(authors=[ANNA.key])
        await anna.query(wanted)  # from now on there is somebody whose questions go first
        slow, reader = await world.connect(), await world.connect()
        slow.stop_reading()
        slow.send(*(ask.Query(number, 0, wanted.encode()) for number in range(40)))
        assert await reader.query(wanted) == (records[::-1], ResultCode.SUCCESS)
