"""What a client asks for on one stream. Each request method gives back the frame to be sent.

What it asked for is remembered until it is answered, so that an answer to
nothing that was asked can be told from others.

Source: messages.md (GET, QUERY, SUBSCRIBE, UNSUBSCRIBE, SUBMISSION, BLOB GET, BLOB SUBMISSION, DHT LOOKUP),
edition §1 and §4 (sync).
"""

from __future__ import annotations

from mosaic.errors import Disconnected, UsageError
from mosaic.protocol.awaited import Awaited
from mosaic.protocol.blob_requests import BlobRequests
from mosaic.protocol.query_ids import ClientQueries
from mosaic.wire.client_messages import DhtLookup, Get, Query, Submission, Subscribe, Unsubscribe
from mosaic.wire.header import MessageType
from mosaic.wire.layout import PREFIX_LENGTH
from mosaic.wire.sync_messages import SyncClose, SyncData, SyncGet, SyncOpen


class ClientRequests:
    """The half of a client's session that asks.

    Every request raises Disconnected when the session is over and UsageError
    before HELLO was said or when a value does not fit its message.
    """

    __slots__ = ("_blobs", "_closed", "_hello_sent", "_queries", "_submitted")

    def __init__(self) -> None:
        self._hello_sent = False
        self._closed = False
        self._queries = ClientQueries()
        self._submitted = Awaited()
        self._blobs = BlobRequests()

    @property
    def is_idle(self) -> bool:
        """Whether nothing that was asked is still to be answered."""
        return not (self._queries or self._submitted or self._blobs)

    @property
    def open_queries(self) -> frozenset[int]:
        """The ids of the queries, subscriptions, syncs and look-ups that are open."""
        return self._queries.ids

    def submit(self, record: bytes) -> bytes:
        """A SUBMISSION. Answered by SubmissionAnswered with the record's first 32 bytes."""
        self._require_ready()
        frame = Submission(record).encode()
        self._submitted.add(record[:PREFIX_LENGTH])
        return frame

    def get(self, references: tuple[bytes, ...]) -> tuple[int, bytes]:
        """A query id and its GET. Answered by RecordArrived, then QueryEnded.

        Args:
            references: 48 bytes each, 1,365 at most.
        """
        query_id = self._free_id()
        frame = Get(query_id, references).encode()
        self._queries.open(query_id, MessageType.GET)
        return query_id, frame

    def query(self, filter_data: bytes, limit: int = 0) -> tuple[int, bytes]:
        """A query id and its QUERY. Answered by RecordArrived, then QueryEnded.

        Args:
            filter_data: The encoded filter.
            limit: How many records at most (0 = no limit, up to 65,535).
        """
        query_id = self._free_id()
        frame = Query(query_id, limit, filter_data).encode()
        self._queries.open(query_id, MessageType.QUERY, limit)
        return query_id, frame

    def subscribe(self, filter_data: bytes, limit: int = 0) -> tuple[int, bytes]:
        """A query id and its SUBSCRIBE. Answered by records, LocallyCompleted, records, and QueryEnded.

        Args:
            filter_data: The encoded filter.
            limit: How many stored records at most (0 = no limit, up to 65,535).
        """
        query_id = self._free_id()
        frame = Subscribe(query_id, limit, filter_data).encode()
        self._queries.open(query_id, MessageType.SUBSCRIBE)
        return query_id, frame

    def unsubscribe(self, query_id: int) -> bytes:
        """An UNSUBSCRIBE, after which a query id gets QueryEnded only; empty if it has ended already."""
        self._require_ready()
        return Unsubscribe(query_id).encode() if self._queries.mute(query_id) else b""

    def dht_lookup(self, key: bytes, *, server: bool) -> tuple[int, bytes]:
        """A query id and its DHT LOOKUP for the bootstrap of a key (32 bytes). Answered by DhtAnswered."""
        query_id = self._free_id()
        frame = DhtLookup(query_id, server, key).encode()
        self._queries.open(query_id, MessageType.DHT_LOOKUP)
        return query_id, frame

    def sync_open(self, filter_data: bytes, message: bytes) -> tuple[int, bytes]:
        """A query id and its SYNC OPEN with a first message. Answered by SyncAnswered or SyncRefused.

        Args:
            filter_data: The encoded filter, 32,000 bytes at most.
            message: The reconciliation's first.
        """
        query_id = self._free_id()
        frame = SyncOpen(query_id, filter_data, message).encode()
        self._queries.open(query_id, MessageType.SYNC_OPEN)
        return query_id, frame

    def sync_data(self, query_id: int, message: bytes) -> bytes:
        """A SYNC DATA with the next message for a query id; empty if that has ended."""
        self._require_ready()
        return SyncData(query_id, message).encode() if self._queries.is_sync(query_id) else b""

    def sync_close(self, query_id: int) -> bytes:
        """A SYNC CLOSE, after which nothing comes for a query id; empty if it has ended already."""
        self._require_ready()
        return SyncClose(query_id).encode() if self._queries.sync_ended(query_id) else b""

    def sync_get(self, prefixes: tuple[bytes, ...]) -> tuple[int, bytes]:
        """A query id and its SYNC GET. Answered by RecordArrived, then QueryEnded.

        Args:
            prefixes: The first 32 bytes of ids, 2,047 at most.
        """
        query_id = self._free_id()
        frame = SyncGet(query_id, prefixes).encode()
        self._queries.open(query_id, MessageType.SYNC_GET)
        return query_id, frame

    def blob_put(self, blob_hash: bytes, blob: bytes) -> bytes:
        """A BLOB SUBMISSION of a blob in memory. Answered by BlobAnswered."""
        return self.blob_put_head(blob_hash, len(blob)) + blob

    def blob_put_head(self, blob_hash: bytes, length: int) -> bytes:
        """The first 40 bytes of a BLOB SUBMISSION; the blob's `length` bytes must follow."""
        self._require_ready()
        return self._blobs.put_head(blob_hash, length)

    def blob_get(self, blob_hash: bytes) -> bytes:
        """A BLOB GET. Answered by BlobArrived."""
        self._require_ready()
        return self._blobs.get(blob_hash)

    @property
    def blob_parts(self) -> BlobRequests:
        """Makes what asks for blobs in parts: `offer` and `part` (answered by BlobHeld), `part_get`."""
        self._require_ready()
        return self._blobs

    # --- inside

    def _require_ready(self) -> None:
        if self._closed:
            raise Disconnected("the session is over")
        if not self._hello_sent:
            raise UsageError("nothing may be asked before HELLO", hint="Send hello() first.")

    def _free_id(self) -> int:
        self._require_ready()
        return self._queries.free_id()
