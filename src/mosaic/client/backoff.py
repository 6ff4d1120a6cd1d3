"""How long to wait before trying again: longer each time, never all at once.

Source: this project's own design, docs/architecture.md "A person acts".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waiting times that double up to a limit.

    Half of each time is drawn at random, so that the clients of a server that
    comes back don't all come back in the same moment.

    Args:
        entropy: Random bytes of a length.
        first_s: The first waiting time in seconds.
        most_s: The longest one.
    """

    entropy: Callable[[int], bytes]
    first_s: float = 1.0
    most_s: float = 3_600.0

    def seconds(self, failures: int) -> float:
        """The time to wait after so many failures before the last one (0 = the first), in seconds."""
        whole = min(self.most_s, self.first_s * 2.0 ** min(failures, 32))
        share = int.from_bytes(self.entropy(4), "little") / 2**32
        return whole * (0.5 + share / 2)
