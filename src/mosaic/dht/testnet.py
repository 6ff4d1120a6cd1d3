"""A DHT of its own on this machine, for tests, for a demo, for trying things out.

Source: this project's own design, docs/architecture.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Final

from mosaic._kernel import _rust
from mosaic.dht.mode import DhtMode
from mosaic.errors import UsageError

MOST_NODES: Final = 256


class DhtTestnet:
    """Nodes on 127.0.0.1 that know each other and nobody else.

    Making it takes half a second and waits meanwhile: on an event loop, do it in a thread.

    Args:
        nodes: How many, 1 to 256.

    Raises:
        UsageError: another number.
        ListenFailed: the machine has no ports or threads left.
    """

    def __init__(self, nodes: int = 10) -> None:
        if not 1 <= nodes <= MOST_NODES:
            raise UsageError(f"a testnet has 1 to {MOST_NODES} nodes, not {nodes}")
        self._net = _rust.DhtTestnet(nodes)

    @property
    def entry_nodes(self) -> Sequence[str]:
        """HOST:PORT of each node; any of them will do to enter by."""
        return self._net.bootstrap

    @property
    def mode(self) -> DhtMode:
        """The mode of those who enter by the first nodes."""
        return DhtMode(on=True, entry_nodes=tuple(self.entry_nodes[:3]))

    def stop_one(self, place: int) -> None:
        """Ends one node, as nodes come and go; `place` is its position in `entry_nodes`."""
        self._net.stop_one(place)

    def close(self) -> None:
        """Ends all nodes: the DHT is down."""
        self._net.close()

    def __enter__(self) -> DhtTestnet:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
