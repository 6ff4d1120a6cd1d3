"""What can be asked of another server as nobody: no home, no keys.

Source: network.md (outboxes answer everybody, without login).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import ClassVar

from mosaic.client.authority import Authority
from mosaic.client.link_pool import LinkPool
from mosaic.errors import UsageError
from mosaic.node import remote
from mosaic.node.arguments import Arguments
from mosaic.node.clock import Clock
from mosaic.node.control import JsonObject


class StrangerActs:
    """The acts that work over one anonymous connection.

    Args:
        pool: Connects.
        clock: The clock.
        authority: Makes a judge of who may sign for whom.
    """

    NAMES: ClassVar[frozenset[str]] = frozenset(
        {"get", "query", "watch", "submit", "blob_put", "blob_get", "server_info"}
    )

    def __init__(self, pool: LinkPool, clock: Clock, authority: Callable[[], Authority]) -> None:
        self._pool = pool
        self._clock = clock
        self._authority = authority

    async def run(self, name: str, arguments: Arguments) -> AsyncGenerator[JsonObject, None]:
        """Runs one of `NAMES` at the server that the arguments name.

        Raises:
            PeerError: the server can't be reached or will not.
            UsageError: the arguments name no server.
        """
        server = arguments.server()
        if server is None:
            raise UsageError("no server was named", hint="Give --server URL and --key mosrv0…")
        async with self._pool.connect(server) as connection:
            async for item in remote.run(connection, self._authority(), name, arguments, self._clock.now()):
                yield item
