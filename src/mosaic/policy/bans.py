"""Whom a server has nothing to do with: banned addresses, networks and keys, for a while or for good.

Looking one up takes the same time however many bans there are: one look into a
table for each size of network that is banned.

Source: messages.md (result codes 48 to 51).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from mosaic.policy.verdict import Refuse
from mosaic.wire.result_code import ResultCode

_V4_BITS: Final = 32
_V6_BITS: Final = 128
KEY_BITS: Final = 256
"""The prefix of a ban of a key."""


@dataclass(frozen=True, slots=True)
class Ban:
    """One ban.

    Args:
        what: Whether a network or a key is banned.
        value: An address of it (4 or 16 bytes), or the key (32 bytes).
        prefix: How many bits of the address count; 256 for a key.
        reason: Why, for the operator.
        made_ns: When it was made, ns.
        until_ns: When it ends, ns; None = never.
        source: Who made it: a person's key as text, or what of the server.
    """

    what: Literal["ip", "key"]
    value: bytes
    prefix: int
    reason: str
    made_ns: int
    until_ns: int | None
    source: str

    def holds(self, now_ns: int) -> bool:
        """Whether it has not ended."""
        return self.until_ns is None or now_ns < self.until_ns

    @property
    def refusal(self) -> Refuse:
        """What whoever is banned is told."""
        if self.what == "key":
            codes = (ResultCode.PUBKEY_PERM_BANNED, ResultCode.PUBKEY_TEMP_BANNED)
        else:
            codes = (ResultCode.IP_PERM_BANNED, ResultCode.IP_TEMP_BANNED)
        return Refuse(codes[self.until_ns is not None], self.reason)

    @property
    def name(self) -> tuple[str, bytes, int]:
        """What no other ban has as well: what is banned."""
        return self.what, self.value, self.prefix


def network(text: str) -> tuple[bytes, int]:
    """The network of an address, of ADDRESS/BITS, or of an `address_group`: (4 or 16 bytes, bits that count).

    An IPv4 address inside of IPv6 is the IPv4 address. Bits that don't count are zero.

    Raises:
        ValueError: the text is none of them.
    """
    found = ipaddress.ip_network(text.partition("%")[0], strict=False)
    address, prefix = found.network_address, found.prefixlen
    mapped = getattr(address, "ipv4_mapped", None)
    if mapped is not None and prefix >= _V6_BITS - _V4_BITS:
        return mapped.packed, prefix - (_V6_BITS - _V4_BITS)
    return address.packed, prefix


def network_text(value: bytes, prefix: int) -> str:
    """ADDRESS, or ADDRESS/BITS where not all bits count.

    Args:
        value: An address of the network (4 or 16 bytes).
        prefix: How many of its bits count.
    """
    address = ipaddress.ip_address(value)
    return str(address) if prefix == address.max_prefixlen else f"{address}/{prefix}"


class BanList:
    """All bans, in memory. Belongs to the thread of the event loop.

    Args:
        bans: Those that there are at first.
    """

    __slots__ = ("_all", "_keys", "_networks")

    def __init__(self, bans: Iterable[Ban] = ()) -> None:
        self._keys: dict[bytes, Ban] = {}
        self.replace(bans)

    def replace(self, bans: Iterable[Ban]) -> None:
        """From now on there are these bans and no others."""
        self._all: dict[tuple[str, bytes, int], Ban] = {}
        self._keys.clear()
        self._networks: dict[tuple[int, int], dict[int, Ban]] = {}
        for ban in bans:
            self.add(ban)

    @property
    def keys(self) -> Mapping[bytes, Ban]:
        """Bans of keys (32 bytes each); shows what changes later, too."""
        return self._keys

    def __len__(self) -> int:
        """How many there are, those that have ended and were not yet forgotten among them."""
        return len(self._all)

    def __iter__(self) -> Iterator[Ban]:
        """All, in the order in which they were made known."""
        return iter(list(self._all.values()))

    def add(self, ban: Ban) -> None:
        """One more; it takes the place of one for the same network or key."""
        self._all[ban.name] = ban
        if ban.what == "key":
            self._keys[ban.value] = ban
        else:
            size = (len(ban.value), ban.prefix)
            self._networks.setdefault(size, {})[_leading(ban.value, ban.prefix)] = ban

    def remove(self, ban: Ban) -> None:
        """Lifts the ban of the same network or key, if there is one."""
        if self._all.pop(ban.name, None) is None:
            return
        if ban.what == "key":
            del self._keys[ban.value]
            return
        size = (len(ban.value), ban.prefix)
        del self._networks[size][_leading(ban.value, ban.prefix)]
        if not self._networks[size]:
            del self._networks[size]

    def oldest_of(self, source: str) -> Ban | None:
        """The ban of a source that was made known first, if there is any."""
        return next((ban for ban in self._all.values() if ban.source == source), None)

    def forget_ended(self, now_ns: int) -> bool:
        """Drops what has ended; whether there was any."""
        ended = [ban for ban in self._all.values() if not ban.holds(now_ns)]
        for ban in ended:
            self.remove(ban)
        return bool(ended)

    def __contains__(self, name: object) -> bool:
        """Whether there is a ban of this name."""
        return name in self._all

    def named(self, name: tuple[str, bytes, int]) -> Ban | None:
        """The ban of this name, if there is one."""
        return self._all.get(name)

    def ban_of_address(self, address: str, now_ns: int) -> Ban | None:
        """The ban of an address or an `address_group`, one for good before one for a while."""
        if not self._networks:
            return None
        try:
            value, _ = network(address)
        except ValueError:
            return None
        found: Ban | None = None
        for (length, prefix), bans in self._networks.items():
            ban = bans.get(_leading(value, prefix)) if length == len(value) else None
            if ban is not None and ban.holds(now_ns):
                found = ban
                if ban.until_ns is None:
                    break
        return found

    def of_address(self, address: str, now_ns: int) -> Refuse | None:
        """The refusal for who comes from an address or an `address_group`, None if it is not banned."""
        ban = self.ban_of_address(address, now_ns)
        return None if ban is None else ban.refusal

    def of_key(self, key: bytes, now_ns: int) -> Refuse | None:
        """The refusal for a key (32 bytes), None if it is not banned."""
        ban = self._keys.get(key)
        return ban.refusal if ban is not None and ban.holds(now_ns) else None

    def networks(self, now_ns: int) -> list[tuple[bytes, int]]:
        """The networks that are banned now: (address, bits that count)."""
        return [
            (ban.value, ban.prefix)
            for bans in self._networks.values()
            for ban in bans.values()
            if ban.holds(now_ns)
        ]


def _leading(value: bytes, prefix: int) -> int:
    """The bits of an address that count."""
    return int.from_bytes(value, "big") >> (8 * len(value) - prefix)
