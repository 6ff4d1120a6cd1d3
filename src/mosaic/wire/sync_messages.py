"""The messages by which two stores find out what each of them lacks.

As in `mosaic.wire.client_messages`: byte 0 is the type, [4:8] the total length
(u32), `decode` raises InvalidMessage and `encode` UsageError. All of them have
the query id at [2:4]. What a Negentropy message says is not judged here.

Source: edition §4 (sync).
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import ClassVar, Final, Self

from mosaic.errors import InvalidMessage, UsageError
from mosaic.wire.header import HEADER_LENGTH, MessageType
from mosaic.wire.layout import (
    PREFIX_LENGTH,
    expect_at_least,
    expect_length,
    frame,
    query_id_of,
    require_length,
)
from mosaic.wire.limits import FILTER_MINIMUM, FILTER_START, OTHER_FRAME_LIMIT
from mosaic.wire.result_code import ResultCode, defined

SYNC_FILTER_LIMIT: Final = 32_000
"""The longest filter in SYNC OPEN."""
SYNC_GET_LIMIT: Final = (OTHER_FRAME_LIMIT - HEADER_LENGTH) // PREFIX_LENGTH
"""How many records one SYNC GET can ask for."""

_FILTER_LENGTH: Final = Struct("<H6x")


def _require_message(message: bytes) -> bytes:
    if not message:
        raise UsageError("an empty sync message", hint="Give what the reconciliation gave.")
    return message


@dataclass(frozen=True, slots=True)
class SyncOpen:
    """SYNC OPEN 0x20: begins to compare what a filter matches.

    [2:4] query id; [8:10] length of the filter (u16, 32,000 at most); [10:16] zero; [16:] filter,
    then the first Negentropy message.
    """

    TYPE: ClassVar = MessageType.SYNC_OPEN
    query_id: int
    filter: bytes
    message: bytes

    def encode(self) -> bytes:
        """The frame. Raises UsageError if a field does not fit."""
        if not FILTER_MINIMUM <= len(self.filter) <= SYNC_FILTER_LIMIT:
            raise UsageError(
                f"a filter of {len(self.filter)} bytes to sync by",
                hint=f"Give {FILTER_MINIMUM} to {SYNC_FILTER_LIMIT} bytes.",
            )
        head = _FILTER_LENGTH.pack(len(self.filter))
        body = head + self.filter + _require_message(self.message)
        return frame(self.TYPE, body, query_id=self.query_id)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The message in a frame. Raises InvalidMessage."""
        expect_at_least(data, FILTER_START + FILTER_MINIMUM + 1, "SYNC OPEN")
        (length,) = _FILTER_LENGTH.unpack_from(data, HEADER_LENGTH)
        end = FILTER_START + length
        if not FILTER_MINIMUM <= length <= SYNC_FILTER_LIMIT or end >= len(data):
            raise InvalidMessage(f"SYNC OPEN of {len(data)} bytes with a filter of {length}")
        return cls(query_id_of(data), data[FILTER_START:end], data[end:])


def _decode_data(data: bytes) -> tuple[int, bytes]:
    expect_at_least(data, HEADER_LENGTH + 1, "SYNC DATA")
    return query_id_of(data), data[HEADER_LENGTH:]


@dataclass(frozen=True, slots=True)
class SyncData:
    """SYNC DATA 0x21, from the client. [2:4] query id; [8:] a Negentropy message."""

    TYPE: ClassVar = MessageType.SYNC_DATA
    query_id: int
    message: bytes

    def encode(self) -> bytes:
        """The frame. Raises UsageError if a field does not fit."""
        return frame(self.TYPE, _require_message(self.message), query_id=self.query_id)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The message in a frame. Raises InvalidMessage."""
        return cls(*_decode_data(data))


@dataclass(frozen=True, slots=True)
class ServerSyncData:
    """SYNC DATA 0xA1, the server's answer to SYNC OPEN and SYNC DATA.

    [2:4] query id; [8:] a Negentropy message.
    """

    TYPE: ClassVar = MessageType.SERVER_SYNC_DATA
    query_id: int
    message: bytes

    def encode(self) -> bytes:
        """The frame. Raises UsageError if a field does not fit."""
        return frame(self.TYPE, _require_message(self.message), query_id=self.query_id)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The message in a frame. Raises InvalidMessage."""
        return cls(*_decode_data(data))


@dataclass(frozen=True, slots=True)
class SyncClose:
    """SYNC CLOSE 0x22, 8 bytes: the client has learned what it wanted. It is not answered. [2:4] query id."""

    TYPE: ClassVar = MessageType.SYNC_CLOSE
    query_id: int

    def encode(self) -> bytes:
        """The frame. Raises UsageError if a field does not fit."""
        return frame(self.TYPE, query_id=self.query_id)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The message in a frame. Raises InvalidMessage."""
        expect_length(data, HEADER_LENGTH, "SYNC CLOSE")
        return cls(query_id_of(data))


@dataclass(frozen=True, slots=True)
class SyncGet:
    """SYNC GET 0x23: records by the first 32 bytes of their ids, answered like GET.

    [2:4] query id; [8:] those prefixes.
    """

    TYPE: ClassVar = MessageType.SYNC_GET
    query_id: int
    prefixes: tuple[bytes, ...]

    def encode(self) -> bytes:
        """The frame. Raises UsageError if a field does not fit."""
        for prefix in self.prefixes:
            require_length(prefix, PREFIX_LENGTH, "the prefix of an id")
        return frame(self.TYPE, b"".join(self.prefixes), query_id=self.query_id)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The message in a frame. Raises InvalidMessage."""
        if (len(data) - HEADER_LENGTH) % PREFIX_LENGTH:
            raise InvalidMessage(
                f"the prefixes in SYNC GET are {len(data) - HEADER_LENGTH} bytes, not {PREFIX_LENGTH} each"
            )
        starts = range(HEADER_LENGTH, len(data), PREFIX_LENGTH)
        return cls(query_id_of(data), tuple(data[at : at + PREFIX_LENGTH] for at in starts))


@dataclass(frozen=True, slots=True)
class SyncError:
    """SYNC ERROR 0xA3, 8 bytes: the server compares no further. [1] result, no success; [2:4] query id."""

    TYPE: ClassVar = MessageType.SYNC_ERROR
    query_id: int
    result: ResultCode

    def encode(self) -> bytes:
        """The frame. Raises UsageError if a field does not fit."""
        return frame(self.TYPE, result=self.result, query_id=self.query_id)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The message in a frame. Raises InvalidMessage."""
        expect_length(data, HEADER_LENGTH, "SYNC ERROR")
        return cls(query_id_of(data), defined(data[1]))
