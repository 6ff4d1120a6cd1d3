"""What sessions tell their callers.

Sessions take frames and times and give back these. A server's session asks for
something to be done; a client's session tells what the server did. Query ids
are 0 to 65,535, hashes and keys 32 bytes, lengths bytes. Events about blobs in
parts are in `blob_events`, those about comparing stores in `sync_events`.

Source: messages.md, edition §1.
"""

from __future__ import annotations

from dataclasses import dataclass

from mosaic.core.authentication import Authentication
from mosaic.protocol.blob_events import BlobHeld, BlobOffered, BlobPartArrived, BlobPartAsked, BlobPartCame
from mosaic.protocol.sync_events import (
    SyncAnswered,
    SyncEnded,
    SyncGetAsked,
    SyncMessage,
    SyncOpened,
    SyncRefused,
)
from mosaic.wire.result_code import ResultCode
from mosaic.wire.server_messages import DhtItem

# --- from a server's session --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class HelloDone:
    """The client said HELLO and was answered.

    Attributes:
        version: The major version agreed.
        applications: What both sides support, in the client's order.
    """

    version: int
    applications: tuple[int, ...]


# Not frozen: a frozen dataclass takes three times as long to make, and this one is made for each record.
@dataclass(slots=True)
class Submitted:
    """A record came in, not yet checked; 216 bytes at least, first bit 0. Answer: `submission_result`."""

    record: bytes


@dataclass(frozen=True, slots=True)
class GetAsked:
    """Records are asked for by reference (48 bytes each) under a query id.

    Answer: RECORDs, then `query_closed`.
    """

    query_id: int
    references: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class QueryAsked:
    """Records are asked for by filter (not yet judged). Answer: RECORDs, then `query_closed`.

    Attributes:
        query_id: Open until `query_closed`.
        limit: How many records at most, 0 = no limit.
        filter: At least 8 bytes.
    """

    query_id: int
    limit: int
    filter: bytes


@dataclass(frozen=True, slots=True)
class SubscribeAsked:
    """As QueryAsked, but kept open. Answer: RECORDs, `locally_complete`, RECORDs, at last `query_closed`.

    Attributes:
        query_id: Open until `query_closed`.
        limit: How many stored records at most, 0 = no limit; live ones don't count.
        filter: At least 8 bytes.
    """

    query_id: int
    limit: int
    filter: bytes


@dataclass(frozen=True, slots=True)
class UnsubscribeAsked:
    """The client wants no more of an open query of any kind: stop what has this query id.

    Answer: `query_closed`, once.
    """

    query_id: int


@dataclass(frozen=True, slots=True)
class BlobSubmitted:
    """A blob came in, whole in memory or as a file. Answer: `blob_submission_result`.

    Whoever takes this event owns the file: adopt or remove it.

    Attributes:
        hash: What the client says the blob's BLAKE3-256 hash is.
        length: The blob's length.
        body: The blob, if it is in memory.
        path: The file that holds it, otherwise; empty if the disk was full.
        digest: The file's true BLAKE3-256 hash.
    """

    hash: bytes
    length: int
    body: bytes | None = None
    path: str | None = None
    digest: bytes | None = None


@dataclass(frozen=True, slots=True)
class BlobAsked:
    """A blob is asked for. Answer: `blob_result`, or `blob_result_head` and the blob."""

    hash: bytes


@dataclass(frozen=True, slots=True)
class DhtAsked:
    """A bootstrap of the DHT is asked for. Answer: `dht_response`.

    Attributes:
        query_id: To be echoed; look-ups may share one, it does not count as open.
        server: A server's bootstrap rather than a user's.
        key: Whose; not judged.
    """

    query_id: int
    server: bool
    key: bytes


@dataclass(frozen=True, slots=True)
class ProofAsked:
    """The server is to prove its key: sign this as the server. Answer: `proof`."""

    authentication: Authentication


@dataclass(frozen=True, slots=True)
class KeyProven:
    """The client has proven a key (32 bytes) by HELLO AUTH: it is the session's `peer_key` from now on."""

    key: bytes


@dataclass(frozen=True, slots=True)
class Finished:
    """The session is over: send what is outgoing (CLOSING is its last frame), then close the link.

    Attributes:
        result: What the CLOSING says.
        reason: Why, for the log.
    """

    result: ResultCode
    reason: str


ServerEvent = (
    HelloDone
    | Submitted
    | GetAsked
    | QueryAsked
    | SubscribeAsked
    | UnsubscribeAsked
    | BlobSubmitted
    | BlobAsked
    | BlobOffered
    | BlobPartCame
    | BlobPartAsked
    | DhtAsked
    | SyncOpened
    | SyncMessage
    | SyncEnded
    | SyncGetAsked
    | ProofAsked
    | KeyProven
    | Finished
)

# --- from a client's session --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class HelloAccepted:
    """The server answered HELLO.

    Attributes:
        version: The major version agreed.
        applications: Those asked for that the server supports, in the server's order.
    """

    version: int
    applications: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ServerProven:
    """The server has proven its key.

    Attributes:
        key: Which (32 bytes).
        to_sign: What the client signs, for `authenticate`, to prove the key that it has named; else None.
    """

    key: bytes
    to_sign: Authentication | None


@dataclass(frozen=True, slots=True)
class ServerUnproven:
    """The server has not proven the key that it should have: the session is over, close the link.

    Attributes:
        key: The key that answered (32 bytes).
        reason: What is wrong, for the person.
    """

    key: bytes
    reason: str


@dataclass(frozen=True, slots=True)
class KeyAccepted:
    """The server has taken the proof of the client's key (32 bytes)."""

    key: bytes


@dataclass(slots=True)
class RecordArrived:
    """A record for an open query (its query id), not yet checked; 216 bytes at least, first bit 0."""

    query_id: int
    record: bytes


@dataclass(frozen=True, slots=True)
class LocallyCompleted:
    """A subscription (its query id) has had all stored records; live ones follow."""

    query_id: int


@dataclass(frozen=True, slots=True)
class QueryEnded:
    """Nothing more comes for this query; its id is free again."""

    query_id: int
    result: ResultCode


@dataclass(frozen=True, slots=True)
class SubmissionAnswered:
    """What became of a submitted record, named by the first 32 bytes of its id."""

    prefix: bytes
    result: ResultCode


@dataclass(frozen=True, slots=True)
class BlobArrived:
    """The answer to a blob that was asked for. Whoever takes this event owns the file: adopt or remove it.

    Attributes:
        hash: Which one; a blob that came has this hash.
        result: Whether it came.
        length: Its length; 0 without success.
        body: The blob, if it is in memory.
        path: The file that holds it, otherwise.
    """

    hash: bytes
    result: ResultCode
    length: int = 0
    body: bytes | None = None
    path: str | None = None


@dataclass(frozen=True, slots=True)
class BlobAnswered:
    """What became of a blob that was sent."""

    hash: bytes
    result: ResultCode


@dataclass(frozen=True, slots=True)
class DhtAnswered:
    """What the look-up of a query id found; the item's signature is not yet verified. None proves nothing."""

    query_id: int
    result: ResultCode
    item: DhtItem | None = None


@dataclass(frozen=True, slots=True)
class RequestUnrecognized:
    """The server did not know the type of a message of ours, and does not say which."""


@dataclass(frozen=True, slots=True)
class ServerClosing:
    """The server closes the link; nothing more will be answered."""

    result: ResultCode


@dataclass(frozen=True, slots=True)
class Violation:
    """The server broke the protocol: close the link and try another server.

    Attributes:
        reason: What it did, for the log and the person.
    """

    reason: str


ClientEvent = (
    HelloAccepted
    | ServerProven
    | ServerUnproven
    | KeyAccepted
    | RecordArrived
    | LocallyCompleted
    | QueryEnded
    | SubmissionAnswered
    | BlobArrived
    | BlobAnswered
    | BlobHeld
    | BlobPartArrived
    | DhtAnswered
    | SyncAnswered
    | SyncRefused
    | RequestUnrecognized
    | ServerClosing
    | Violation
)
