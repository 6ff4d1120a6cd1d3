"""A stretch of the way between a QUIC client and its server: it can move the client, count, and go silent."""

import select
import socket
import threading
from collections.abc import Callable
from types import TracebackType

from tests.transport.station import PATIENCE_S

LONG_HEADER = 0x80
RETRY = 0xF0
Address = tuple[str, int]


def is_retry(packet: bytes) -> bool:
    """Whether a server's packet is a Retry (RFC 9000, 17.2.5: long header, type 3)."""
    return packet[0] & (LONG_HEADER | 0x30) == RETRY & (LONG_HEADER | 0x30)


class Relay:
    """Passes packets on between one client and a server; a context manager."""

    def __init__(self, server_port: int, *, passes: Callable[[bytes], bool] = lambda _: True) -> None:
        """`passes` decides which packets of the server reach the client."""
        self.server: Address = ("127.0.0.1", server_port)
        self.passes = passes
        self.silent = False
        self.from_server: list[bytes] = []
        self._news = threading.Condition()
        self._front = self._bind()
        self.port: int = self._front.getsockname()[1]
        self._backs: dict[Address, socket.socket] = {}
        self._ended, self._end = socket.socketpair()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    @staticmethod
    def _bind() -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.bind(("127.0.0.1", 0))
        return made

    def move(self) -> None:
        """From now on the server sees every client at a new address, as behind a router that forgot it."""
        self._backs = {}

    def wait(self, wanted: Callable[[list[bytes]], bool]) -> None:
        """Waits until `wanted` is content with the packets of the server so far."""
        with self._news:
            assert self._news.wait_for(lambda: wanted(self.from_server), PATIENCE_S)

    def _run(self) -> None:
        kept: list[socket.socket] = []
        while True:
            ready, _, _ = select.select([self._front, self._ended, *self._backs.values()], [], [], 0.05)
            if self._ended in ready:
                break
            clients = {back: client for client, back in self._backs.items()}
            for source in ready:
                packet, address = source.recvfrom(65_536)
                if self.silent:
                    continue
                if source is self._front:
                    if address not in self._backs:
                        self._backs[address] = self._bind()
                        kept.append(self._backs[address])
                    self._backs[address].sendto(packet, self.server)
                elif source in clients:
                    with self._news:
                        self.from_server.append(packet)
                        self._news.notify_all()
                    if self.passes(packet):
                        self._front.sendto(packet, clients[source])
        for one in [self._front, self._ended, *kept]:
            one.close()

    def __enter__(self) -> "Relay":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.send(b".")
        self._thread.join()
        self._end.close()
