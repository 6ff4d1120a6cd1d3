"""What can be wrong with WebSockets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

from fuzz.breaches import Act, Breaches, Finding, must_end, must_stand
from fuzz.link import Link
from fuzz.pipe import PATIENCE_S, LinkEnded, open_tls
from fuzz.tcp_breaches import TcpBreaches, be_deaf
from fuzz.websocket import Opcode, WsPipe, packed, request
from mosaic.transport import Transport
from mosaic.wire.client_messages import Hello
from mosaic.wire.header import encode_header

FRAME = encode_header(0x7F, 8)
"""A whole frame, of a type that is not known: the server goes on after it."""
MASK = b"\x01\x80\xff\x00"


def _long(length: int) -> bytes:
    return bytes((0x82, 0xFF)) + length.to_bytes(8, "big") + MASK


VIOLATIONS: dict[str, bytes] = {
    "text": packed(FRAME, Opcode.TEXT, mask=MASK),
    "unmasked": packed(FRAME, mask=None),
    "reserved bit": packed(FRAME, mask=MASK, first=0xC0),
    "reserved opcode": packed(FRAME, 3, mask=MASK),
    "reserved control opcode": packed(b"", 11, mask=MASK),
    "control in fragments": packed(b"a", Opcode.PING, mask=MASK, first=0),
    "long control": packed(bytes(126), Opcode.PING, mask=MASK),
    "continuation of nothing": packed(FRAME, Opcode.CONTINUATION, mask=MASK),
    "message inside of a message": packed(FRAME[:4], mask=MASK, first=0) + packed(FRAME, mask=MASK),
    "two frames in a message": packed(FRAME * 2, mask=MASK),
    "half a frame in a message": packed(FRAME[:4], mask=MASK),
    "half a body in a message": packed(encode_header(0x7F, 40) + bytes(20), mask=MASK),
    "empty message": packed(b"", mask=MASK),
    "more than the frame": packed(FRAME + b"\0", mask=MASK),
    "length beyond 63 bits": _long(1 << 63),
    "huge length": _long(1 << 40) + FRAME,
    "huge fragment": packed(b"", mask=MASK, first=0) + _long((1 << 63) - 1),
    "close": packed((1000).to_bytes(2, "big"), Opcode.CLOSE, mask=MASK),
    "close without a code": packed(b"", Opcode.CLOSE, mask=MASK),
    "close with half a code": packed(b"\x03", Opcode.CLOSE, mask=MASK),
    "close with a reserved code": packed((1005).to_bytes(2, "big"), Opcode.CLOSE, mask=MASK),
    "close with a reason that is no text": packed(b"\x03\xe8\xff\xfe", Opcode.CLOSE, mask=MASK),
    "frames after close": packed(b"\x03\xe8", Opcode.CLOSE, mask=MASK) + packed(FRAME, mask=MASK) * 50,
}
"""What ends a WebSocket."""


class WsBreaches(Breaches):
    """Against the listener of WebSockets."""

    def all(self) -> Sequence[tuple[str, Act]]:
        """See `Breaches.all`."""
        violations = [(f"ws: {name}", partial(self._violate, data)) for name, data in VIOLATIONS.items()]
        heads = [
            (f"ws: head, {name}", partial(self._head, change))
            for name, change in (
                ("mutated", self._mutated_head),
                ("cut", lambda head: head[: self.random.randrange(len(head))]),
                ("too long", lambda head: head[:-2] + b"X: " + bytes([97]) * 9_000 + b"\r\n\r\n"),
                ("endless", lambda head: head[:-2] + b"X: y\r\n" * 2_000),
                ("many fields", lambda head: head[:-2] + b"a:\r\n" * 1_200 + b"\r\n"),
                ("twice", lambda head: head * 2),
                ("noise", lambda head: self.random.randbytes(len(head)) + b"\r\n\r\n"),
            )
        ]
        below = _BelowWebSocket(self.reach, self._identities).all()
        others = (
            ("ws: pings", self._pings),
            ("ws: ping flood", self._ping_flood),
            ("ws: pong flood", self._pong_flood),
            ("ws: empty fragments", self._empty_fragments),
            ("ws: one byte a fragment", self._small_fragments),
            ("ws: frames before the answer", self._early),
            ("ws: torn", self._torn),
            ("ws: deaf", self._deaf),
        )
        return [*violations, *heads, *heads, *others, *others, *below]

    async def _greeted(self) -> tuple[WsPipe, Link]:
        pipe = await self.reach.websocket(self.identity())
        link = Link(pipe)
        await link.hello()
        return pipe, link

    async def _violate(self, data: bytes) -> None:
        pipe, _ = await self._greeted()
        await pipe.raw(data)
        await must_end(pipe)

    # --- the upgrade

    def _mutated_head(self, head: bytes) -> bytes:
        changed = bytearray(head[:-4])
        for _ in range(self.random.choice((1, 1, 2, 8))):
            changed[self.random.randrange(len(changed))] = self.random.choice(
                (0, 9, 10, 13, 32, 58, 0x80, 0xFF, self.random.randrange(256))
            )
        return bytes(changed) + b"\r\n\r\n"

    async def _head(self, change: Callable[[bytes], bytes]) -> None:
        """A head that is answered by HTTP, or for which the connection ends; half a head is left."""
        reader, writer = await open_tls(self.reach.address(Transport.WS), self.identity())
        head = change(request(self.reach.address(Transport.WS)))
        try:
            writer.write(head)
            if b"\r\n\r\n" not in head and len(head) <= 8_192:
                return
            answer = await asyncio.wait_for(reader.read(12), PATIENCE_S)
            if answer and not answer.startswith(b"HTTP/1.1 "):
                raise Finding(f"a head was answered by {answer!r}")
        finally:
            writer.transport.abort()

    async def _early(self) -> None:
        pipe = await self.reach.websocket(
            self.identity(), packed(Hello(0, ()).encode(), mask=MASK) + packed(FRAME, mask=MASK)
        )
        link = Link(pipe)
        await link.receive()
        await must_stand(link)

    # --- what is allowed

    async def _pings(self) -> None:
        pipe, link = await self._greeted()
        sent = [self.random.randbytes(length) for length in (0, 1, 125)]
        await pipe.raw(b"".join(packed(data, Opcode.PING, mask=pipe.mask()) for data in sent))
        for _ in range(100):  # a pong may come behind the answer to a later frame
            await link.exchange(b"")
            if sent[-1] in pipe.pongs:
                break
        else:
            raise Finding(f"pings were answered by {len(pipe.pongs)} pongs")
        link.drop()

    async def _ping_flood(self) -> None:
        pipe, _ = await self._greeted()
        flood = packed(bytes(100), Opcode.PING, mask=MASK) * 5_000
        try:
            for _ in range(4):
                await asyncio.wait_for(pipe.raw(flood), 0.5)
        except TimeoutError:
            pass
        finally:
            pipe.drop()

    async def _pong_flood(self) -> None:
        pipe, link = await self._greeted()
        await pipe.raw(packed(bytes(60), Opcode.PONG, mask=MASK) * 1_000)
        await must_stand(link)

    async def _empty_fragments(self) -> None:
        """Either is fine: to put up with them, or to end the link."""
        pipe, _ = await self._greeted()
        none = packed(b"", Opcode.CONTINUATION, mask=MASK, first=0)
        await pipe.raw(packed(FRAME[:1], mask=MASK, first=0) + none * 5_000)
        await pipe.raw(packed(FRAME[1:], Opcode.CONTINUATION, mask=MASK))
        try:
            await asyncio.wait_for(pipe.read(8), PATIENCE_S)
        finally:
            pipe.drop()

    async def _small_fragments(self) -> None:
        pipe, link = await self._greeted()
        frame = encode_header(0x7F, 60) + bytes(52)
        pieces = [packed(frame[:1], mask=MASK, first=0)]
        pieces += [packed(bytes((byte,)), Opcode.CONTINUATION, mask=MASK, first=0) for byte in frame[1:-1]]
        pieces.append(packed(frame[-1:], Opcode.CONTINUATION, mask=MASK))
        await pipe.raw(b"".join(pieces))
        await must_stand(link)

    async def _torn(self) -> None:
        pipe, _ = await self._greeted()
        whole = packed(FRAME, mask=MASK)
        await pipe.raw(whole[: self.random.randrange(1, len(whole))])
        pipe.drop()

    async def _deaf(self) -> None:
        _, link = await self._greeted()
        await be_deaf(link)


class _BelowWebSocket(TcpBreaches):
    """What can be wrong with TLS, at the listener of WebSockets."""

    transport = Transport.WS

    def all(self) -> Sequence[tuple[str, Act]]:
        """See `Breaches.all`."""
        acts = [(f"ws, {name}", act) for name, act in super().all() if "deaf" not in name]
        return [*acts, ("ws: HTTP without TLS", self._plain)]

    async def _plain(self) -> None:
        address = self.reach.address(self.transport)
        reader, writer = await asyncio.open_connection(*address)
        try:
            writer.write(request(address))
            answer = await asyncio.wait_for(reader.read(4096), PATIENCE_S)
        except TimeoutError:
            raise Finding("nothing happens") from None
        except OSError as error:
            raise LinkEnded(str(error)) from None
        finally:
            writer.transport.abort()
        if b" 101 " in answer[:16]:
            raise Finding("a WebSocket began without TLS")
