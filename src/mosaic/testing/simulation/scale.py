"""How large the network test is: the town that `make test-net` plays, and a small one.

Source: this project's own design, docs/architecture.md "The network test".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Scale:
    """How large a trial is.

    Args:
        servers: How many servers.
        people: How many people.
        machines: How many nodes the DHT has.
        follows: How many people each person follows in the beginning.
        acts: How many acts of everyday life there are between mishaps.
        back_s: After so many seconds a server that died comes back.
        caches_s: So many seconds are waited, where waiting costs nothing, until nobody believes any more what
            he knew of the servers of who has moved.
        compare_s: So often people's nodes compare outboxes.
        give_up_s: After so many seconds a reader who is not whole counts as failed.
        limit_s: After so many seconds by the clock on the wall the whole run has failed.
    """

    servers: int
    people: int
    machines: int
    follows: int
    acts: int
    back_s: float
    caches_s: float
    compare_s: float
    give_up_s: float
    limit_s: float


FULL: Final = Scale(
    20,
    60,
    20,
    follows=8,
    acts=60,
    back_s=60.0,
    caches_s=4_400.0,
    compare_s=60.0,
    give_up_s=300.0,
    limit_s=3_600.0,
)
SHORT: Final = Scale(
    6, 10, 10, follows=3, acts=10, back_s=20.0, caches_s=0.0, compare_s=20.0, give_up_s=300.0, limit_s=900.0
)
