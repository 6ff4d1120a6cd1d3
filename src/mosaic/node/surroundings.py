"""What a node takes from the machine around it: time, randomness, links, the DHT.

A node takes them from nowhere else, so whoever gives it others has it live in
another world: `mosaic.testing.simulation` runs many nodes in one, with a clock
and a network of its own, in which everything happens again exactly.

Source: this project's own design, docs/architecture.md "A person acts".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from mosaic.client.resolving import Resolve, system_resolve
from mosaic.dht.mainline import Mainline
from mosaic.dht.mode import DhtMode
from mosaic.dht.network import DhtNode
from mosaic.dht.settings import DhtSettings
from mosaic.node.clock import Clock
from mosaic.node.entropy import entropy
from mosaic.transport.network import Dialer, ListeningNetwork
from mosaic.transport.settings import TransportSettings
from mosaic.transport.sockets import SocketNetwork

Entropy: TypeAlias = Callable[[int], bytes]
"""Gives as many random bytes as it is asked for."""

MakeDhtNode: TypeAlias = Callable[[DhtMode, DhtSettings, Callable[[], None]], DhtNode]
"""Makes a place in a DHT: which one (it is on), with which times, and what to call when its state changes.

Raises ListenFailed when the machine has no descriptor or thread left for it."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The world of a node; without arguments this machine.

    Args:
        clock: The time.
        entropy: Randomness.
        dialer: Makes the network with which it reaches others.
        listener: Makes the network on which others reach it.
        resolve: Gives the addresses of a name.
        dht: Makes its place in the DHT.
    """

    clock: Clock = field(default_factory=Clock)
    entropy: Entropy = entropy
    dialer: Callable[[TransportSettings], Dialer] = SocketNetwork
    listener: Callable[[TransportSettings], ListeningNetwork] = SocketNetwork
    resolve: Resolve = system_resolve
    dht: MakeDhtNode = Mainline
