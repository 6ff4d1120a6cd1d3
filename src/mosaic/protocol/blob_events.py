"""Events about blobs that go in parts.

Source: messages.md (BLOB SUBMISSION, BLOB GET); the messages for parts: `mosaic.wire.blob_messages`.
"""

from __future__ import annotations

from dataclasses import dataclass

from mosaic.wire.result_code import ResultCode

# --- from a server's session --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BlobOffered:
    """A blob would be sent in parts. Answered by BLOB OFFER RESULT.

    Attributes:
        hash: Its BLAKE3-256 hash, as the client says (32 bytes).
        length: Its length in bytes.
    """

    hash: bytes
    length: int


@dataclass(frozen=True, slots=True)
class BlobPartCame:
    """A part of a blob that was offered came in. Answered by BLOB OFFER RESULT.

    Attributes:
        hash: The blob's.
        offset: Where the part stands in the blob, in bytes.
        data: The part.
    """

    hash: bytes
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class BlobPartAsked:
    """Some bytes of a blob are asked for. Answered by BLOB PART RESULT.

    Attributes:
        hash: The blob's.
        offset: From which byte on.
        most: How many bytes at most.
    """

    hash: bytes
    offset: int
    most: int


# --- from a client's session --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BlobHeld:
    """How much a server has of a blob that was offered.

    Attributes:
        hash: The blob's.
        result: SUCCESS while it takes parts; ACCEPTED or DUPLICATE when it has all; else why it takes none.
        held: How many bytes it has.
    """

    hash: bytes
    result: ResultCode
    held: int


@dataclass(frozen=True, slots=True)
class BlobPartArrived:
    """The answer to a part of a blob that was asked for; not yet known to be of that blob.

    Attributes:
        hash: The blob's.
        result: Whether it came.
        offset: Where it stands in the blob, in bytes.
        length: The whole blob's length in bytes, 0 without success.
        data: The bytes.
    """

    hash: bytes
    result: ResultCode
    offset: int
    length: int
    data: bytes
