"""How fast somebody may ask: token buckets for keys and addresses, bounded in number.

Source: messages.md (TOO_FAST).
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

_SECOND: Final = 1_000_000_000


class RateLimit:
    """One bucket for each name; it holds `burst` requests and refills with `per_second`.

    A name that was not seen for `burst / per_second` seconds has a full bucket,
    which is as good as none: it is forgotten, so that strangers who come once
    leave nothing behind. Of more than `names`, the least recently seen go first.

    Args:
        per_second: Requests a second that go on for ever; 0 = no limit.
        burst: Requests that may come at once after a pause.
        names: Names that are remembered.
    """

    __slots__ = ("_buckets", "_burst", "_full_after_ns", "_names", "_per_second")

    def __init__(self, per_second: float, burst: int, names: int = 65_536) -> None:
        self._names = names
        self._buckets: OrderedDict[bytes | str, tuple[float, int]] = OrderedDict()
        self.configure(per_second, burst)

    def configure(self, per_second: float, burst: int) -> None:
        """Another pace from now on; who has less than his bucket held keeps what he has."""
        self._per_second = per_second
        self._burst = float(burst)
        self._full_after_ns = int(burst / per_second * _SECOND) if per_second else 0

    def __len__(self) -> int:
        """The names that are remembered."""
        return len(self._buckets)

    def take(self, name: bytes | str, count: int, now_ns: int) -> int:
        """How many of `count` requests of `name` may go on now; they are taken from its bucket."""
        if not self._per_second:
            return count
        tokens, since = self._buckets.pop(name, (self._burst, now_ns))
        tokens = min(self._burst, tokens + max(0, now_ns - since) * self._per_second / _SECOND)
        granted = min(count, int(tokens))
        self._buckets[name] = (tokens - granted, now_ns)
        self._forget(now_ns)
        return granted

    def _forget(self, now_ns: int) -> None:
        """Drops what is full again, and what is too many; each name is dropped once, so this is cheap."""
        while self._buckets:
            _, since = next(iter(self._buckets.values()))
            if len(self._buckets) <= self._names and now_ns - since <= self._full_after_ns:
                return
            self._buckets.popitem(last=False)
