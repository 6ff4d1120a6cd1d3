"""How long a cold look-up takes until the first verified answer: from a key to what its owner has signed.

Cold means a program that begins: no memory, no links, not yet in the DHT of 20
nodes on this machine. `resolving.dht_first_ms` enters it and asks it;
`resolving.servers_first_ms` has no DHT and asks a server over a new link, which
looks into its own; `resolving.link_first_ms` goes on from the key of a person
to a link with one of his servers that has proven its key. The limit of all is
the promise: one second.
"""

import asyncio
import contextlib
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.rows import Row, row
from mosaic.api.links import Links
from mosaic.client.address import ServerAddress
from mosaic.client.named_key import NamedKey
from mosaic.core.bootstrap import USER_SALT, ServerUse, Usage, UserBootstrap
from mosaic.core.dht_item import DhtItem
from mosaic.core.keys import PublicKey, SecretKey
from mosaic.dht.mainline import Mainline
from mosaic.dht.mode import OFF, DhtMode
from mosaic.dht.testnet import DhtTestnet
from mosaic.node.home import Home, try_lock
from mosaic.node.listeners import ListenAt
from mosaic.node.node import Node
from mosaic.node.settings import NodeSettings
from mosaic.social.signer import Signer
from mosaic.transport.transport import Transport

NODES = 20
PROMISE_MS = 1_000.0
_NOBODY = SecretKey.from_seed(bytes(32)).public


def run(quick: bool) -> list[Row]:
    """Measures all three, in milliseconds for each look-up.

    Args:
        quick: Fewer keys.
    """
    secrets = [SecretKey.from_seed(bytes([number]) * 32) for number in range(10 if quick else 40)]
    with DhtTestnet(NODES) as net, tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_measure(net.mode, secrets, Path(folder)))


async def _measure(mode: DhtMode, secrets: Sequence[SecretKey], folder: Path) -> list[Row]:
    people = [secret.public for secret in secrets]
    async with _server(mode, folder) as node:
        server = ServerAddress.by_hand(node.server_secret.public, *node.urls)
        await _publish(mode, secrets, node)
        # The server is at rest in the DHT, as in life.
        await node.lookups.user(_NOBODY)
        by_dht = [await _timed(mode, (), _resolve(person)) for person in people]
        owner = node.people.find(None).signer
        by_server = [await _timed(OFF, (server,), _resolve(person), owner) for person in people]
        links = [await _timed(mode, (), _connect(person)) for person in people]
    names = ("dht_first", "servers_first", "link_first")
    rows = zip(names, (by_dht, by_server, links), strict=True)
    return [row(f"resolving.{name}_ms", "ms", times, PROMISE_MS) for name, times in rows]


@contextlib.asynccontextmanager
async def _server(mode: DhtMode, folder: Path) -> AsyncIterator[Node]:
    home = Home(folder / "home")
    home.make()
    lock = try_lock(home)
    assert lock is not None
    node = await Node.open(home, lock, replace(NodeSettings(), dht=mode))
    try:
        node.listen(ListenAt(Transport.TCP, "127.0.0.1", 0))
        node.work()
        await node.make_person("owner")
        yield node
    finally:
        await node.stop()


async def _publish(mode: DhtMode, secrets: Sequence[SecretKey], node: Node) -> None:
    network = Mainline(mode)
    network.start()
    text = UserBootstrap((ServerUse(Usage(7), node.server_secret.public),)).publishable()
    for secret in secrets:
        await network.write(DhtItem.sign(secret, USER_SALT, 1, text), 0)
    await network.stop()
    with node.changes() as changed:
        while not node.dht.published_ns:
            await changed.wait()
            changed.clear()


async def _timed(
    mode: DhtMode,
    servers: Sequence[ServerAddress],
    reach: Callable[[Links], Awaitable[None]],
    signer: Signer | None = None,
) -> float:
    """Milliseconds from a program's beginning to its answer."""
    begun = time.perf_counter()
    links = Links(signer, servers, mode)
    await links.start()
    try:
        await reach(links)
        return (time.perf_counter() - begun) * 1_000
    finally:
        await links.stop()


def _resolve(person: PublicKey) -> Callable[[Links], Awaitable[None]]:
    async def resolve(links: Links) -> None:
        if not await links.finder.servers_of(person, Usage.OUTBOX):
            raise RuntimeError("what was published is not found")

    return resolve


def _connect(person: PublicKey) -> Callable[[Links], Awaitable[None]]:
    async def connect(links: Links) -> None:
        async with links.reach.key(NamedKey(person, server=False)):
            pass

    return connect


if __name__ == "__main__":
    print(json.dumps(run(quick="--quick" in sys.argv)))
