"""The server's side of one stream: frames and times in, events and frames out.

    NEW ──HELLO──> OPEN ──CLOSING──> CLOSED
     └──anything else, or 10 s──────────┘

Rules, in the order in which they apply to a frame:

1. A session that is closed ignores everything.
2. A frame that the codec refuses: CLOSING INVALID.
3. The first message is HELLO, else CLOSING INVALID. A HELLO in the framing of
   the 0.8.0 text gets that text's CLOSING.
4. A second HELLO: HELLO ACK DUPLICATE.
5. A type that is not known: UNRECOGNIZED below 0x80, CLOSING INVALID from 0x80
   on, like a server's message that comes the wrong way. UNRECOGNIZED itself is
   never answered.
6. GET, QUERY, SUBSCRIBE, SYNC OPEN or SYNC GET with a query id that is still open: CLOSING INVALID.
   SYNC DATA for no open sync: SYNC ERROR NOT_FOUND; SYNC CLOSE for none is ignored.

7. HELLO CHALLENGE and HELLO AUTH belong to WebSockets in browser mode (see
   `mosaic.protocol.authentication`): where TLS proves keys, CLOSING INVALID.

Over a WebSocket `upgraded` comes before the first frame; with HELLO in header
form the session is open from there on.

Source: messages.md, edition §1, §2 and §4 (sync).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from mosaic.errors import InvalidMessage
from mosaic.protocol.authentication import ServerAuthentication
from mosaic.protocol.blob_events import BlobOffered, BlobPartAsked, BlobPartCame
from mosaic.protocol.events import (
    BlobAsked,
    BlobSubmitted,
    DhtAsked,
    Finished,
    GetAsked,
    HelloDone,
    KeyProven,
    ProofAsked,
    QueryAsked,
    ServerEvent,
    Submitted,
    SubscribeAsked,
    UnsubscribeAsked,
)
from mosaic.protocol.hello import agreement, refusal_of_first
from mosaic.protocol.query_ids import ServerQueries
from mosaic.protocol.server_answers import ServerAnswers
from mosaic.protocol.settings import MAJOR_VERSION, ServerSessionSettings
from mosaic.protocol.submission_run import SUBMISSION, records_of_run
from mosaic.protocol.sync_events import SyncEnded, SyncGetAsked, SyncMessage, SyncOpened
from mosaic.protocol.upgrade import Upgrade
from mosaic.wire.blob_messages import BlobOffer, BlobPart, BlobPartGet
from mosaic.wire.client_messages import (
    BlobGet,
    BlobSubmission,
    DhtLookup,
    Get,
    Hello,
    HelloAuth,
    HelloChallenge,
    Query,
    Submission,
    Subscribe,
    Unsubscribe,
)
from mosaic.wire.codec import Message, decode
from mosaic.wire.header import HEADER_LENGTH, MessageType, parse_header
from mosaic.wire.limits import BLOB_HEAD
from mosaic.wire.result_code import ResultCode
from mosaic.wire.server_messages import Closing, HelloAck, QueryClosed
from mosaic.wire.sync_messages import SyncClose, SyncData, SyncError, SyncGet, SyncOpen
from mosaic.wire.unrecognized import Unknown, Unrecognized

_UNRECOGNIZED: Final = Unrecognized().encode()
_NOTHING_AGREED: Final = HelloAck(ResultCode.SUCCESS, MAJOR_VERSION)


class ServerSession(ServerAnswers):
    """One stream of one client; how its requests are answered: `ServerAnswers`.

    Args:
        settings: The operator's choices.
        peer_key: The key that the client has proven (32 bytes), or None.
        now_ns: The time at which the stream began, in ns.

    Attributes:
        peer_key: As given, or as HELLO AUTH has proven since.
        outgoing: Frames to be sent, oldest first; emptied by `take_outgoing`.
        deadline_ns: When `tick` has something to do, or None.
    """

    __slots__ = (
        "_ack",
        "_authentication",
        "_closed",
        "_open",
        "_settings",
        "deadline_ns",
        "outgoing",
        "peer_key",
    )

    def __init__(self, settings: ServerSessionSettings, peer_key: bytes | None, now_ns: int) -> None:
        super().__init__(ServerQueries(settings.open_queries))
        self._settings = settings
        self.peer_key = peer_key
        self.outgoing: list[bytes] = []
        self.deadline_ns: int | None = now_ns + settings.hello_timeout_ns
        self._open = False
        self._closed = False
        self._ack = _NOTHING_AGREED
        self._authentication: ServerAuthentication | None = None

    # --- state

    @property
    def is_open(self) -> bool:
        """Whether HELLO has been said and the session is not over."""
        return self._open

    @property
    def is_closed(self) -> bool:
        """Whether the session is over."""
        return self._closed

    def take_outgoing(self) -> list[bytes]:
        """The frames to be sent, oldest first. They are the caller's now."""
        frames, self.outgoing = self.outgoing, []
        return frames

    # --- what comes in

    def upgraded(
        self, upgrade: Upgrade, authentication: ServerAuthentication | None, now_ns: int
    ) -> HelloDone | None:
        """The link is a WebSocket, and its upgrade was accepted.

        Args:
            upgrade: What was accepted.
            authentication: How keys are proven on it; None where TLS does that.
            now_ns: The time, in ns.

        Returns:
            HelloDone if the upgrade held HELLO; else HELLO is still to come.
        """
        self._authentication = authentication
        if authentication is not None and upgrade.to_sign is not None and upgrade.client_nonce is not None:
            authentication.offered(upgrade.to_sign, now_ns)
        if upgrade.ack is None:
            self.deadline_ns = now_ns + self._settings.hello_timeout_ns
            return None
        return self._greeted(upgrade.ack)

    def receive(self, frame: bytes, now_ns: int) -> ServerEvent | None:
        """Takes one whole frame.

        Returns:
            What is asked for; None if the session has answered by itself or ignores the frame.
        """
        if self._open and frame and frame[0] == SUBMISSION:
            records = records_of_run((frame,))
            if records:
                return Submitted(records[0])
        return self._receive_other(frame, now_ns)

    def receive_run(self, frames: Sequence[bytes], start: int = 0) -> list[bytes]:
        """The records of the run of submissions with which `frames[start:]` begins.

        Stops at the first frame that is something else or not well-formed: that
        one is for `receive`. The number of records is the number of frames taken.
        """
        return records_of_run(frames, start) if self._open else []

    def refused_length(self, head: bytes, now_ns: int) -> ServerEvent | None:  # noqa: ARG002
        """Takes the 8 header bytes of a frame that was refused by its length.

        The rest of the stream can't be read any more, so the session ends: with
        TOO_LARGE for a client's message beyond its limit, since the id of the
        record or blob in it is not known; with INVALID for all else.
        """
        if self._closed:
            return None
        if not self._open:
            return self._refuse_first(head, "a length that no message has")
        header = parse_header(head)
        too_long = header.length >= HEADER_LENGTH and header.type < 0x80
        result = ResultCode.TOO_LARGE if too_long else ResultCode.INVALID
        return self._finish(result, f"a message of type 0x{header.type:02x} with a length of {header.length}")

    def spooled(
        self,
        prefix: bytes,
        path: str,
        digest: bytes,
        length: int,
        now_ns: int,  # noqa: ARG002
    ) -> ServerEvent | None:
        """Takes a long BLOB SUBMISSION whose body went to a file.

        Args:
            prefix: The first 40 bytes of the frame.
            path: The file. If the answer is no BlobSubmitted, the caller removes it.
            digest: The BLAKE3-256 hash of the file.
            length: The length of the file in bytes.
            now_ns: The time, in ns.
        """
        if self._closed:
            return None
        header = parse_header(prefix)
        if not self._open:
            return self._refuse_first(prefix, f"type 0x{header.type:02x}")
        if header.type != MessageType.BLOB_SUBMISSION or len(prefix) != BLOB_HEAD:
            return self._finish(ResultCode.INVALID, f"a message of type 0x{header.type:02x} in a file")
        return BlobSubmitted(prefix[8:BLOB_HEAD], length, path=path, digest=digest)

    def tick(self, now_ns: int) -> ServerEvent | None:
        """Ends the session if `deadline_ns` has passed without HELLO."""
        if self.deadline_ns is None or now_ns < self.deadline_ns:
            return None
        seconds = self._settings.hello_timeout_ns // 1_000_000_000
        return self._finish(ResultCode.INVALID, f"no HELLO within {seconds} s")

    # --- the end

    def closing(self, result: ResultCode) -> bytes:
        """The frame that ends the session, which ignores everything from now on."""
        self._close()
        return Closing(result).encode()

    # --- inside

    def _close(self) -> None:
        self._open = False
        self._closed = True
        self.deadline_ns = None
        self._queries.clear()

    def _finish(self, result: ResultCode, reason: str) -> Finished:
        self.outgoing.append(self.closing(result))
        return Finished(result, reason)

    def _refuse_first(self, head: bytes, what: str) -> Finished:
        """Ends a session whose first message is not a HELLO of ours."""
        self._close()
        frame, finished = refusal_of_first(head, what)
        self.outgoing.append(frame)
        return finished

    def _receive_other(self, frame: bytes, now_ns: int) -> ServerEvent | None:
        if self._closed:
            return None
        try:
            message = decode(frame)
        except InvalidMessage as error:
            if not self._open:
                return self._refuse_first(frame, f"malformed: {error}")
            return self._finish(ResultCode.INVALID, str(error))
        if self._open:
            return self._serve(message, now_ns)
        if isinstance(message, Hello):
            return self._greet(message)
        return self._refuse_first(frame, f"type 0x{frame[0]:02x}")

    def _greet(self, hello: Hello) -> HelloDone:
        ack = agreement(hello, self._settings.applications)
        self.outgoing.append(ack.encode())
        return self._greeted(ack)

    def _greeted(self, ack: HelloAck) -> HelloDone:
        self._ack = ack
        self._open = True
        self.deadline_ns = None
        return HelloDone(ack.version, ack.applications)

    def _challenged(self, message: HelloChallenge, now_ns: int) -> ServerEvent:
        if self._authentication is None:
            return self._finish(ResultCode.INVALID, "HELLO CHALLENGE where TLS proves keys")
        asked = self._authentication.challenged(message, now_ns)
        if isinstance(asked, Finished):
            return self._finish(asked.result, asked.reason)
        return ProofAsked(asked)

    def _answered(self, message: HelloAuth, now_ns: int) -> ServerEvent:
        if self._authentication is None:
            return self._finish(ResultCode.INVALID, "HELLO AUTH where TLS proves keys")
        fault = self._authentication.answered(message, now_ns)
        if fault is not None:
            return self._finish(ResultCode.UNAUTHORIZED, fault)
        self.peer_key = message.key
        self.outgoing.append(self._ack.encode())
        return KeyProven(message.key)

    def _serve(self, message: Message, now_ns: int) -> ServerEvent | None:  # noqa: C901, PLR0912 - one case a message
        match message:
            case Query(query_id, limit, filter_data):
                return self._opened(query_id, QueryAsked(query_id, limit, filter_data))
            case Subscribe(query_id, limit, filter_data):
                return self._opened(query_id, SubscribeAsked(query_id, limit, filter_data))
            case Get(query_id, references):
                return self._opened(query_id, GetAsked(query_id, references), references)
            case Unsubscribe(query_id):
                return self._unsubscribe(query_id)
            case Submission(record):
                return Submitted(record)
            case BlobSubmission(blob_hash, blob):
                return BlobSubmitted(blob_hash, len(blob), body=blob)
            case BlobGet(blob_hash):
                return BlobAsked(blob_hash)
            case BlobOffer(blob_hash, length):
                return BlobOffered(blob_hash, length)
            case BlobPart(blob_hash, offset, data):
                return BlobPartCame(blob_hash, offset, data)
            case BlobPartGet(blob_hash, offset, most):
                return BlobPartAsked(blob_hash, offset, most)
            case DhtLookup(query_id, server, key):
                return DhtAsked(query_id, server, key)
            case SyncOpen() | SyncData() | SyncClose() | SyncGet():
                return self._sync(message)
            case Hello():
                again = HelloAck(ResultCode.DUPLICATE, MAJOR_VERSION, self._ack.applications)
                self.outgoing.append(again.encode())
                return None
            case HelloChallenge():
                return self._challenged(message, now_ns)
            case HelloAuth():
                return self._answered(message, now_ns)
            case Unrecognized():
                return None
            case Unknown() if message.type < 0x80:
                self.outgoing.append(_UNRECOGNIZED)
                return None
            case _:
                kind = message.type if isinstance(message, Unknown) else message.TYPE
                return self._finish(ResultCode.INVALID, f"a client may not send type 0x{kind:02x}")

    def _opened(self, query_id: int, event: ServerEvent, named: Sequence[bytes] = ()) -> ServerEvent | None:
        """Opens a query id for an event about the references that are named, if the question can be taken."""
        if query_id in self._queries:
            return self._finish(ResultCode.INVALID, f"query id {query_id} is open already")
        refusal = self._queries.open(query_id, named)
        if refusal is None:
            return event
        self.outgoing.append(QueryClosed(query_id, refusal).encode())
        return None

    def _sync(self, message: SyncOpen | SyncData | SyncClose | SyncGet) -> ServerEvent | None:
        query_id = message.query_id
        match message:
            case SyncOpen(_, filter_data, first):
                return self._open_sync(SyncOpened(query_id, filter_data, first))
            case SyncGet(_, prefixes):
                return self._opened(query_id, SyncGetAsked(query_id, prefixes))
            case SyncData(_, following) if self._queries.is_sync(query_id):
                return SyncMessage(query_id, following)
            case SyncClose() if self._queries.is_sync(query_id):
                self._queries.close(query_id)
                return SyncEnded(query_id)
            case SyncData():
                self.outgoing.append(SyncError(query_id, ResultCode.NOT_FOUND).encode())
        return None

    def _open_sync(self, event: SyncOpened) -> ServerEvent | None:
        query_id = event.query_id
        if query_id in self._queries:
            return self._finish(ResultCode.INVALID, f"query id {query_id} is open already")
        refusal = self._queries.open_sync(query_id)
        if refusal is None:
            return event
        self.outgoing.append(SyncError(query_id, refusal).encode())
        return None

    def _unsubscribe(self, query_id: int) -> UnsubscribeAsked | None:
        """Asks for the end of an open query once; NOT_FOUND for one that is not open."""
        if query_id not in self._queries or self._queries.is_sync(query_id):
            self.outgoing.append(QueryClosed(query_id, ResultCode.NOT_FOUND).encode())
            return None
        return UnsubscribeAsked(query_id) if self._queries.unsubscribe(query_id) else None
