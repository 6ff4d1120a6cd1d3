"""What carries a link: bytes out in any shape, the bytes of frames in."""

from __future__ import annotations

import asyncio
from typing import Protocol

from fuzz.address import Address
from fuzz.identity import Identity

PATIENCE_S = 30
"""How long a peer waits for a server."""


class LinkEnded(Exception):
    """The server closed the link."""


class Pipe(Protocol):
    """One connection or stream of a peer."""

    async def send(self, data: bytes) -> None:
        """Sends frames, or at the end what is none, waiting while the server does not take them.

        Raises:
            OSError: the connection is gone.
        """

    async def read(self, count: int) -> bytes:
        """The next `count` bytes of the frames that the server sends.

        Raises:
            LinkEnded: the server closed.
            InvalidMessage: it broke the rules of what carries the frames.
        """

    def drop(self) -> None:
        """Ends it without a word."""


class TcpPipe:
    """TLS over TCP."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, address: Address, identity: Identity) -> TcpPipe:
        """Connects. Raises OSError."""
        return cls(*await open_tls(address, identity))

    async def send(self, data: bytes) -> None:
        """See `Pipe.send`."""
        self._writer.write(data)
        await self._writer.drain()

    async def read(self, count: int) -> bytes:
        """See `Pipe.read`."""
        try:
            return await self._reader.readexactly(count)
        except (asyncio.IncompleteReadError, OSError) as error:
            raise LinkEnded(f"the stream ended: {error}") from None

    def drop(self) -> None:
        """See `Pipe.drop`."""
        self._writer.transport.abort()


async def open_tls(address: Address, identity: Identity) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A TLS connection to a host and port. Raises OSError."""
    opening = asyncio.open_connection(*address, ssl=identity.tls, server_hostname="mosaic", limit=1 << 16)
    return await asyncio.wait_for(opening, PATIENCE_S)
