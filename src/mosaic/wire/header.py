"""The 8-byte header that begins every message.

    [0]    type
    [1]    result code, or a flag, or 0
    [2:4]  query id, u16, opaque, echoed by the server; or 0
    [4:8]  total length with the header, u32

Numbers are little-endian. Bytes that a type does not use are written as zero
and ignored when read.

Source: edition §1 (messages.md has an older, shorter header).
"""

from __future__ import annotations

from enum import IntEnum
from struct import Struct
from typing import Final, Literal, NamedTuple

from mosaic.errors import InvalidMessage, UsageError

HEADER_LENGTH: Final = 8
_HEADER: Final = Struct("<BBHI")


class MessageType(IntEnum):
    """The first byte of each message that is defined."""

    GET = 0x01
    QUERY = 0x02
    SUBSCRIBE = 0x03
    UNSUBSCRIBE = 0x04
    SUBMISSION = 0x05
    DHT_LOOKUP = 0x06
    BLOB_SUBMISSION = 0x07
    BLOB_GET = 0x08
    HELLO = 0x10
    HELLO_AUTH = 0x11
    HELLO_CHALLENGE = 0x13
    SYNC_OPEN = 0x20
    SYNC_DATA = 0x21
    SYNC_CLOSE = 0x22
    SYNC_GET = 0x23
    BLOB_OFFER = 0x29
    BLOB_PART = 0x2A
    BLOB_PART_GET = 0x2B
    RECORD = 0x80
    LOCALLY_COMPLETE = 0x81
    QUERY_CLOSED = 0x82
    SUBMISSION_RESULT = 0x83
    DHT_RESPONSE = 0x84
    BLOB_SUBMISSION_RESULT = 0x85
    BLOB_RESULT = 0x86
    HELLO_ACK = 0x90
    HELLO_PROOF = 0x92
    SERVER_SYNC_DATA = 0xA1
    SYNC_ERROR = 0xA3
    BLOB_OFFER_RESULT = 0xA9
    BLOB_PART_RESULT = 0xAB
    UNRECOGNIZED = 0xF0
    CLOSING = 0xFE

    @property
    def initiator(self) -> Literal["client", "server", "either"]:
        """Who sends it."""
        if self is MessageType.UNRECOGNIZED:
            return "either"
        return "client" if self < 0x80 else "server"

    @property
    def has_result_code(self) -> bool:
        """Whether byte 1 is a result code."""
        return self in _WITH_RESULT


_WITH_RESULT: Final = frozenset(
    {
        MessageType.HELLO_ACK,
        MessageType.HELLO_PROOF,
        MessageType.QUERY_CLOSED,
        MessageType.SUBMISSION_RESULT,
        MessageType.DHT_RESPONSE,
        MessageType.BLOB_SUBMISSION_RESULT,
        MessageType.BLOB_RESULT,
        MessageType.BLOB_OFFER_RESULT,
        MessageType.BLOB_PART_RESULT,
        MessageType.SYNC_ERROR,
        MessageType.CLOSING,
    }
)


class Header(NamedTuple):
    """The four fields of a header, as numbers.

    Attributes:
        type: One byte; see `MessageType`.
        result: A result code or flag, one byte.
        query_id: u16, 0 where the type has none.
        length: Of the whole message, in bytes (u32).
    """

    type: int
    result: int
    query_id: int
    length: int


def encode_header(message_type: int, length: int, result: int = 0, query_id: int = 0) -> bytes:
    """The 8 bytes of a header.

    Args:
        message_type: One byte.
        length: Of the whole message, in bytes (u32).
        result: A result code or flag, one byte.
        query_id: u16.

    Raises:
        UsageError: a number does not fit its field.
    """
    if not (
        0 <= message_type <= 0xFF
        and HEADER_LENGTH <= length <= 0xFFFF_FFFF
        and 0 <= result <= 0xFF
        and 0 <= query_id <= 0xFFFF
    ):
        raise UsageError(
            f"no header holds type {message_type}, length {length}, result {result}, query id {query_id}",
            hint="Type and result are one byte, a query id is 0 to 65535, a length 8 to 4294967295.",
        )
    return _HEADER.pack(message_type, result, query_id, length)


def parse_header(data: bytes) -> Header:
    """The header that `data` begins with; what follows it is not looked at.

    Raises:
        InvalidMessage: there are fewer than 8 bytes.
    """
    if len(data) < HEADER_LENGTH:
        raise InvalidMessage(f"a message has 8 bytes at least, these are {len(data)}")
    return Header(*_HEADER.unpack_from(data))
