"""A WebSocket client that does what it is told, right or wrong, above a socket of its own."""

import os
import socket
import ssl
from types import TracebackType

from tests.transport.raw import Reader
from tests.transport.station import Station
from tests.transport.upgrade import REQUEST, accepting

from mosaic._kernel._rust import LINK_UPGRADE

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
NATIVE, BROWSER, PLAIN = 0, 1, 2


def accept(server: Station) -> tuple[int, bytes, int]:
    """Opens the next link and accepts its request: (link, proven key, mode)."""
    link, key = server.opened()
    asked, _, data = server.next(LINK_UPGRADE)
    assert asked == link
    server.net.answer_upgrade(link, accepting(data[1:]), accepted=True)
    return link, key, data[0]


def wrap(
    opcode: int,
    payload: bytes = b"",
    *,
    last: bool = True,
    masked: bool = True,
    reserved: int = 0,
    length: int | None = None,
) -> bytes:
    """One WebSocket frame; `length` other than the payload's leaves the rest to come."""
    length = len(payload) if length is None else length
    head = bytes([last << 7 | reserved << 4 | opcode])
    mask = 0x80 if masked else 0
    if length < 126:
        head += bytes([mask | length])
    elif length < 65_536:
        head += bytes([mask | 126]) + length.to_bytes(2)
    else:
        head += bytes([mask | 127]) + length.to_bytes(8)
    if not masked:
        return head + payload
    key = os.urandom(4)
    return head + key + apply_mask(key, payload)


def apply_mask(key: bytes, payload: bytes) -> bytes:
    stream = (key * (len(payload) // 4 + 1))[: len(payload)]
    return (int.from_bytes(stream) ^ int.from_bytes(payload)).to_bytes(len(payload))


class Peer:
    """A raw client; a context manager that closes.

    Args:
        server: Whom to connect to; it has a listener for WebSockets.
        port: That listener's.
        tls: For TLS, with the name to ask for.
    """

    def __init__(self, port: int, tls: ssl.SSLContext | None = None, name: str | None = None) -> None:
        plain = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.socket = tls.wrap_socket(plain, server_hostname=name) if tls else plain

    def upgrade(self, server: Station) -> int:
        """Asks for a WebSocket and has the server accept; the server's link."""
        self.socket.sendall(REQUEST)
        link, _, _ = accept(server)
        response = self.read_head()
        assert response == accepting(REQUEST), response
        return link

    def write(self, data: bytes) -> None:
        self.socket.sendall(data)

    def send(self, opcode: int, payload: bytes = b"", *, last: bool = True) -> None:
        self.socket.sendall(wrap(opcode, payload, last=last))

    def read_exactly(self, count: int) -> bytes:
        data = bytearray()
        while len(data) < count:
            part = self.socket.recv(min(65_536, count - len(data)))
            if not part:
                raise EOFError(f"the server closed after {len(data)} bytes of {count}")
            data += part
        return bytes(data)

    def read_head(self) -> bytes:
        data = b""
        while not data.endswith(b"\r\n\r\n"):
            data += self.read_exactly(1)
        return data

    def read_frame(self) -> tuple[int, bool, bytes]:
        """(opcode, whether it is the last of its message, payload) of the next frame."""
        first, second = self.read_exactly(2)
        assert not second & 0x80, "a server does not mask"
        length = second & 0x7F
        if length == 126:
            length = int.from_bytes(self.read_exactly(2))
        elif length == 127:
            length = int.from_bytes(self.read_exactly(8))
        return first & 0x0F, bool(first & 0x80), self.read_exactly(length)

    def read_message(self) -> bytes:
        """The next message, which must be binary, with nothing else between."""
        opcode, last, message = self.read_frame()
        assert opcode == BINARY
        while not last:
            opcode, last, more = self.read_frame()
            assert opcode == CONTINUATION
            message += more
        return message

    def read_close(self) -> tuple[int, str]:
        """Code and reason of the Close that comes next; then the end."""
        opcode, last, payload = self.read_frame()
        assert (opcode, last) == (CLOSE, True), (opcode, last, payload)
        assert self.is_at_end()
        return int.from_bytes(payload[:2]), payload[2:].decode()

    def is_at_end(self) -> bool:
        """Whether the server has closed and sent nothing before; closes too."""
        try:
            return self.socket.recv(1) == b""
        except (ConnectionResetError, ssl.SSLEOFError):
            return True
        finally:
            self.socket.close()

    def __enter__(self) -> "Peer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()


class MessageReader(Reader):
    """A `Reader` whose bytes travel in messages. Its server accepts it when it hears of it."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self._came = bytearray()
        self._is_accepted = False
        super().write(REQUEST)

    def write(self, data: bytes) -> None:
        while data:
            length = int.from_bytes(data[4:8], "little")
            super().write(wrap(BINARY, data[:length]))
            data = data[length:]

    def read_exactly(self, count: int) -> bytes:
        if not self._is_accepted:
            assert super().read_exactly(len(accepting(REQUEST))) == accepting(REQUEST)
            self._is_accepted = True
        while len(self._came) < count:
            head = super().read_exactly(2)
            extra = {126: 2, 127: 8}.get(head[1], 0)
            length = int.from_bytes(super().read_exactly(extra)) if extra else head[1]
            assert head[0] & 0x0F in {BINARY, CONTINUATION}
            self._came += super().read_exactly(length)
        data, self._came = bytes(self._came[:count]), self._came[count:]
        return data


def reader(transport: str, port: int) -> Reader:
    """A client that reads and writes frames only when told to."""
    return MessageReader(port) if transport == "ws" else Reader(port)
