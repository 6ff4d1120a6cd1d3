"""A process with all nodes of a DHT, of which any can be replaced by one that lies.

`python -m tests.net.machines HOST:PORT HOST:PORT …` prints a line when they know each other. Then it takes a
line for each thing that changes, `MANNER PLACE PLACE …`, or an empty one, and answers with how many lies were
told so far.
"""

from __future__ import annotations

import asyncio
import sys
import time

from mosaic._kernel import _rust
from mosaic.testing.simulation.dht import Manner
from tests.net.liar import Liar

_MEET_S = 20.0


async def main(addresses: list[str]) -> None:
    """Runs until the input ends."""
    nodes: dict[int, _rust.Dht] = {}
    liars: dict[int, Liar] = {}
    for place, address in enumerate(addresses):
        host, _, port = address.rpartition(":")
        others = [one for one in addresses if one != address]
        # Each begins with others: a node knows only whom it has asked itself.
        nodes[place] = _rust.Dht(
            bootstrap=others[place:] + others[:place],
            host=host,
            port=int(port),
            request_timeout_ms=500,
            serving=True,
        )
    give_up = time.monotonic() + _MEET_S
    few = len(addresses) // 2
    while time.monotonic() < give_up and any(node.nodes() < few for node in nodes.values()):  # noqa: ASYNC110
        # They don't say when they meet another.
        await asyncio.sleep(0.2)
    print("ready", flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        manner, *places = line.split() or [""]
        for place in map(int, places):
            if place in nodes:
                await asyncio.to_thread(nodes.pop(place).close)
            if place in liars:
                liars.pop(place).close()
            liars[place] = await Liar.begin(addresses[place], addresses, Manner(manner))
        print(sum(liar.lies for liar in liars.values()), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
