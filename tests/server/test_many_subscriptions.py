"""Ten thousand open subscriptions: each gets what it asks for exactly once, one slow reader is cut alone."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from mosaic.core.filter import Filter
from mosaic.core.keys import PublicKey, SecretKey
from mosaic.policy.submission import Way
from mosaic.server.settings import ServerSettings
from mosaic.testing import Person
from mosaic.wire import client_messages as ask
from mosaic.wire import server_messages as tell
from mosaic.wire.result_code import ResultCode
from tests.server.world import Client, running

LINKS, EACH, AUTHORS = 50, 200, 20
SMALL = 1_100
"""Bytes that the kernel may hold for each."""

WRITERS = [Person(f"writer {number}") for number in range(5)]
OTHERS = [SecretKey.from_seed(number.to_bytes(32, "little")).public for number in range(1, 400)]


async def opened(client: Client, wanted: list[list[PublicKey]]) -> None:
    frames = [
        ask.Subscribe(number, 0, Filter.of(authors=keys).encode()) for number, keys in enumerate(wanted)
    ]
    client.send(*frames)
    await client.until(lambda: sum(isinstance(each, tell.LocallyComplete) for each in client.inbox) == EACH)


@pytest.mark.slow
@pytest.mark.claim("C44")
async def test_each_of_many_gets_what_it_asks_for_once(tmp_path: Path) -> None:
    rng = random.Random(7)
    keys = [*(writer.key for writer in WRITERS), *OTHERS]
    settings = ServerSettings(slow_reader_records=20, queue_bytes=16_384, held_bytes=4_096)
    async with running(tmp_path, *WRITERS, settings=settings) as world:
        before = [writer.record(world.now(number)).data for number, writer in enumerate(WRITERS)]
        await world.server.submit(before, Way.OWNER)
        clients = [await world.connect(WRITERS[0].master) for _ in range(LINKS)]
        wanted = [[rng.sample(keys, AUTHORS) for _ in range(EACH)] for _ in clients]
        for client, filters in zip(clients, wanted, strict=True):
            await opened(client, filters)
        assert world.server.subscriptions == LINKS * EACH
        held = world.server._subscriptions._fanout.memory()
        assert held < LINKS * EACH * SMALL, held / LINKS / EACH

        slow, *quick = clients
        slow.stop_reading()
        live = []
        for number in range(40):
            records = [
                writer.record(world.now(100 + number), payload=bytes(2_000)).data for writer in WRITERS
            ]
            assert set(await world.server.submit(records, Way.OWNER)) == {ResultCode.ACCEPTED}
            live += records
        await world.server._publisher.drained()
        everything = [*before, *live]
        for client, filters in zip(quick, wanted[1:], strict=True):
            expected = Counter(
                (number, record)
                for number, authors in enumerate(filters)
                for record in everything
                if any(record[64:96] == key.bytes for key in authors)
            )

            def all_came(client: Client = client, count: int = expected.total()) -> bool:
                return sum(isinstance(each, tell.Record) for each in client.inbox) >= count

            await client.until(all_came)
            await client.settled()
            got = [each for each in client.inbox if isinstance(each, tell.Record)]
            assert Counter((each.query_id, each.record) for each in got) == expected
        # Nobody else waited; of the slow one those are cut that fell behind, and no other.
        slow.go_on_reading()
        await slow.until(lambda: any(isinstance(each, tell.QueryClosed) for each in slow.inbox))
        await slow.settled()
        cut = {each.query_id for each in slow.inbox if isinstance(each, tell.QueryClosed)}
        writers = {writer.key for writer in WRITERS}
        assert cut <= {number for number, authors in enumerate(wanted[0]) if writers & set(authors)}
        assert world.server.subscriptions == LINKS * EACH - len(cut)
