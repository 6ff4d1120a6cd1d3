"""The messages that a client sends, one class each, with their layouts.

`decode` takes a whole frame whose header the codec has checked, and raises
InvalidMessage when the frame breaks its layout. `encode` writes the frame and
raises UsageError when a value does not fit. What a message carries (records,
filters, references, hashes) is judged by `mosaic.wire.contents`, not here.

Byte 0 is the type and [4:8] the total length (u32) in all of them; the layouts
below leave both out. Numbers are little-endian.

Source: messages.md "Client Messages", edition §1 and §2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from mosaic.errors import InvalidMessage, UsageError
from mosaic.wire.header import HEADER_LENGTH, MessageType, encode_header
from mosaic.wire.layout import (
    HASH_LENGTH,
    KEY_LENGTH,
    NONCE_LENGTH,
    REFERENCE_LENGTH,
    SIGNATURE_LENGTH,
    application_ids,
    encode_applications,
    encode_limit,
    expect_at_least,
    expect_length,
    expect_record,
    frame,
    limit_of,
    query_id_of,
    require_length,
    require_record,
    version_field,
)
from mosaic.wire.limits import BLOB_HEAD, FILTER_MINIMUM, FILTER_START


@dataclass(frozen=True, slots=True)
class Hello:
    """HELLO 0x10, the first message of each stream.

    [3] the highest major version that the client speaks; [8:] u32 ids of the
    applications that it wishes to use.
    """

    TYPE: ClassVar = MessageType.HELLO
    version: int
    applications: tuple[int, ...] = ()

    def encode(self) -> bytes:
        """The frame. Raises UsageError if a field does not fit."""
        return frame(self.TYPE, encode_applications(self.applications), query_id=version_field(self.version))

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The message in a frame. Raises InvalidMessage."""
        return cls(data[3], application_ids(data, "HELLO"))


@dataclass(frozen=True, slots=True)
class HelloAuth:
    """HELLO AUTH 0x11, 104 bytes: proof of the client's key where TLS gives none.

    [8:40] the client's key; [40:104] its signature.
    """

    TYPE: ClassVar = MessageType.HELLO_AUTH
    LENGTH: ClassVar = 104
    key: bytes
    signature: bytes

    def encode(self) -> bytes:
        """The frame. Raises UsageError if a field does not fit."""
        key = require_length(self.key, KEY_LENGTH, "the client's key")
        return frame(self.TYPE, key + require_length(self.signature, SIGNATURE_LENGTH, "the signature"))

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The message in a frame. Raises InvalidMessage."""
        expect_length(data, cls.LENGTH, "HELLO AUTH")
        return cls(data[8:40], data[40:104])


@dataclass(frozen=True, slots=True)
class HelloChallenge:
    """HELLO CHALLENGE 0x13: asks the server to prove its key where TLS gives none.

    [8:40] the client's nonce; [40:72] the key that the client will prove, or
    zeros; [72:] the authority that the client dialled, ASCII.
    """

    TYPE: ClassVar = MessageType.HELLO_CHALLENGE
    nonce: bytes
    key: bytes
    authority: bytes

    def encode(self) -> bytes:
        """The frame. Raises UsageError if a field does not fit."""
        nonce = require_length(self.nonce, NONCE_LENGTH, "the client's nonce")
        return frame(
            self.TYPE, nonce + require_length(self.key, KEY_LENGTH, "the client's key") + self.authority
        )

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The message in a frame. Raises InvalidMessage."""
        expect_at_least(data, 73, "HELLO CHALLENGE")
        return cls(data[8:40], data[40:72], data[72:])


@dataclass(frozen=True, slots=True)
class Get:
    """GET 0x01: records by reference.

    [2:4] query id; [8:] references of 48 bytes, ids and addresses mixed.
    """

    TYPE: ClassVar = MessageType.GET
    query_id: int
    references: tuple[bytes, ...]

    def encode(self) -> bytes:
        """The frame. Raises UsageError if a field does not fit."""
        for reference in self.references:
            require_length(reference, REFERENCE_LENGTH, "a reference")
        return frame(self.TYPE, b"".join(self.references), query_id=self.query_id)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The message in a frame. Raises InvalidMessage."""
        if (len(data) - HEADER_LENGTH) % REFERENCE_LENGTH:
            raise InvalidMessage(f"the references in GET are {len(data) - HEADER_LENGTH} bytes, not 48 each")
        starts = range(HEADER_LENGTH, len(data), REFERENCE_LENGTH)
        return cls(query_id_of(data), tuple(data[at : at + REFERENCE_LENGTH] for at in starts))


def _encode_query(message_type: int, query_id: int, limit: int, filter_data: bytes) -> bytes:
    if len(filter_data) < FILTER_MINIMUM:
        raise UsageError(
            f"a filter of {len(filter_data)} bytes", hint="A filter has a head of 8 bytes at least."
        )
    return frame(message_type, encode_limit(limit) + filter_data, query_id=query_id)


def _decode_query(data: bytes, name: str) -> tuple[int, int, bytes]:
    expect_at_least(data, FILTER_START + FILTER_MINIMUM, name)
    return query_id_of(data), limit_of(data), data[FILTER_START:]


@dataclass(frozen=True, slots=True)
class Query:
    """QUERY 0x02: what a filter matches, once.

    [2:4] query id; [8:10] limit in records (0 = none); [10:16] zero; [16:] filter.
    """

    TYPE: ClassVar = MessageType.QUERY
    query_id: int
    limit: int
    filter: bytes

    def encode(self) -> bytes:
        """The frame. Raises UsageError if a field does not fit."""
        return _encode_query(self.TYPE, self.query_id, self.limit, self.filter)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The message in a frame. Raises InvalidMessage."""
        return cls(*_decode_query(data, "QUERY"))


@dataclass(frozen=True, slots=True)
class Subscribe:
    """SUBSCRIBE 0x03: what a filter matches, now and from now on.

    [2:4] query id; [8:10] limit in stored records (0 = none); [10:16] zero; [16:] filter.
    """

    TYPE: ClassVar = MessageType.SUBSCRIBE
    query_id: int
    limit: int
    filter: bytes

    def encode(self) -> bytes:
        """The frame. Raises UsageError if a field does not fit."""
        return _encode_query(self.TYPE, self.query_id, self.limit, self.filter)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The message in a frame. Raises InvalidMessage."""
        return cls(*_decode_query(data, "SUBSCRIBE"))


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """UNSUBSCRIBE 0x04, 8 bytes: closes an open query. [2:4] query id."""

    TYPE: ClassVar = MessageType.UNSUBSCRIBE
    query_id: int

    def encode(self) -> bytes:
        """The frame. Raises UsageError if a field does not fit."""
        return frame(self.TYPE, query_id=self.query_id)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The message in a frame. Raises InvalidMessage."""
        expect_length(data, HEADER_LENGTH, "UNSUBSCRIBE")
        return cls(query_id_of(data))


@dataclass(frozen=True, slots=True)
class Submission:
    """SUBMISSION 0x05: one record for the server to keep. [8:] the record, 216 bytes at least."""

    TYPE: ClassVar = MessageType.SUBMISSION
    record: bytes

    def encode(self) -> bytes:
        """The frame. Raises UsageError if a field does not fit."""
        return frame(self.TYPE, require_record(self.record))

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The message in a frame. Raises InvalidMessage."""
        expect_record(data, "SUBMISSION")
        return cls(data[HEADER_LENGTH:])


@dataclass(frozen=True, slots=True)
class DhtLookup:
    """DHT LOOKUP 0x06, 40 bytes: asks for a bootstrap from the DHT.

    [1] 0 for a user's, 1 for a server's; [2:4] query id; [8:40] the key. The
    key is not judged here.
    """

    TYPE: ClassVar = MessageType.DHT_LOOKUP
    LENGTH: ClassVar = 40
    query_id: int
    server: bool
    key: bytes

    def encode(self) -> bytes:
        """The frame. Raises UsageError if a field does not fit."""
        key = require_length(self.key, KEY_LENGTH, "the key")
        return frame(self.TYPE, key, result=int(self.server), query_id=self.query_id)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The message in a frame. Raises InvalidMessage."""
        expect_length(data, cls.LENGTH, "DHT LOOKUP")
        if data[1] > 1:
            raise InvalidMessage(f"DHT LOOKUP asks for bootstraps of kind {data[1]}, there are 0 and 1")
        return cls(query_id_of(data), data[1] == 1, data[8:40])


@dataclass(frozen=True, slots=True)
class BlobSubmission:
    """BLOB SUBMISSION 0x07: one blob for the server to keep.

    [8:40] the BLAKE3-256 hash of the blob; [40:] the blob.
    """

    TYPE: ClassVar = MessageType.BLOB_SUBMISSION
    hash: bytes
    blob: bytes

    @classmethod
    def head(cls, blob_hash: bytes, length: int) -> bytes:
        """The first 40 bytes of the frame for a blob of `length` bytes that follows from elsewhere."""
        header = encode_header(cls.TYPE, BLOB_HEAD + length)
        return header + require_length(blob_hash, HASH_LENGTH, "the blob's hash")

    def encode(self) -> bytes:
        """The frame. Raises UsageError if a field does not fit."""
        return self.head(self.hash, len(self.blob)) + self.blob

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The message in a frame. Raises InvalidMessage."""
        expect_at_least(data, BLOB_HEAD, "BLOB SUBMISSION")
        return cls(data[8:BLOB_HEAD], data[BLOB_HEAD:])


@dataclass(frozen=True, slots=True)
class BlobGet:
    """BLOB GET 0x08, 40 bytes: asks for a blob. [8:40] its BLAKE3-256 hash."""

    TYPE: ClassVar = MessageType.BLOB_GET
    LENGTH: ClassVar = 40
    hash: bytes

    def encode(self) -> bytes:
        """The frame. Raises UsageError if a field does not fit."""
        return frame(self.TYPE, require_length(self.hash, HASH_LENGTH, "the blob's hash"))

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The message in a frame. Raises InvalidMessage."""
        expect_length(data, cls.LENGTH, "BLOB GET")
        return cls(data[8:40])
