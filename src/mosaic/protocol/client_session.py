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

Over a WebSocket in browser mode the server proves its key inside of the
session, and the client may: `challenge`, then `authenticate`.

Source: messages.md, edition §1 and §2.
"""

from __future__ import annotations

from struct import Struct
from typing import Final, TypeVar

from mosaic.errors import Disconnected, InvalidMessage, UsageError
from mosaic.protocol.answers import answer
from mosaic.protocol.authentication import ClientAuthentication
from mosaic.protocol.awaited import Awaited
from mosaic.protocol.blob_requests import BlobRequests
from mosaic.protocol.client_upgrade import Upgraded
from mosaic.protocol.events import (
    ClientEvent,
    HelloAccepted,
    RecordArrived,
    RequestUnrecognized,
    ServerClosing,
    ServerProven,
    ServerUnproven,
    Violation,
)
from mosaic.protocol.hello import fault_in, refusal_in
from mosaic.protocol.old_framing import is_old_closing
from mosaic.protocol.query_ids import ClientQueries
from mosaic.protocol.settings import MAJOR_VERSION, ClientSessionSettings
from mosaic.wire.client_messages import (
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
from mosaic.wire.limits import RECORD_MINIMUM
from mosaic.wire.result_code import ResultCode
from mosaic.wire.server_messages import (
    Closing,
    HelloAck,
    HelloProof,
)
from mosaic.wire.sync_messages import SyncClose, SyncData, SyncGet, SyncOpen
from mosaic.wire.unrecognized import Unknown, Unrecognized

_RECORD: Final = int(MessageType.RECORD)
_SHORTEST_RECORD: Final = HEADER_LENGTH + RECORD_MINIMUM
_Event = TypeVar("_Event", bound="ClientEvent | None")
_id_and_length_of = Struct("<xxHI").unpack_from


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
        "_authentication",
        "_blobs",
        "_closed",
        "_greeted",
        "_hello_sent",
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
        self._queries = ClientQueries()
        self._submitted = Awaited()
        self._blobs = BlobRequests()
        self._authentication = ClientAuthentication()

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
        return not (self._queries or self._submitted or self._blobs)

    @property
    def open_queries(self) -> frozenset[int]:
        """The ids of the queries, subscriptions, syncs and look-ups that are open."""
        return self._queries.ids

    # --- requests

    def hello(self) -> bytes:
        """The first frame of the stream. Raises UsageError the second time."""
        if self._hello_sent:
            raise UsageError("HELLO was said already", hint="Say it once for each stream.")
        frame = Hello(MAJOR_VERSION, self._settings.applications).encode()
        self._hello_sent = True
        return frame

    def upgraded(self, upgraded: Upgraded, now_ns: int) -> HelloAccepted:
        """The link is a WebSocket whose upgrade held HELLO and its answer; `hello` is not said on it.

        Raises:
            UsageError: it did not, or HELLO was said already.
        """
        if self._hello_sent or upgraded.version is None:
            raise UsageError("the upgrade does not stand for HELLO", hint="Say hello() as the first message.")
        if upgraded.to_sign is not None:
            self._authentication.offered(upgraded.to_sign, now_ns)
        self._hello_sent = True
        return self._greet(upgraded.version, upgraded.applications)

    def challenge(
        self, server_key: bytes | None, client_key: bytes | None, authority: str, nonce: bytes, now_ns: int
    ) -> bytes:
        """A HELLO CHALLENGE. Answered by ServerProven or ServerUnproven; ServerClosing for a wrong authority.

        Args:
            server_key: The key (32 bytes) that the server has to prove; None takes any.
            client_key: The key (32 bytes) that will be proven to it; None stays anonymous.
            authority: What was dialled, in the form of `mosaic.core.web_authority`.
            nonce: 32 random bytes, used for nothing else.
            now_ns: The time, in ns.
        """
        self._require_ready()
        frame = self._authentication.challenge(server_key, client_key, authority, nonce, now_ns)
        self._wait_until(now_ns)
        return frame

    def authenticate(self, signature: bytes, now_ns: int) -> bytes:
        """The HELLO AUTH with the client's signature (64 bytes) of what was to be signed.

        Answered by KeyAccepted or ServerClosing. Raises UsageError if nothing was to be signed in the last
        60 s, or the signature does not hold.
        """
        self._require_ready()
        frame = self._authentication.authenticate(signature, now_ns)
        self._wait_until(now_ns)
        return frame

    def submit(self, record: bytes) -> bytes:
        """A SUBMISSION. Answered by SubmissionAnswered with the record's first 32 bytes."""
        self._require_ready()
        frame = Submission(record).encode()
        self._submitted.add(record[:PREFIX_LENGTH])
        return frame

    def get(self, references: tuple[bytes, ...]) -> tuple[int, bytes]:
        """A query id and its GET. Answered by RecordArrived, then QueryEnded.

        Args:
            references: 48 bytes each, 1,365 at most.
        """
        query_id = self._free_id()
        frame = Get(query_id, references).encode()
        self._queries.open(query_id, MessageType.GET)
        return query_id, frame

    def query(self, filter_data: bytes, limit: int = 0) -> tuple[int, bytes]:
        """A query id and its QUERY. Answered by RecordArrived, then QueryEnded.

        Args:
            filter_data: The encoded filter.
            limit: How many records at most (0 = no limit, up to 65,535).
        """
        query_id = self._free_id()
        frame = Query(query_id, limit, filter_data).encode()
        self._queries.open(query_id, MessageType.QUERY, limit)
        return query_id, frame

    def subscribe(self, filter_data: bytes, limit: int = 0) -> tuple[int, bytes]:
        """A query id and its SUBSCRIBE. Answered by records, LocallyCompleted, records, and QueryEnded.

        Args:
            filter_data: The encoded filter.
            limit: How many stored records at most (0 = no limit, up to 65,535).
        """
        query_id = self._free_id()
        frame = Subscribe(query_id, limit, filter_data).encode()
        self._queries.open(query_id, MessageType.SUBSCRIBE)
        return query_id, frame

    def unsubscribe(self, query_id: int) -> bytes:
        """An UNSUBSCRIBE, after which a query id gets QueryEnded only; empty if it has ended already."""
        self._require_ready()
        return Unsubscribe(query_id).encode() if self._queries.mute(query_id) else b""

    def dht_lookup(self, key: bytes, *, server: bool) -> tuple[int, bytes]:
        """A query id and its DHT LOOKUP for the bootstrap of a key (32 bytes). Answered by DhtAnswered."""
        query_id = self._free_id()
        frame = DhtLookup(query_id, server, key).encode()
        self._queries.open(query_id, MessageType.DHT_LOOKUP)
        return query_id, frame

    def sync_open(self, filter_data: bytes, message: bytes) -> tuple[int, bytes]:
        """A query id and its SYNC OPEN with a first message. Answered by SyncAnswered or SyncRefused.

        Args:
            filter_data: The encoded filter, 32,000 bytes at most.
            message: The reconciliation's first.
        """
        query_id = self._free_id()
        frame = SyncOpen(query_id, filter_data, message).encode()
        self._queries.open(query_id, MessageType.SYNC_OPEN)
        return query_id, frame

    def sync_data(self, query_id: int, message: bytes) -> bytes:
        """A SYNC DATA with the next message for a query id; empty if that has ended."""
        self._require_ready()
        return SyncData(query_id, message).encode() if self._queries.is_sync(query_id) else b""

    def sync_close(self, query_id: int) -> bytes:
        """A SYNC CLOSE, after which nothing comes for a query id; empty if it has ended already."""
        self._require_ready()
        return SyncClose(query_id).encode() if self._queries.sync_ended(query_id) else b""

    def sync_get(self, prefixes: tuple[bytes, ...]) -> tuple[int, bytes]:
        """A query id and its SYNC GET. Answered by RecordArrived, then QueryEnded.

        Args:
            prefixes: The first 32 bytes of ids, 2,047 at most.
        """
        query_id = self._free_id()
        frame = SyncGet(query_id, prefixes).encode()
        self._queries.open(query_id, MessageType.SYNC_GET)
        return query_id, frame

    def blob_put(self, blob_hash: bytes, blob: bytes) -> bytes:
        """A BLOB SUBMISSION of a blob in memory. Answered by BlobAnswered."""
        return self.blob_put_head(blob_hash, len(blob)) + blob

    def blob_put_head(self, blob_hash: bytes, length: int) -> bytes:
        """The first 40 bytes of a BLOB SUBMISSION; the blob's `length` bytes must follow."""
        self._require_ready()
        return self._blobs.put_head(blob_hash, length)

    def blob_get(self, blob_hash: bytes) -> bytes:
        """A BLOB GET. Answered by BlobArrived."""
        self._require_ready()
        return self._blobs.get(blob_hash)

    @property
    def blob_parts(self) -> BlobRequests:
        """Makes what asks for blobs in parts: `offer` and `part` (answered by BlobHeld), `part_get`."""
        self._require_ready()
        return self._blobs

    # --- what comes in

    def receive(self, frame: bytes, now_ns: int) -> ClientEvent | None:
        """Takes one whole frame; what it means, or None if it is ignored."""
        if self._closed:
            return None
        if len(frame) >= _SHORTEST_RECORD and frame[0] == _RECORD and frame[8] < 0x80:
            query_id, length = _id_and_length_of(frame)
            if length == len(frame):
                wanted = self._greeted and self._queries.record_wanted(query_id)
                return RecordArrived(query_id, frame[8:]) if wanted else None
        try:
            message = decode(frame)
        except InvalidMessage as error:
            return self._violated(str(error))
        if not self._greeted:
            return self._before_hello_ack(message)
        if isinstance(message, HelloProof):
            return self._proven(message, now_ns)
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
        return self._judged(self._blobs.spooled(prefix, path, digest, length))

    def tick(self, now_ns: int) -> ClientEvent | None:
        """Ends the session if `deadline_ns` has passed without HELLO ACK, or an answer to proofs of keys."""
        if self.deadline_ns is None or now_ns < self.deadline_ns:
            return None
        seconds = self._settings.hello_timeout_ns // 1_000_000_000
        asked = "a proof of keys" if self._greeted else "HELLO"
        return self._violated(f"no answer to {asked} within {seconds} s")

    # --- inside

    def _require_ready(self) -> None:
        if self._closed:
            raise Disconnected("the session is over")
        if not self._hello_sent:
            raise UsageError("nothing may be asked before HELLO", hint="Send hello() first.")

    def _free_id(self) -> int:
        self._require_ready()
        return self._queries.free_id()

    def _close(self) -> None:
        self._closed = True
        self.deadline_ns = None
        self._queries.clear()
        self._submitted.clear()
        self._blobs.clear()

    def _violated(self, reason: str) -> Violation:
        self._close()
        return Violation(reason)

    def _judged(self, event: _Event) -> _Event:
        """What a part of the session says of a message; a violation ends the session."""
        if isinstance(event, Violation):
            self._close()
        return event

    def _before_hello_ack(self, message: Message) -> ClientEvent | None:
        if isinstance(message, HelloAck):
            return self._accept(message)
        if isinstance(message, ServerMessage) and not isinstance(message, Closing):
            return None  # an answer to nothing that can have been read yet
        return self._answer(message)

    def _accept(self, ack: HelloAck) -> HelloAccepted | Violation:
        fault = fault_in(ack, self._settings.applications)
        if fault is not None:
            return self._violated(fault)
        return self._greet(ack.version, ack.applications)

    def _greet(self, version: int, applications: tuple[int, ...]) -> HelloAccepted:
        self._greeted = True
        if not self._authentication.is_waiting:
            self.deadline_ns = None
        return HelloAccepted(version, applications)

    def _wait_until(self, now_ns: int) -> None:
        self.deadline_ns = now_ns + self._settings.hello_timeout_ns

    def _proven(self, message: HelloProof, now_ns: int) -> ServerProven | ServerUnproven | None:
        event = self._authentication.proven(message, now_ns)
        if isinstance(event, ServerUnproven):
            self._close()
        elif event is not None:
            self.deadline_ns = None
        return event

    def _acknowledged(self, ack: HelloAck) -> ClientEvent | None:
        """What a HELLO ACK after the first means."""
        refusal = refusal_in(ack)
        if refusal is not None:
            return self._violated(refusal)
        if ack.result is not ResultCode.SUCCESS:
            return None
        accepted = self._authentication.acknowledged()
        if accepted is not None:
            self.deadline_ns = None
        return accepted

    def _answer(self, message: Message) -> ClientEvent | None:
        match message:
            case Closing(result):
                self._close()
                return ServerClosing(result)
            case HelloAck():
                return self._acknowledged(message)
            case Unrecognized():
                self._blobs.unrecognized()
                return RequestUnrecognized()
            case HelloProof() | Unknown():
                return None
            case _ if isinstance(message, ServerMessage):
                return self._judged(answer(message, self._queries, self._submitted, self._blobs))
            case _:
                return self._violated(f"a server may not send {message.TYPE.name}")
