"""What passes between this client and servers, counted: bytes by server and by what they are for.

Counted are whole messages, as they leave here and as they come, before TLS and
what is around it: a few percent of long messages, some 60 to 100 bytes of
short ones. The DHT is no part of it: `dht.network.DhtPassed`.

Source: messages.md (types); this project's own design, docs/architecture.md
"Whom one follows is read".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from mosaic.core.keys import PublicKey
from mosaic.wire.header import MessageType

_HEADER: Final = 8
_SERVERS: Final = 4_096


class Purpose(StrEnum):
    """What messages are for."""

    RECORDS = "records"
    """Records that came, without the 8 bytes before each."""
    ASKING = "asking"
    """Queries and subscriptions, the ends of their answers, and the 8 bytes before each record."""
    COMPARING = "comparing"
    """Comparing stores by sync."""
    HANDING_IN = "handing in"
    """Records that went, and what servers said of them."""
    KEEPING = "keeping"
    """Whether a quiet server is still there, and the greeting at the beginning of each connection."""
    LOOKING_UP = "looking up"
    """Look-ups in the DHT that servers do for others."""
    BLOBS = "blobs"
    """Files that came or went."""
    OTHER = "other"
    """Anything else."""


_TYPES: Final[Mapping[Purpose, tuple[MessageType, ...]]] = MappingProxyType(
    {
        Purpose.ASKING: (
            MessageType.GET,
            MessageType.QUERY,
            MessageType.SUBSCRIBE,
            MessageType.UNSUBSCRIBE,
            MessageType.LOCALLY_COMPLETE,
            MessageType.QUERY_CLOSED,
            MessageType.SYNC_GET,
        ),
        Purpose.COMPARING: (
            MessageType.SYNC_OPEN,
            MessageType.SYNC_DATA,
            MessageType.SYNC_CLOSE,
            MessageType.SERVER_SYNC_DATA,
            MessageType.SYNC_ERROR,
        ),
        Purpose.HANDING_IN: (MessageType.SUBMISSION, MessageType.SUBMISSION_RESULT),
        Purpose.KEEPING: (
            MessageType.HELLO,
            MessageType.HELLO_AUTH,
            MessageType.HELLO_CHALLENGE,
            MessageType.HELLO_ACK,
            MessageType.HELLO_PROOF,
        ),
        Purpose.LOOKING_UP: (MessageType.DHT_LOOKUP, MessageType.DHT_RESPONSE),
        Purpose.BLOBS: (
            MessageType.BLOB_SUBMISSION,
            MessageType.BLOB_GET,
            MessageType.BLOB_OFFER,
            MessageType.BLOB_PART,
            MessageType.BLOB_PART_GET,
            MessageType.BLOB_SUBMISSION_RESULT,
            MessageType.BLOB_RESULT,
            MessageType.BLOB_OFFER_RESULT,
            MessageType.BLOB_PART_RESULT,
        ),
    }
)
_PURPOSES: Final[Mapping[int, Purpose]] = MappingProxyType(
    {kind: purpose for purpose, kinds in _TYPES.items() for kind in kinds}
)


@dataclass(slots=True)
class Passed:
    """How much passed.

    Attributes:
        came: Bytes that came.
        went: Bytes that went.
        messages: How many messages, both ways.
    """

    came: int = 0
    went: int = 0
    messages: int = 0

    def add(self, other: Passed) -> None:
        """Counts what passed elsewhere as well."""
        self.came += other.came
        self.went += other.went
        self.messages += other.messages


@dataclass(slots=True, eq=False)
class LinkTally:
    """What passed over one link.

    Attributes:
        server: The key that the server proved, None until then.
        of: How much, by what it was for.
    """

    server: PublicKey | None = None
    of: dict[Purpose, Passed] = field(default_factory=dict)

    def came(self, kind: int, length: int) -> None:
        """A message came.

        Args:
            kind: Its type.
            length: Its whole length, in bytes.
        """
        if kind == MessageType.RECORD:
            self._passed(Purpose.RECORDS).came += length - _HEADER
            self._count(Purpose.ASKING).came += _HEADER
        else:
            self._count(_purpose(kind)).came += length

    def went(self, head: bytes, length: int) -> None:
        """A message went.

        Args:
            head: How it begins.
            length: Its whole length, in bytes.
        """
        # A question for nothing: see `Queries.ping`.
        is_ping = head[0] == MessageType.GET and length == _HEADER
        self._count(Purpose.KEEPING if is_ping else _purpose(head[0])).went += length

    def _passed(self, purpose: Purpose) -> Passed:
        return self.of.setdefault(purpose, Passed())

    def _count(self, purpose: Purpose) -> Passed:
        passed = self._passed(purpose)
        passed.messages += 1
        return passed


def _purpose(kind: int) -> Purpose:
    return _PURPOSES.get(kind, Purpose.OTHER)


class Traffic:
    """All that passed since this client began.

    What passed before a server proved its key, or where none did, stands under None.
    """

    def __init__(self) -> None:
        self._links: dict[LinkTally, None] = {}
        self._ended: dict[PublicKey | None, dict[Purpose, Passed]] = {}
        self.twice: dict[PublicKey, int] = {}
        """How many records came from each server that were here already."""

    def link(self) -> LinkTally:
        """The tally of a new link."""
        tally = LinkTally()
        self._links[tally] = None
        return tally

    def end(self, tally: LinkTally) -> None:
        """A link has ended: its tally counts on with the others of the server."""
        if tally in self._links:
            del self._links[tally]
            _join(self._ended, tally)
            while len(self._ended) > _SERVERS:
                del self._ended[next(iter(self._ended))]

    def came_twice(self, server: PublicKey, records: int) -> None:
        """So many `records` came from a server that were here already."""
        self.twice[server] = self.twice.pop(server, 0) + records
        while len(self.twice) > _SERVERS:
            del self.twice[next(iter(self.twice))]

    def by_server(self) -> Mapping[PublicKey | None, Mapping[Purpose, Passed]]:
        """How much passed, by server and by what it was for."""
        joined: dict[PublicKey | None, dict[Purpose, Passed]] = {}
        for server, purposes in self._ended.items():
            _join(joined, LinkTally(server, purposes))
        for tally in self._links:
            _join(joined, tally)
        return joined

    def of_server(self, server: PublicKey) -> Passed:
        """How much passed to and from one server."""
        total = Passed()
        open_now = (tally.of for tally in self._links if tally.server == server)
        for purposes in (self._ended.get(server, {}), *open_now):
            for passed in purposes.values():
                total.add(passed)
        return total

    @property
    def beyond_records(self) -> int:
        """All bytes, both ways, without those of the records that came."""
        each = [one for purposes in self.by_server().values() for one in purposes.items()]
        return sum(passed.came + passed.went for purpose, passed in each if purpose is not Purpose.RECORDS)


def _join(into: dict[PublicKey | None, dict[Purpose, Passed]], tally: LinkTally) -> None:
    purposes = into.setdefault(tally.server, {})
    for purpose, passed in tally.of.items():
        purposes.setdefault(purpose, Passed()).add(passed)
