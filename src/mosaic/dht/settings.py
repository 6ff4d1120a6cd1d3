"""What can be chosen about the DHT.

Source: bootstrap.md (times); this project's own design, docs/architecture.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class DhtSettings:
    """Times are seconds."""

    recheck_s: float = field(
        default=3_600.0, metadata={"help": "from which age on a known answer is checked again"}
    )
    absent_s: float = field(
        default=60.0, metadata={"help": "how long it is believed that nobody has published anything"}
    )
    refresh_s: float = field(
        default=3_600.0, metadata={"help": "how often own bootstraps are published again, at the latest"}
    )
    keep_served: bool = field(
        default=True,
        metadata={"help": "keeps alive what people on the list have published, also while they are offline"},
    )
    request_ms: int = field(
        default=0, metadata={"help": "how long a DHT node may take to answer (ms); 0 = what fits the DHT"}
    )
    at_a_time: int = field(default=16, metadata={"help": "look-ups that are under way at a time"})
    most_waiting: int = field(default=1_024, metadata={"help": "look-ups that may wait for their turn"})
    most_remembered: int = field(default=4_096, metadata={"help": "keys of which answers stay in memory"})
