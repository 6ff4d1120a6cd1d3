"""The `websockets` library speaks to us, as a client and as a server."""

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from tests.transport.authority import Authority
from tests.transport.raw import context
from tests.transport.station import (
    CLIENT_SEED,
    SERVER_SEED,
    SPOOLED_TYPE,
    frame,
    frame_limits,
    spool_prefixes,
)
from tests.transport.test_foreign_tls import ED25519_PEM, ED25519_PUBLIC
from tests.transport.upgrade import accepting
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from mosaic._kernel._rust import public_key
from mosaic.transport import Event, HostCertificate, SocketNetwork, Target, Transport, TransportSettings
from mosaic.transport.events import LINK_CLOSED, LINK_DRAINED, LINK_OPENED, LINK_SPOOLED, LINK_UPGRADE

SERVER_KEY = public_key(SERVER_SEED)
MOSAIC = Subprotocol("mosaic2025")
HOST = "localhost"


class Echo:
    """A network that accepts every request and sends every frame back; it notes what it was asked."""

    def __init__(self, folder: Path) -> None:
        settings = TransportSettings(tuple(frame_limits()), tuple(spool_prefixes()), str(folder))
        self.network = SocketNetwork(settings)
        self.network.start(self._take)
        self.keys: list[bytes] = []
        self.heads: list[bytes] = []
        self.ends: list[bytes] = []
        self.refuses = False

    def _take(self, events: Sequence[Event]) -> None:
        for link, what, data in events:
            if what == LINK_OPENED:
                self.keys.append(data)
            elif what == LINK_UPGRADE:
                self.heads.append(data)
                if self.refuses:
                    refusal = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"
                    self.network.answer_upgrade(link, refusal, accepted=False)
                else:
                    self.network.answer_upgrade(link, accepting(data[1:]), accepted=True)
            elif what == LINK_SPOOLED:
                path, _, length = self.network.take_spooled(link)
                self.network.send_file(link, data, path, 0, length)
                Path(path).unlink()
            elif what < LINK_OPENED:
                self.network.send(link, data)
            elif what == LINK_CLOSED:
                self.ends.append(data)


@pytest.fixture
async def echo(tmp_path: Path) -> AsyncIterator[Echo]:
    made = Echo(tmp_path)
    yield made
    await made.network.stop(2)


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


def own_tls(tmp_path: Path, authority: Authority, mode: str) -> ssl.SSLContext | None:
    if mode == "browser":
        return ssl.create_default_context(cadata=authority.root.decode())
    if mode == "plain":
        return None
    (tmp_path / "own.pem").write_text(ED25519_PEM)
    ours = context()
    ours.load_cert_chain(tmp_path / "own.pem")
    return ours


# Lengths on both sides of where their own length is written in another way.
FRAMES = [frame(1 + number, os.urandom(size)) for number, size in enumerate((0, 117, 118, 65_528, 90_000))]


@pytest.mark.claim("C47")
@pytest.mark.parametrize("mode", ["native", "browser", "plain"])
async def test_a_foreign_client_in_every_mode(
    echo: Echo, authority: Authority, tmp_path: Path, mode: str
) -> None:
    one = authority.issue(HOST)
    port = echo.network.listen(
        Transport.WS,
        "127.0.0.1",
        0,
        SERVER_SEED,
        names=[HostCertificate(HOST, one.chain, one.key)],
        plain=True,
    )
    tls = own_tls(tmp_path, authority, mode)
    name = {"native": "mosaic", "browser": HOST, "plain": None}[mode]
    uri = f"{'wss' if tls else 'ws'}://127.0.0.1:{port}/"
    async with connect(
        uri, ssl=tls, server_hostname=name, subprotocols=[MOSAIC], max_size=None, compression=None
    ) as peer:
        assert peer.subprotocol == MOSAIC
        for one_frame in FRAMES:
            await peer.send(one_frame)
        assert [await peer.recv() for _ in FRAMES] == FRAMES
        # In fragments, with a ping between; and a blob that goes through files both ways.
        await peer.send([FRAMES[4][:10], FRAMES[4][10:70_000], FRAMES[4][70_000:]])
        await asyncio.wait_for(await peer.ping(b"there?"), 20)
        assert await peer.recv() == FRAMES[4]
        blob = frame(SPOOLED_TYPE, os.urandom(2_000_000))
        await peer.send(blob)
        assert await peer.recv() == blob
    assert (peer.close_code, peer.close_reason) == (1000, "")
    assert echo.keys == [ED25519_PUBLIC if mode == "native" else b""]
    assert echo.heads[0][0] == {"native": 0, "browser": 1, "plain": 2}[mode]
    assert echo.heads[0][1:].startswith(b"GET / HTTP/1.1\r\n")


async def test_a_foreign_client_that_sends_text_is_told(echo: Echo) -> None:
    port = echo.network.listen(Transport.WS, "127.0.0.1", 0, SERVER_SEED, plain=True)
    async with connect(f"ws://127.0.0.1:{port}/", subprotocols=[MOSAIC], compression=None) as peer:
        await peer.send("hello")
        with pytest.raises(ConnectionClosed):
            await peer.recv()
    assert (peer.close_code, peer.close_reason) == (1003, "only binary messages are taken")


async def test_a_foreign_client_that_is_refused_learns_the_status(echo: Echo) -> None:
    echo.refuses = True
    port = echo.network.listen(Transport.WS, "127.0.0.1", 0, SERVER_SEED, plain=True)
    with pytest.raises(InvalidStatus) as refused:
        await connect(f"ws://127.0.0.1:{port}/", subprotocols=[MOSAIC], compression=None)
    assert refused.value.response.status_code == 403


class Caller:
    """A network that dials; what came stands in `heard`."""

    def __init__(self, folder: Path) -> None:
        self.network = SocketNetwork(TransportSettings(tuple(frame_limits()), spool_folder=str(folder)))
        self.network.start(self._take)
        self.heard: asyncio.Queue[Event] = asyncio.Queue()

    def _take(self, events: Sequence[Event]) -> None:
        for event in events:
            self.heard.put_nowait(event)

    async def next(self) -> Event:
        # That a queue has drained comes at any time.
        while (event := await asyncio.wait_for(self.heard.get(), 20))[1] == LINK_DRAINED:
            pass
        return event


@pytest.fixture
async def caller(tmp_path: Path) -> AsyncIterator[Caller]:
    made = Caller(tmp_path)
    yield made
    await made.network.stop(2)


def request(port: int) -> bytes:
    return (
        f"GET / HTTP/1.1\r\nHost: {HOST}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Protocol: mosaic2025\r\n\r\n"
    ).encode()


@pytest.mark.claim("C47")
@pytest.mark.parametrize("mode", ["native", "browser"])
async def test_our_client_speaks_to_a_foreign_server(
    caller: Caller, authority: Authority, tmp_path: Path, mode: str
) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    one = authority.issue(HOST)
    (tmp_path / "host.pem").write_bytes(one.key + one.chain if mode == "browser" else ED25519_PEM.encode())
    tls.load_cert_chain(tmp_path / "host.pem")
    pongs: list[float] = []

    async def handle(peer: ServerConnection) -> None:
        pongs.append(await (await peer.ping(b"there?")))
        async for message in peer:
            assert isinstance(message, bytes)
            await peer.send([message[:9], message[9:]] if len(message) > 9 else message)
            if message[0] == 9:
                await peer.close(4_001, "enough")

    async with serve(
        handle, "127.0.0.1", 0, ssl=tls, subprotocols=[MOSAIC], compression=None, max_size=None
    ) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        native = mode == "native"
        link = caller.network.dial(
            Target(
                Transport.WS,
                HOST,
                port,
                server_key=ED25519_PUBLIC if native else None,
                seed=CLIENT_SEED if native else None,
                request=request(port),
                authorities=None if native else authority.root,
            )
        )
        assert await caller.next() == (link, LINK_OPENED, ED25519_PUBLIC if native else b"")
        asked, what, head = await caller.next()
        assert (asked, what, head[0]) == (link, LINK_UPGRADE, 0 if native else 1)
        assert head[1:].startswith(b"HTTP/1.1 101 ")
        assert b"\r\nSec-WebSocket-Protocol: mosaic2025\r\n" in head
        caller.network.answer_upgrade(link, b"", accepted=True)
        for one_frame in FRAMES:
            caller.network.send(link, one_frame)
        assert [await caller.next() for _ in FRAMES] == [(link, each[0], each) for each in FRAMES]
        caller.network.send(link, frame(9))
        assert await caller.next() == (link, 9, frame(9))
        assert await caller.next() == (link, LINK_CLOSED, b"the peer closed the connection")
    assert len(pongs) == 1
