"""How waiting for readers went in the network test.

Source: this project's own design, docs/architecture.md "The network test".
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mosaic.testing.simulation.oracle import Difference


@dataclass(slots=True)
class Waited:
    """How waiting for readers went.

    Args:
        seconds: When each reader was whole.
        pairs: How many readers of an author were waited for.
        failed: How many of these were not whole in time.
        last: What each lacked when it was looked at last.
    """

    seconds: list[float] = field(default_factory=list)
    pairs: int = 0
    failed: int = 0
    last: dict[tuple[str, str], Difference] = field(default_factory=dict)

    def open(self) -> dict[tuple[str, str], Difference]:
        """Who lacked something of whom in the end."""
        return {pair: difference for pair, difference in self.last.items() if difference}
