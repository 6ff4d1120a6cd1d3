"""One open subscription, and how far it is with what it asks for.

There may be a hundred thousand of them, so what only those need that are behind
stands apart.

Source: messages.md (SUBSCRIBE), edition §1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from mosaic.core.filter import CompiledFilter
from mosaic.server.batch import NOT_STORED
from mosaic.server.peer import Peer
from mosaic.server.reader import Reading


class Held(NamedTuple):
    """A record that came while a subscription was behind.

    Args:
        record: Whole.
        position: Where it stands in the log, NOT_STORED for an ephemeral one.
        label: What was noted beside it about who may read it.
    """

    record: bytes
    position: int
    label: int

    @property
    def is_stored(self) -> bool:
        """Whether it is in the log, where it may have ceased to be served meanwhile."""
        return self.position != NOT_STORED


@dataclass(slots=True)
class Lag:
    """What a subscription is behind with.

    Attributes:
        held: Records that came meanwhile.
        missed: The position from which on the log has to be read; None if all is held.
        missed_records: How many stored records there are at least.
        pending: What waited towards its peer when that was last looked at.
        since_ns: When its queue was found full, or its peer was last seen to read.
    """

    held: list[Held]
    missed: int | None = None
    missed_records: int = 0
    pending: int = 0
    since_ns: int = 0


class Subscription:
    """One open subscription.

    Args:
        number: Its number in the fan-out.
        peer: Whose it is.
        query_id: Under which id.
        compiled: What it asks for.

    Attributes:
        live: Whether new records are delivered at once.
        reading: What is being read for it, if anything.
        complete: Whether LOCALLY COMPLETE was sent.
        lag: What it is behind with, if with anything.
    """

    __slots__ = ("compiled", "complete", "lag", "live", "number", "peer", "query_id", "reading")

    def __init__(self, number: int, peer: Peer, query_id: int, compiled: CompiledFilter) -> None:
        self.number = number
        self.peer = peer
        self.query_id = query_id
        self.compiled = compiled
        self.live = False
        self.reading: Reading | None = None
        self.complete = False
        self.lag: Lag | None = None

    @property
    def behind(self) -> Lag:
        """What it is behind with, made where there was nothing yet."""
        if self.lag is None:
            self.lag = Lag([])
        return self.lag
