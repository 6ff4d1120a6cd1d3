"""Every network has the same face: over sockets and in memory."""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.transport.station import (
    CLIENT_SEED,
    SERVER_SEED,
    SMALL_LIMIT,
    SMALL_TYPE,
    SPOOL_PREFIX,
    SPOOLED_TYPE,
    frame,
    frame_limits,
    spool_prefixes,
)

from mosaic._kernel._rust import blake3, public_key
from mosaic.errors import Disconnected, UsageError
from mosaic.transport import (
    Dialer,
    Event,
    Network,
    SocketNetwork,
    Target,
    Transport,
    TransportSettings,
    memory_pair,
)
from mosaic.transport.events import (
    DIAL_WRONG_KEY,
    LINK_CLOSED,
    LINK_DRAINED,
    LINK_OPENED,
    LINK_REFUSED_LENGTH,
    LINK_SPOOLED,
)

SERVER_KEY = public_key(SERVER_SEED)
CLIENT_KEY = public_key(CLIENT_SEED)


def contents(path: str) -> bytes:
    return Path(path).read_bytes()


def files_in(folder: Path) -> list[Path]:
    return list(folder.iterdir())


@dataclass
class Heard:
    """What a network has reported and nobody has asked for yet."""

    events: list[Event] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    def sink(self, batch: Sequence[Event]) -> None:
        assert batch
        self.events += batch
        self.arrived.set()

    async def take(self, count: int) -> list[Event]:
        async with asyncio.timeout(20):
            while len(self.events) < count:
                self.arrived.clear()
                await self.arrived.wait()
        taken, self.events = self.events[:count], self.events[count:]
        return taken

    async def next(self) -> Event:
        return (await self.take(1))[0]


@dataclass
class Pair:
    """A server and a client on one loop."""

    server: Network
    client: Dialer
    port: int
    at_server: Heard = field(default_factory=Heard)
    at_client: Heard = field(default_factory=Heard)

    async def connect(self) -> tuple[int, int]:
        link = self.client.dial(Target(Transport.TCP, "127.0.0.1", self.port, SERVER_KEY, CLIENT_SEED))
        assert await self.at_client.next() == (link, LINK_OPENED, SERVER_KEY)
        opened, what, key = await self.at_server.next()
        assert (what, key) == (LINK_OPENED, CLIENT_KEY)
        return opened, link


@pytest.fixture(params=["tcp", "memory"])
async def pair(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Pair]:
    settings = TransportSettings(
        frame_limits=tuple(frame_limits()),
        spool_prefix=tuple(spool_prefixes()),
        spool_folder=str(tmp_path),
        spool_over=1_000,
        inbox_bytes=300_000,
        link_inbox_bytes=200_000,
    )
    if request.param == "tcp":
        server, client = SocketNetwork(settings), SocketNetwork(settings)
        made = Pair(server, client, server.listen(Transport.TCP, "127.0.0.1", 0, SERVER_SEED))
    else:
        near, far = memory_pair(settings, server_key=SERVER_KEY, client_key=CLIENT_KEY)
        made = Pair(near, far, 0)
    made.server.start(made.at_server.sink)
    made.client.start(made.at_client.sink)
    yield made
    await made.client.stop(0)
    await made.server.stop(0)


async def test_frames_go_both_ways(pair: Pair) -> None:
    server, client = await pair.connect()
    assert pair.client.send(client, frame(1) + frame(2, b"x" * 500)) >= 0
    assert await pair.at_server.take(2) == [(server, 1, frame(1)), (server, 2, frame(2, b"x" * 500))]
    pair.client.send(client, frame(3, b"split")[:9])
    pair.client.send(client, frame(3, b"split")[9:])
    assert await pair.at_server.next() == (server, 3, frame(3, b"split"))
    assert pair.server.deliver(b"r" * 300, [(server, 0x0102), (77, 3)]) == [1]
    expected = bytes((0x80, 0, 2, 1)) + (308).to_bytes(4, "little") + b"r" * 300
    assert await pair.at_client.next() == (client, 0x80, expected)
    assert isinstance(pair.server.peer_address(server)[0], str)


async def test_a_wrong_key_is_told(pair: Pair) -> None:
    link = pair.client.dial(Target(Transport.TCP, "127.0.0.1", pair.port, CLIENT_KEY))
    assert await pair.at_client.next() == (link, DIAL_WRONG_KEY, SERVER_KEY)
    assert pair.client.send(link, frame(1)) == -1


async def test_a_refused_length_stops_reading_but_not_sending(pair: Pair) -> None:
    server, client = await pair.connect()
    bad = frame(SMALL_TYPE, bytes(SMALL_LIMIT - 7))
    pair.client.send(client, bad + frame(1))
    assert await pair.at_server.next() == (server, LINK_REFUSED_LENGTH, bad[:8])
    pair.client.send(client, frame(1))
    pair.server.send(server, frame(0xFE))
    pair.server.close(server)
    assert await pair.at_client.next() == (client, 0xFE, frame(0xFE))
    assert (await pair.at_client.next())[1] == LINK_CLOSED
    assert (await pair.at_server.next())[1] == LINK_CLOSED


async def test_a_long_body_becomes_a_file(pair: Pair, tmp_path: Path) -> None:
    server, client = await pair.connect()
    body = os.urandom(150_000)
    path = tmp_path / "blob"
    path.write_bytes(body)
    head = frame(SPOOLED_TYPE, bytes(len(body)))[:8]
    assert pair.client.send_file(client, head, str(path), 0, len(body)) >= 0
    pair.client.send(client, frame(1))
    whole = head + body
    assert await pair.at_server.take(2) == [
        (server, LINK_SPOOLED, whole[:SPOOL_PREFIX]),
        (server, 1, frame(1)),
    ]
    taken, digest, length = pair.server.take_spooled(server)
    assert contents(taken) == whole[SPOOL_PREFIX:]
    assert (digest, length) == (blake3(whole[SPOOL_PREFIX:]), len(whole) - SPOOL_PREFIX)
    with pytest.raises(UsageError):
        pair.server.take_spooled(server)
    with pytest.raises(OSError, match=r"shorter|bytes"):
        pair.client.send_file(client, head, str(path), 1, len(body))


async def test_a_body_cut_off_leaves_no_file(pair: Pair, tmp_path: Path) -> None:
    server, client = await pair.connect()
    pair.client.send(client, frame(SPOOLED_TYPE, bytes(5_000))[:-1])
    pair.client.close(client)
    link, what, reason = await pair.at_server.next()
    assert (link, what) == (server, LINK_CLOSED)
    assert b"in the middle of a message" in reason
    assert files_in(tmp_path) == []


async def test_abort_drops_what_waits(pair: Pair) -> None:
    server, client = await pair.connect()
    pair.client.abort(client)
    assert await pair.at_client.next() == (client, LINK_CLOSED, b"dropped here")
    assert (await pair.at_server.next())[:2] == (server, LINK_CLOSED)
    assert pair.client.send(client, frame(1)) == -1
    assert pair.client.pending(client) == -1


async def test_an_unhandled_peer_fills_its_bounds_and_goes_on(pair: Pair) -> None:
    """The server's loop handles nothing while the client sends: the client sees its queue grow."""
    server, client = await pair.connect()
    one, sent = frame(1, os.urandom(9_992)), 0
    while pair.client.pending(client) <= 262_144:
        assert pair.client.send(client, one) >= 0
        sent += 1
    assert await pair.at_server.take(sent) == [(server, 1, one)] * sent
    assert (client, LINK_DRAINED, b"") in await pair.at_client.take(1)
    while pair.client.send(client, one) >= 0:
        pass
    assert (await pair.at_client.take(1))[0][1] in {LINK_CLOSED, LINK_DRAINED}


async def test_stop_delivers_what_is_queued_and_reports_the_ends(pair: Pair) -> None:
    server, client = await pair.connect()
    pair.server.send(server, frame(1) * 100)
    await pair.server.stop(5)
    assert await pair.at_server.next() == (server, LINK_CLOSED, b"closed here")
    assert await pair.at_client.take(100) == [(client, 1, frame(1))] * 100
    assert await pair.at_client.next() == (client, LINK_CLOSED, b"the peer closed the connection")
    assert pair.server.send(server, frame(1)) == -1


async def test_a_paused_network_hands_up_nothing_and_goes_on_where_it_was(pair: Pair) -> None:
    server, client = await pair.connect()
    pair.server.pause()
    one = frame(1, os.urandom(9_992))
    for _ in range(20):
        pair.client.send(client, one)
    # The client's own events still come; each takes a turn of the loop.
    for _ in range(20):
        pair.server.send(server, frame(2))
        await pair.at_client.next()
    assert pair.at_server.events == []
    pair.server.resume()
    assert await pair.at_server.take(20) == [(server, 1, one)] * 20


async def test_links_share_the_bound_and_all_go_on(pair: Pair) -> None:
    links = [await pair.connect() for _ in range(5)]
    one = frame(1, os.urandom(9_992))
    for _ in range(12):
        for _, client in links:
            assert pair.client.send(client, one) >= 0
    events = await pair.at_server.take(60)
    for server, _ in links:
        assert [event for event in events if event[0] == server] == [(server, 1, one)] * 12


async def test_a_network_starts_once(pair: Pair) -> None:
    with pytest.raises(UsageError):
        pair.server.start(pair.at_server.sink)


async def test_an_ended_link_is_forgotten(pair: Pair) -> None:
    first, client = await pair.connect()
    pair.client.close(client)
    await pair.at_server.next()
    await pair.at_client.next()
    await pair.connect()
    with pytest.raises(Disconnected):
        pair.server.peer_address(first)


async def test_the_servers_end_in_memory_dials_nobody() -> None:
    settings = TransportSettings(frame_limits=(100,) * 256)
    server, client = memory_pair(settings, server_key=SERVER_KEY)
    with pytest.raises(UsageError):
        server.dial(Target.in_memory())
    heard = Heard()
    server.start(heard.sink)
    client.dial(Target.in_memory())
    assert (await heard.next())[2] == b""
