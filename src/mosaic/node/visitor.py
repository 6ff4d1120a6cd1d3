"""Reads as nobody in particular: no home, no keys, nothing kept. What a program needs that only looks.

    async with visitor() as reach, reach.key("mopub0…") as connection:
        async for record in connection.query(wanted):
            …

Source: network.md (outboxes answer everybody, without login), bootstrap.md.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

from mosaic.client.address import ServerAddress
from mosaic.client.link_pool import LinkPool
from mosaic.client.reach import Reach
from mosaic.client.settings import ClientSettings
from mosaic.core.bootstrap import ServerBootstrap, Usage, UserBootstrap
from mosaic.core.keys import PublicKey
from mosaic.dht.mainline import Mainline
from mosaic.dht.mode import DhtMode
from mosaic.dht.resolver import Resolver
from mosaic.dht.sequence_store import MemorySequenceStore
from mosaic.node.clock import Clock
from mosaic.transport.settings import TransportSettings
from mosaic.transport.sockets import SocketNetwork
from mosaic.wire.limits import frame_limits


@contextlib.asynccontextmanager
async def visitor(dht: str = "mainline") -> AsyncIterator[Reach]:
    """What connects by key alone, until the end of the block.

    Args:
        dht: Where servers are looked up: `mainline`, or HOST:PORT of entry nodes, several with commas.

    Raises:
        UsageError: the DHT is `off`, or named otherwise.
        ListenFailed: the machine has no port left.
    """
    mode, clock = DhtMode.parse(dht), Clock()
    async with contextlib.AsyncExitStack() as stack:
        mainline = Mainline(mode)
        mainline.start()
        stack.push_async_callback(mainline.stop)
        resolver = Resolver(mainline, MemorySequenceStore(), clock.now_ns)
        stack.push_async_callback(resolver.stop)
        network = SocketNetwork(TransportSettings(tuple(frame_limits())))
        stack.push_async_callback(network.stop, 0.5)
        settings = replace(ClientSettings(), private_addresses=mode.is_private)
        pool = LinkPool(network, settings, clock.now_ns)
        stack.callback(pool.close)
        yield Reach(pool, DhtFinder(resolver))


class DhtFinder:
    """A `ServerFinder` that knows what the DHT says, and nothing else.

    Args:
        resolver: Asks it.
    """

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver

    async def servers_of(
        self, person: PublicKey, usage: Usage, *, fresh: bool = False
    ) -> Sequence[PublicKey]:
        """The servers that a person uses so, the preferred first; empty when none is found."""
        newest = UserBootstrap(())
        async for found in self._resolver.user(person, fresh=fresh):
            newest = found.bootstrap
        return [use.key for use in newest.entries if usage in use.usage]

    async def address_of(self, server: PublicKey, *, fresh: bool = False) -> ServerAddress:
        """Where a server listens; without URLs when that is not found."""
        newest = ServerBootstrap(())
        async for found in self._resolver.server(server, fresh=fresh):
            newest = found.bootstrap
        return ServerAddress(server, newest.urls)
