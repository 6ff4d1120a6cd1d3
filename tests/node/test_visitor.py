"""Reading as nobody in particular. That it reads is proven by the lines of the README."""

from __future__ import annotations

import pytest

from mosaic.errors import Unreachable, UsageError
from mosaic.node.visitor import visitor
from mosaic.testing import DhtTestnet, Person


async def test_it_needs_a_dht() -> None:
    with pytest.raises(UsageError):
        async with visitor("off"):
            pass


async def test_a_key_that_nobody_published_is_told() -> None:
    with DhtTestnet(3) as net:
        async with visitor(net.entry_nodes[0]) as reach:
            with pytest.raises(Unreachable):
                async with reach.key(Person("nobody").key.user_text):
                    pass
