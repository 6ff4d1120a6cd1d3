"""How long a message may be: fixed maxima, so that buffers can be planned.

A message that is too long for its type is refused from its header, before any
of its body is read. Lengths are bytes.

Source: edition §1 and §6.
"""

from __future__ import annotations

from typing import Final

from mosaic.errors import UsageError
from mosaic.wire.header import HEADER_LENGTH, MessageType

RECORD_LIMIT: Final = 1_048_576
"""The longest record."""
RECORD_MINIMUM: Final = 216
"""The shortest record."""
QUERY_FRAME_LIMIT: Final = 65_552
"""The longest QUERY or SUBSCRIBE."""
FILTER_START: Final = 16
"""Where the filter begins in a QUERY or SUBSCRIBE."""
FILTER_MINIMUM: Final = 8
"""The shortest filter: its head alone."""
OTHER_FRAME_LIMIT: Final = 65_536
"""The longest message of any other type, defined or not."""
BLOB_HEAD: Final = 40
"""The bytes before a blob's own in BLOB SUBMISSION and BLOB RESULT: header and hash."""
BLOB_PART_LIMIT: Final = 1_048_576
"""The most bytes of a blob in one BLOB PART or BLOB PART RESULT."""
BLOB_PART_HEAD: Final = 48
"""The bytes before those of a BLOB PART: header, hash, offset."""
BLOB_PART_RESULT_HEAD: Final = 56
"""The bytes before those of a BLOB PART RESULT: header, hash, offset, whole length."""
BLOB_LIMIT: Final = 67_108_864
"""The longest blob, unless the operator sets another limit."""
BLOB_LIMIT_MAXIMUM: Final = 0xFFFF_FFFF - BLOB_HEAD
"""The longest blob that a message's length field can hold."""

_BLOB_TYPES: Final = (MessageType.BLOB_SUBMISSION, MessageType.BLOB_RESULT)

SPOOL_PREFIX: Final[list[int]] = [BLOB_HEAD if t in _BLOB_TYPES else 0 for t in range(256)]
"""For each type the bytes that stay in memory when the rest of a long message goes to a file; 0 = never."""


def frame_limits(record: int = RECORD_LIMIT, blob: int = BLOB_LIMIT) -> list[int]:
    """The greatest total length for each of the 256 types.

    Args:
        record: The longest record in bytes (216 to 1,048,576).
        blob: The longest blob in bytes (0 to 4,294,967,255).

    Raises:
        UsageError: a limit is outside of its range.
    """
    if not RECORD_MINIMUM <= record <= RECORD_LIMIT:
        raise UsageError(f"a record limit of {record} bytes", hint="Choose 216 to 1048576 bytes.")
    if not 0 <= blob <= BLOB_LIMIT_MAXIMUM:
        raise UsageError(f"a blob limit of {blob} bytes", hint=f"Choose 0 to {BLOB_LIMIT_MAXIMUM} bytes.")
    limits = [OTHER_FRAME_LIMIT] * 256
    for message_type in (MessageType.SUBMISSION, MessageType.RECORD):
        limits[message_type] = HEADER_LENGTH + record
    for message_type in (MessageType.QUERY, MessageType.SUBSCRIBE):
        limits[message_type] = QUERY_FRAME_LIMIT
    for message_type in _BLOB_TYPES:
        limits[message_type] = BLOB_HEAD + blob
    limits[MessageType.BLOB_PART] = BLOB_PART_HEAD + BLOB_PART_LIMIT
    limits[MessageType.BLOB_PART_RESULT] = BLOB_PART_RESULT_HEAD + BLOB_PART_LIMIT
    return limits
