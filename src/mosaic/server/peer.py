"""One link of a peer: its session, its rights, what is under way for it.

All belongs to the thread of the event loop.

Source: messages.md "Submission Result"; edition §2 (what a connection counts as).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from mosaic.policy.standing import Standing
from mosaic.policy.submission import Way
from mosaic.protocol.server_session import ServerSession
from mosaic.transport.network import Network
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


class Peer:
    """A link with a session on it.

    Args:
        network: What carries the link.
        link: Its number there.
        key: The key that the peer has proven (32 bytes), or None.
        address: Where it comes from, for limits; not its port.
        session: The protocol's state.
        viewers: What the connection counts as.

    Attributes:
        standing: How the server stands to it; the greatest of what its keys have.
        suspect: Whether a false signature came over it lately.
        readings: Queries and stored parts of subscriptions under way, by query id.
        subscriptions: Open subscriptions, by query id.
        held_bytes: Live records that are kept for it while older ones are on their way.
        blobs: Hashes of blobs that wait until it has read what is on its way.
        gone: Whether the link has ended or is about to.
    """

    __slots__ = (
        "_clean",
        "address",
        "blobs",
        "gone",
        "held_bytes",
        "key",
        "link",
        "network",
        "readings",
        "session",
        "standing",
        "subscriptions",
        "suspect",
        "viewers",
    )

    way: Final = Way.LINK
    received_by_ns: Final = None

    def __init__(
        self,
        network: Network,
        link: int,
        key: bytes | None,
        address: str,
        session: ServerSession,
        viewers: tuple[bytes, ...],
    ) -> None:
        self.network = network
        self.link = link
        self.key = key
        self.address = address
        self.session = session
        self.viewers = viewers
        self.standing = Standing.ANONYMOUS if key is None else Standing.STRANGER
        self.suspect = False
        self.readings: dict[int, Reading] = {}
        self.subscriptions: dict[int, Subscription] = {}
        self.held_bytes = 0
        self.blobs: list[bytes] = []
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
        """The same answer to all of these submissions."""
        self.answer(records, bytes((result,)) * len(records))

    def caught(self) -> None:
        """A record with a false hash or signature came over this link."""
        self.suspect = True
        self._clean = 0


_CLEAN_AGAIN: Final = 4_096
"""After so many records without a false signature a link is trusted again."""
