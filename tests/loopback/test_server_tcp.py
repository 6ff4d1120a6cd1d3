"""The server over real sockets: what it answers, several links at once, readers that never read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.server.world import Client, World, running

from mosaic.core import blob_hash
from mosaic.core.filter import Filter
from mosaic.core.keys import SecretKey
from mosaic.core.kind import Readers
from mosaic.testing import Person
from mosaic.testing.people import kind_of
from mosaic.transport import SocketNetwork, Target, Transport
from mosaic.wire import client_messages as ask
from mosaic.wire import server_messages as tell
from mosaic.wire.header import encode_header
from mosaic.wire.result_code import ResultCode

ANNA, EVE = Person("anna"), Person("eve")
SERVER_SEED = bytes(31) + b"\x07"
OF_ANNA = Filter.of(authors=[ANNA.key])


class Net:
    """A server's listener and a network to dial it from."""

    def __init__(self, world: World) -> None:
        self.listening = SocketNetwork(world.transport)
        world.server.attach(self.listening)
        self.port = self.listening.listen(Transport.TCP, "127.0.0.1", 0, SERVER_SEED)
        self.dialling: list[SocketNetwork] = []
        self._world = world

    async def connect(self, key: SecretKey | None = None) -> Client:
        network = SocketNetwork(self._world.transport)
        self.dialling.append(network)
        link = network.dial(
            Target(
                Transport.TCP,
                "127.0.0.1",
                self.port,
                server_key=SecretKey.from_seed(SERVER_SEED).public.bytes,
                seed=None if key is None else key.reveal(),
            )
        )
        client = Client(network, link)
        await client.hello()
        return client

    def waiting(self) -> list[int]:
        """What is queued towards each link of the server."""
        peers = self._world.server._sessions._peers
        return [network.pending(link) for network, link in peers]


@asynccontextmanager
async def over_tcp(folder: Path) -> AsyncIterator[tuple[World, Net]]:
    async with running(folder, ANNA) as world:
        net = Net(world)
        try:
            yield world, net
        finally:
            await asyncio.gather(*(network.stop(0) for network in net.dialling))


@pytest.mark.claim("C44", "C45")
async def test_records_and_blobs_travel_over_sockets(tmp_path: Path) -> None:
    async with over_tcp(tmp_path) as (world, net):
        anna, nobody = await net.connect(ANNA.master), await net.connect()
        query_id, _ = await nobody.subscribe(OF_ANNA)
        records = [ANNA.record(world.now(n), payload=bytes(n)).data for n in range(500)]
        secret = ANNA.record(world.now(), kind=kind_of(readers=Readers.AUTHOR)).data
        assert set(await anna.submit(*records, secret)) == {ResultCode.ACCEPTED}
        got: list[bytes] = []
        while len(got) < len(records):
            await nobody.until(lambda: bool(nobody.inbox))
            got += nobody.records(query_id)
        assert got == records
        assert await nobody.query(OF_ANNA) == (records[::-1], ResultCode.SUCCESS)
        assert await nobody.get(secret[:48]) == []
        assert await anna.get(secret[:48]) == [secret]
        blob = bytes(range(256)) * 10_000
        anna.send(ask.BlobSubmission(blob_hash.of(blob), blob))
        assert (await anna.take(tell.BlobSubmissionResult)).result is ResultCode.ACCEPTED
        nobody.send(ask.BlobGet(blob_hash.of(blob)))
        assert (await nobody.take(tell.BlobResult)).blob == blob
        nobody.send(ask.BlobSubmission(blob_hash.of(blob), blob))
        refused = await nobody.take(tell.BlobSubmissionResult)
        assert refused.result is ResultCode.REQUIRES_AUTHENTICATION


@pytest.mark.claim("C89")
async def test_a_length_beyond_its_limit_is_refused_over_a_socket(tmp_path: Path) -> None:
    async with over_tcp(tmp_path) as (_, net):
        client = await net.connect()
        client.send(encode_header(5, 0x7FFF_FFFF))
        assert (await client.take(tell.Closing)).result is ResultCode.TOO_LARGE
        await client.until(lambda: client.closed)


@pytest.mark.claim("C46", "C89")
async def test_stopping_is_told_over_sockets(tmp_path: Path) -> None:
    async with over_tcp(tmp_path) as (world, net):
        clients = [await net.connect() for _ in range(5)]
        await world.server.stop(5)
        for client in clients:
            assert (await client.take(tell.Closing)).result is ResultCode.SHUTTING_DOWN
            await client.until(lambda: client.closed)  # noqa: B023


@pytest.mark.claim("C44")
async def test_links_that_never_read_stay_within_their_bound_and_disturb_nobody(tmp_path: Path) -> None:
    async with over_tcp(tmp_path) as (world, net):
        anna, quick = await net.connect(ANNA.master), await net.connect()
        idle = [await net.connect() for _ in range(20)]
        for client in (quick, *idle):
            client.send(ask.Subscribe(1, 0, OF_ANNA.encode()))
            await client.take(tell.LocallyComplete)
        for client in idle:
            client.stop_reading()
        records = [ANNA.record(world.now(), payload=bytes(8_000)).data for _ in range(2_000)]
        got: list[bytes] = []
        for at in range(0, len(records), 100):
            assert set(await anna.submit(*records[at : at + 100])) == {ResultCode.ACCEPTED}
            while len(got) < at + 100:
                await quick.until(lambda: bool(quick.inbox))
                got += quick.records(1)
            assert max(net.waiting()) <= 262_144
        assert got == records
        # Who reads again has a beginning without a gap, and is told when that was all.
        client = idle[0]
        client.go_on_reading()
        assert await client.query(OF_ANNA, 1) == ([records_newest(records)], ResultCode.SUCCESS)
        theirs = client.records(1)
        assert theirs == records[: len(theirs)]


def records_newest(records: list[bytes]) -> bytes:
    return max(records, key=lambda record: record[:48])
