"""How much a server lets somebody do: one row for each way of standing to it.

What stands here is for one link, or for one key or address where a second is
meant. The server's own limits hold beside it: the narrower counts.

Source: messages.md (TOO_OPEN, TOO_LARGE, TOO_FAST); rationale.md (fixed maxima).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mosaic.policy.standing import Standing
from mosaic.wire.limits import BLOB_LIMIT, RECORD_LIMIT


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of somebody. Of numbers a second 0 is no limit."""

    record_bytes: int = field(default=RECORD_LIMIT, metadata={"help": "longest record taken (bytes)"})
    records_per_second: float = field(
        default=100.0, metadata={"help": "records a second from one key, or from one address without a key"}
    )
    burst: int = field(default=1_000, metadata={"help": "records that may come at once after a pause"})
    subscriptions: int = field(default=100, metadata={"help": "subscriptions that one link may have open"})
    queries: int = field(default=32, metadata={"help": "queries that one link may have under way at once"})
    open_limit: int = field(
        default=500, metadata={"help": "records that a query without a narrow element may ask for (0: none)"}
    )
    scan_ms_per_second: float = field(
        default=100.0,
        metadata={"help": "work on queries for one address, in ms a second; ten times as much at once"},
    )
    link_bytes_per_second: int = field(
        default=8 * 1_048_576,
        metadata={"help": "bytes a second that one link may send; eight times that at once"},
    )
    blob_bytes: int = field(default=BLOB_LIMIT, metadata={"help": "longest blob that is read at all (bytes)"})
    work_bits: int = field(
        default=0,
        metadata={"help": "proof of work asked for each record: zero bits in its id (0: none)", "most": 64},
    )


_CONTACT = Limits(
    records_per_second=200.0,
    burst=2_000,
    subscriptions=400,
    queries=64,
    scan_ms_per_second=400.0,
)
_SERVED = Limits(
    records_per_second=0.0,
    burst=0,
    subscriptions=1_000,
    queries=64,
    scan_ms_per_second=0.0,
    link_bytes_per_second=0,
)


@dataclass(frozen=True, slots=True)
class LimitTable:
    """The rows, from the narrowest to the widest."""

    anonymous: Limits = field(default_factory=Limits)
    stranger: Limits = field(default_factory=Limits)
    contact: Limits = field(default_factory=lambda: _CONTACT)
    served: Limits = field(default_factory=lambda: _SERVED)

    def of(self, standing: Standing) -> Limits:
        """The row of somebody."""
        return (self.anonymous, self.stranger, self.contact, self.served)[standing]
