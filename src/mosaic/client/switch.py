"""The links of one network, each with the connection that uses it.

Source: this project's own design, docs/architecture.md "A person acts".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mosaic.client.connection import Connection
from mosaic.client.greeting import Greeting, Proof
from mosaic.client.settings import ClientSettings
from mosaic.client.traffic import Traffic
from mosaic.core.url import ServerUrl
from mosaic.protocol.client_session import ClientSession
from mosaic.protocol.client_upgrade import ClientUpgrade
from mosaic.protocol.settings import ClientSessionSettings
from mosaic.transport.network import Network


class Switch:
    """Hands each connection of one network what arrives for it.

    Args:
        network: The network; it is started here.
        settings: Choices of the client.
        now_ns: The clock.
        traffic: Counts what passes, if anybody wants to know.
    """

    def __init__(
        self,
        network: Network,
        settings: ClientSettings,
        now_ns: Callable[[], int],
        traffic: Traffic | None = None,
    ) -> None:
        self._traffic = traffic or Traffic()
        self._network = network
        self._settings = settings
        self._now_ns = now_ns
        self._connections: dict[int, Connection] = {}
        network.start(self._arrived)

    @property
    def network(self) -> Network:
        """The network."""
        return self._network

    def greeting(self, upgrade: ClientUpgrade | None = None, proof: Proof | None = None) -> Greeting:
        """How a link becomes usable that is dialled now. See `Greeting`."""
        return Greeting(ClientSession(ClientSessionSettings(), self._now_ns()), upgrade, proof)

    def connection(
        self, link: int, url: ServerUrl | None = None, greeting: Greeting | None = None
    ) -> Connection:
        """The connection over a link that was dialled just now, before anything can have come from it.

        Args:
            link: The link's number.
            url: Where it was dialled.
            greeting: How it becomes usable, where that takes more than HELLO.
        """
        greets = greeting or self.greeting()
        made = Connection(self._network, link, greets, self._settings, self._now_ns, url, self._traffic)
        self._connections[link] = made
        return made

    def forget(self, connection: Connection) -> None:
        """Drops a connection that is over."""
        for link, known in list(self._connections.items()):
            if known is connection:
                del self._connections[link]

    def _arrived(self, batch: Sequence[tuple[int, int, bytes]]) -> None:
        by_link: dict[int, list[tuple[int, bytes]]] = {}
        for link, what, data in batch:
            by_link.setdefault(link, []).append((what, data))
        for link, items in by_link.items():
            connection = self._connections.get(link)
            if connection is None:
                continue  # nobody waits for it any more
            connection.take(items)
            if not connection.is_open:
                del self._connections[link]
