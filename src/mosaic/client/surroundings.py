"""What the client is given from outside, beside the clock and the network.

Source: this project's own design, docs/architecture.md "Layers".
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from mosaic.client.dial_memory import DialMemory, ProcessMemory
from mosaic.client.reputation import Observe, nobody_notes
from mosaic.client.resolving import Resolve, system_resolve
from mosaic.client.traffic import Traffic


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Who remembers, who resolves names, where randomness comes from.

    Args:
        memory: Remembers what worked; a node keeps that on disk.
        resolve: Gives the addresses of a name.
        entropy: Random bytes of a length.
        observe: Told what is seen of servers.
        traffic: Counts what passes.
    """

    memory: DialMemory = field(default_factory=ProcessMemory)
    resolve: Resolve = system_resolve
    entropy: Callable[[int], bytes] = secrets.token_bytes
    observe: Observe = nobody_notes
    traffic: Traffic = field(default_factory=Traffic)
