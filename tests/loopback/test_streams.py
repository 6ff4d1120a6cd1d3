"""Streams of one QUIC connection: sessions of their own, of one peer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.server.world import SERVER, Client, World, running

from mosaic.core.filter import Filter
from mosaic.core.keys import SecretKey
from mosaic.core.kind import Readers
from mosaic.testing import Person
from mosaic.testing.people import kind_of
from mosaic.transport import Event, SocketNetwork, Target, Transport
from mosaic.wire import client_messages as ask
from mosaic.wire import server_messages as tell
from mosaic.wire.result_code import ResultCode

ANNA = Person("anna")
OF_ANNA = Filter.of(authors=[ANNA.key])


class Shared:
    """A network on which several clients have a link each."""

    def __init__(self, network: SocketNetwork) -> None:
        self.network = network
        self.clients: dict[int, Client] = {}
        network.start(self._take)

    def __getattr__(self, name: str) -> object:
        return getattr(self.network, name)

    def start(self, _: object) -> None:
        """It was started once for all."""

    def client(self, link: int) -> Client:
        self.clients[link] = Client(self, link)  # type: ignore[arg-type]
        return self.clients[link]

    def _take(self, events: Sequence[Event]) -> None:
        for event in events:
            self.clients[event[0]]._take([event])


@asynccontextmanager
async def over_quic(folder: Path, key: SecretKey | None) -> AsyncIterator[tuple[World, Shared, Client]]:
    async with running(folder, ANNA) as world:
        listening = SocketNetwork(world.transport)
        world.server.attach(listening)
        port = listening.listen(Transport.QUIC, "127.0.0.1", 0, SERVER.master.reveal())
        shared = Shared(SocketNetwork(world.transport))
        try:
            seed = None if key is None else key.reveal()
            target = Target(Transport.QUIC, "127.0.0.1", port, server_key=SERVER.key_bytes, seed=seed)
            client = shared.client(shared.network.dial(target))
            await client.hello()
            yield world, shared, client
        finally:
            await shared.network.stop(0)


@pytest.mark.claim("C48")
async def test_each_stream_greets_asks_and_ends_for_itself(tmp_path: Path) -> None:
    async with over_quic(tmp_path, ANNA.master) as (world, shared, first):
        second = shared.client(shared.network.open_stream(first.link))
        await second.hello()
        record = ANNA.record(world.now(), kind=kind_of(readers=Readers.AUTHOR)).data
        for client in (first, second):  # one query id may be open on each
            client.send(ask.Subscribe(7, 0, OF_ANNA.encode()))
            await client.take(tell.LocallyComplete, 7)
        assert await second.submit(record) == [ResultCode.ACCEPTED]
        for client in (first, second):  # the key was proven once for all streams
            assert (await client.take(tell.Record, 7)).record == record
        assert world.server.links == 2
        second.send(ask.Subscribe(7, 0, OF_ANNA.encode()))
        assert (await second.take(tell.Closing)).result is ResultCode.INVALID
        await second.until(lambda: second.closed)
        assert await first.get(record[:48]) == [record]


@pytest.mark.claim("C48")
async def test_a_stream_that_does_not_greet_ends_alone(tmp_path: Path) -> None:
    async with over_quic(tmp_path, None) as (_, shared, first):
        second = shared.client(shared.network.open_stream(first.link))
        second.send(ask.Query(1, 1, OF_ANNA.encode()))
        assert (await second.take(tell.Closing)).result is ResultCode.INVALID
        third = shared.client(shared.network.open_stream(first.link))
        await asyncio.gather(third.hello(), first.settled())
