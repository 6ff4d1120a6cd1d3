"""What can be wrong before and inside of TLS."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Sequence

from fuzz.breaches import Act, Breaches
from fuzz.link import Link
from fuzz.pipe import open_tls
from mosaic.transport import Transport
from mosaic.wire.header import encode_header


class TcpBreaches(Breaches):
    """Against the listener of TLS over TCP."""

    transport = Transport.TCP

    def all(self) -> Sequence[tuple[str, Act]]:
        """See `Breaches.all`."""
        return (
            ("tcp: no TLS", self._no_tls),
            ("tcp: half a ClientHello", self._half_a_hello),
            ("tcp: nothing", self._nothing),
            ("tcp: broken TLS", self._broken_tls),
            ("tcp: deaf", self._deaf),
        )

    async def _no_tls(self) -> None:
        await self._open(self.random.randbytes(500))

    async def _half_a_hello(self) -> None:
        await self._open(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")

    async def _nothing(self) -> None:
        await self._open(b"")

    async def _open(self, opening: bytes) -> None:
        _, writer = await asyncio.open_connection(*self.reach.address(self.transport))
        writer.write(opening)
        await asyncio.sleep(0)
        writer.transport.abort()

    async def _broken_tls(self) -> None:
        """The handshake is done, and what follows is none of TLS."""
        _, writer = await open_tls(self.reach.address(self.transport), self.identity())
        with socket.socket(fileno=os.dup(writer.get_extra_info("socket").fileno())) as below:
            below.setblocking(False)  # noqa: FBT003 - so the standard library has it
            await asyncio.get_running_loop().sock_sendall(below, self.random.randbytes(2_000))
        writer.transport.abort()

    async def _deaf(self) -> None:
        link = await self.reach.open(self.transport, self.identity())
        await link.hello()
        await be_deaf(link)


async def be_deaf(link: Link) -> None:
    """Asks for answers without reading them, until the server reads no more or cuts the link."""
    frames = encode_header(0x7F, 8) * 10_000
    try:
        for _ in range(20):
            await asyncio.wait_for(link.send(frames), 0.5)
    except (TimeoutError, OSError):
        pass
    finally:
        link.drop()
