"""Where other people's clients reach the node's server: its listeners, and their URLs.

All transports share one network and one key; the server serves their links alike.

Source: url.md, edition §2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from mosaic.core.keys import SecretKey
from mosaic.core.url import Scheme, ServerUrl
from mosaic.node.announced import Listening
from mosaic.node.authorities import authorities
from mosaic.node.own_addresses import own_addresses
from mosaic.server.server import Server
from mosaic.transport.network import ListeningNetwork
from mosaic.transport.settings import TransportSettings
from mosaic.transport.sockets import SocketNetwork
from mosaic.transport.transport import HostCertificate, Transport

# What to dial on this machine where a listener takes all addresses.
_NEAREST: Final = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104
_SCHEMES: Final = {Transport.TCP: Scheme.TCP, Transport.QUIC: Scheme.QUIC, Transport.WS: Scheme.WEBSOCKET}


@dataclass(frozen=True, slots=True)
class ListenAt:
    """Where to listen.

    Args:
        transport: Over what.
        host: An address of this machine; 0.0.0.0 or :: for all.
        port: The port, 0 for any.
        names: Certificates for browsers. WebSocket only.
        plain: Whether a proxy of the operator's may come without TLS. WebSocket only.
    """

    transport: Transport
    host: str
    port: int
    names: tuple[HostCertificate, ...] = ()
    plain: bool = False


class Listeners:
    """All listeners of a node, on one network that the server serves and stops.

    Args:
        server: Serves what connects.
        transport: Limits of frames and queues.
        secret: The key that the server proves, over every transport.
        public: What the owner says is to be announced.
        make: Makes the network.
    """

    def __init__(
        self,
        server: Server,
        transport: TransportSettings,
        secret: SecretKey,
        public: Sequence[ServerUrl] = (),
        *,
        make: Callable[[TransportSettings], ListeningNetwork] = SocketNetwork,
    ) -> None:
        self._server = server
        self._transport = transport
        self._secret = secret
        self._public = public
        self._make = make
        self._network: ListeningNetwork | None = None
        self.urls: list[ServerUrl] = []
        """Where it is reached from this machine, in the order in which it began to listen."""
        self.listening: list[Listening] = []
        """The same as it was asked for."""

    def announce_as(self, public: Sequence[ServerUrl]) -> None:
        """Says what is to be announced, in place of what was said before.

        Raises:
            InvalidUrl: one is no name of a host.
        """
        self._public = public
        if self.listening:
            self._server.reached_as(authorities(self.listening, public, own_addresses()))

    def listen(self, at: ListenAt) -> ServerUrl:
        """Listens; port 0 picks one.

        Raises:
            ListenFailed: the address can't be had, or a certificate does not hold.
        """
        if self._network is None:
            self._network = self._make(self._transport)
            self._server.attach(self._network)
        port = self._network.listen(
            at.transport, at.host, at.port, self._secret.reveal(), names=at.names, plain=at.plain
        )
        scheme, host = _SCHEMES[at.transport], at.host.strip("[]")
        self.listening.append(Listening(scheme, host, port, tuple(one.name for one in at.names)))
        url = ServerUrl(scheme, _NEAREST.get(host, host), port, shows_port=True)
        self.urls.append(url)
        self._server.reached_as(authorities(self.listening, self._public, own_addresses()))
        return url
