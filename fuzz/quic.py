"""QUIC through aioquic: connections whose streams are links."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any, ClassVar

from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import ConnectionTerminated, QuicEvent, StreamReset
from aioquic.quic.packet_builder import QuicPacketBuilder

from fuzz.address import Address
from fuzz.identity import Identity
from fuzz.pipe import PATIENCE_S, LinkEnded

STREAMS = 6
"""How many streams one connection opens."""


class QuicPeer(QuicConnectionProtocol):
    """One connection."""

    quic: QuicConnection
    links = 0
    """How many of its streams are in use."""
    opened = 0
    """How many it has opened."""
    ending = ""
    """Why it has ended."""

    _all: ClassVar[set[QuicPeer]] = set()

    def __init__(self, quic: QuicConnection) -> None:
        super().__init__(quic)
        self.quic = quic
        self._all.add(self)

    @classmethod
    async def leave(cls) -> None:
        """Ends all that there are in this process."""
        for peer in list(cls._all):
            peer.close()
            peer.vanish()
        await asyncio.sleep(0)

    @classmethod
    async def reach(
        cls,
        address: Address,
        configuration: QuicConfiguration,
        kind: type[QuicConnection] = QuicConnection,
    ) -> QuicPeer:
        """Connects and shakes hands. Raises OSError."""
        peer = await cls.begin(address, kind(configuration=configuration))
        try:
            await asyncio.wait_for(peer.wait_connected(), PATIENCE_S)
        except (ConnectionError, TimeoutError) as error:
            peer.vanish()
            raise ConnectionError(f"no QUIC connection: {error} {peer.ending}") from None
        return peer

    @classmethod
    async def begin(cls, address: Address, quic: QuicConnection) -> QuicPeer:
        """Sends the first datagram."""
        loop = asyncio.get_running_loop()
        _, peer = await loop.create_datagram_endpoint(lambda: cls(quic), local_addr=("127.0.0.1", 0))
        peer.start(address)
        return peer

    def start(self, address: Address) -> None:
        """Begins to shake hands."""
        self.quic.connect(address, now=self._loop.time())
        self.transmit()

    def quic_event_received(self, event: QuicEvent) -> None:
        """Takes what aioquic tells."""
        if isinstance(event, ConnectionTerminated):
            self.ending = f"error 0x{event.error_code:x} {event.reason_phrase}".rstrip()
            for reader in self._stream_readers.values():
                if not reader.at_eof():
                    reader.feed_eof()
            self.vanish()
        elif isinstance(event, StreamReset):
            if event.stream_id in self._stream_readers:
                self._stream_readers[event.stream_id].feed_eof()
        else:
            super().quic_event_received(event)

    def datagram_received(self, data: bytes | str, addr: Any) -> None:
        """Takes a datagram, unless this end has vanished."""
        if self._transport is not None and not self._transport.is_closing():
            super().datagram_received(data, addr)

    def transmit(self) -> None:
        """Sends what is to be sent, unless this end has vanished."""
        if self._transport is not None and not self._transport.is_closing():
            super().transmit()

    def vanish(self) -> None:
        """Is not heard of any more."""
        self._all.discard(self)
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None:
            self._transport.close()

    @property
    def is_open(self) -> bool:
        """Whether it still stands."""
        return not self.ending and self._transport is not None and not self._transport.is_closing()

    def write(self, stream: int, data: bytes, *, end: bool = False) -> None:
        """Sends on a stream. Raises OSError if that has ended."""
        if not self.is_open:
            raise ConnectionError(f"the QUIC connection has ended: {self.ending}")
        try:
            self.quic.send_stream_data(stream, data, end_stream=end)
        except (RuntimeError, ValueError) as error:
            raise ConnectionError(f"the QUIC stream has ended: {error}") from None
        self.transmit()

    def stream(self, *, one_way: bool = False) -> tuple[int, asyncio.StreamReader]:
        """Opens a stream: its number and what comes on it. Raises OSError."""
        number = self.quic.get_next_available_stream_id(is_unidirectional=one_way)
        self.write(number, b"")
        self.opened += 1
        reader = self._stream_readers[number] = asyncio.StreamReader()
        return number, reader


class DeafConnection(QuicConnection):
    """Never allows the server more than at the beginning."""

    def _write_connection_limits(self, builder: QuicPacketBuilder, space: object) -> None:
        pass

    def _write_stream_limits(self, builder: QuicPacketBuilder, space: object, stream: object) -> None:
        pass


class QuicPipe:
    """A stream of a connection, which ends with its last stream."""

    def __init__(self, peer: QuicPeer, stream: int, reader: asyncio.StreamReader) -> None:
        peer.links += 1
        self.peer = peer
        self.stream = stream
        self._reader = reader
        self._dropped = False

    async def send(self, data: bytes) -> None:
        """See `Pipe.send`."""
        self.peer.write(self.stream, data)

    async def read(self, count: int) -> bytes:
        """See `Pipe.read`."""
        try:
            return await self._reader.readexactly(count)
        except (asyncio.IncompleteReadError, OSError) as error:
            raise LinkEnded(f"the stream ended: {error} {self.peer.ending}") from None

    def drop(self) -> None:
        """See `Pipe.drop`."""
        if self._dropped:
            return
        self._dropped = True
        self.peer.links -= 1
        if not self.peer.is_open:
            return
        if self.peer.links == 0:
            self.peer.close(error_code=1)
            return
        try:
            self.peer.quic.reset_stream(self.stream, 1)
            self.peer.quic.stop_stream(self.stream, 1)
        except (RuntimeError, ValueError):
            pass  # one direction has ended already
        self.peer.transmit()


class QuicRoads:
    """Opens links: on connections of their own, and beside others on one connection.

    Args:
        address: The server's.
        random: Decides which.
    """

    def __init__(self, address: Address, random: Random) -> None:
        self._address = address
        self._random = random
        self._peer: QuicPeer | None = None

    async def open(self, identity: Identity) -> QuicPipe:
        """A new link. Raises OSError."""
        peer = self._peer
        shared = peer is not None and peer.is_open and peer.links > 0 and peer.opened < STREAMS
        if peer is None or not shared or self._random.random() < 0.3:
            peer = self._peer = await QuicPeer.reach(self._address, identity.quic())
        return QuicPipe(peer, *peer.stream())
