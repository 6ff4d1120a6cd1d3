"""Events about comparing what two stores have.

Query ids are 0 to 65,535.

Source: edition §4 (sync); the messages: `mosaic.wire.sync_messages`.
"""

from __future__ import annotations

from dataclasses import dataclass

from mosaic.wire.result_code import ResultCode

# --- from a server's session --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SyncOpened:
    """What a filter (not yet judged) matches is to be compared. Answer: `sync_data`, or `sync_error`.

    Attributes:
        query_id: Open until `sync_error` or SyncEnded.
        filter: 8 to 32,000 bytes.
        message: The client's first Negentropy message.
    """

    query_id: int
    filter: bytes
    message: bytes


@dataclass(frozen=True, slots=True)
class SyncMessage:
    """The client's next Negentropy message for an open sync (its query id). Answer: as to SyncOpened."""

    query_id: int
    message: bytes


@dataclass(frozen=True, slots=True)
class SyncEnded:
    """The client wants no more of a sync; its query id is free again."""

    query_id: int


@dataclass(frozen=True, slots=True)
class SyncGetAsked:
    """Records are asked for, under a query id, by the first 32 bytes of their ids.

    Answer: RECORDs, then `query_closed`.
    """

    query_id: int
    prefixes: tuple[bytes, ...]


# --- from a client's session --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SyncAnswered:
    """The server's Negentropy message for an open sync (its query id)."""

    query_id: int
    message: bytes


@dataclass(frozen=True, slots=True)
class SyncRefused:
    """The server compares no further; the query id is free again."""

    query_id: int
    result: ResultCode
