"""Readers that never read: matching subscriptions, and many records for them."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Coroutine
from dataclasses import dataclass
from random import Random
from typing import Protocol

from fuzz.address import Address
from fuzz.identity import NOBODY, Identities
from fuzz.quic import DeafConnection, QuicPeer
from fuzz.reach import Reach
from fuzz.records import Author
from fuzz.server import LiveServer, Memory
from fuzz.websocket import packed, request
from mosaic.core.filter import Filter
from mosaic.core.kinds import MICROBLOG
from mosaic.transport import Transport
from mosaic.wire.client_messages import Hello, Submission, Subscribe
from mosaic.wire.server_messages import SubmissionResult

BATCH = 500


@dataclass(frozen=True, slots=True)
class IdleReport:
    """What idle readers cost.

    Attributes:
        readers: How many there were.
        records: How many records they did not read.
        without: By how much the server grew at most for as many records without readers.
        with_readers: By how much with them, from before they came.
    """

    readers: int
    records: int
    without: Memory
    with_readers: Memory

    @property
    def bytes_each(self) -> float:
        """Growth of what the process allocates, per reader; the larger of both ways to count it."""
        anonymous = self.with_readers.anonymous - self.without.anonymous
        return max(anonymous, self.with_readers.resident - self.without.resident) / self.readers


class DeafReaders(Protocol):
    """Links that subscribe and never read again; each takes as little as it can."""

    async def open(self, count: int) -> None:
        """Opens `count` links more. Raises OSError."""

    def close(self) -> None:
        """Closes them all."""


class DeafSockets:
    """Readers over TCP or WebSocket.

    Args:
        transport: Which of them.
        address: The server's.
        frames: What each sends.
    """

    def __init__(self, transport: Transport, address: Address, frames: list[bytes]) -> None:
        self._address = address
        self._begin = b"".join(frames)
        self._head = b""
        if transport is Transport.WS:
            self._head = request(address)
            self._begin = b"".join(packed(frame, mask=bytes(4)) for frame in frames)
        self._sockets: list[ssl.SSLSocket] = []

    async def open(self, count: int) -> None:
        """See `DeafReaders.open`."""
        await asyncio.to_thread(self._open, count)

    def _open(self, count: int) -> None:
        for _ in range(count):
            plain = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            plain.settimeout(30)
            plain.connect(self._address)
            link = NOBODY.tls.wrap_socket(plain, server_hostname="mosaic")
            if self._head:
                link.sendall(self._head)
                if not link.recv(12).startswith(b"HTTP/1.1 101"):
                    raise ConnectionError("the upgrade was refused")
            link.sendall(self._begin)
            self._sockets.append(link)

    def close(self) -> None:
        """See `DeafReaders.close`."""
        for link in self._sockets:
            link.close()


class DeafStreams:
    """Readers over QUIC, whose flow control never lets more come.

    Args:
        address: The server's.
        frames: What each sends.
        streams: How many share a connection.
    """

    def __init__(self, address: Address, frames: list[bytes], streams: int) -> None:
        self._address = address
        self._begin = b"".join(frames)
        self._streams = streams
        self._peers: list[QuicPeer] = []

    async def open(self, count: int) -> None:
        """See `DeafReaders.open`."""
        for _ in range(0, count, self._streams):
            configuration = NOBODY.quic(window=4096 * self._streams)
            peer = await QuicPeer.reach(self._address, configuration, DeafConnection)
            for _ in range(self._streams):
                stream, _ = peer.stream()
                peer.write(stream, self._begin)
            self._peers.append(peer)

    def close(self) -> None:
        """See `DeafReaders.close`."""
        for peer in self._peers:
            peer.close()
            peer.vanish()


async def submit_many(reach: Reach, author: Author, identities: Identities, count: int) -> None:
    """Submits `count` records in batches, each as another peer; every one must be acknowledged."""
    for start in range(0, count, BATCH):
        link = await reach.open(Transport.TCP, identities.take())
        await link.hello()
        records = [author.record() for _ in range(min(BATCH, count - start))]
        sending = asyncio.create_task(link.send(b"".join(Submission(record).encode() for record in records)))
        waiting = {record[:32] for record in records}
        while waiting:
            answer = await link.receive()
            if not isinstance(answer, SubmissionResult) or not answer.result.is_success:
                raise AssertionError(f"an honest record was answered by {answer}")
            waiting.discard(answer.prefix)
        await sending
        link.drop()


async def measure(
    server: LiveServer, random: Random, readers: int, records: int, transport: Transport, streams: int = 1
) -> IdleReport:
    """Posts as many records twice, first without readers and then with them.

    Args:
        server: The server.
        random: Where keys come from.
        readers: How many there are.
        records: How many are posted each time.
        transport: Over what they come.
        streams: How many of them share a QUIC connection.
    """
    reach = Reach(server, random)
    author = Author(random, server.person)
    identities = Identities(random)
    filter_data = Filter.of(authors=[author.key], kinds=[MICROBLOG]).encode()
    await submit_many(reach, author, identities, records // 10)  # what grows once has grown
    without = await _growth(server, submit_many(reach, author, identities, records))
    begun = server.memory()
    frames = [Hello(0, ()).encode(), Subscribe(1, 1, filter_data).encode()]
    deaf: DeafReaders
    if transport is Transport.QUIC:
        deaf = DeafStreams(reach.address(transport), frames, streams)
    else:
        deaf = DeafSockets(transport, reach.address(transport), frames)
    await deaf.open(readers)
    opened = _difference(begun, server.memory())
    posted = await _growth(server, submit_many(reach, author, identities, records))
    deaf.close()
    total = Memory(opened.resident + posted.resident, opened.anonymous + posted.anonymous)
    return IdleReport(readers, records, without, total)


async def _growth(server: LiveServer, work: Coroutine[None, None, None]) -> Memory:
    """By how much the server grew at most while something was done."""
    before = peak = server.memory()
    task = asyncio.create_task(work)
    while not task.done():
        await asyncio.wait([task], timeout=0.2)
        now = server.memory()
        peak = Memory(max(peak.resident, now.resident), max(peak.anonymous, now.anonymous))
    await task
    return _difference(before, peak)


def _difference(before: Memory, after: Memory) -> Memory:
    return Memory(after.resident - before.resident, after.anonymous - before.anonymous)
