"""Read access by kind, on every path on which a record can leave the server."""

from __future__ import annotations

from pathlib import Path

import pytest

from mosaic.core.filter import Filter
from mosaic.core.keys import SecretKey
from mosaic.core.kind import Duplicates, Kind, Readers
from mosaic.core.nonce import FIXED
from mosaic.testing import Person
from mosaic.testing.people import kind_of
from mosaic.wire.result_code import ResultCode
from tests.server.world import Client, World, running

ANNA, BEN, EVE = Person("anna"), Person("ben"), Person("eve")

VIEWERS: dict[str, SecretKey | None] = {
    "anonymous": None,
    "stranger": EVE.master,
    "author": ANNA.master,
    "author's device": ANNA.device("phone"),
    "author's retired device": ANNA.device("retired"),
    "tagged": BEN.master,
    "tagged one's device": BEN.device("phone"),
}
MAY_READ = {
    Readers.AUTHOR: {"author", "author's device"},
    Readers.AUTHOR_AND_TAGGED: {"author", "author's device", "tagged", "tagged one's device"},
    Readers.EVERYBODY: set(VIEWERS),
}


async def by_get_id(client: Client, world: World, record: bytes) -> list[bytes]:
    return await client.get(record[:48])


async def by_get_address(client: Client, world: World, record: bytes) -> list[bytes]:
    return await client.get(record[48:96])


async def by_query(client: Client, world: World, record: bytes) -> list[bytes]:
    return (await client.query(Filter.of(authors=[ANNA.key])))[0]


async def by_stored(client: Client, world: World, record: bytes) -> list[bytes]:
    return (await client.subscribe(Filter.of(authors=[ANNA.key])))[1]


PATHS = {"get by id": by_get_id, "get by address": by_get_address, "query": by_query, "stored": by_stored}


@pytest.mark.claim("C27", "C44")
@pytest.mark.parametrize("readers", list(Readers), ids=lambda readers: readers.name.lower())
async def test_every_path_gives_a_record_to_those_who_may_read_it_alone(
    tmp_path: Path, readers: Readers
) -> None:
    async with running(tmp_path, ANNA, BEN) as world:
        writer = await world.connect(ANNA.master)
        assert set(
            await writer.submit(
                ANNA.schedule(world.now(), ("phone",)),
                BEN.schedule(world.now(), ("phone",)),
            )
        ) == {ResultCode.ACCEPTED}
        clients = {name: await world.connect(key) for name, key in VIEWERS.items()}
        subscriptions = {
            name: (await client.subscribe(Filter.of(kinds=[kind_of(readers=readers)])))[0]
            for name, client in clients.items()
        }
        ephemerals = {
            name: (await client.subscribe(Filter.of(kinds=[ephemeral_of(readers)])))[0]
            for name, client in clients.items()
        }
        record = ANNA.record(world.now(), kind=kind_of(readers=readers), nonce=FIXED, notify=[BEN.key]).data
        passing = ANNA.record(world.now(), kind=ephemeral_of(readers), notify=[BEN.key]).data
        assert await writer.submit(record, passing) == [ResultCode.ACCEPTED] * 2
        await world.server._publisher.drained()
        got: dict[str, set[str]] = {}
        for name, client in clients.items():
            await client.settled()
            got[name] = {"live"} if client.records(subscriptions[name]) == [record] else set()
            if client.records(ephemerals[name]) == [passing]:
                got[name].add("ephemeral")
            assert client.inbox == []
            for path, ask in PATHS.items():
                if record in await ask(client, world, record):
                    got[name].add(path)
        everything = {*PATHS, "live", "ephemeral"}
        assert got == {name: everything if name in MAY_READ[readers] else set() for name in VIEWERS}


def ephemeral_of(readers: Readers) -> Kind:
    return kind_of(duplicates=Duplicates.EPHEMERAL, readers=readers)


@pytest.mark.claim("C44")
async def test_absent_and_forbidden_look_the_same(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        anna, nobody = await world.connect(ANNA.master), await world.connect()
        secret = ANNA.record(world.now(), kind=kind_of(readers=Readers.AUTHOR))
        absent = ANNA.record(world.now(), kind=kind_of(readers=Readers.AUTHOR))
        assert await anna.submit(secret) == [ResultCode.ACCEPTED]
        assert await nobody.get(secret.id.bytes, absent.id.bytes) == []
        assert await nobody.query(Filter.of(authors=[ANNA.key])) == ([], ResultCode.SUCCESS)


@pytest.mark.claim("C44")
async def test_the_limit_counts_what_may_be_read(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        anna, nobody = await world.connect(ANNA.master), await world.connect()
        plain = [ANNA.record(world.now(n)).data for n in range(4)]
        hidden = [ANNA.record(world.now(9), kind=kind_of(readers=Readers.AUTHOR)).data for _ in range(5)]
        await anna.submit(*plain, *hidden)
        found, _ = await nobody.query(Filter.of(authors=[ANNA.key]), limit=3)
        assert found == [plain[3], plain[2], plain[1]]
