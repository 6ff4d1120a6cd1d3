"""How fast somebody may ask: token buckets for keys and addresses, bounded in number.

Source: messages.md (TOO_FAST).
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

_SECOND: Final = 1_000_000_000


class RateLimit:
    """One bucket for each name; it holds `burst` requests and refills with `per_second`.

    A name that was not seen for long has a full bucket, so the least recently
    seen are forgotten when there are more than `names`.

    Args:
        per_second: Requests a second that go on for ever; 0 = no limit.
        burst: Requests that may come at once after a pause.
        names: Names that are remembered.
    """

    __slots__ = ("_buckets", "_burst", "_names", "_per_second")

    def __init__(self, per_second: float, burst: int, names: int = 65_536) -> None:
        self._per_second = per_second
        self._burst = float(burst)
        self._names = names
        self._buckets: OrderedDict[bytes | str, tuple[float, int]] = OrderedDict()

    def take(self, name: bytes | str, count: int, now_ns: int) -> int:
        """How many of `count` requests of `name` may go on now; they are taken from its bucket."""
        if not self._per_second:
            return count
        tokens, since = self._buckets.pop(name, (self._burst, now_ns))
        tokens = min(self._burst, tokens + max(0, now_ns - since) * self._per_second / _SECOND)
        granted = min(count, int(tokens))
        self._buckets[name] = (tokens - granted, now_ns)
        if len(self._buckets) > self._names:
            self._buckets.popitem(last=False)
        return granted
