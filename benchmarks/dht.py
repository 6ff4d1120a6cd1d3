"""How long somebody is looked for: in a DHT of 20 nodes on this machine.

`dht.resolve_first_ms` is the time to the first answer, which is shown at once,
`dht.resolve_final_ms` that until all nodes have answered. Our node is at rest
before each look-up, as in life. The limits are the same look-ups through the
kernel's door alone, in the same run.
"""

import asyncio
import json
import select
import statistics
import sys
import time
from collections.abc import Sequence

from benchmarks.rows import Row, row
from mosaic._kernel import _rust
from mosaic.core.bootstrap import ServerUse, Usage, UserBootstrap
from mosaic.core.dht_item import USER_SALT, DhtItem
from mosaic.core.keys import SecretKey
from mosaic.dht.mainline import PRIVATE_REQUEST_MS, Mainline
from mosaic.dht.resolver import Resolver
from mosaic.dht.sequence_store import MemorySequenceStore
from mosaic.dht.testnet import DhtTestnet

NODES = 20
PATIENCE_S = 30.0
REST_S = 0.1


def run(quick: bool) -> list[Row]:
    """Measures both, in milliseconds for each look-up.

    Args:
        quick: Fewer keys.

    Raises:
        RuntimeError: the testnet does not answer.
    """
    secrets = [SecretKey.from_seed(bytes([number]) * 32) for number in range(10 if quick else 60)]
    with DhtTestnet(NODES) as net:
        asyncio.run(_publish(net, secrets))
        bare = _bare(net, secrets)
        ours = asyncio.run(_resolve(net, secrets))
    names = ("dht.resolve_first_ms", "dht.resolve_final_ms")
    return [
        row(name, "ms", [times[place] for times in ours], statistics.median(times[place] for times in bare))
        for place, name in enumerate(names)
    ]


async def _publish(net: DhtTestnet, secrets: Sequence[SecretKey]) -> None:
    network = Mainline(net.mode)
    network.start()
    text = UserBootstrap((ServerUse(Usage(7), secrets[0].public),) * 12).text.encode()
    for secret in secrets:
        await network.write(DhtItem.sign(secret, USER_SALT, 1, text), 0)
    await network.stop()


async def _resolve(net: DhtTestnet, secrets: Sequence[SecretKey]) -> list[tuple[float, float]]:
    """Milliseconds to the first answer and to the end, for each key."""
    network = Mainline(net.mode)
    network.start()
    # Entering the DHT is not what is measured.
    await network.look_up(SecretKey.from_seed(bytes(32)).public, USER_SALT, lambda _: None)
    resolver = Resolver(network, MemorySequenceStore(), time.time_ns)
    times = []
    for secret in secrets:
        await asyncio.sleep(REST_S)
        begun, first = time.perf_counter(), 0.0
        async for _ in resolver.user(secret.public):
            first = first or time.perf_counter() - begun
        times.append((first * 1_000, (time.perf_counter() - begun) * 1_000))
    await resolver.stop()
    await network.stop()
    return times


def _bare(net: DhtTestnet, secrets: Sequence[SecretKey]) -> list[tuple[float, float]]:
    """The same without the resolver and without an event loop."""
    entry_nodes = net.mode.entry_nodes
    node = _rust.Dht(bootstrap=entry_nodes, host=net.mode.host, request_timeout_ms=PRIVATE_REQUEST_MS)
    _look_up(node, SecretKey.from_seed(bytes(32)))
    times = [_look_up(node, secret) for secret in secrets]
    node.close()
    return times


def _look_up(node: _rust.Dht, secret: SecretKey) -> tuple[float, float]:
    time.sleep(REST_S)
    begun, first = time.perf_counter(), 0.0
    job = node.get(secret.public.bytes, USER_SALT)
    while select.select([node.fileno()], [], [], PATIENCE_S)[0]:
        for number, what, _ in node.poll():
            if number == job and what == _rust.DHT_ITEM:
                first = first or time.perf_counter() - begun
            elif number == job:
                return first * 1_000, (time.perf_counter() - begun) * 1_000
    raise RuntimeError("the testnet does not answer any more")


if __name__ == "__main__":
    print(json.dumps(run(quick="--quick" in sys.argv)))
