"""The own server as the people of this home reach it: by memory links, as any client reaches any server.

Source: messages.md; edition §3 (a person's device proves itself to each server).
"""

from __future__ import annotations

from collections.abc import Callable

from mosaic.client.connection import Connection
from mosaic.client.settings import ClientSettings
from mosaic.client.switch import Switch
from mosaic.core.keys import PublicKey, SecretKey
from mosaic.server.server import Server
from mosaic.transport.memory import memory_pair
from mosaic.transport.settings import TransportSettings
from mosaic.transport.transport import Target


class OwnServer:
    """Connections to the own server, one for each device.

    Args:
        server: The server.
        key: Its key.
        transport: Limits of frames and queues.
        client: Choices of the client.
        now_ns: The clock.
    """

    def __init__(
        self,
        server: Server,
        key: PublicKey,
        transport: TransportSettings,
        client: ClientSettings,
        now_ns: Callable[[], int],
    ) -> None:
        self._server = server
        self._key = key
        self._transport = transport
        self._client = client
        self._now_ns = now_ns
        self._open: dict[bytes, Connection] = {}

    async def connection(self, device: SecretKey | None) -> Connection:
        """A connection that proves a device's key, or none; the same one while it is open.

        Raises:
            PeerError: the server would not; it says so when it stops.
        """
        place = device.public.bytes if device else b""
        known = self._open.get(place)
        if known is not None and known.is_open:
            await known.opened()
            return known
        near, far = memory_pair(self._transport, server_key=self._key.bytes, client_key=place or None)
        self._server.attach(near)
        switch = Switch(far, self._client, self._now_ns)
        connection = switch.connection(far.dial(Target.in_memory(self._key.bytes)))
        self._open[place] = connection
        await connection.opened()
        return connection

    def close(self) -> None:
        """Closes all connections; what is queued is still sent."""
        for connection in self._open.values():
            connection.close()
        self._open.clear()
