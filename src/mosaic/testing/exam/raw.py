"""A client made of Python's own TLS, for what the kernel's network never does: it writes what it is told.

Source: tcp.md, websockets.md, RFC 6455, edition §2.
"""

from __future__ import annotations

import asyncio
import base64
import os
import ssl
from typing import Final

from mosaic.testing.exam.check import Deviation

TEXT: Final = 1
BINARY: Final = 2
CLOSE: Final = 8
PING: Final = 9
PONG: Final = 10


def context(*, most: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3, alpn: str = "mosaic") -> ssl.SSLContext:
    """TLS that takes any certificate: whose it is, the check looks at itself.

    Args:
        most: The newest version that is offered.
        alpn: What is asked for; nothing if empty.
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    made.minimum_version, made.maximum_version = ssl.TLSVersion.TLSv1_2, most
    if alpn:
        made.set_alpn_protocols([alpn])
    return made


class Raw:
    """One TLS connection.

    Args:
        reader: What comes.
        writer: What goes.
        patience_s: How long to wait for anything, in seconds.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, patience_s: float) -> None:
        self.reader = reader
        self.writer = writer
        self._patience_s = patience_s

    @classmethod
    async def dial(
        cls,
        address: tuple[str, int],
        patience_s: float,
        tls: ssl.SSLContext | None = None,
        *,
        name: str = "mosaic",
    ) -> Raw:
        """Connects to a host and port, with TLS that takes any certificate if none is given.

        Args:
            address: Host and port.
            patience_s: How long anything may take, in seconds.
            tls: The TLS to speak.
            name: The name that it asks for (SNI).

        Raises:
            Deviation: nobody answers, or TLS does not come about.
        """
        try:
            async with asyncio.timeout(patience_s):
                opened = await asyncio.open_connection(*address, ssl=tls or context(), server_hostname=name)
        except OSError as error:
            raise Deviation(f"expected a connection with TLS; {str(error) or 'it took too long'}") from None
        return cls(*opened, patience_s)

    @property
    def tls(self) -> ssl.SSLObject:
        """The connection's TLS."""
        found = self.writer.get_extra_info("ssl_object")
        assert isinstance(found, ssl.SSLObject)
        return found

    async def write(self, data: bytes) -> None:
        """Sends bytes as they are."""
        try:
            self.writer.write(data)
            await self.writer.drain()
        except OSError:
            return  # the server has ended it: what it said before is what counts

    async def frame(self) -> bytes:
        """The next whole Mosaic frame. Raises Deviation if none comes."""
        head = await self._exactly(8)
        return head + await self._exactly(int.from_bytes(head[4:8], "little") - 8)

    async def head(self) -> bytes:
        """An HTTP head with its blank line. Raises Deviation if none comes."""
        try:
            async with asyncio.timeout(self._patience_s):
                return await self.reader.readuntil(b"\r\n\r\n")
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            raise Deviation("expected the head of an HTTP response; none came") from None

    async def message(self) -> tuple[int, bytes]:
        """The next WebSocket frame: (opcode, payload). Raises Deviation if none comes."""
        first, second = await self._exactly(2)
        length = second & 0x7F
        if length >= 126:
            length = int.from_bytes(await self._exactly(2 if length == 126 else 8), "big")
        return first & 0x0F, await self._exactly(length)

    async def ended(self) -> None:
        """Reads on until the server ends the connection. Raises Deviation if it does not."""
        try:
            async with asyncio.timeout(self._patience_s):
                while await self.reader.read(65_536):
                    pass
        except OSError:
            return
        except TimeoutError:
            raise Deviation("expected the end of the connection; it stays open") from None

    async def _exactly(self, count: int) -> bytes:
        try:
            async with asyncio.timeout(self._patience_s):
                return await self.reader.readexactly(count)
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            raise Deviation(f"expected {count} more bytes; they did not come") from None

    def close(self) -> None:
        """Cuts the connection."""
        self.writer.transport.abort()


def wrapped(opcode: int, payload: bytes, *, last: bool = True, masked: bool = True) -> bytes:
    """One WebSocket frame.

    Args:
        opcode: What it is (4 bits); 0 continues a message.
        payload: Its content.
        last: Whether the message ends with it.
        masked: Whether it is masked, as a client's must be.
    """
    length, mask = len(payload), 0x80 if masked else 0
    head = bytes((last << 7 | opcode,))
    if length < 126:
        head += bytes((mask | length,))
    elif length < 65_536:
        head += bytes((mask | 126,)) + length.to_bytes(2, "big")
    else:
        head += bytes((mask | 127,)) + length.to_bytes(8, "big")
    if not masked:
        return head + payload
    key = os.urandom(4)
    stream = (key * (length // 4 + 1))[:length]
    return head + key + bytes(a ^ b for a, b in zip(payload, stream, strict=True))


def token() -> str:
    """A nonce as it stands in a request's head: 43 characters of base64url."""
    return base64.urlsafe_b64encode(os.urandom(32)).decode().rstrip("=")


def request(host: str, **changes: str | None) -> bytes:
    """A request for a WebSocket.

    Args:
        host: What stands in Host.
        changes: Fields that differ, their hyphens written as underscores; None leaves one out.
    """
    fields: dict[str, str | None] = {
        "Host": host,
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
        "Sec-WebSocket-Protocol": "mosaic2025",
    }
    path = changes.pop("path", None) or "/"
    fields |= {name.replace("_", "-"): value for name, value in changes.items()}
    lines = [
        f"GET {path} HTTP/1.1",
        *(f"{name}: {value}" for name, value in fields.items() if value is not None),
    ]
    return "\r\n".join([*lines, "", ""]).encode()
