"""What a policy hook is asked about somebody who connects, and the limits on connections.

Source: messages.md (bans, TOO_FAST), edition §1.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from mosaic.policy.verdict import ACCEPT, Refuse, Verdict
from mosaic.wire.result_code import ResultCode

_IPV6_GROUPS: Final = 4


@dataclass(frozen=True, slots=True)
class Arrival:
    """A connection that has just been made.

    Args:
        key: The key that the peer has proven (32 bytes), or None.
        address: The group of addresses that it comes from, see `address_group`; empty if nobody knows.
    """

    key: bytes | None
    address: str


def address_group(host: str) -> str:
    """The name under which limits know a host: an IPv4 address itself, of an IPv6 address its /64.

    Whoever has one IPv6 address has the 2^64 beside it.
    """
    if ":" not in host:
        return host
    mapped = host.lower().removeprefix("::ffff:")
    if ":" not in mapped and "." in mapped:
        return mapped
    head, gap, tail = host.partition("%")[0].lower().partition("::")
    groups = head.split(":") if head else []
    if gap:
        behind = tail.split(":") if tail else []
        groups += ["0"] * (8 - len(groups) - len(behind)) + behind
    return ":".join(group.lstrip("0") or "0" for group in groups[:_IPV6_GROUPS]) + "::/64"


class ConnectionLimits:
    """How many connections there may be, in all and from one group of addresses.

    Args:
        total: At most so many.
        per_address: At most so many from one group.
    """

    __slots__ = ("_count", "_from", "_per_address", "_total")

    def __init__(self, total: int, per_address: int) -> None:
        self._from: Counter[str] = Counter()
        self._count = 0
        self.configure(total, per_address)

    def configure(self, total: int, per_address: int) -> None:
        """Other limits from now on; connections that are open stay."""
        self._total = total
        self._per_address = per_address

    @property
    def count(self) -> int:
        """The number of connections."""
        return self._count

    def hook(self, arrival: Arrival) -> Verdict:
        """Refuses who is one too many."""
        if self._count >= self._total:
            return Refuse(ResultCode.TEMPORARY_ERROR, "all connections are taken")
        if arrival.address and self._from[arrival.address] >= self._per_address:
            return Refuse(ResultCode.TOO_FAST, "the address has too many connections")
        return ACCEPT

    def opened(self, address: str) -> None:
        """Counts a connection."""
        self._count += 1
        self._from[address] += 1

    def closed(self, address: str) -> None:
        """Counts a connection no longer."""
        self._count -= 1
        self._from[address] -= 1
        if self._from[address] <= 0:
            del self._from[address]


AdmissionHook = Callable[[Arrival], Verdict]
"""A rule about connections."""
