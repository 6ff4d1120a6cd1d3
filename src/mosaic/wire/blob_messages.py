"""The messages by which a long blob goes in parts, so that it can go on where it was broken off.

As in `mosaic.wire.client_messages`: byte 0 is the type, [4:8] the total length
(u32), `decode` raises InvalidMessage and `encode` UsageError. All of them have
the blob's BLAKE3-256 hash at [8:40]. A server that does not know them answers
UNRECOGNIZED; then the blob goes whole.

    client                              server
    BLOB OFFER hash, length      ──>
                                 <──    BLOB OFFER RESULT hash, bytes it has
    BLOB PART hash, offset, …    ──>    (several may be on their way)
                                 <──    BLOB OFFER RESULT for each

    BLOB PART GET hash, offset   ──>
                                 <──    BLOB PART RESULT hash, offset, length, …

Source: this project's own extension of messages.md (BLOB SUBMISSION, BLOB GET); types: docs/architecture.md
"Where to find a rule".
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import ClassVar, Final, Self

from mosaic.errors import InvalidMessage, UsageError
from mosaic.wire.header import MessageType
from mosaic.wire.layout import expect_at_least, expect_length, frame, require_length
from mosaic.wire.limits import BLOB_HEAD, BLOB_PART_HEAD, BLOB_PART_LIMIT, BLOB_PART_RESULT_HEAD
from mosaic.wire.result_code import ResultCode, defined

_HASH: Final = 32
_U64: Final = Struct("<Q")
_ASKED: Final = Struct("<QI4x")
_TWO: Final = Struct("<QQ")


def _u64(value: int, what: str) -> bytes:
    if not 0 <= value < 1 << 64:
        raise UsageError(f"{what} of {value}", hint="Give a number of 0 to 2^64 - 1.")
    return _U64.pack(value)


def _hash(blob_hash: bytes) -> bytes:
    return require_length(blob_hash, _HASH, "the blob's hash")


@dataclass(frozen=True, slots=True)
class BlobOffer:
    """BLOB OFFER 0x29, 48 bytes: a blob that would be sent in parts. [8:40] hash; [40:48] length (u64)."""

    TYPE: ClassVar = MessageType.BLOB_OFFER
    LENGTH: ClassVar = 48
    hash: bytes
    length: int

    def encode(self) -> bytes:
        """The frame. Raises UsageError if a field does not fit."""
        return frame(self.TYPE, _hash(self.hash) + _u64(self.length, "a length"))

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The message in a frame. Raises InvalidMessage."""
        expect_length(data, cls.LENGTH, "BLOB OFFER")
        return cls(data[8:40], *_U64.unpack_from(data, 40))


@dataclass(frozen=True, slots=True)
class BlobPart:
    """BLOB PART 0x2A: the next bytes of a blob that was offered.

    [8:40] hash; [40:48] offset in the blob (u64); [48:] 1 to 1,048,576 bytes.
    """

    TYPE: ClassVar = MessageType.BLOB_PART
    hash: bytes
    offset: int
    data: bytes

    def encode(self) -> bytes:
        """The frame. Raises UsageError if a field does not fit."""
        if not 1 <= len(self.data) <= BLOB_PART_LIMIT:
            raise UsageError(
                f"a part of {len(self.data)} bytes", hint=f"Send 1 to {BLOB_PART_LIMIT} bytes at once."
            )
        return frame(self.TYPE, _hash(self.hash) + _u64(self.offset, "an offset") + self.data)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The message in a frame. Raises InvalidMessage."""
        expect_at_least(data, BLOB_PART_HEAD + 1, "BLOB PART")
        if len(data) > BLOB_PART_HEAD + BLOB_PART_LIMIT:
            raise InvalidMessage(f"BLOB PART of {len(data)} bytes")
        (offset,) = _U64.unpack_from(data, 40)
        return cls(data[8:40], offset, data[BLOB_PART_HEAD:])


@dataclass(frozen=True, slots=True)
class BlobPartGet:
    """BLOB PART GET 0x2B, 56 bytes: asks for some bytes of a blob.

    [8:40] hash; [40:48] offset (u64); [48:52] how many at most (u32), 1,048,576 count; [52:56] zero.
    """

    TYPE: ClassVar = MessageType.BLOB_PART_GET
    LENGTH: ClassVar = 56
    hash: bytes
    offset: int
    most: int

    def encode(self) -> bytes:
        """The frame. Raises UsageError if a field does not fit."""
        if not 0 <= self.offset < 1 << 64 or not 1 <= self.most < 1 << 32:
            raise UsageError(
                f"{self.most} bytes at {self.offset}", hint="Ask for one byte at least, from 0 on."
            )
        return frame(self.TYPE, _hash(self.hash) + _ASKED.pack(self.offset, self.most))

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The message in a frame. Raises InvalidMessage."""
        expect_length(data, cls.LENGTH, "BLOB PART GET")
        offset, most = _ASKED.unpack_from(data, 40)
        if not most:
            raise InvalidMessage("BLOB PART GET for no byte")
        return cls(data[8:40], offset, most)


@dataclass(frozen=True, slots=True)
class BlobOfferResult:
    """BLOB OFFER RESULT 0xA9, 48 bytes: how much of a blob the server has. Answers BLOB OFFER and BLOB PART.

    [1] result: SUCCESS while it takes parts from [40:48] on, ACCEPTED when the
    blob is whole and kept, DUPLICATE when it was there already, else why not;
    [8:40] hash; [40:48] `held`, the bytes it has (u64).
    """

    TYPE: ClassVar = MessageType.BLOB_OFFER_RESULT
    LENGTH: ClassVar = 48
    hash: bytes
    result: ResultCode
    held: int

    def encode(self) -> bytes:
        """The frame. Raises UsageError if a field does not fit."""
        return frame(self.TYPE, _hash(self.hash) + _u64(self.held, "a length"), result=self.result)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The message in a frame. Raises InvalidMessage."""
        expect_length(data, cls.LENGTH, "BLOB OFFER RESULT")
        return cls(data[8:40], defined(data[1]), *_U64.unpack_from(data, 40))


@dataclass(frozen=True, slots=True)
class BlobPartResult:
    """BLOB PART RESULT 0xAB: some bytes of a blob, or why there are none.

    [1] result; [8:40] hash; [40:48] offset (u64); [48:56] the blob's whole
    length (u64), 0 without success; [56:] the bytes, 1,048,576 at most.
    """

    TYPE: ClassVar = MessageType.BLOB_PART_RESULT
    hash: bytes
    result: ResultCode
    offset: int
    length: int
    data: bytes = b""

    @classmethod
    def head(cls, blob_hash: bytes, offset: int, length: int, size: int) -> bytes:
        """The first 56 bytes of a SUCCESS whose `size` bytes at `offset` follow from elsewhere.

        Args:
            blob_hash: 32 bytes.
            offset: Where they stand in the blob, in bytes.
            length: The whole blob's, in bytes.
            size: How many bytes follow.

        Raises:
            UsageError: a field does not fit.
        """
        body = _hash(blob_hash) + _TWO.pack(offset, length)
        whole = frame(cls.TYPE, body + bytes(0), result=ResultCode.SUCCESS)
        return whole[:4] + (BLOB_PART_RESULT_HEAD + size).to_bytes(4, "little") + whole[8:]

    def encode(self) -> bytes:
        """The frame. Raises UsageError if a field does not fit."""
        body = _hash(self.hash) + _u64(self.offset, "an offset") + _u64(self.length, "a length")
        return frame(self.TYPE, body + self.data, result=self.result)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The message in a frame. Raises InvalidMessage."""
        expect_at_least(data, BLOB_PART_RESULT_HEAD, "BLOB PART RESULT")
        result = defined(data[1])
        offset, length = _TWO.unpack_from(data, BLOB_HEAD)
        part = data[BLOB_PART_RESULT_HEAD:]
        if not result.is_success and (part or length):
            raise InvalidMessage(f"BLOB PART RESULT {result.name} carries bytes")
        if part and offset + len(part) > length:
            raise InvalidMessage("BLOB PART RESULT goes beyond the blob's end")
        return cls(data[8:40], result, offset, length, part)
