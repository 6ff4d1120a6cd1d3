"""A peer made of Python's own TLS: it reads and writes only when told to."""

import socket
import ssl
from types import TracebackType


def context(
    *, least: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2, most: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    made.minimum_version, made.maximum_version = least, most
    made.set_alpn_protocols(["mosaic"])
    return made


class Reader:
    """Connects at once; a context manager that closes."""

    def __init__(self, port: int, with_context: ssl.SSLContext | None = None) -> None:
        plain = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.socket = (with_context or context()).wrap_socket(plain, server_hostname="mosaic")

    def write(self, data: bytes) -> None:
        self.socket.sendall(data)

    def read_exactly(self, count: int) -> bytes:
        data = bytearray()
        while len(data) < count:
            part = self.socket.recv(min(65_536, count - len(data)))
            if not part:
                raise EOFError(f"the server closed after {len(data)} bytes of {count}")
            data += part
        return bytes(data)

    def read_to_end(self) -> bytes:
        data = bytearray()
        while part := self.socket.recv(65_536):
            data += part
        return bytes(data)

    def __enter__(self) -> "Reader":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()
