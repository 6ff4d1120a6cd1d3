"""One link of a peer: its session, its rights, what is under way for it.

All belongs to the thread of the event loop.

Source: messages.md "Submission Result"; edition §2 (what a connection counts as).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from mosaic.policy.limits import Limits
from mosaic.policy.offences import Offence
from mosaic.policy.rate import Around
from mosaic.policy.standing import Standing
from mosaic.policy.submission import Way
from mosaic.protocol.blob_events import BlobPartAsked
from mosaic.protocol.server_session import ServerSession
from mosaic.transport.network import Entrance
from mosaic.wire.header import MessageType, encode_header
from mosaic.wire.result_code import ResultCode
from mosaic.wire.server_messages import SubmissionResult

if TYPE_CHECKING:
    from mosaic.server.reader import Reading
    from mosaic.server.subscription import Subscription

_HEADS: Final = [
    encode_header(MessageType.SUBMISSION_RESULT, SubmissionResult.LENGTH, code) for code in range(256)
]
_PREFIX: Final = 32
_SECOND: Final = 1_000_000_000
_AHEAD: Final = 8
"""Seconds' worth of bytes that may come at once."""
_NONE: Final = Limits()


def _ignore(peer: Peer, what: Offence) -> None:
    """Of peers whose address says nothing about them."""
    del peer, what


class Peer:
    """A link with a session on it.

    Args:
        network: What carries the link.
        link: Its number there.
        key: The key that the peer has proven (32 bytes), or None.
        address: Where it comes from, for limits; not its port.
        session: The protocol's state.
        viewers: What the connection counts as.
        limits: What it may do at first.
        around: See below.
        offended: Told what it does that it should not.

    Attributes:
        standing: How the server stands to it; the greatest of what its keys have.
        limits: What it may do; those of its standing.
        favoured: Whether it goes before strangers: somebody served or a contact of one.
        suspect: Whether a false signature came over it lately.
        tried: Whether records came over it that were looked at, none with a false signature.
        around: The networks around its address; none where that says nothing about who it is.
        proxied: Whether a proxy of the operator's has brought it.
        readings: Queries and stored parts of subscriptions under way, by query id.
        subscriptions: Open subscriptions, by query id.
        held_bytes: Live records that are kept for it while older ones are on their way.
        blobs: Blobs and parts of blobs that wait until it has read what is on its way.
        offers: Blobs that it sends in parts: their lengths in bytes, by hash.
        parts_waiting: How many parts of these wait to be written.
        gone: Whether the link has ended or is about to.
    """

    __slots__ = (
        "_bytes",
        "_bytes_ns",
        "_clean",
        "_offended",
        "address",
        "around",
        "blobs",
        "favoured",
        "gone",
        "held_bytes",
        "key",
        "limits",
        "link",
        "network",
        "offers",
        "parts_waiting",
        "proxied",
        "readings",
        "session",
        "standing",
        "subscriptions",
        "suspect",
        "tried",
        "viewers",
    )

    way: Final = Way.LINK
    received_by_ns: Final = None

    def __init__(  # noqa: PLR0913 - what a link is known by
        self,
        network: Entrance,
        link: int,
        key: bytes | None,
        address: str,
        session: ServerSession,
        viewers: tuple[bytes, ...],
        *,
        limits: Limits = _NONE,
        around: Around = (),
        offended: Callable[[Peer, Offence], None] = _ignore,
    ) -> None:
        self.network = network
        self.link = link
        self.key = key
        self.address = address
        self.session = session
        self.viewers = viewers
        self.standing = Standing.ANONYMOUS if key is None else Standing.STRANGER
        self.limits = limits
        self.around = around
        self.proxied = False
        self.favoured = False
        self.suspect = False
        self.tried = False
        self._offended = offended
        self._bytes = 0.0
        self._bytes_ns = 0
        self.readings: dict[int, Reading] = {}
        self.subscriptions: dict[int, Subscription] = {}
        self.held_bytes = 0
        self.blobs: list[bytes | BlobPartAsked] = []
        self.offers: dict[bytes, int] = {}
        self.parts_waiting = 0
        self.gone = False
        self._clean = 0

    @property
    def at_home(self) -> bool:
        """Whether it counts as one of the people whom this server serves."""
        return self.standing is Standing.SERVED

    @property
    def name(self) -> bytes | str:
        """By what limits know it: its key, or its address if it is anonymous."""
        return self.key or self.address

    def send(self, frames: bytes) -> int:
        """Queues whole frames; the bytes that wait now, -1 when the link is gone."""
        return self.network.send(self.link, frames)

    def flush(self) -> None:
        """Sends what the session has to say."""
        frames = self.session.take_outgoing()
        if frames:
            self.send(b"".join(frames))

    def answer(self, records: Sequence[bytes], results: bytes) -> None:
        """Tells what became of submissions: one result code (a byte) for each record, one send for all."""
        if self.gone:
            return
        if self.suspect:
            self._clean += len(records)
            self.suspect = self._clean < _CLEAN_AGAIN
        else:
            self.tried = True
        self._tell(records, results)

    def _tell(self, records: Sequence[bytes], results: bytes) -> None:
        first = results[0]
        if results.count(first) == len(results):
            head = _HEADS[first]
            self.send(b"".join([head + record[:_PREFIX] for record in records]))
        else:
            heads = _HEADS
            answers = [
                heads[result] + record[:_PREFIX] for result, record in zip(results, records, strict=True)
            ]
            self.send(b"".join(answers))

    def refuse(self, records: Sequence[bytes], result: ResultCode) -> None:
        """The same answer to submissions that nobody has looked at: they say nothing for the peer."""
        if not self.gone:
            self._tell(records, bytes((result,)) * len(records))

    def caught(self) -> None:
        """A record with a false hash or signature came over this link."""
        self.suspect = True
        self._clean = 0
        if not self.gone:
            self._offended(self, Offence.FALSE_SIGNATURE)

    def offend(self, what: Offence) -> None:
        """It did something else that it should not."""
        if not self.gone:
            self._offended(self, what)

    def came(self, count: int, now_ns: int) -> bool:
        """Whether it may have sent so many bytes more by now."""
        pace = self.limits.link_bytes_per_second
        if not pace:
            return True
        self._bytes = max(0.0, self._bytes - max(0, now_ns - self._bytes_ns) * pace / _SECOND) + count
        self._bytes_ns = now_ns
        return self._bytes <= pace * _AHEAD


_CLEAN_AGAIN: Final = 4_096
"""After so many records without a false signature a link is trusted again."""
