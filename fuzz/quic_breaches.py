"""What can be wrong with QUIC."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from typing import Any

from aioquic.quic.connection import QuicConnection

from fuzz.breaches import Act, Breaches, Finding, must_end, must_stand
from fuzz.link import Link
from fuzz.quic import QuicPeer, QuicPipe
from fuzz.tcp_breaches import be_deaf
from mosaic.transport import Transport
from mosaic.wire.client_messages import Hello
from mosaic.wire.header import encode_header

HELLO = Hello(0, ()).encode()


class QuicBreaches(Breaches):
    """Against the listener of QUIC."""

    def all(self) -> Sequence[tuple[str, Act]]:
        """See `Breaches.all`."""
        return (
            ("quic: streams that are reset at once", self._reset),
            ("quic: streams whose answers nobody wants", self._stop),
            ("quic: end inside of a frame", self._end_inside),
            ("quic: streams beyond the limit", self._too_many),
            ("quic: unidirectional stream", self._one_way),
            ("quic: beyond flow control", self._flood),
            ("quic: half a handshake", self._half),
            ("quic: connection without a stream", self._no_stream),
            ("quic: peer that vanishes", self._vanish),
            ("quic: another protocol", self._other_protocol),
            ("quic: strange close", self._strange_close),
            ("quic: junk datagrams", self._junk),
            ("quic: mutated datagrams", self._mutated),
            ("quic: repeated datagrams", self._repeated),
            ("quic: another address", self._migrate),
            ("quic: new connection ids and keys", self._renew),
            ("quic: deaf", self._deaf),
        )

    async def _connect(self, kind: type[QuicPeer] = QuicPeer) -> QuicPeer:
        return await kind.reach(self.reach.address(Transport.QUIC), self.identity().quic())

    async def _greeted(self, peer: QuicPeer) -> Link:
        link = Link(QuicPipe(peer, *peer.stream()))
        await link.hello()
        return link

    # --- streams

    async def _reset(self) -> None:
        peer = await self._connect()
        link = await self._greeted(peer)
        for _ in range(12):
            stream, _ = peer.stream()
            if self.random.random() < 0.7:
                peer.write(stream, self.random.choice((HELLO, HELLO[:3], self.random.randbytes(500))))
            if self.random.random() < 0.5:
                await asyncio.sleep(0)
            peer.quic.reset_stream(stream, self.random.choice((0, 1, 0x100, (1 << 62) - 1)))
            peer.transmit()
        await must_stand(link)

    async def _stop(self) -> None:
        peer = await self._connect()
        link = await self._greeted(peer)
        for _ in range(5):
            stream, _ = peer.stream()
            peer.write(stream, HELLO + encode_header(0x7F, 8) * 100)
            peer.quic.stop_stream(stream, self.random.choice((0, 7)))
        await must_stand(link)

    async def _end_inside(self) -> None:
        peer = await self._connect()
        link = await self._greeted(peer)
        pipe = QuicPipe(peer, *peer.stream())
        peer.write(pipe.stream, HELLO + encode_header(0x05, 400) + bytes(100), end=True)
        await must_end(pipe)
        await must_stand(link)

    async def _too_many(self) -> None:
        """Streams of which the server has not said that they may be opened."""
        peer = await self._connect()
        peer.quic._remote_max_streams_bidi = 1_000  # noqa: SLF001 - aioquic keeps to the rules else
        pipes = [QuicPipe(peer, *peer.stream()) for _ in range(60)]
        for pipe in pipes:
            peer.quic.send_stream_data(pipe.stream, HELLO)
        peer.transmit()
        await must_end(pipes[0])
        peer.vanish()

    async def _one_way(self) -> None:
        peer = await self._connect()
        pipe = QuicPipe(peer, *peer.stream())
        peer.quic._remote_max_streams_uni = 10  # noqa: SLF001 - as above
        stream, _ = peer.stream(one_way=True)
        peer.write(stream, HELLO)
        await must_end(pipe)
        peer.vanish()

    async def _flood(self) -> None:
        """Bytes that the server has not allowed."""
        peer = await self._connect()
        link = await self._greeted(peer)
        assert isinstance(link.pipe, QuicPipe)
        peer.quic._remote_max_data = 1 << 40  # noqa: SLF001 - as above
        peer.quic._streams[link.pipe.stream].max_stream_data_remote = 1 << 40  # noqa: SLF001 - as above
        peer.write(link.pipe.stream, encode_header(0x7F, 8) * 100_000)
        await asyncio.sleep(0.05)
        link.drop()

    async def _deaf(self) -> None:
        await be_deaf(await self._greeted(await self._connect()))

    # --- connections

    async def _half(self) -> None:
        for _ in range(4):
            quic = QuicConnection(configuration=self.identity().quic())
            peer = await QuicPeer.begin(self.reach.address(Transport.QUIC), quic)
            peer.vanish()

    async def _no_stream(self) -> None:
        peer = await self._connect()
        await asyncio.sleep(0)
        peer.close(error_code=0)

    async def _vanish(self) -> None:
        peer = await self._connect()
        await self._greeted(peer)
        peer.vanish()

    async def _other_protocol(self) -> None:
        configuration = self.identity().quic(protocol=self.random.choice(("h3", "mosaic2", "x" * 200)))
        try:
            peer = await QuicPeer.reach(self.reach.address(Transport.QUIC), configuration)
        except OSError:
            return
        peer.vanish()
        raise Finding("the server shook hands for another protocol")

    async def _strange_close(self) -> None:
        peer = await self._connect()
        await self._greeted(peer)
        reason = "x" * self.random.choice((0, 1, 900))
        peer.close(error_code=self.random.choice((0, 1, 77, (1 << 62) - 1)), reason_phrase=reason)

    async def _renew(self) -> None:
        peer = await self._connect()
        link = await self._greeted(peer)
        for _ in range(3):
            peer.change_connection_id()
            await link.exchange(b"")
        peer.request_key_update()
        await must_stand(link)

    # --- datagrams

    async def _junk(self) -> None:
        """Datagrams of no connection, some of which look like the beginning of one."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            for _ in range(100):
                data = bytearray(
                    self.random.randbytes(self.random.choice((1, 20, 21, 100, 1200, 1452, 9000)))
                )
                if self.random.random() < 0.6:
                    data[0] |= 0xC0
                    version = self.random.choice(
                        (b"\0\0\0\1", b"\x6b\x33\x43\xcf", b"\0\0\0\0", b"\x0a\x0a\x0a\x0a")
                    )
                    data[1:6] = version + bytes((self.random.choice((0, 8, 20, 21, 255)),))
                udp.sendto(data, self.reach.address(Transport.QUIC))

    async def _mutated(self) -> None:
        await must_stand(await self._greeted(await self._connect(_Mutating)))

    async def _repeated(self) -> None:
        await must_stand(await self._greeted(await self._connect(_Repeating)))

    async def _migrate(self) -> None:
        peer = await self._connect()
        link = await self._greeted(peer)
        for _ in range(2):
            loop = asyncio.get_running_loop()
            before = peer._transport  # noqa: SLF001 - aioquic has no face for it
            await loop.create_datagram_endpoint(lambda: _Forwarding(peer), local_addr=("127.0.0.1", 0))
            if before is not None:
                before.close()
            await link.exchange(b"")
        await must_stand(link)


class _Mutating(QuicPeer):
    """Sends damaged copies beside what it sends."""

    def transmit(self) -> None:
        """See `QuicPeer.transmit`."""
        transport = self._transport
        if transport is not None and not transport.is_closing():
            now = self._loop.time()
            for data, address in self.quic.datagrams_to_send(now=now):
                damaged = bytearray(data)
                for _ in range(1 + len(damaged) % 3):
                    damaged[hash((now, len(damaged))) % len(damaged)] ^= 1 << len(damaged) % 8
                transport.sendto(bytes(damaged), address)
                transport.sendto(data, address)
                transport.sendto(data[: len(data) // 2], address)
        super().transmit()


class _Repeating(QuicPeer):
    """Sends everything three times, the last time last."""

    def transmit(self) -> None:
        """See `QuicPeer.transmit`."""
        transport = self._transport
        if transport is not None and not transport.is_closing():
            sent = self.quic.datagrams_to_send(now=self._loop.time())
            for data, address in [*sent, *sent, *reversed(sent)]:
                transport.sendto(data, address)
        super().transmit()


class _Forwarding(asyncio.DatagramProtocol):
    """A socket that takes the place of a peer's."""

    def __init__(self, peer: QuicPeer) -> None:
        self._peer = peer

    def connection_made(self, transport: Any) -> None:
        """Is used from now on."""
        self._peer._transport = transport  # noqa: SLF001 - aioquic has no face for it

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """Hands over what comes."""
        self._peer.datagram_received(data, addr)
