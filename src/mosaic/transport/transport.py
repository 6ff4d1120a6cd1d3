"""Where to connect to, and over what.

Source: transports.md, edition §2.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum


class Transport(Enum):
    """What carries the bytes of a link."""

    TCP = "tcp"
    """TLS over TCP."""
    QUIC = "quic"
    """A stream of a QUIC connection."""
    WS = "ws"
    """A WebSocket, over TLS unless a proxy before the server does that."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """A SOCKS5 proxy that makes the connection. It resolves the name as well.

    Args:
        host: Where it listens.
        port: Where it listens.
        user: Who we are to it; empty for a proxy that does not ask.
        password: What proves that to it.
    """

    host: str
    port: int
    user: str = ""
    password: str = field(default="", repr=False)

    def arguments(self) -> tuple[str, int] | tuple[str, int, str, str]:
        """As the kernel wants it: (host, port) or (host, port, user, password)."""
        if not self.user and not self.password:
            return (self.host, self.port)
        return (self.host, self.port, self.user, self.password)


@dataclass(frozen=True, slots=True)
class Target:
    """Whom to dial, and how.

    Args:
        transport: Over what.
        host: A name or address.
        port: The port.
        server_key: The key (32 bytes) that must answer, None for any. It is compared before our own goes out.
        seed: Our own secret (32 bytes), or None to stay anonymous.
        timeout_ms: For name, connection and handshake together.
        raw_key: Whether both sides show raw public keys instead of certificates.
        own_raw_key: Whether our own key is shown so, where that is not as at the server's side.
        request: The whole HTTP request that asks for a WebSocket. WebSocket only.
        authorities: Certificates (PEM) of the authorities that may vouch for the host: browser mode, in
            which TLS proves the name and no key. None is native mode. WebSocket only.
        name: The host's name, by which browser mode asks for its certificate, where `host` is the address
            that it was resolved to. WebSocket only.
        proxy: What makes the connection instead of us. Not for QUIC.
    """

    transport: Transport
    host: str
    port: int
    server_key: bytes | None = None
    seed: bytes | None = field(default=None, repr=False)
    timeout_ms: int = 10_000
    raw_key: bool = False
    own_raw_key: bool | None = None
    request: bytes = b""
    authorities: bytes | None = field(default=None, repr=False)
    name: str = ""
    proxy: Proxy | None = None

    @classmethod
    def in_memory(cls, server_key: bytes | None = None) -> Target:
        """The other end of a `memory_pair`, which must have that key, if one is given."""
        return cls(Transport.TCP, "memory", 0, server_key)


@dataclass(frozen=True, slots=True)
class HostCertificate:
    """A certificate by which browsers know a host.

    Args:
        name: The host's name (lower case, A-labels).
        chain: The host's certificate and those between it and the authority (PEM).
        key: The secret key of the host's certificate (PEM).
    """

    name: str
    chain: bytes
    key: bytes = field(repr=False)
