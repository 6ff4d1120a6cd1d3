from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest
from tests.client import bad_servers
from tests.client.scripted import ScriptedServer, settings
from tests.core.makers import NOW, OTHER, SUBKEY, post

from mosaic.client.address import ServerAddress
from mosaic.client.link_pool import LinkPool
from mosaic.client.settings import ClientSettings
from mosaic.core.keys import SecretKey
from mosaic.core.url import Scheme, ServerUrl
from mosaic.errors import Unreachable, WrongServerKey
from mosaic.transport.network import Event
from mosaic.transport.sockets import SocketNetwork
from mosaic.transport.transport import Transport
from mosaic.wire.result_code import ResultCode

SERVER = SecretKey.from_seed(bytes([40]) * 32)


class Site:
    """A scripted server behind real sockets, and a pool that dials it."""

    def __init__(self, folder: Path, client: ClientSettings | None = None) -> None:
        self.listener = SocketNetwork(settings(str(folder)))

        self.server = ScriptedServer(self.listener)
        self.changed = asyncio.Event()
        self.listener.start(self._take)
        port = self.listener.listen(Transport.TCP, "127.0.0.1", 0, SERVER.reveal())
        self.url = ServerUrl(Scheme.TCP, "127.0.0.1", port)
        self.address = ServerAddress(SERVER.public, (self.url,))
        self.dialer = SocketNetwork(settings(str(folder)))
        self.now = NOW
        self.pool = LinkPool(self.dialer, client or ClientSettings(private_addresses=True), lambda: self.now)

    def _take(self, batch: Sequence[Event]) -> None:
        self.server.take(batch)
        self.changed.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Waits until something holds that only what comes to the server can change."""
        async with asyncio.timeout(30):
            while not holds():
                await self.changed.wait()
                self.changed.clear()

    async def stop(self) -> None:
        self.pool.close()
        await self.dialer.stop(0.5)
        await self.listener.stop(0.5)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    site = Site(tmp_path)
    yield site
    await site.stop()


async def test_users_of_one_server_share_a_connection_for_each_identity(site: Site) -> None:
    async with site.pool.connect(site.address) as first, site.pool.connect(site.address) as second:
        assert first is second
        async with site.pool.connect(site.address, SUBKEY) as proven:
            assert proven is not first
    peers = {session.peer_key for session in site.server.sessions.values()}
    assert peers == {None, SUBKEY.public.bytes}


async def test_many_who_come_at_once_dial_once(site: Site) -> None:
    async def submit(number: int) -> ResultCode:
        async with site.pool.connect(site.address) as connection:
            return await connection.submit(post(payload=b"%d" % number).data)

    assert set(await asyncio.gather(*(submit(number) for number in range(50)))) == {ResultCode.ACCEPTED}
    assert len(site.server.sessions) == 1


async def test_who_knows_where_a_server_is_by_now_does_not_wait_for_a_dial_to_where_it_was(
    site: Site,
) -> None:
    async with bad_servers.black_hole() as port:
        was = ServerAddress(SERVER.public, (ServerUrl(Scheme.TCP, "127.0.0.1", port),))

        async def former() -> None:
            async with site.pool.connect(was):
                pass

        waiting = asyncio.create_task(former())
        await asyncio.sleep(0)
        async with asyncio.timeout(5), site.pool.connect(site.address) as connection:
            assert await connection.submit(post().data) is ResultCode.ACCEPTED
        assert not waiting.done()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)


async def test_a_connection_that_broke_is_made_again(site: Site) -> None:
    async with site.pool.connect(site.address) as first:
        (link,) = site.server.sessions
        site.listener.abort(link)
        with pytest.raises(Exception, match="connection"):
            await first.submit(post().data)
    async with site.pool.connect(site.address) as second:
        assert await second.submit(post().data) is ResultCode.ACCEPTED


@pytest.mark.claim("C13")
async def test_a_wrong_key_is_refused_before_anything_is_said(site: Site) -> None:
    wrong = ServerAddress(OTHER.public, (site.url,))
    with pytest.raises(WrongServerKey, match=SERVER.public.server_text):
        async with site.pool.connect(wrong, SUBKEY):
            pass
    # Our own key did not go out.
    assert SUBKEY.public.bytes not in {session.peer_key for session in site.server.sessions.values()}


async def test_urls_are_tried_in_order(site: Site) -> None:
    closed = ServerUrl(Scheme.TCP, "127.0.0.1", 1)
    unknown = ServerUrl(Scheme.QUIC, "127.0.0.1", 1320)
    address = ServerAddress(SERVER.public, (unknown, closed, site.url))
    async with site.pool.connect(address) as connection:
        assert connection.server_key == SERVER.public


async def test_nobody_there_is_told_with_the_url(site: Site) -> None:
    closed = ServerAddress(SERVER.public, (ServerUrl(Scheme.TCP, "127.0.0.1", 1),))
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:1"):
        async with site.pool.connect(closed):
            pass
    with pytest.raises(Unreachable, match="no address"):
        async with site.pool.connect(ServerAddress(SERVER.public, ())):
            pass


async def test_an_idle_connection_is_closed_and_a_quiet_one_asked_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Site(tmp_path, ClientSettings(idle_s=0.02, keep_alive_s=0.02, private_addresses=True))
    upkeep = asyncio.create_task(site.pool.maintain())
    async with site.pool.connect(site.address) as connection:
        answered, ping = asyncio.Event(), connection.ping

        async def asked_after(_answer_s: float) -> None:
            await ping()
            answered.set()

        monkeypatch.setattr(connection, "ping", asked_after)
        site.now += 10**9
        await asyncio.wait_for(answered.wait(), 30)
        assert connection.is_open
        assert connection.last_heard_ns == site.now
    assert len(site.server.sessions) == 1
    site.now += 10**9
    await site.until(lambda: not site.server.sessions)
    assert connection.closed is not None
    upkeep.cancel()
    await asyncio.gather(upkeep, return_exceptions=True)
    await site.stop()
