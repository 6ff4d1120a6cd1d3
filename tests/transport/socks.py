"""A SOCKS5 proxy of some lines: it does as it is told, and notes what it was asked.

Source: RFC 1928, RFC 1929.
"""

import socket
import threading
from types import TracebackType

NO_LOGIN, LOGIN, NOTHING_FITS = 0, 2, 255
SUCCEEDED = 0


class Proxy:
    """A context manager: serves one connection, and ends.

    Args:
        reply: The code of its answer to CONNECT.
        login: The user and password that it wants, if any.
        names: Where the names that it knows lead.
        answers: What it sends in place of everything, if anything; nothing at all if empty.
    """

    def __init__(
        self,
        *,
        reply: int = SUCCEEDED,
        login: tuple[bytes, bytes] | None = None,
        names: dict[bytes, str] | None = None,
        answers: bytes | None = None,
    ) -> None:
        self._reply = reply
        self._login = login
        self._names = names or {}
        self._answers = answers
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.asked: list[tuple[int, bytes, int]] = []
        self.logins: list[tuple[bytes, bytes]] = []
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> "Proxy":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.join(20)
        self._listener.close()
        assert not self._thread.is_alive()

    def _serve(self) -> None:
        near, _ = self._listener.accept()
        near.settimeout(20)
        with near:
            if self._answers is not None:
                near.sendall(self._answers)
                while self._answers == b"" and near.recv(1_000):
                    pass
                return
            try:
                if not self._greet(near):
                    return
            except EOFError:
                return
            kind, host, port = self._read_target(near)
            self.asked.append((kind, host, port))
            far_end = b"\x01" + bytes(6)
            near.sendall(bytes((5, self._reply, 0)) + far_end)
            if self._reply == SUCCEEDED:
                with socket.create_connection((self._names.get(host, host.decode()), port)) as far:
                    relay(near, far)

    def _greet(self, near: socket.socket) -> bool:
        version, count = exactly(near, 2)
        assert version == 5
        wanted = NO_LOGIN if self._login is None else LOGIN
        if wanted not in exactly(near, count):
            near.sendall(bytes((5, NOTHING_FITS)))
            return False
        near.sendall(bytes((5, wanted)))
        if self._login is None:
            return True
        assert exactly(near, 1) == b"\x01"
        user = exactly(near, exactly(near, 1)[0])
        password = exactly(near, exactly(near, 1)[0])
        self.logins.append((user, password))
        near.sendall(bytes((1, (user, password) != self._login)))
        return (user, password) == self._login

    def _read_target(self, near: socket.socket) -> tuple[int, bytes, int]:
        version, command, _, kind = exactly(near, 4)
        assert (version, command) == (5, 1)
        match kind:
            case 1:
                host = socket.inet_ntop(socket.AF_INET, exactly(near, 4)).encode()
            case 4:
                host = socket.inet_ntop(socket.AF_INET6, exactly(near, 16)).encode()
            case _:
                host = exactly(near, exactly(near, 1)[0])
        return kind, host, int.from_bytes(exactly(near, 2))


def exactly(near: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        part = near.recv(count - len(data))
        if not part:
            raise EOFError
        data += part
    return data


def relay(near: socket.socket, far: socket.socket) -> None:
    def back() -> None:
        try:
            while chunk := far.recv(65_536):
                near.sendall(chunk)
            near.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    thread = threading.Thread(target=back)
    thread.start()
    try:
        while chunk := near.recv(65_536):
            far.sendall(chunk)
        far.shutdown(socket.SHUT_WR)
    except OSError:
        pass
    thread.join(20)
