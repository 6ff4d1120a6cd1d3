"""One open subscription, and how far it is with what it asks for.

Source: messages.md (SUBSCRIBE), edition §1.
"""

from __future__ import annotations

from mosaic.core.filter import CompiledFilter
from mosaic.server.peer import Peer
from mosaic.server.reader import Reading


class Subscription:
    """One open subscription.

    Args:
        number: Its number in the fan-out.
        peer: Whose it is.
        query_id: Under which id.
        compiled: What it asks for.

    Attributes:
        live: Whether new records are delivered at once.
        network: What carries its link.
        target: Where they are delivered to: (link, query id).
        reading: What is being read for it, if anything.
        complete: Whether LOCALLY COMPLETE was sent.
        held: Records that came while it was behind, with their labels.
        missed: The position from which on the log has to be read; None if all is held.
        missed_records: How many stored records there are at least.
        pending: What waited towards its peer when that was last looked at.
        behind_since_ns: When its queue was found full, or its peer was last seen to read.
    """

    __slots__ = (
        "behind_since_ns",
        "compiled",
        "complete",
        "held",
        "live",
        "missed",
        "missed_records",
        "network",
        "number",
        "peer",
        "pending",
        "query_id",
        "reading",
        "target",
    )

    def __init__(self, number: int, peer: Peer, query_id: int, compiled: CompiledFilter) -> None:
        self.number = number
        self.peer = peer
        self.query_id = query_id
        self.compiled = compiled
        self.live = False
        self.network = peer.network
        self.target = (peer.link, query_id)
        self.reading: Reading | None = None
        self.complete = False
        self.held: list[tuple[bytes, int]] = []
        self.missed: int | None = None
        self.missed_records = 0
        self.pending = 0
        self.behind_since_ns = 0
