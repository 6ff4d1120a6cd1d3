"""The client's side of one stream: requests and frames in, events and frames out.

    NEW ──hello()──> GREETING ──HELLO ACK──> OPEN ──CLOSING, violation──> CLOSED

Requests (`client_requests`) may follow HELLO at once, without waiting for its ACK.

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

from mosaic.errors import InvalidMessage, UsageError
from mosaic.protocol.answers import answer
from mosaic.protocol.authentication import ClientAuthentication
from mosaic.protocol.client_requests import ClientRequests
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
from mosaic.protocol.settings import MAJOR_VERSION, ClientSessionSettings
from mosaic.wire.client_messages import Hello
from mosaic.wire.codec import Message, ServerMessage, decode
from mosaic.wire.header import HEADER_LENGTH, MessageType, parse_header
from mosaic.wire.limits import RECORD_MINIMUM
from mosaic.wire.result_code import ResultCode
from mosaic.wire.server_messages import Closing, HelloAck, HelloProof
from mosaic.wire.unrecognized import Unknown, Unrecognized

_RECORD: Final = int(MessageType.RECORD)
_SHORTEST_RECORD: Final = HEADER_LENGTH + RECORD_MINIMUM
_Event = TypeVar("_Event", bound="ClientEvent | None")
_id_and_length_of = Struct("<xxHI").unpack_from


class ClientSession(ClientRequests):
    """One stream to one server; what may be asked on it: `ClientRequests`.

    Args:
        settings: The person's choices.
        now_ns: The time at which the stream began, in ns.

    Attributes:
        deadline_ns: When `tick` has something to do, or None.

    `challenge` and `authenticate` raise as every request does.
    """

    __slots__ = ("_authentication", "_greeted", "_settings", "deadline_ns")

    def __init__(self, settings: ClientSessionSettings, now_ns: int) -> None:
        super().__init__()
        self._settings = settings
        self.deadline_ns: int | None = now_ns + settings.hello_timeout_ns
        self._greeted = False
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

    # --- the greeting

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
