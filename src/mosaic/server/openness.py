"""Which filters are too open to be served.

A filter without a narrow element could match most of a store. This server
takes one only with a limit that is small, or for a short stretch of the past:
enough for a look at what is new, not for a copy of everything.

Source: filter.md (narrow elements), messages.md (TOO_OPEN).
"""

from __future__ import annotations

from mosaic.core.filter import CompiledFilter
from mosaic.policy.limits import Limits
from mosaic.server.settings import ServerSettings


def too_open(
    compiled: CompiledFilter, limit: int, settings: ServerSettings, limits: Limits, now_ns: int
) -> bool:
    """Whether a question is refused.

    Args:
        compiled: Its filter.
        limit: How many records are asked for at most, 0 = all.
        settings: What the operator allows anybody.
        limits: What he allows who asks.
        now_ns: The time.
    """
    if compiled.narrow or 0 < limit <= min(settings.open_query_limit, limits.open_limit):
        return False
    earliest = now_ns - settings.open_query_window_ns
    beginnings = (compiled.since, compiled.received_since)
    return not any(begin is not None and begin >= earliest for begin in beginnings)
