"""Which server keeps back records of an author that another of his outboxes has.

Each outbox of somebody should have the same. Where one differs from what is
here, in either direction, the record is remembered, and some time later, when
all have had time to catch up, each outbox is asked for it by its name. A
server that does not give what another one gives keeps it back, whatever it
said when it was compared.

Source: network.md (outboxes); edition §4 (sync); this project's own design, docs/architecture.md
"A server is judged".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Generic, TypeVar

from mosaic.core.keys import PublicKey

_MOST: Final = 4_096

_T = TypeVar("_T")


def kept_back(
    asked: Mapping[PublicKey, frozenset[_T]], given: Mapping[PublicKey, frozenset[_T]]
) -> dict[PublicKey, frozenset[_T]]:
    """Which servers kept back what another one gave.

    Args:
        asked: What each server was asked for; one that could not be asked is not in it.
        given: What each of them gave.

    Returns:
        What each server that kept back anything kept back.
    """
    there = frozenset(one for ones in given.values() for one in ones)
    found = {server: (wanted & there) - given.get(server, frozenset()) for server, wanted in asked.items()}
    return {server: ones for server, ones in found.items() if ones}


class Later(Generic[_T]):
    """What is to be looked after some time later; the oldest give way when there are too many.

    Args:
        grace_ns: How much later (ns).
    """

    def __init__(self, grace_ns: int) -> None:
        self._grace_ns = grace_ns
        self._since: dict[_T, int] = {}

    def __len__(self) -> int:
        return len(self._since)

    def note(self, ones: Iterable[_T], now_ns: int) -> None:
        """Remembers these, as of now (ns)."""
        for one in ones:
            self._since.setdefault(one, now_ns)
        while len(self._since) > _MOST:
            del self._since[next(iter(self._since))]

    def due(self, now_ns: int) -> list[_T]:
        """Takes out those whose time has come by now (ns), the oldest first."""
        due = [one for one, since_ns in self._since.items() if now_ns - since_ns >= self._grace_ns]
        for one in due:
            del self._since[one]
        return due
