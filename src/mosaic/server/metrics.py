"""What a server counts: plain numbers that only grow, since it was started."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(slots=True)
class Metrics:
    """Counters since the server started."""

    links_opened: int = 0
    links_refused: int = 0
    records_offered: int = 0
    records_stored: int = 0
    records_duplicate: int = 0
    records_refused: int = 0
    records_ephemeral: int = 0
    records_removed: int = 0
    batches: int = 0
    queries: int = 0
    queries_refused: int = 0
    records_sent: int = 0
    subscriptions_opened: int = 0
    subscriptions_cut: int = 0
    deliveries: int = 0
    blobs_stored: int = 0
    blobs_refused: int = 0
    blobs_sent: int = 0
    protocol_errors: int = 0
    write_failures: int = 0

    def as_dict(self) -> dict[str, int]:
        """All of them by name."""
        return asdict(self)
