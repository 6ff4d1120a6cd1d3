"""The pieces that several messages have in common, read and written.

Readers raise InvalidMessage: the bytes came from a peer. Writers raise
UsageError: the values came from our own code.

Source: edition §1.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from mosaic.errors import InvalidMessage, UsageError
from mosaic.wire.header import HEADER_LENGTH, encode_header
from mosaic.wire.limits import RECORD_MINIMUM

KEY_LENGTH: Final = 32
HASH_LENGTH: Final = 32
REFERENCE_LENGTH: Final = 48
SIGNATURE_LENGTH: Final = 64
NONCE_LENGTH: Final = 32
PREFIX_LENGTH: Final = 32
"""The bytes of a record's id that SUBMISSION RESULT names."""

_U16: Final = Struct("<H")
_LIMIT: Final = Struct("<H6x")

# --- reading


def query_id_of(data: bytes) -> int:
    """The query id in the header of a frame."""
    return int(_U16.unpack_from(data, 2)[0])


def expect_length(data: bytes, length: int, name: str) -> None:
    """Refuses a frame that is not exactly `length` bytes long. Raises InvalidMessage."""
    if len(data) != length:
        raise InvalidMessage(f"{name} has {length} bytes, this one has {len(data)}")


def expect_at_least(data: bytes, length: int, name: str) -> None:
    """Refuses a frame of fewer than `length` bytes. Raises InvalidMessage."""
    if len(data) < length:
        raise InvalidMessage(f"{name} has {length} bytes at least, this one has {len(data)}")


def expect_record(data: bytes, name: str) -> None:
    """Refuses a frame whose body from 8 can't be a record: under 216 bytes, or a first bit of 1.

    Raises:
        InvalidMessage: it can't be one.
    """
    expect_at_least(data, HEADER_LENGTH + RECORD_MINIMUM, name)
    if data[HEADER_LENGTH] & 0x80:
        raise InvalidMessage(f"the record in {name} begins with a 1 bit")


def application_ids(data: bytes, name: str) -> tuple[int, ...]:
    """The u32 application ids from byte 8 to the end of a frame. Raises InvalidMessage on a part of one."""
    if len(data) % 4:
        raise InvalidMessage(
            f"the application ids in {name} are {len(data) - HEADER_LENGTH} bytes, not 4 each"
        )
    return tuple(int.from_bytes(data[at : at + 4], "little") for at in range(HEADER_LENGTH, len(data), 4))


def limit_of(data: bytes) -> int:
    """The limit (u16, records) at [8:10] of a QUERY or SUBSCRIBE."""
    return int(_U16.unpack_from(data, 8)[0])


# --- writing


def frame(message_type: int, body: bytes = b"", *, result: int = 0, query_id: int = 0) -> bytes:
    """A whole message: a header and its body.

    Args:
        message_type: One byte.
        body: All that follows the 8 bytes of the header.
        result: A result code or flag, one byte.
        query_id: u16.

    Raises:
        UsageError: a number does not fit its field of the header.
    """
    return encode_header(message_type, HEADER_LENGTH + len(body), result, query_id) + body


def require_length(value: bytes, length: int, name: str) -> bytes:
    """`value`, which must have `length` bytes to be written into a message.

    Raises:
        UsageError: it has another length.
    """
    if len(value) != length:
        raise UsageError(f"{name} has {len(value)} bytes", hint=f"Give {length} bytes.")
    return value


def require_record(record: bytes) -> bytes:
    """`record`, which must have 216 bytes and a first bit of 0 to be written. Raises UsageError."""
    if len(record) < RECORD_MINIMUM or record[0] & 0x80:
        raise UsageError("the bytes are no record", hint="Give a whole record, its id first.")
    return record


def encode_applications(applications: tuple[int, ...]) -> bytes:
    """The ids of applications as u32 each. Raises UsageError on one that does not fit."""
    if any(not 0 <= number <= 0xFFFF_FFFF for number in applications):
        raise UsageError("an application id does not fit 32 bits", hint="Give ids of 0 to 4294967295.")
    return b"".join(number.to_bytes(4, "little") for number in applications)


def version_field(version: int) -> int:
    """A major version at [3], as what it is for the header: the high byte of [2:4]. Raises UsageError."""
    if not 0 <= version <= 0xFF:
        raise UsageError(f"major version {version} does not fit one byte", hint="Give 0 to 255.")
    return version << 8


def encode_limit(limit: int) -> bytes:
    """A limit (0 to 65,535 records, 0 = none) and the six zero bytes after it. Raises UsageError."""
    if not 0 <= limit <= 0xFFFF:
        raise UsageError(f"a limit of {limit} records", hint="Give 0 (none) to 65535.")
    return _LIMIT.pack(limit)
