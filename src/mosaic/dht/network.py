"""What the rest of this room needs from a DHT: look-ups and writes of signed items.

Source: BEP 44; edition §4.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Protocol, TypeAlias

from mosaic.core.dht_item import DhtItem
from mosaic.core.keys import PublicKey

Hear: TypeAlias = Callable[[DhtItem], object]
"""Is told of each answer, verified, as it arrives."""


@dataclass(frozen=True, slots=True)
class Reach:
    """How far a look-up came.

    Args:
        asked: Nodes that were asked.
        answered: Nodes that answered.
    """

    asked: int
    answered: int


class WriteOutcome(Enum):
    """How a write ended."""

    STORED = "stored"
    CAS_FAILED = "cas failed"
    NOT_MOST_RECENT = "not most recent"
    UNREACHABLE = "unreachable"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class WriteResult:
    """How a write ended.

    Args:
        outcome: The outcome.
        words: What the network said; the number of nodes that keep the item if it was stored.
    """

    outcome: WriteOutcome
    words: str = ""


@dataclass(frozen=True, slots=True)
class DhtPassed:
    """What has passed between a node and the DHT: what packets held, without the 28 bytes of their heads.

    Attributes:
        came: Bytes that came.
        packets_came: Packets that came.
        went: Bytes that went.
        packets_went: Packets that went.
    """

    came: int
    packets_came: int
    went: int
    packets_went: int


class NetworkState(Enum):
    """How the DHT does, as far as is known."""

    STARTING = "starting"
    WORKING = "working"
    UNREACHABLE = "unreachable"


class DhtNetwork(Protocol):
    """A DHT."""

    async def look_up(self, key: PublicKey, salt: bytes, hear: Hear) -> Reach:
        """Asks for the item of a key and salt until all who were asked have answered or had their time.

        Every answer that `hear` is told of is signed by `key` under `salt`; it may still be old.

        Raises:
            DhtBusy: too much is under way.
        """
        ...

    async def write(self, item: DhtItem, cas: int | None) -> WriteResult:
        """Writes an item to the nodes closest to it.

        Args:
            item: What is written.
            cas: The sequence number that must stand there now; 0 = none. None = whatever stands there.

        Raises:
            DhtBusy: too much is under way.
        """
        ...


class DhtNode(DhtNetwork, Protocol):
    """A place of our own in a DHT."""

    @property
    def state(self) -> NetworkState:
        """How the DHT does, as far as this node knows."""
        ...

    @property
    def passed(self) -> DhtPassed | None:
        """What has passed since this node was made, None where nothing is counted."""
        ...

    def start(self) -> None:
        """Enters the DHT, on the running event loop."""
        ...

    async def stop(self) -> None:
        """Leaves the DHT. What is under way ends as if nobody had answered."""
        ...
