"""Where other people's clients reach the node's server: its listeners, and their URLs.

Each way to connect has a network of its own, whose links the server serves alike.

Source: url.md, edition §2.
"""

from __future__ import annotations

from typing import Final

from mosaic.core.keys import SecretKey
from mosaic.core.url import Scheme, ServerUrl
from mosaic.server.server import Server
from mosaic.transport.settings import TransportSettings
from mosaic.transport.sockets import SocketNetwork
from mosaic.transport.transport import Transport

# What to dial on this machine where a listener takes all addresses.
_NEAREST: Final = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104


class Listeners:
    """All listeners of a node. The server stops their networks.

    Args:
        server: Serves what connects.
        transport: Limits of frames and queues.
        secret: The key that the server proves.
    """

    def __init__(self, server: Server, transport: TransportSettings, secret: SecretKey) -> None:
        self._server = server
        self._transport = transport
        self._secret = secret
        self.urls: list[ServerUrl] = []
        """Where it listens, in the order in which it began to."""

    def tcp(self, host: str, port: int) -> ServerUrl:
        """Listens over TCP; port 0 picks one. Raises ListenFailed."""
        network = SocketNetwork(self._transport)
        self._server.attach(network)
        port = network.listen(Transport.TCP, host, port, self._secret.reveal())
        return self._reached_at(Scheme.TCP, host, port)

    def _reached_at(self, scheme: Scheme, host: str, port: int) -> ServerUrl:
        """Notes that a listener is there; its URL."""
        named = host.strip("[]")
        url = ServerUrl(scheme, _NEAREST.get(named, named), port, shows_port=True)
        self.urls.append(url)
        return url
