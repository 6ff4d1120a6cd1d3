"""A DHT on this machine, shared by the tests of a module, and nodes of our own in it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest

from mosaic.dht.mainline import Mainline
from mosaic.dht.mode import DhtMode
from mosaic.dht.settings import DhtSettings
from mosaic.testing import DhtTestnet

Enter = Callable[[], Awaitable[Mainline]]


@pytest.fixture(scope="module")
def testnet() -> Iterator[DhtTestnet]:
    with DhtTestnet(8) as net:
        yield net


@pytest.fixture
async def enter(testnet: DhtTestnet) -> AsyncIterator[Callable[..., Mainline]]:
    """Makes nodes of our own; the DHT is the module's, if no other is named."""
    made: list[Mainline] = []

    def make(mode: DhtMode | None = None, **chosen: object) -> Mainline:
        network = Mainline(mode or testnet.mode, DhtSettings(request_ms=500))
        network.start()
        made.append(network)
        return network

    yield make
    for network in made:
        await network.stop()
