"""What a server counts: plain numbers that only grow, since it was started.

Source: this project's own design, docs/architecture.md "A record arrives".
"""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(slots=True)
class Metrics:
    """Counters since the server started."""

    links_opened: int = 0
    """Links that were let in."""
    links_refused: int = 0
    """Links that were turned away: banned, too many, or the server was stopping."""
    upgrades_refused: int = 0
    """Requests for WebSockets that were answered with a refusal."""
    keys_proven: int = 0
    """Clients that have proven a key by HELLO AUTH."""
    lookups: int = 0
    """Look-ups in the DHT that were begun for clients."""
    lookups_refused: int = 0
    """Look-ups that were not made: too many, or for no key."""
    records_offered: int = 0
    """Records that came, by whatever way."""
    records_stored: int = 0
    """Records that are new in the log."""
    records_duplicate: int = 0
    """Records that were there, or were superseded when they came."""
    records_refused: int = 0
    """Records that got any other answer than a success."""
    records_ephemeral: int = 0
    """Ephemeral records that were passed on."""
    records_removed: int = 0
    """Records that a new key schedule took out of what is served."""
    batches: int = 0
    """Writes to the log, each with one sync."""
    queries: int = 0
    """Questions that were begun: GET, QUERY and the stored part of SUBSCRIBE."""
    queries_refused: int = 0
    """Questions that were ended by a refusal."""
    records_sent: int = 0
    """Stored records that went out as answers."""
    subscriptions_opened: int = 0
    """Subscriptions that began."""
    subscriptions_cut: int = 0
    """Subscriptions that the server ended: a slow reader, lost rights, a store that failed."""
    deliveries: int = 0
    """New records handed to subscriptions, counted once for each."""
    blobs_stored: int = 0
    """Blobs that were taken."""
    blobs_refused: int = 0
    """Blobs that were not taken, those that were here already among them."""
    blobs_sent: int = 0
    """Blobs that went out."""
    syncs: int = 0
    """Comparisons of sets that were begun."""
    syncs_refused: int = 0
    """Comparisons that the server ended, or did not begin."""
    protocol_errors: int = 0
    """Sessions that ended because the peer broke the protocol, or did not greet in time."""
    write_failures: int = 0
    """Writes to the log that failed."""

    def as_dict(self) -> dict[str, int]:
        """All of them by name."""
        return asdict(self)
