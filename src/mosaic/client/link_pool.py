"""The links of a client: one connection for each server and identity, dialled when needed.

Who uses a connection takes it from here and gives it back; one that nobody
uses for a while is closed, a quiet one is asked whether it is still there.

Source: network.md (clients dial, never servers); edition §2 (the server's key is compared in the handshake).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from types import MappingProxyType

from mosaic.client.address import ServerAddress
from mosaic.client.connection import Connection
from mosaic.client.settings import ClientSettings
from mosaic.core.keys import SecretKey
from mosaic.core.url import Scheme, ServerUrl
from mosaic.errors import Disconnected, MosaicError, PeerError, Unreachable, WrongServerKey
from mosaic.protocol.client_session import ClientSession
from mosaic.protocol.settings import ClientSessionSettings
from mosaic.transport.network import Dialer, Network
from mosaic.transport.transport import Target, Transport

_SECOND = 1_000_000_000

TRANSPORTS: Mapping[Scheme, Transport] = MappingProxyType(
    {Scheme.TCP: Transport.TCP, Scheme.QUIC: Transport.QUIC, Scheme.WEBSOCKET: Transport.WS}
)
"""What each scheme of a URL asks for."""


class Switch:
    """Hands each connection of one network what arrives for it.

    Args:
        network: The network; it is started here.
        settings: Choices of the client.
        now_ns: The clock.
    """

    def __init__(self, network: Network, settings: ClientSettings, now_ns: Callable[[], int]) -> None:
        self._network = network
        self._settings = settings
        self._now_ns = now_ns
        self._connections: dict[int, Connection] = {}
        network.start(self._arrived)

    @property
    def network(self) -> Network:
        """The network."""
        return self._network

    def connection(self, link: int) -> Connection:
        """The connection over a link that was dialled just now, before anything can have come from it."""
        session = ClientSession(ClientSessionSettings(), self._now_ns())
        made = Connection(self._network, link, session, self._settings, self._now_ns)
        self._connections[link] = made
        return made

    def forget(self, connection: Connection) -> None:
        """Drops a connection that is over."""
        for link, known in list(self._connections.items()):
            if known is connection:
                del self._connections[link]

    def _arrived(self, batch: Sequence[tuple[int, int, bytes]]) -> None:
        by_link: dict[int, list[tuple[int, bytes]]] = {}
        for link, what, data in batch:
            by_link.setdefault(link, []).append((what, data))
        for link, items in by_link.items():
            connection = self._connections.get(link)
            if connection is None:
                continue  # nobody waits for it any more
            connection.take(items)
            if not connection.is_open:
                del self._connections[link]


class LinkPool:
    """Connections to servers.

    Args:
        dialer: How to connect; the caller stops it.
        settings: Choices of the client.
        now_ns: The clock.
    """

    def __init__(self, dialer: Dialer, settings: ClientSettings, now_ns: Callable[[], int]) -> None:
        self._dialer = dialer
        self._switch = Switch(dialer, settings, now_ns)
        self._settings = settings
        self._now_ns = now_ns
        self._open: dict[tuple[bytes, bytes], Connection] = {}
        self._dialling: dict[tuple[bytes, bytes], asyncio.Lock] = {}

    @contextlib.asynccontextmanager
    async def connect(
        self, server: ServerAddress, secret: SecretKey | None = None
    ) -> AsyncIterator[Connection]:
        """A connection to a server, shared with whoever else uses it.

        Args:
            server: The key that it has to prove, and its URLs, tried in order.
            secret: Whose key is proven to it; None connects as nobody.

        Raises:
            Unreachable: nobody answered at any of its URLs.
            WrongServerKey: only others answered.
            PeerError: it answered and would not.
        """
        place = (server.key.bytes, secret.public.bytes if secret else b"")
        async with self._dialling.setdefault(place, asyncio.Lock()):
            connection = self._open.get(place)
            if connection is None or not connection.is_open:
                connection = await self._dial(server, secret)
                self._open[place] = connection
            users = connection.__enter__()
        with contextlib.ExitStack() as leaving:
            leaving.push(connection)
            yield users

    async def _dial(self, server: ServerAddress, secret: SecretKey | None) -> Connection:
        failures: list[PeerError] = []
        for url in server.urls:
            try:
                return await self._dial_url(url, server, secret)
            except PeerError as error:
                failures.append(error)
        if not failures:
            raise Unreachable(
                f"no address of {server.key.server_text} is known",
                hint="Name one with --server URL --key mosrv0…",
            )
        # That somebody else answered matters more than that nobody did.
        raise next((error for error in failures if isinstance(error, WrongServerKey)), failures[0])

    async def _dial_url(self, url: ServerUrl, server: ServerAddress, secret: SecretKey | None) -> Connection:
        link = self._dialer.dial(
            Target(
                TRANSPORTS[url.scheme],
                url.host,
                url.port,
                server_key=server.key.bytes,
                seed=secret.reveal() if secret else None,
                timeout_ms=int(self._settings.connect_s * 1000),
            )
        )
        connection = self._switch.connection(link)
        try:
            await connection.opened()
        except PeerError as error:
            self._switch.forget(connection)
            raise _told(error, f"{url}: {error}") from None
        return connection

    async def maintain(self) -> None:
        """Closes what is idle and asks after what is quiet, until cancelled."""
        pause = min(self._settings.idle_s, self._settings.keep_alive_s) / 2
        while True:
            await asyncio.sleep(pause)
            now = self._now_ns()
            for place, connection in list(self._open.items()):
                if not connection.is_open:
                    del self._open[place]
                elif connection.is_idle:
                    if now - connection.idle_since_ns > self._settings.idle_s * _SECOND:
                        connection.close()
                        del self._open[place]
                elif now - connection.last_heard_ns > self._settings.keep_alive_s * _SECOND:
                    await self._ask_after(connection)

    async def _ask_after(self, connection: Connection) -> None:
        try:
            await connection.ping()
        except (MosaicError, TimeoutError):
            connection.fail(Disconnected("the server is no longer there"))

    def close(self) -> None:
        """Closes all connections; what is queued to them is still sent."""
        for connection in self._open.values():
            connection.close()
        self._open.clear()


def _told(error: PeerError, message: str) -> PeerError:
    """The same error with the URL in its message."""
    error.args = (message,)
    return error
