"""How fast somebody may ask: token buckets for keys, addresses and networks, bounded in number.

Source: messages.md (TOO_FAST).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Final, TypeAlias

from mosaic.policy.bans import network

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
        self._buckets: OrderedDict[Hashable, tuple[float, int]] = OrderedDict()
        self.configure(per_second, burst)

    def configure(self, per_second: float, burst: int) -> None:
        """Another pace from now on; who has less than his bucket held keeps what he has."""
        self._per_second = per_second
        self._burst = float(burst)
        self._full_after_ns = int(burst / per_second * _SECOND) if per_second else 0

    def __len__(self) -> int:
        """The names that are remembered."""
        return len(self._buckets)

    def take(self, name: Hashable, count: int, now_ns: int) -> int:
        """How many of `count` requests of `name` may go on now; they are taken from its bucket."""
        if not self._per_second:
            return count
        tokens, since = self._buckets.pop(name, (self._burst, now_ns))
        tokens = min(self._burst, tokens + max(0, now_ns - since) * self._per_second / _SECOND)
        granted = min(count, int(tokens))
        self._buckets[name] = (tokens - granted, now_ns)
        self._forget(now_ns)
        return granted

    def give_back(self, name: Hashable, count: int) -> None:
        """Puts back what was taken and not used: so many requests (`count`)."""
        held = self._buckets.get(name)
        if held is not None:
            self._buckets[name] = (min(self._burst, held[0] + count), held[1])

    def _forget(self, now_ns: int) -> None:
        """Drops what is full again, and what is too many; each name is dropped once, so this is cheap."""
        while self._buckets:
            _, since = next(iter(self._buckets.values()))
            if len(self._buckets) <= self._names and now_ns - since <= self._full_after_ns:
                return
            self._buckets.popitem(last=False)


Around: TypeAlias = tuple[tuple[bytes, int], ...]
"""The networks around an address, smallest first: (their first address, bits that count)."""

_SIZES: Final = {4: (32, 24, 16), 16: (64, 48, 32)}
_WIDER: Final = (1, 4, 16)
"""How much more a network of each size may do than a single address."""


def around(address: str) -> Around:
    """The networks around an address or an `address_group`; none if the text is neither."""
    try:
        value, _ = network(address)
    except ValueError:
        return ()
    bits = 8 * len(value)
    number = int.from_bytes(value, "big")
    return tuple(
        ((number >> (bits - size) << (bits - size)).to_bytes(len(value), "big"), size)
        for size in _SIZES[len(value)]
    )


class NetworkRate:
    """A bucket for each address and for two sizes of network around it: who has many addresses has no more.

    Args:
        per_second: Requests a second from one address; 0 = no limit. Of a /24 (IPv6: /48) four times as many,
            of a /16 (/32) sixteen times.
        burst: Requests that may come at once after a pause.
        names: Networks of each size that are remembered.
    """

    __slots__ = ("_rates",)

    def __init__(self, per_second: float, burst: int, names: int = 65_536) -> None:
        self._rates = tuple(RateLimit(per_second * wider, burst * wider, names) for wider in _WIDER)

    def configure(self, per_second: float, burst: int) -> None:
        """Another pace from now on."""
        for rate, wider in zip(self._rates, _WIDER, strict=True):
            rate.configure(per_second * wider, burst * wider)

    def take(self, networks: Around, count: int, now_ns: int) -> int:
        """How many of `count` requests from there may go on now; where nothing is known about it, all.

        Args:
            networks: As `around` has them.
            count: What is asked for.
            now_ns: The time, ns.
        """
        granted = count
        taken: list[int] = []
        for rate, name in zip(self._rates, networks, strict=False):
            granted = rate.take(name, granted, now_ns)
            taken.append(granted)
        for rate, name, much in zip(self._rates, networks, taken, strict=False):
            if much > granted:
                rate.give_back(name, much - granted)
        return granted


class Spending:
    """A budget that is charged afterwards: what somebody's work has cost, known when it is done.

    Who has overdrawn it waits until it is refilled.

    Args:
        names: Names that are remembered.
    """

    __slots__ = ("_left", "_names")

    def __init__(self, names: int = 65_536) -> None:
        self._names = names
        self._left: OrderedDict[Hashable, tuple[float, int]] = OrderedDict()

    def left(self, name: Hashable, per_second: float, burst: float, now_ns: int) -> float:
        """What somebody has left, in the unit of the budget; negative if he has overdrawn.

        Args:
            name: Who.
            per_second: What comes in each second, in that unit.
            burst: What there is at most.
            now_ns: The time, ns.
        """
        left, since = self._left.get(name, (burst, now_ns))
        return min(burst, left + max(0, now_ns - since) * per_second / _SECOND)

    def charge(self, name: Hashable, cost: float, per_second: float, burst: float, now_ns: int) -> None:
        """Takes what something has cost, never further below nothing than a full budget above it.

        Args:
            name: Who.
            cost: What it has cost, in the unit of the budget.
            per_second: What comes in each second, in that unit.
            burst: What there is at most.
            now_ns: The time, ns.
        """
        left = max(-burst, self.left(name, per_second, burst, now_ns) - cost)
        self._left[name] = (left, now_ns)
        self._left.move_to_end(name)
        if len(self._left) > self._names:
            self._left.popitem(last=False)
