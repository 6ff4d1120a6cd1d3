"""Readers that never read: matching subscriptions, and many records for them."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Coroutine
from dataclasses import dataclass
from random import Random

from fuzz.identity import Identities, tls_context
from fuzz.link import Link
from fuzz.records import Author
from fuzz.server import LiveServer, Memory
from mosaic.core.filter import Filter
from mosaic.core.kinds import MICROBLOG
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


class DeafReaders:
    """Links that subscribe and never read again; each takes as little as a socket can."""

    def __init__(self, server: LiveServer, filter_data: bytes) -> None:
        self._server = server
        self._hello = Hello(0, ()).encode() + Subscribe(1, 1, filter_data).encode()
        self._sockets: list[ssl.SSLSocket] = []

    def open(self, count: int) -> None:
        """Opens `count` links more. Raises OSError."""
        context = tls_context()
        for _ in range(count):
            plain = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            plain.settimeout(30)
            plain.connect((self._server.host, self._server.port))
            link = context.wrap_socket(plain, server_hostname="mosaic")
            link.sendall(self._hello)
            self._sockets.append(link)

    def close(self) -> None:
        """Closes them all."""
        for link in self._sockets:
            link.close()


async def submit_many(server: LiveServer, author: Author, identities: Identities, count: int) -> None:
    """Submits `count` records in batches, each as another peer; every one must be acknowledged."""
    for start in range(0, count, BATCH):
        link = await Link.open(server.host, server.port, identities.take())
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


async def measure(server: LiveServer, random: Random, readers: int, records: int) -> IdleReport:
    """Posts as many records twice, first without readers and then with them."""
    author = Author(random, server.person)
    identities = Identities(random)
    filter_data = Filter.of(authors=[author.key], kinds=[MICROBLOG]).encode()
    await submit_many(server, author, identities, records // 10)  # what grows once has grown
    without = await _growth(server, submit_many(server, author, identities, records))
    begun = server.memory()
    deaf = DeafReaders(server, filter_data)
    await asyncio.to_thread(deaf.open, readers)
    opened = _difference(begun, server.memory())
    posted = await _growth(server, submit_many(server, author, identities, records))
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
