"""What brings a ban by itself: false signatures, broken rules and haste, again and again.

Each offence counts for a minute. Who is banned once more within a day is banned
twice as long. Where many of one neighbourhood were banned, all of it is.

Source: messages.md (result codes 48 to 51); this project's own design, docs/architecture.md "Abuse".
"""

from __future__ import annotations

from collections import OrderedDict
from enum import Enum
from typing import Final, TypeVar

from mosaic.policy.bans import Ban, network

_Name = TypeVar("_Name", bound="str | tuple[bytes, int]")
_SECOND: Final = 1_000_000_000
_MINUTE: Final = 60 * _SECOND
_DAY: Final = 24 * 60 * _MINUTE
_FIRST_BAN: Final = _MINUTE
_NEIGHBOURS: Final = 8
"""So many banned addresses of a neighbourhood bring it a ban as a whole."""
_NEIGHBOURHOOD: Final = {4: 24, 16: 48}
_REMEMBERED: Final = 65_536
SOURCE: Final = "the server"
"""Who makes these bans."""


class Offence(Enum):
    """What somebody did: the words for it, and how many within a minute are too many."""

    FALSE_SIGNATURE = ("false signatures", 3)
    PROTOCOL_ERROR = ("broken rules of the protocol", 20)
    TOO_FAST = ("more than the server takes", 100)

    @property
    def words(self) -> str:
        """For a ban's reason."""
        return self.value[0]

    @property
    def most(self) -> int:
        """The number within a minute that brings a ban."""
        return self.value[1]


class _Known:
    """What is remembered of one network."""

    __slots__ = ("counts", "seen_ns", "since_ns", "strikes")

    def __init__(self, now_ns: int) -> None:
        self.counts: dict[Offence, int] = {}
        self.since_ns = now_ns
        self.seen_ns = now_ns
        self.strikes = 0


class Offences:
    """Counts what addresses did, of so many that their number is bounded.

    Args:
        remembered: Of so many addresses, and of so many neighbourhoods.
    """

    __slots__ = ("_addresses", "_neighbourhoods", "_remembered")

    def __init__(self, remembered: int = _REMEMBERED) -> None:
        self._addresses: OrderedDict[str, _Known] = OrderedDict()
        self._neighbourhoods: OrderedDict[tuple[bytes, int], _Known] = OrderedDict()
        self._remembered = remembered

    def note(self, address: str, what: Offence, now_ns: int) -> Ban | None:
        """Counts an offence of an `address_group`; the ban that it brings, if it does."""
        known = self._of(self._addresses, address, now_ns)
        if now_ns - known.since_ns >= _MINUTE:
            known.since_ns = now_ns
            known.counts.clear()
        known.counts[what] = count = known.counts.get(what, 0) + 1
        if count < what.most:
            return None
        known.counts.clear()
        try:
            value, prefix = network(address)
        except ValueError:
            return None
        around = self._around(value, now_ns, first=known.strikes == 0)
        if around is not None:
            return around
        return _ban(value, prefix, what.words, known, now_ns)

    def _around(self, value: bytes, now_ns: int, *, first: bool) -> Ban | None:
        """The ban of a whole neighbourhood in which one address more is to be banned, if it is that far."""
        prefix = _NEIGHBOURHOOD[len(value)]
        dropped = 8 * len(value) - prefix
        start = (int.from_bytes(value, "big") >> dropped << dropped).to_bytes(len(value), "big")
        known = self._of(self._neighbourhoods, (start, prefix), now_ns)
        if not first:
            return None
        # Of a neighbourhood its banned addresses count, each once a day.
        known.counts[Offence.TOO_FAST] = count = known.counts.get(Offence.TOO_FAST, 0) + 1
        if count < _NEIGHBOURS:
            return None
        return _ban(start, prefix, "many banned addresses side by side", known, now_ns)

    def _of(self, table: OrderedDict[_Name, _Known], name: _Name, now_ns: int) -> _Known:
        known = table.get(name)
        if known is None or now_ns - known.seen_ns > _DAY:
            known = table[name] = _Known(now_ns)
        known.seen_ns = now_ns
        table.move_to_end(name)
        if len(table) > self._remembered:
            table.popitem(last=False)
        return known


def _ban(value: bytes, prefix: int, words: str, known: _Known, now_ns: int) -> Ban:
    length = min(_FIRST_BAN << min(known.strikes, 32), _DAY)
    known.strikes += 1
    return Ban("ip", value, prefix, words, now_ns, now_ns + length, SOURCE)
