"""The client's side of one stream: requests and frames in, events and frames out.

    NEW ──hello()──> GREETING ──HELLO ACK──> OPEN ──CLOSING, violation──> CLOSED

Requests may follow HELLO at once, without waiting for HELLO ACK. Each request
method gives back the frame to be sent.

Rules, in the order in which they apply to a frame:

1. A session that is closed ignores everything.
2. A frame that the codec refuses is a violation; so is a client's message that
   comes the wrong way, a HELLO ACK that is neither SUCCESS nor DUPLICATE or
   that agrees to what we did not offer, and a blob whose hash is not its name.
3. A type that is not known is ignored.
4. An answer to nothing that was asked (any more) is ignored.

Source: messages.md, edition §1.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from struct import Struct
from typing import Final

from mosaic.core import blob_hash as blob_hashes
from mosaic.errors import Disconnected, InvalidMessage, UsageError
from mosaic.protocol.events import (
    BlobAnswered,
    BlobArrived,
    ClientEvent,
    DhtAnswered,
    HelloAccepted,
    LocallyCompleted,
    QueryEnded,
    RecordArrived,
    RequestUnrecognized,
    ServerClosing,
    SubmissionAnswered,
    Violation,
)
from mosaic.protocol.old_framing import is_old_closing
from mosaic.protocol.settings import MAJOR_VERSION, ClientSessionSettings
from mosaic.wire.client_messages import (
    BlobGet,
    BlobSubmission,
    DhtLookup,
    Get,
    Hello,
    Query,
    Submission,
    Subscribe,
    Unsubscribe,
)
from mosaic.wire.codec import Message, ServerMessage, decode
from mosaic.wire.header import HEADER_LENGTH, MessageType, parse_header
from mosaic.wire.layout import PREFIX_LENGTH
from mosaic.wire.limits import BLOB_HEAD, RECORD_MINIMUM
from mosaic.wire.result_code import ResultCode, defined
from mosaic.wire.server_messages import (
    BlobResult,
    BlobSubmissionResult,
    Closing,
    DhtResponse,
    HelloAck,
    HelloProof,
    LocallyComplete,
    QueryClosed,
    Record,
    SubmissionResult,
)
from mosaic.wire.unrecognized import Unknown, Unrecognized

QUERY_IDS: Final = 65_536
_RECORD: Final = int(MessageType.RECORD)
_SHORTEST_RECORD: Final = HEADER_LENGTH + RECORD_MINIMUM
_id_and_length_of = Struct("<xxHI").unpack_from


@dataclass(slots=True)
class _OpenQuery:
    """One query id in use.

    Attributes:
        kind: What was asked with it.
        left: How many more records may come; None = any number.
        muted: Whether records are dropped, since nobody wants them any more.
        complete: Whether LOCALLY COMPLETE has come.
    """

    kind: MessageType
    left: int | None = None
    muted: bool = False
    complete: bool = False


class ClientSession:
    """One stream to one server.

    Args:
        settings: The person's choices.
        now_ns: The time at which the stream began, in ns.

    Attributes:
        deadline_ns: When `tick` has something to do, or None.

    Every request raises Disconnected when the session is over and UsageError
    before `hello` or when a value does not fit its message.
    """

    __slots__ = (
        "_blobs_asked",
        "_blobs_sent",
        "_closed",
        "_greeted",
        "_hello_sent",
        "_next_id",
        "_queries",
        "_settings",
        "_submitted",
        "deadline_ns",
    )

    def __init__(self, settings: ClientSessionSettings, now_ns: int) -> None:
        self._settings = settings
        self.deadline_ns: int | None = now_ns + settings.hello_timeout_ns
        self._hello_sent = False
        self._greeted = False
        self._closed = False
        self._next_id = 0
        self._queries: dict[int, _OpenQuery] = {}
        self._submitted: Counter[bytes] = Counter()
        self._blobs_asked: Counter[bytes] = Counter()
        self._blobs_sent: Counter[bytes] = Counter()

    # --- state

    @property
    def is_open(self) -> bool:
        """Whether the server has answered HELLO and the session is not over."""
        return self._greeted and not self._closed

    @property
    def is_closed(self) -> bool:
        """Whether the session is over."""
        return self._closed

    @property
    def is_idle(self) -> bool:
        """Whether nothing that was asked is still to be answered."""
        return not (self._queries or self._submitted or self._blobs_asked or self._blobs_sent)

    # --- requests

    def hello(self) -> bytes:
        """The first frame of the stream. Raises UsageError the second time."""
        if self._hello_sent:
            raise UsageError("HELLO was said already", hint="Say it once for each stream.")
        frame = Hello(MAJOR_VERSION, self._settings.applications).encode()
        self._hello_sent = True
        return frame

    def submit(self, record: bytes) -> bytes:
        """A SUBMISSION. Answered by SubmissionAnswered with the record's first 32 bytes."""
        self._require_ready()
        frame = Submission(record).encode()
        self._submitted[record[:PREFIX_LENGTH]] += 1
        return frame

    def get(self, references: tuple[bytes, ...]) -> tuple[int, bytes]:
        """A query id and its GET. Answered by RecordArrived, then QueryEnded.

        Args:
            references: 48 bytes each, 1,365 at most.
        """
        self._require_ready()
        query_id = self._free_id()
        frame = Get(query_id, references).encode()
        self._queries[query_id] = _OpenQuery(MessageType.GET)
        return query_id, frame

    def query(self, filter_data: bytes, limit: int = 0) -> tuple[int, bytes]:
        """A query id and its QUERY. Answered by RecordArrived, then QueryEnded.

        Args:
            filter_data: The encoded filter.
            limit: How many records at most (0 = no limit, up to 65,535).
        """
        self._require_ready()
        query_id = self._free_id()
        frame = Query(query_id, limit, filter_data).encode()
        self._queries[query_id] = _OpenQuery(MessageType.QUERY, left=limit or None)
        return query_id, frame

    def subscribe(self, filter_data: bytes, limit: int = 0) -> tuple[int, bytes]:
        """A query id and its SUBSCRIBE. Answered by records, LocallyCompleted, records, and QueryEnded.

        Args:
            filter_data: The encoded filter.
            limit: How many stored records at most (0 = no limit, up to 65,535).
        """
        self._require_ready()
        query_id = self._free_id()
        frame = Subscribe(query_id, limit, filter_data).encode()
        self._queries[query_id] = _OpenQuery(MessageType.SUBSCRIBE)
        return query_id, frame

    def unsubscribe(self, query_id: int) -> bytes:
        """An UNSUBSCRIBE, after which only QueryEnded comes for this id; empty if it has ended already."""
        self._require_ready()
        query = self._queries.get(query_id)
        if query is None or query.muted:
            return b""
        query.muted = True
        return Unsubscribe(query_id).encode()

    def dht_lookup(self, key: bytes, *, server: bool) -> tuple[int, bytes]:
        """A query id and its DHT LOOKUP for the bootstrap of a key (32 bytes). Answered by DhtAnswered."""
        self._require_ready()
        query_id = self._free_id()
        frame = DhtLookup(query_id, server, key).encode()
        self._queries[query_id] = _OpenQuery(MessageType.DHT_LOOKUP)
        return query_id, frame

    def blob_put(self, blob_hash: bytes, blob: bytes) -> bytes:
        """A BLOB SUBMISSION of a blob in memory. Answered by BlobAnswered."""
        return self.blob_put_head(blob_hash, len(blob)) + blob

    def blob_put_head(self, blob_hash: bytes, length: int) -> bytes:
        """The first 40 bytes of a BLOB SUBMISSION; the blob's `length` bytes must follow."""
        self._require_ready()
        head = BlobSubmission.head(blob_hash, length)
        self._blobs_sent[blob_hash] += 1
        return head

    def blob_get(self, blob_hash: bytes) -> bytes:
        """A BLOB GET. Answered by BlobArrived."""
        self._require_ready()
        frame = BlobGet(blob_hash).encode()
        self._blobs_asked[blob_hash] += 1
        return frame

    # --- what comes in

    def receive(self, frame: bytes, now_ns: int) -> ClientEvent | None:  # noqa: ARG002 - every input has a time
        """Takes one whole frame; what it means, or None if it is ignored."""
        if self._closed:
            return None
        if len(frame) >= _SHORTEST_RECORD and frame[0] == _RECORD and frame[8] < 0x80:
            query_id, length = _id_and_length_of(frame)
            if length == len(frame):
                return self._record(query_id, frame[8:])
        try:
            message = decode(frame)
        except InvalidMessage as error:
            return self._violated(str(error))
        if not self._greeted:
            return self._before_hello_ack(message)
        return self._answer(message)

    def refused_length(self, head: bytes, now_ns: int) -> ClientEvent | None:  # noqa: ARG002
        """Takes the 8 header bytes of a frame that was refused by its length. The session is over."""
        if self._closed:
            return None
        header = parse_header(head)
        if is_old_closing(head):
            return self._violated(
                f"the server speaks the framing of the 0.8.0 text, and closes with code {header.result}"
            )
        return self._violated(f"a message of type 0x{header.type:02x} with a length of {header.length}")

    def spooled(
        self,
        prefix: bytes,
        path: str,
        digest: bytes,
        length: int,
        now_ns: int,  # noqa: ARG002
    ) -> ClientEvent | None:
        """Takes a long BLOB RESULT whose body went to a file.

        Args:
            prefix: The first 40 bytes of the frame.
            path: The file. If the answer is no BlobArrived, the caller removes it.
            digest: The BLAKE3-256 hash of the file.
            length: The length of the file in bytes.
            now_ns: The time, in ns.
        """
        if self._closed:
            return None
        header = parse_header(prefix)
        if header.type != MessageType.BLOB_RESULT or len(prefix) != BLOB_HEAD:
            return self._violated(f"a message of type 0x{header.type:02x} in a file")
        try:
            result = defined(header.result)
        except InvalidMessage as error:
            return self._violated(str(error))
        if not result.is_success:
            return self._violated(f"BLOB RESULT {result.name} carries a blob")
        wanted = prefix[8:BLOB_HEAD]
        if not self._take(self._blobs_asked, wanted):
            return None
        if digest != wanted:
            return self._violated("a blob does not have the hash that was asked for")
        return BlobArrived(wanted, result, length, path=path)

    def tick(self, now_ns: int) -> ClientEvent | None:
        """Ends the session if `deadline_ns` has passed without HELLO ACK."""
        if self.deadline_ns is None or now_ns < self.deadline_ns:
            return None
        seconds = self._settings.hello_timeout_ns // 1_000_000_000
        return self._violated(f"no answer to HELLO within {seconds} s")

    # --- inside

    def _require_ready(self) -> None:
        if self._closed:
            raise Disconnected("the session is over")
        if not self._hello_sent:
            raise UsageError("nothing may be asked before HELLO", hint="Send hello() first.")

    def _free_id(self) -> int:
        """A query id that is not open; ids rise, so that a late answer meets no new query."""
        if len(self._queries) >= QUERY_IDS:
            raise UsageError("all 65,536 query ids are open", hint="Wait until some queries have ended.")
        while self._next_id in self._queries:
            self._next_id = (self._next_id + 1) % QUERY_IDS
        query_id = self._next_id
        self._next_id = (query_id + 1) % QUERY_IDS
        return query_id

    def _close(self) -> None:
        self._closed = True
        self.deadline_ns = None
        self._queries.clear()
        for pending in (self._submitted, self._blobs_asked, self._blobs_sent):
            pending.clear()

    def _violated(self, reason: str) -> Violation:
        self._close()
        return Violation(reason)

    @staticmethod
    def _take(pending: Counter[bytes], key: bytes) -> bool:
        """Takes one of what is pending under a key; False if there is none."""
        count = pending.get(key, 0)
        if count > 1:
            pending[key] = count - 1
        elif count:
            del pending[key]
        return count > 0

    def _before_hello_ack(self, message: Message) -> ClientEvent | None:
        if isinstance(message, HelloAck):
            return self._accept(message)
        if isinstance(message, ServerMessage) and not isinstance(message, Closing):
            return None  # an answer to nothing that can have been read yet
        return self._answer(message)

    def _accept(self, ack: HelloAck) -> HelloAccepted | Violation:
        if ack.result not in (ResultCode.SUCCESS, ResultCode.DUPLICATE):
            return self._violated(f"HELLO ACK says {ack.result.name}")
        if ack.version > MAJOR_VERSION:
            return self._violated(f"HELLO ACK agrees to version {ack.version}, which was not offered")
        if not set(ack.applications) <= set(self._settings.applications):
            return self._violated("HELLO ACK names applications that were not asked for")
        self._greeted = True
        self.deadline_ns = None
        return HelloAccepted(ack.version, ack.applications)

    def _answer(self, message: Message) -> ClientEvent | None:  # noqa: C901 - one line for each message
        match message:
            case SubmissionResult(prefix, result):
                return SubmissionAnswered(prefix, result) if self._take(self._submitted, prefix) else None
            case QueryClosed(query_id, result):
                return self._query_closed(query_id, result)
            case LocallyComplete(query_id):
                return self._locally_complete(query_id)
            case Record(query_id, record):
                return self._record(query_id, record)
            case BlobResult():
                return self._blob_result(message)
            case BlobSubmissionResult(blob_hash, result):
                return BlobAnswered(blob_hash, result) if self._take(self._blobs_sent, blob_hash) else None
            case DhtResponse():
                return self._dht_response(message)
            case Closing(result):
                self._close()
                return ServerClosing(result)
            case HelloAck(result) if result not in (ResultCode.SUCCESS, ResultCode.DUPLICATE):
                return self._violated(f"HELLO ACK says {result.name}")
            case Unrecognized():
                return RequestUnrecognized()
            case HelloAck() | HelloProof() | Unknown():
                return None
            case _:
                return self._violated(f"a server may not send {message.TYPE.name}")

    def _record(self, query_id: int, record: bytes) -> RecordArrived | None:
        query = self._queries.get(query_id)
        if query is None or query.muted or not self._greeted or query.kind is MessageType.DHT_LOOKUP:
            return None
        if query.left is not None:
            if query.left == 0:
                return None  # more than was asked for
            query.left -= 1
        return RecordArrived(query_id, record)

    def _query_closed(self, query_id: int, result: ResultCode) -> QueryEnded | None:
        query = self._queries.get(query_id)
        if query is None or query.kind is MessageType.DHT_LOOKUP:
            return None
        del self._queries[query_id]
        return QueryEnded(query_id, result)

    def _locally_complete(self, query_id: int) -> LocallyCompleted | None:
        query = self._queries.get(query_id)
        if query is None or query.muted or query.complete or query.kind is not MessageType.SUBSCRIBE:
            return None
        query.complete = True
        return LocallyCompleted(query_id)

    def _blob_result(self, message: BlobResult) -> BlobArrived | Violation | None:
        if not self._take(self._blobs_asked, message.hash):
            return None
        if not message.result.is_success:
            return BlobArrived(message.hash, message.result)
        if blob_hashes.of(message.blob) != message.hash:
            return self._violated("a blob does not have the hash that was asked for")
        return BlobArrived(message.hash, message.result, len(message.blob), body=message.blob)

    def _dht_response(self, message: DhtResponse) -> DhtAnswered | Violation | None:
        query = self._queries.get(message.query_id)
        if query is None or query.kind is not MessageType.DHT_LOOKUP:
            return None
        del self._queries[message.query_id]
        if not message.result.is_success:
            return DhtAnswered(message.query_id, message.result)
        try:
            item = message.item()
        except InvalidMessage as error:
            return self._violated(str(error))
        return DhtAnswered(message.query_id, message.result, item)
