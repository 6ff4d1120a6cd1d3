"""Opens links to the server over each transport."""

from __future__ import annotations

from random import Random

from fuzz.address import Address
from fuzz.identity import Identity
from fuzz.link import Link
from fuzz.pipe import TcpPipe
from fuzz.quic import QuicRoads
from fuzz.server import LiveServer
from fuzz.websocket import WsPipe
from mosaic.transport import Transport


class Reach:
    """The ways to one server.

    Args:
        server: The server.
        random: Masks of WebSockets, and which streams share a QUIC connection.
    """

    def __init__(self, server: LiveServer, random: Random) -> None:
        self.server = server
        self.random = random
        self._roads = QuicRoads(server.addresses[Transport.QUIC], random)

    def address(self, transport: Transport) -> Address:
        """Where the server listens."""
        return self.server.addresses[transport]

    async def websocket(self, identity: Identity, early: bytes = b"") -> WsPipe:
        """A WebSocket, with bytes right behind its request. Raises OSError, or LinkEnded when refused."""
        return await WsPipe.open(self.address(Transport.WS), identity, self.random, early)

    async def open(self, transport: Transport, identity: Identity) -> Link:
        """A link. Raises OSError, or LinkEnded when the server refuses."""
        match transport:
            case Transport.TCP:
                return Link(await TcpPipe.open(self.address(transport), identity))
            case Transport.QUIC:
                return Link(await self._roads.open(identity))
            case Transport.WS:
                return Link(await self.websocket(identity))
