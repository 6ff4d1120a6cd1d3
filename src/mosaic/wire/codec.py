"""Frames to messages. The other way is each message's own `encode`.

The codec judges layout: length, result codes, flags. Header bytes that a type
does not use are ignored; trailing bytes are refused; a type that is not
defined comes back as `Unknown`.

Source: edition §1 and §5 (M3, M4, M8).
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import Final

from mosaic.errors import InvalidMessage
from mosaic.wire.blob_messages import BlobOffer, BlobOfferResult, BlobPart, BlobPartGet, BlobPartResult
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
from mosaic.wire.header import HEADER_LENGTH
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
from mosaic.wire.sync_messages import ServerSyncData, SyncClose, SyncData, SyncError, SyncGet, SyncOpen
from mosaic.wire.unrecognized import Unknown, Unrecognized

ClientMessage = (
    Hello
    | HelloAuth
    | HelloChallenge
    | Get
    | Query
    | Subscribe
    | Unsubscribe
    | Submission
    | DhtLookup
    | BlobSubmission
    | BlobGet
    | BlobOffer
    | BlobPart
    | BlobPartGet
    | SyncOpen
    | SyncData
    | SyncClose
    | SyncGet
)
ServerMessage = (
    HelloAck
    | HelloProof
    | Record
    | LocallyComplete
    | QueryClosed
    | SubmissionResult
    | DhtResponse
    | BlobSubmissionResult
    | BlobResult
    | BlobOfferResult
    | BlobPartResult
    | ServerSyncData
    | SyncError
    | Closing
)
Message = ClientMessage | ServerMessage | Unrecognized | Unknown

CLIENT_MESSAGES: Final[tuple[type[ClientMessage], ...]] = (
    Hello,
    HelloAuth,
    HelloChallenge,
    Get,
    Query,
    Subscribe,
    Unsubscribe,
    Submission,
    DhtLookup,
    BlobSubmission,
    BlobGet,
    BlobOffer,
    BlobPart,
    BlobPartGet,
    SyncOpen,
    SyncData,
    SyncClose,
    SyncGet,
)
SERVER_MESSAGES: Final[tuple[type[ServerMessage], ...]] = (
    HelloAck,
    HelloProof,
    Record,
    LocallyComplete,
    QueryClosed,
    SubmissionResult,
    DhtResponse,
    BlobSubmissionResult,
    BlobResult,
    BlobOfferResult,
    BlobPartResult,
    ServerSyncData,
    SyncError,
    Closing,
)

_LENGTH: Final = Struct("<I")
_DECODERS: Final[dict[int, Callable[[bytes], Message]]] = {
    int(message.TYPE): message.decode for message in (*CLIENT_MESSAGES, *SERVER_MESSAGES, Unrecognized)
}


def decode(frame: bytes) -> Message:
    """The message in one whole frame.

    Raises:
        InvalidMessage: it is shorter than a header, its length field says
            another length, or it breaks the layout of its type.
    """
    if len(frame) < HEADER_LENGTH:
        raise InvalidMessage(f"a message has 8 bytes at least, this one has {len(frame)}")
    (length,) = _LENGTH.unpack_from(frame, 4)
    if length != len(frame):
        raise InvalidMessage(f"the message says that it has {length} bytes, it has {len(frame)}")
    decoder = _DECODERS.get(frame[0])
    return Unknown(frame) if decoder is None else decoder(frame)
