"""WebSocket by hand, so that its rules can be broken."""

from __future__ import annotations

import asyncio
from enum import IntEnum
from random import Random

from fuzz.address import Address
from fuzz.identity import Identity
from fuzz.pipe import PATIENCE_S, LinkEnded, open_tls
from mosaic.errors import InvalidMessage


class Opcode(IntEnum):
    """What a frame of a WebSocket holds."""

    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


def request(address: Address, key: str = "bW9zYWljIGZ1enogdGVzdA==") -> bytes:
    """The head that asks for a WebSocket."""
    lines = (
        "GET / HTTP/1.1",
        f"Host: {address[0]}:{address[1]}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key}",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Protocol: mosaic2025",
    )
    return "\r\n".join((*lines, "", "")).encode()


def packed(
    payload: bytes,
    opcode: int = Opcode.BINARY,
    *,
    mask: bytes | None,
    first: int = 0x80,
    length: int | None = None,
) -> bytes:
    """One frame of a WebSocket.

    Args:
        payload: What it holds.
        opcode: As what.
        mask: 4 bytes, or None to break the rule that clients mask.
        first: The other bits of the first byte: 0x80 is the last frame of its message.
        length: What it says of its length, if that is not true.
    """
    masked = 0 if mask is None else 0x80
    length = len(payload) if length is None else length
    if length < 126:
        head = bytes((first | opcode, masked | length))
    elif length < 1 << 16:
        head = bytes((first | opcode, masked | 126)) + length.to_bytes(2, "big")
    else:
        head = bytes((first | opcode, masked | 127)) + length.to_bytes(8, "big")
    if mask is None:
        return head + payload
    pad = (mask * (len(payload) // 4 + 1))[: len(payload)]
    hidden = int.from_bytes(payload, "big") ^ int.from_bytes(pad, "big")
    return head + mask + hidden.to_bytes(len(payload), "big")


class WsPipe:
    """A WebSocket over TLS.

    Args:
        reader: Of the connection, behind the head of the answer.
        writer: Of the connection.
        random: Masks, and how messages are cut into frames.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, random: Random) -> None:
        self.writer = writer
        self.pongs: list[bytes] = []
        """What the pongs held that have come."""
        self._reader = reader
        self._random = random
        self._data = bytearray()
        self._message = bytearray()

    @classmethod
    async def open(cls, address: Address, identity: Identity, random: Random, early: bytes = b"") -> WsPipe:
        """Connects, with bytes right behind the request. Raises OSError, or LinkEnded without an upgrade."""
        reader, writer = await open_tls(address, identity)
        writer.write(request(address) + early)
        try:
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE_S)
        except (asyncio.IncompleteReadError, TimeoutError) as error:
            raise LinkEnded(f"the upgrade was not answered: {error!r}") from None
        if not head.startswith(b"HTTP/1.1 101 "):
            raise LinkEnded(f"the upgrade was answered with {head[:40]!r}")
        return cls(reader, writer, random)

    def mask(self) -> bytes:
        """A fresh mask."""
        return self._random.randbytes(4)

    async def send(self, data: bytes) -> None:
        """Sends frames, each as a message of its own; half a frame at the end is half of a message."""
        wrapped = bytearray()
        while data:
            length = int.from_bytes(data[4:8], "little")
            frame = data[:length] if 8 <= length <= len(data) else data
            data = data[len(frame) :]
            if len(frame) >= 8 and length > len(frame):
                wrapped += packed(frame, mask=self.mask(), length=length)
            else:
                wrapped += self._wrapped(frame)
        await self.raw(bytes(wrapped))

    async def raw(self, data: bytes) -> None:
        """Sends bytes as they are."""
        self.writer.write(data)
        await self.writer.drain()

    def _wrapped(self, frame: bytes) -> bytes:
        """A message: most in one piece, some in fragments, some with a ping inside."""
        way = self._random.random()
        if way < 0.9 or len(frame) < 2:
            return packed(frame, mask=self.mask())
        at = self._random.randrange(1, len(frame))
        ping = packed(b"still there?", Opcode.PING, mask=self.mask()) if way < 0.95 else b""
        begin = packed(frame[:at], first=0, mask=self.mask())
        return begin + ping + packed(frame[at:], Opcode.CONTINUATION, mask=self.mask())

    async def read(self, count: int) -> bytes:
        """See `Pipe.read`."""
        try:
            while len(self._data) < count:
                await self._receive()
        except (asyncio.IncompleteReadError, OSError) as error:
            raise LinkEnded(f"the stream ended: {error}") from None
        data = bytes(self._data[:count])
        del self._data[:count]
        return data

    async def _receive(self) -> None:
        """Takes one frame of the server's; what it says is checked like everything else."""
        first, second = await self._reader.readexactly(2)
        length = second & 0x7F
        if length >= 126:
            length = int.from_bytes(await self._reader.readexactly(2 if length == 126 else 8), "big")
        payload = await self._reader.readexactly(length)
        opcode, last = first & 0x0F, bool(first & 0x80)
        if second & 0x80 or first & 0x70:
            raise InvalidMessage("a server's frame is masked or has reserved bits")
        if opcode == Opcode.CLOSE:
            raise LinkEnded(f"Close {int.from_bytes(payload[:2], 'big')}: {payload[2:].decode()}")
        if opcode == Opcode.PING:
            await self.raw(packed(payload, Opcode.PONG, mask=self.mask()))
        elif opcode == Opcode.PONG:
            self.pongs.append(payload)
        elif opcode == (Opcode.CONTINUATION if self._message else Opcode.BINARY):
            self._message += payload
            self._data += payload
            if last:
                if int.from_bytes(self._message[4:8], "little") != len(self._message):
                    raise InvalidMessage("a server's message does not hold exactly one frame")
                self._message.clear()
        else:
            raise InvalidMessage(f"a server's frame has opcode {opcode}")

    def drop(self) -> None:
        """See `Pipe.drop`."""
        self.writer.transport.abort()
