"""Everybody reaches one listener of each transport, whatever either side shows of its key.

Source: edition §2.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import product
from typing import NamedTuple

import pytest
from tests.client.site import HOST, SERVER, Site, peers, talk
from tests.core.makers import NOW, OTHER, SUBKEY
from tests.transport.raw import context
from tests.transport.test_foreign_tls import ED25519_PEM, ED25519_PUBLIC
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from mosaic.client.address import ServerAddress
from mosaic.client.dial_memory import ProcessMemory
from mosaic.client.way import Form, Way
from mosaic.core.url import Scheme
from mosaic.errors import WrongServerKey
from mosaic.transport.sockets import SocketNetwork
from mosaic.transport.transport import Target
from mosaic.wire.client_messages import Hello
from mosaic.wire.result_code import ResultCode
from mosaic.wire.server_messages import HelloAck

CERTIFICATE, RAW_KEY = Form.CERTIFICATE, Form.RAW_KEY


class Combination(NamedTuple):
    """What one client does: how the server shows its key, and how the client shows its own, if at all."""

    scheme: Scheme
    server: Form
    client: Form | None
    browser: bool

    def exists(self) -> bool:
        """Browsers speak WebSocket only, and know a host by an authority's certificate."""
        return not self.browser or (self.scheme is Scheme.WEBSOCKET and self.server is CERTIFICATE)


COMBINATIONS = [
    made
    for each in product(Scheme, (CERTIFICATE, RAW_KEY), (None, CERTIFICATE, RAW_KEY), (False, True))
    if (made := Combination(*each)).exists()
]


class ShowsCertificate(SocketNetwork):
    """Shows an X.509 certificate, whatever the server shows."""

    def dial(self, target: Target) -> int:
        return super().dial(replace(target, own_raw_key=False))


class ShowsRawKey(SocketNetwork):
    """Shows a raw public key, whatever the server shows."""

    def dial(self, target: Target) -> int:
        return super().dial(replace(target, own_raw_key=True))


async def ours(site: Site, each: Combination) -> None:
    """Our client: it talks to the server whose key it expects, and refuses another's."""
    secret = None if each.client is None else SUBKEY
    kind = ShowsRawKey if each.client is RAW_KEY else ShowsCertificate
    url = site.url(each.scheme, HOST) if each.browser else site.url(each.scheme)
    way = Way(url, Form.BROWSER if each.browser else each.server)
    site.memory = ProcessMemory()
    for key in (SERVER.public, OTHER.public):
        site.memory.worked(key, way, NOW)
    pool = site.client(kind=kind)
    async with pool.connect(site.address(url), secret) as connection:
        await talk(connection, site)
        assert peers(site) == {secret.public.bytes if secret else None}
    (remembered,) = site.memory.remembered(SERVER.public)
    assert remembered.form is way.form
    pool.close()
    await site.server.left_alone()
    stranger = site.client(kind=kind)
    with pytest.raises(WrongServerKey, match=SERVER.public.server_text):
        async with stranger.connect(ServerAddress(OTHER.public, (url,)), secret):
            pass
    assert SUBKEY.public.bytes not in peers(site)
    stranger.close()
    await site.server.left_alone()


def foreign_tls(site: Site, version: ssl.TLSVersion, *, shows: bool, browser: bool) -> ssl.SSLContext:
    if browser:
        made = ssl.create_default_context(cafile=str(site.folder / "authority.pem"))
        made.minimum_version = made.maximum_version = version
        return made
    made = context(least=version, most=version)
    if shows:
        (site.folder / "own.pem").write_text(ED25519_PEM)
        made.load_cert_chain(site.folder / "own.pem")
    return made


@asynccontextmanager
async def over_tls(site: Site, tls: ssl.SSLContext) -> AsyncIterator[bytes]:
    """Python's own TLS: what the server answers to HELLO."""
    port = site.ports[Scheme.TCP]
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls, server_hostname="mosaic")
    writer.write(Hello(0).encode())
    yield await reader.readexactly(8)
    writer.close()
    await writer.wait_closed()


@asynccontextmanager
async def over_websocket(site: Site, tls: ssl.SSLContext, *, browser: bool) -> AsyncIterator[bytes]:
    """The `websockets` library: what the server answers to HELLO."""
    port = site.ports[Scheme.WEBSOCKET]
    async with connect(
        f"wss://{HOST}:{port}/",
        host="127.0.0.1",
        ssl=tls,
        server_hostname=HOST if browser else "mosaic",
        subprotocols=[Subprotocol("mosaic2025")],
        compression=None,
        proxy=None,
    ) as peer:
        await peer.send(Hello(0).encode())
        answer = await peer.recv()
        assert isinstance(answer, bytes)
        yield answer


async def foreign(site: Site, each: Combination, version: ssl.TLSVersion) -> None:
    """Somebody else's client, which knows X.509 only."""
    shows = each.client is CERTIFICATE
    tls = foreign_tls(site, version, shows=shows, browser=each.browser)
    over = over_tls(site, tls)
    if each.scheme is Scheme.WEBSOCKET:
        over = over_websocket(site, tls, browser=each.browser)
    async with over as answer:
        assert HelloAck.decode(answer).result is ResultCode.SUCCESS
        # TLS 1.2 would show a certificate to everybody on the way: there, nobody is asked for one.
        proven = shows and not each.browser and version is ssl.TLSVersion.TLSv1_3
        assert peers(site) == {ED25519_PUBLIC if proven else None}
    await site.server.left_alone()


@pytest.mark.claim("C47", "C48", "C49", "C50")
async def test_every_combination_reaches_one_listener_of_each_transport(site: Site) -> None:
    assert len(COMBINATIONS) == len(Scheme) * 2 * 3 + 3
    for each in COMBINATIONS:
        await ours(site, each)
        if each.scheme is Scheme.QUIC or RAW_KEY in each:
            continue
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            await foreign(site, each, version)
