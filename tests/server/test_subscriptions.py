"""Subscriptions: each matching record exactly once, stored or live, and who is too slow for it."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from mosaic.core.filter import Filter
from mosaic.core.kind import Duplicates
from mosaic.core.nonce import FIXED
from mosaic.errors import StoreError
from mosaic.policy.limits import Limits, LimitTable
from mosaic.policy.submission import Way
from mosaic.server.settings import ServerSettings
from mosaic.testing import Person
from mosaic.testing.people import kind_of
from mosaic.wire import client_messages as ask
from mosaic.wire import server_messages as tell
from mosaic.wire.result_code import ResultCode
from tests.server.world import Client, World, running

ANNA, BEN = Person("anna"), Person("ben")
EPHEMERAL = kind_of(duplicates=Duplicates.EPHEMERAL)
OF_ANNA = Filter.of(authors=[ANNA.key])


async def write(world: World, *records: bytes) -> None:
    """Writes records and waits until they have been handed on."""
    assert set(await world.server.submit(records, Way.OWNER)) == {ResultCode.ACCEPTED}
    await world.server._publisher.drained()


@pytest.mark.claim("C44")
async def test_stored_records_come_first_newest_first_then_live_ones_as_they_come(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA, BEN) as world:
        stored = [ANNA.record(world.now(n)).data for n in range(20)]
        await write(world, *stored, BEN.record(world.now()).data)
        reader = await world.connect()
        reader.send(ask.Subscribe(5, 3, OF_ANNA.encode()))
        await reader.take(tell.LocallyComplete)
        assert reader.records(5) == [stored[19], stored[18], stored[17]]
        # Live records are not counted by the limit, and come in the order of the log.
        live = [ANNA.record(world.now(-n)).data for n in range(10)]
        await write(world, *live, BEN.record(world.now()).data)
        await reader.settled()
        assert reader.records(5) == live


@pytest.mark.claim("C44")
async def test_unsubscribe_is_answered_and_nothing_follows(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        reader = await world.connect()
        query_id, _ = await reader.subscribe(OF_ANNA)
        reader.send(ask.Unsubscribe(query_id))
        assert (await reader.take(tell.QueryClosed, query_id)).result is ResultCode.SUCCESS
        await write(world, ANNA.record(world.now()).data)
        reader.send(ask.Unsubscribe(query_id))
        assert (await reader.take(tell.QueryClosed, query_id)).result is ResultCode.NOT_FOUND
        assert reader.inbox == []
        assert world.server.subscriptions == 0


async def test_two_subscriptions_of_one_link_each_get_a_record(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        reader = await world.connect()
        ids = [(await reader.subscribe(OF_ANNA))[0] for _ in range(3)]
        record = ANNA.record(world.now()).data
        await write(world, record)
        await reader.settled()
        assert [reader.records(query_id) for query_id in ids] == [[record]] * 3


async def test_a_replaced_record_is_not_sent_again_and_its_successor_is(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        kind = kind_of(duplicates=Duplicates.REPLACEABLE)
        versions = [ANNA.record(world.now(n), kind=kind, nonce=FIXED).data for n in range(3)]
        await write(world, versions[1])
        reader = await world.connect()
        query_id, stored = await reader.subscribe(OF_ANNA)
        assert stored == [versions[1]]
        assert await world.server.submit([versions[0], versions[1], versions[2]], Way.OWNER) == [
            ResultCode.DUPLICATE,
            ResultCode.DUPLICATE,
            ResultCode.ACCEPTED,
        ]
        await world.server._publisher.drained()
        await reader.settled()
        assert reader.records(query_id) == [versions[2]]


@pytest.mark.claim("C44")
@pytest.mark.parametrize("seed", range(6))
async def test_each_record_comes_exactly_once_whatever_is_written_meanwhile(
    tmp_path: Path, seed: int
) -> None:
    """Subscribes again and again, in the middle of writing, over links that read at will."""
    rng = random.Random(seed)
    settings = ServerSettings(
        slice_bytes=rng.choice((4_096, 65_536)), held_bytes=rng.choice((0, 2_000, 32_768)), batch_records=64
    )
    async with running(tmp_path, ANNA, settings=settings) as world:
        records = [
            ANNA.record(world.now(rng.randrange(-500, 500)), payload=bytes(rng.randrange(3_000))).data
            for _ in range(900)
        ]
        passing = [ANNA.record(world.now(), kind=EPHEMERAL).data for _ in range(20)]
        await write(world, *records[:300])
        readers: list[tuple[Client, int]] = []

        async def writing() -> None:
            at = 300
            while at < len(records):
                count = rng.randrange(1, 40)
                results = await world.server.submit(records[at : at + count], Way.OWNER)
                assert set(results) == {ResultCode.ACCEPTED}
                at += count
                if rng.random() < 0.3:
                    await asyncio.sleep(0)

        async def subscribing() -> None:
            for number in range(12):
                client = await world.connect()
                client.send(ask.Subscribe(number, 0, OF_ANNA.encode()))
                readers.append((client, number))
                if rng.random() < 0.4:
                    client.stop_reading()
                for _ in range(rng.randrange(30)):
                    await asyncio.sleep(0)
                reading = rng.choice(readers)[0]
                reading.go_on_reading()

        await asyncio.gather(writing(), subscribing())
        await world.server._publisher.drained()
        for client, _ in readers:
            client.go_on_reading()
        late = await world.connect()
        number, stored = await late.subscribe(OF_ANNA)
        assert sorted(stored) == sorted(records)
        await write(world, *passing)
        for client, number in readers:
            await client.until(lambda: _records(client, number) >= len(records) + len(passing))  # noqa: B023
            await client.settled()
            got = client.records(number)
            assert sorted(got) == sorted(records + passing)
            complete = await client.take(tell.LocallyComplete)
            assert complete.query_id == number
            assert client.inbox == []


def _records(client: Client, query_id: int) -> int:
    return sum(isinstance(each, tell.Record) and each.query_id == query_id for each in client.inbox)


async def test_ephemeral_records_that_come_before_locally_complete_are_not_lost(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        await write(world, *(ANNA.record(world.now(n), payload=bytes(20_000)).data for n in range(150)))
        reader = await world.connect()
        reader.stop_reading()
        reader.send(ask.Subscribe(1, 0, OF_ANNA.encode()))
        other = await world.connect()
        await other.settled()
        passing = ANNA.record(world.now(), kind=EPHEMERAL).data
        await write(world, passing)
        reader.go_on_reading()
        await reader.take(tell.LocallyComplete)
        await reader.settled()
        got = reader.records(1)
        assert len(got) == 151
        assert got[-1] == passing


async def test_too_many_subscriptions_are_too_fast(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA, settings=ServerSettings(subscriptions_per_link=2)) as world:
        reader = await world.connect()
        for _ in range(2):
            await reader.subscribe(OF_ANNA)
        reader.send(ask.Subscribe(9, 0, OF_ANNA.encode()))
        assert (await reader.take(tell.QueryClosed, 9)).result is ResultCode.TOO_FAST
        other = await world.connect()
        await other.subscribe(OF_ANNA)


# --- slow readers -------------------------------------------------------------------------------------


@pytest.mark.claim("C44")
async def test_who_falls_too_far_behind_is_cut_and_nobody_else_waits(tmp_path: Path) -> None:
    settings = ServerSettings(slow_reader_records=100)
    async with running(tmp_path, ANNA, settings=settings) as world:
        slow, quick = await world.connect(), await world.connect()
        for reader in (slow, quick):
            reader.send(ask.Subscribe(1, 0, OF_ANNA.encode()))
            await reader.take(tell.LocallyComplete)
        slow.stop_reading()
        records = [ANNA.record(world.now(), payload=bytes(4_000)).data for _ in range(1_000)]
        for at in range(0, len(records), 50):
            await write(world, *records[at : at + 50])
        await quick.until(lambda: _records(quick, 1) == len(records))
        assert quick.records(1) == records
        assert world.server._entrances.networks[0].pending(1) <= 262_144
        assert world.server.subscriptions == 1
        slow.go_on_reading()
        closed = await slow.take(tell.QueryClosed, 1)
        assert closed.result is ResultCode.TEMPORARY_ERROR
        # What it got is the beginning, without a gap.
        got = slow.records(1)
        assert got == records[: len(got)]
        # Its link lives on.
        _, stored = await slow.subscribe(OF_ANNA, limit=1)
        assert len(stored) == 1


async def test_who_fell_behind_goes_on_however_little_work_his_queries_may_cost(tmp_path: Path) -> None:
    row = Limits(scan_ms_per_second=0.01)
    settings = ServerSettings(limits=LimitTable(anonymous=row, stranger=row))
    async with running(tmp_path, ANNA, settings=settings) as world:
        reader = await world.connect()
        reader.send(ask.Subscribe(1, 0, OF_ANNA.encode()))
        await reader.take(tell.LocallyComplete)
        reader.stop_reading()
        records = [ANNA.record(world.now(), payload=bytes(4_000)).data for _ in range(300)]
        for at in range(0, len(records), 50):
            await write(world, *records[at : at + 50])
        reader.go_on_reading()
        await reader.until(lambda: _records(reader, 1) == len(records))
        await reader.settled()
        assert reader.records(1) == records
        assert world.server.subscriptions == 1


@pytest.mark.claim("C27")
async def test_what_was_removed_while_somebody_was_behind_is_not_sent(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        reader = await world.connect()
        reader.send(ask.Subscribe(1, 0, OF_ANNA.encode()))
        await reader.take(tell.LocallyComplete)
        reader.stop_reading()
        records: list[bytes] = []
        lagging = world.server._subscriptions._lagging
        while not lagging:
            records.append(ANNA.record(world.now(), payload=bytes(4_000)).data)
            await write(world, records[-1])
        behind = [ANNA.record(world.now(n)).data for n in range(3)]
        await write(world, *behind)
        (lag,) = [subscription.behind for subscription in lagging]
        assert [one.record for one in lag.held] == [records[-1], *behind]
        world.store.remove([lag.held[2].position])
        reader.go_on_reading()
        expected = [*records, behind[0], behind[2]]
        await reader.until(lambda: _records(reader, 1) >= len(expected))
        await reader.settled()
        assert reader.records(1) == expected


async def test_who_catches_up_in_time_misses_nothing(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        reader = await world.connect()
        reader.send(ask.Subscribe(1, 0, OF_ANNA.encode()))
        await reader.take(tell.LocallyComplete)
        reader.stop_reading()
        records = [ANNA.record(world.now(), payload=bytes(4_000)).data for _ in range(600)]
        for at in range(0, len(records), 50):
            await write(world, *records[at : at + 50])
        assert len(world.server._subscriptions._lagging) == 1
        reader.go_on_reading()
        await reader.until(lambda: _records(reader, 1) == len(records))
        assert reader.records(1) == records
        assert not world.server._subscriptions._lagging
        live = ANNA.record(world.now()).data
        await write(world, live)
        await reader.settled()
        assert reader.records(1) == [live]


async def test_a_store_that_fails_while_somebody_catches_up_ends_the_subscription_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path, ANNA) as world:
        reader = await world.connect()
        query_id, _ = await reader.subscribe(OF_ANNA)
        reader.stop_reading()
        records = [ANNA.record(world.now(), payload=bytes(4_000)).data for _ in range(600)]
        for at in range(0, len(records), 50):
            await write(world, *records[at : at + 50])

        class Broken:
            read = world.store.read

            def follow(self, *_: object, **__: object) -> None:
                raise StoreError("the disk fails")

        monkeypatch.setattr(world.server._subscriptions, "_store", Broken())
        reader.go_on_reading()
        await reader.until(lambda: any(isinstance(each, tell.QueryClosed) for each in reader.inbox))
        await reader.settled()
        last = reader.inbox.pop()
        assert last == tell.QueryClosed(query_id, ResultCode.TEMPORARY_ERROR)
        got = reader.records(query_id)
        assert got == records[: len(got)]
        assert 0 < len(got) < len(records)


async def test_who_reads_nothing_for_too_long_is_cut(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        reader = await world.connect()
        query_id, _ = await reader.subscribe(OF_ANNA)
        reader.stop_reading()
        await write(world, *(ANNA.record(world.now(), payload=bytes(4_000)).data for _ in range(400)))
        world.server.tick()
        world.clock.advance(seconds=31)
        world.server.tick()
        assert world.server.subscriptions == 0
        reader.go_on_reading()
        closed = await reader.take(tell.QueryClosed, query_id)
        assert closed.result is ResultCode.TEMPORARY_ERROR


async def test_a_link_that_ends_takes_its_subscriptions_along(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        reader, other = await world.connect(), await world.connect()
        await reader.subscribe(OF_ANNA)
        query_id, _ = await other.subscribe(OF_ANNA)
        reader.network.abort(reader.link)
        await reader.until(lambda: reader.closed)
        record = ANNA.record(world.now()).data
        await write(world, record)
        await other.settled()
        assert other.records(query_id) == [record]
        assert world.server.subscriptions == 1
        assert world.server.links == 1
