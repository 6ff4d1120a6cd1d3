"""Reads what somebody has posted, straight from a server, newest first, as nobody in particular.

    python examples/read_a_wall.py mosaictcp://127.0.0.1:PORT/ mosrv0… mopub0…

The server has to prove the `mosrv0…` key before anything is asked.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import aclosing

from mosaic.client.address import ServerAddress
from mosaic.client.link_pool import LinkPool
from mosaic.client.settings import ClientSettings
from mosaic.core.filter import Filter
from mosaic.core.keys import PublicKey
from mosaic.core.kinds import MICROBLOG
from mosaic.core.url import ServerUrl
from mosaic.node.clock import Clock
from mosaic.transport import SocketNetwork, TransportSettings
from mosaic.wire.limits import frame_limits


async def main(url: str, server: str, person: str) -> None:
    """Prints a person's posts."""
    network = SocketNetwork(TransportSettings(tuple(frame_limits())))
    pool = LinkPool(network, ClientSettings(), Clock().now_ns)
    address = ServerAddress.by_hand(PublicKey.parse_server(server), ServerUrl.parse(url))
    wanted = Filter.of(authors=[PublicKey.parse_user(person)], kinds=[MICROBLOG])
    try:
        async with pool.connect(address) as connection, aclosing(connection.query(wanted, limit=20)) as posts:
            async for post in posts:
                print(f"{post.timestamp.iso()}  {post.content().decode()}")
    finally:
        pool.close()
        await network.stop(0.5)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:4]))
