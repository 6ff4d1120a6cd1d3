"""Which server keeps back records of an author that another of his outboxes has.

Each outbox of somebody should have the same. Each is compared with what is
here, one after the other; what one of them has beyond is fetched and kept.
Then it is known of every record which of them have it, and a server that has
not what another one has is under suspicion. It may be behind for a while, so
suspicion becomes a word against it only when the record is still lacking some
time later and the server does not give it when it is asked for it by name.

Source: network.md (outboxes); edition §4 (sync); this project's own design, docs/architecture.md
"A server is judged".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from mosaic.core.keys import PublicKey

_SUSPICIONS: Final = 4_096


@dataclass(frozen=True, slots=True)
class View:
    """What a comparison with one server told. Records by the first 32 bytes of their ids.

    Args:
        server: Which server.
        authors: Whose records were compared.
        lacks: The records that were here, and not there.
        beyond: Those that were there, and not here; they are here afterwards.
    """

    server: PublicKey
    authors: frozenset[PublicKey]
    lacks: frozenset[bytes]
    beyond: frozenset[bytes]


def lacking(views: Sequence[View], here: Mapping[bytes, PublicKey]) -> dict[PublicKey, frozenset[bytes]]:
    """Which servers lack records that another server has.

    Args:
        views: In the order in which servers were compared, of one filter by time.
        here: The author of each record in `lacks` and `beyond` that counts: it is here now, so that it was
            neither deleted nor replaced, nor found to be invalid.

    Returns:
        For each server that lacks any: which (32 bytes of each id).
    """
    came_at: dict[bytes, int] = {}
    for place, view in enumerate(views):
        for record in view.beyond:
            came_at.setdefault(record, place)

    def has(place: int, record: bytes) -> bool:
        view = views[place]
        if record in view.lacks or record in view.beyond:
            return record in view.beyond
        # It did not differ: both had it, or neither, if it came here only later.
        return came_at.get(record, -1) < place

    found: dict[PublicKey, set[bytes]] = {}
    for record, author in here.items():
        places = [place for place, view in enumerate(views) if author in view.authors]
        having = {place for place in places if has(place, record)}
        for place in places:
            if having and place not in having:
                found.setdefault(views[place].server, set()).add(record)
    return {server: frozenset(records) for server, records in found.items()}


@dataclass(frozen=True, slots=True)
class Suspicion:
    """A record that a server seems to lack.

    Args:
        server: Which server.
        record: The first 32 bytes of the record's id.
    """

    server: PublicKey
    record: bytes


class Suspicions:
    """What seemed to be lacking where, and since when; the oldest give way when there are too many.

    Args:
        grace_ns: How long (ns) a server may be behind.
    """

    def __init__(self, grace_ns: int) -> None:
        self._grace_ns = grace_ns
        self._since: dict[Suspicion, int] = {}

    def __len__(self) -> int:
        return len(self._since)

    def seen(
        self, found: Mapping[PublicKey, frozenset[bytes]], servers: Sequence[PublicKey], now_ns: int
    ) -> None:
        """Takes what all of some servers lack now; what they lack no longer is forgotten."""
        now = {Suspicion(server, record) for server, records in found.items() for record in records}
        for gone in [one for one in self._since if one.server in servers and one not in now]:
            del self._since[gone]
        for one in sorted(now, key=lambda each: (each.server, each.record)):
            self._since.setdefault(one, now_ns)
        while len(self._since) > _SUSPICIONS:
            del self._since[next(iter(self._since))]

    def due(self, now_ns: int) -> dict[PublicKey, list[bytes]]:
        """What is lacking for longer than a server may be behind, by server."""
        found: dict[PublicKey, list[bytes]] = {}
        for one, since_ns in self._since.items():
            if now_ns - since_ns >= self._grace_ns:
                found.setdefault(one.server, []).append(one.record)
        return found

    def settled(self, server: PublicKey, records: Sequence[bytes]) -> None:
        """These were looked after."""
        for record in records:
            self._since.pop(Suspicion(server, record), None)
