"""The messages that a server sends, one class each, with their layouts.

As in `mosaic.wire.client_messages`: byte 0 is the type, [4:8] the total length
(u32), `decode` raises InvalidMessage and `encode` UsageError. `result` is the
result code at [1]; an undefined one is refused.

Source: messages.md "Server Messages", edition §1, §2 and §4.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import ClassVar, Final, NamedTuple, Self

from mosaic.errors import InvalidMessage, UsageError
from mosaic.wire.header import HEADER_LENGTH, MessageType, encode_header
from mosaic.wire.layout import (
    HASH_LENGTH,
    KEY_LENGTH,
    NONCE_LENGTH,
    PREFIX_LENGTH,
    SIGNATURE_LENGTH,
    application_ids,
    encode_applications,
    expect_at_least,
    expect_length,
    expect_record,
    frame,
    query_id_of,
    require_length,
    require_record,
    version_field,
)
from mosaic.wire.limits import BLOB_HEAD
from mosaic.wire.result_code import ResultCode, defined


def _expect_none_with_failure(data: bytes, result: ResultCode, length: int, name: str) -> None:
    if not result.is_success:
        expect_length(data, length, f"{name} without success")


def _require_none_with_failure(result: ResultCode, body: bytes) -> None:
    if body and not result.is_success:
        raise UsageError("only a success carries data", hint="Leave them out, or answer SUCCESS.")


@dataclass(frozen=True, slots=True)
class HelloAck:
    """HELLO ACK 0x90, the answer to HELLO.

    [1] result; [3] the highest major version that both sides speak; [8:] u32 ids
    of the applications that were asked for and that the server supports, too.
    Servers send SUCCESS or DUPLICATE only; errors use CLOSING.
    """

    TYPE: ClassVar = MessageType.HELLO_ACK
    result: ResultCode
    version: int
    applications: tuple[int, ...] = ()

    def encode(self) -> bytes:
        """The frame. Raises UsageError if a field does not fit."""
        ids = encode_applications(self.applications)
        return frame(self.TYPE, ids, result=self.result, query_id=version_field(self.version))

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The message in a frame. Raises InvalidMessage."""
        return cls(defined(data[1]), data[3], application_ids(data, "HELLO ACK"))


@dataclass(frozen=True, slots=True)
class HelloProof:
    """HELLO PROOF 0x92, 136 bytes: the server's answer to HELLO CHALLENGE.

    [1] result, always SUCCESS; [8:40] the server's key; [40:72] the server's
    nonce; [72:136] its signature.
    """

    TYPE: ClassVar = MessageType.HELLO_PROOF
    LENGTH: ClassVar = 136
    key: bytes
    nonce: bytes
    signature: bytes

    def encode(self) -> bytes:
        """The frame. Raises UsageError if a field does not fit."""
        body = require_length(self.key, KEY_LENGTH, "the server's key")
        body += require_length(self.nonce, NONCE_LENGTH, "the server's nonce")
        body += require_length(self.signature, SIGNATURE_LENGTH, "the signature")
        return frame(self.TYPE, body, result=ResultCode.SUCCESS)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The message in a frame. Raises InvalidMessage."""
        expect_length(data, cls.LENGTH, "HELLO PROOF")
        if defined(data[1]) is not ResultCode.SUCCESS:
            raise InvalidMessage(
                f"HELLO PROOF has the result {defined(data[1]).name}, only SUCCESS is allowed"
            )
        return cls(data[8:40], data[40:72], data[72:136])


@dataclass(frozen=True, slots=True)
class Record:
    """RECORD 0x80: one record of an open query. [2:4] query id; [8:] the record."""

    TYPE: ClassVar = MessageType.RECORD
    query_id: int
    record: bytes

    @classmethod
    def head(cls, query_id: int) -> bytes:
        """The first 4 bytes of each RECORD of a query: type, 0 and query id; length and record follow."""
        return encode_header(cls.TYPE, HEADER_LENGTH, query_id=query_id)[:4]

    def encode(self) -> bytes:
        """The frame. Raises UsageError if a field does not fit."""
        return frame(self.TYPE, require_record(self.record), query_id=self.query_id)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The message in a frame. Raises InvalidMessage."""
        expect_record(data, "RECORD")
        return cls(query_id_of(data), data[HEADER_LENGTH:])


@dataclass(frozen=True, slots=True)
class LocallyComplete:
    """LOCALLY COMPLETE 0x81, 8 bytes: what was stored has been sent, live records follow. [2:4] query id."""

    TYPE: ClassVar = MessageType.LOCALLY_COMPLETE
    query_id: int

    def encode(self) -> bytes:
        """The frame. Raises UsageError if a field does not fit."""
        return frame(self.TYPE, query_id=self.query_id)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The message in a frame. Raises InvalidMessage."""
        expect_length(data, HEADER_LENGTH, "LOCALLY COMPLETE")
        return cls(query_id_of(data))


@dataclass(frozen=True, slots=True)
class QueryClosed:
    """QUERY CLOSED 0x82, 8 bytes: nothing more comes for this query. [1] result; [2:4] query id."""

    TYPE: ClassVar = MessageType.QUERY_CLOSED
    query_id: int
    result: ResultCode

    def encode(self) -> bytes:
        """The frame. Raises UsageError if a field does not fit."""
        return frame(self.TYPE, result=self.result, query_id=self.query_id)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The message in a frame. Raises InvalidMessage."""
        expect_length(data, HEADER_LENGTH, "QUERY CLOSED")
        return cls(query_id_of(data), defined(data[1]))


@dataclass(frozen=True, slots=True)
class SubmissionResult:
    """SUBMISSION RESULT 0x83, 40 bytes: what became of a record.

    [1] result; [8:40] the first 32 bytes of the record's id (first bit 0).
    """

    TYPE: ClassVar = MessageType.SUBMISSION_RESULT
    LENGTH: ClassVar = HEADER_LENGTH + PREFIX_LENGTH
    prefix: bytes
    result: ResultCode

    def encode(self) -> bytes:
        """The frame. Raises UsageError if a field does not fit."""
        if require_length(self.prefix, PREFIX_LENGTH, "the id's prefix")[0] & 0x80:
            raise UsageError("the id's prefix begins with a 1 bit", hint="Give an id, not an address.")
        return frame(self.TYPE, self.prefix, result=self.result)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The message in a frame. Raises InvalidMessage."""
        expect_length(data, cls.LENGTH, "SUBMISSION RESULT")
        if data[8] & 0x80:
            raise InvalidMessage("the id in SUBMISSION RESULT begins with a 1 bit")
        return cls(data[8:40], defined(data[1]))


class DhtItem(NamedTuple):
    """A bootstrap with what proves it: a BEP 44 item under the key that was asked for.

    Attributes:
        sequence: The sequence number (i64).
        signature: 64 bytes, over salt, sequence number and text.
        text: The bootstrap, as it was signed.
    """

    sequence: int
    signature: bytes
    text: bytes


_ITEM_HEAD: Final = Struct("<q64s")


@dataclass(frozen=True, slots=True)
class DhtResponse:
    """DHT RESPONSE 0x84: what a look-up found.

    [1] result; [2:4] query id; [8:] with SUCCESS the item: [8:16] sequence
    number, i64; [16:80] BEP 44 signature; [80:] the bootstrap's text. NOT_FOUND
    has 8 bytes and proves nothing.
    """

    TYPE: ClassVar = MessageType.DHT_RESPONSE
    query_id: int
    result: ResultCode
    data: bytes = b""

    @classmethod
    def found(cls, query_id: int, item: DhtItem) -> Self:
        """The answer that carries an item. Raises UsageError if its sequence or signature does not fit."""
        if not -(2**63) <= item.sequence < 2**63:
            raise UsageError("the sequence number does not fit 64 bits", hint="Give the item's own number.")
        require_length(item.signature, SIGNATURE_LENGTH, "the signature")
        head = _ITEM_HEAD.pack(item.sequence, item.signature)
        return cls(query_id, ResultCode.SUCCESS, head + item.text)

    def item(self) -> DhtItem:
        """The item that was found; its signature is not yet verified.

        Raises:
            InvalidMessage: the data are too short to hold one.
        """
        if len(self.data) < _ITEM_HEAD.size:
            raise InvalidMessage(
                f"DHT RESPONSE carries {len(self.data)} bytes, an item that can be proven has 72 at least",
                hint="Ask another server.",
            )
        sequence, signature = _ITEM_HEAD.unpack_from(self.data)
        return DhtItem(sequence, signature, self.data[_ITEM_HEAD.size :])

    def encode(self) -> bytes:
        """The frame. Raises UsageError if a field does not fit."""
        _require_none_with_failure(self.result, self.data)
        return frame(self.TYPE, self.data, result=self.result, query_id=self.query_id)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The message in a frame. Raises InvalidMessage."""
        result = defined(data[1])
        _expect_none_with_failure(data, result, HEADER_LENGTH, "DHT RESPONSE")
        return cls(query_id_of(data), result, data[HEADER_LENGTH:])


@dataclass(frozen=True, slots=True)
class BlobSubmissionResult:
    """BLOB SUBMISSION RESULT 0x85, 40 bytes: what became of a blob. [1] result; [8:40] its hash."""

    TYPE: ClassVar = MessageType.BLOB_SUBMISSION_RESULT
    LENGTH: ClassVar = 40
    hash: bytes
    result: ResultCode

    def encode(self) -> bytes:
        """The frame. Raises UsageError if a field does not fit."""
        return frame(self.TYPE, require_length(self.hash, HASH_LENGTH, "the blob's hash"), result=self.result)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The message in a frame. Raises InvalidMessage."""
        expect_length(data, cls.LENGTH, "BLOB SUBMISSION RESULT")
        return cls(data[8:40], defined(data[1]))


@dataclass(frozen=True, slots=True)
class BlobResult:
    """BLOB RESULT 0x86: a blob, or why there is none.

    [1] result; [8:40] the BLAKE3-256 hash that was asked for, whatever the
    result; [40:] the blob, empty when there is none.
    """

    TYPE: ClassVar = MessageType.BLOB_RESULT
    hash: bytes
    result: ResultCode
    blob: bytes = b""

    @classmethod
    def head(cls, blob_hash: bytes, length: int) -> bytes:
        """The first 40 bytes of a SUCCESS whose blob of `length` bytes follows from elsewhere.

        Raises:
            UsageError: the hash has not 32 bytes, or the length does not fit.
        """
        header = encode_header(cls.TYPE, BLOB_HEAD + length, ResultCode.SUCCESS)
        return header + require_length(blob_hash, HASH_LENGTH, "the blob's hash")

    def encode(self) -> bytes:
        """The frame. Raises UsageError if a field does not fit."""
        _require_none_with_failure(self.result, self.blob)
        body = require_length(self.hash, HASH_LENGTH, "the blob's hash") + self.blob
        return frame(self.TYPE, body, result=self.result)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The message in a frame. Raises InvalidMessage."""
        expect_at_least(data, BLOB_HEAD, "BLOB RESULT")
        result = defined(data[1])
        _expect_none_with_failure(data, result, BLOB_HEAD, "BLOB RESULT")
        return cls(data[8:BLOB_HEAD], result, data[BLOB_HEAD:])


@dataclass(frozen=True, slots=True)
class Closing:
    """CLOSING 0xFE, 8 bytes: the server closes the link after this. [1] result."""

    TYPE: ClassVar = MessageType.CLOSING
    result: ResultCode

    def encode(self) -> bytes:
        """The frame."""
        return frame(self.TYPE, result=self.result)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The message in a frame. Raises InvalidMessage."""
        expect_length(data, HEADER_LENGTH, "CLOSING")
        return cls(defined(data[1]))
