"""What a server answers on one stream. Each method gives back the frame to be sent.

With the last answer to a query or sync its id is free again.

Source: messages.md (LOCALLY COMPLETE, QUERY CLOSED, SUBMISSION RESULT, BLOB RESULT, BLOB SUBMISSION RESULT,
DHT RESPONSE), edition §1, §2 (HELLO PROOF) and §4 (sync).
"""

from __future__ import annotations

from typing import Final

from mosaic.core.authentication import Authentication
from mosaic.protocol import authentication as authentications
from mosaic.protocol.query_ids import ServerQueries
from mosaic.wire.header import MessageType, encode_header
from mosaic.wire.result_code import ResultCode
from mosaic.wire.server_messages import (
    BlobResult,
    BlobSubmissionResult,
    DhtItem,
    DhtResponse,
    LocallyComplete,
    QueryClosed,
    SubmissionResult,
)
from mosaic.wire.sync_messages import ServerSyncData, SyncError

_RESULT_HEADS: Final = {
    code: encode_header(MessageType.SUBMISSION_RESULT, SubmissionResult.LENGTH, code) for code in ResultCode
}


class ServerAnswers:
    """The half of a server's session that answers.

    Args:
        queries: The query ids that the client has open.
    """

    __slots__ = ("_queries",)

    def __init__(self, queries: ServerQueries) -> None:
        self._queries = queries

    @property
    def open_queries(self) -> frozenset[int]:
        """The ids of the queries, subscriptions and syncs that are open."""
        return self._queries.ids

    def query_closed(self, query_id: int, result: ResultCode) -> bytes:
        """The frame that ends a query; its id is free again."""
        self._queries.close(query_id)
        return QueryClosed(query_id, result).encode()

    def locally_complete(self, query_id: int) -> bytes:
        """The frame that tells that the stored records of a subscription (its query id) have been sent."""
        return LocallyComplete(query_id).encode()

    def sync_data(self, query_id: int, message: bytes) -> bytes:
        """The frame with the server's next Negentropy message for a sync's query id."""
        return ServerSyncData(query_id, message).encode()

    def sync_error(self, query_id: int, result: ResultCode) -> bytes:
        """The frame that ends a sync; its query id is free again."""
        self._queries.close(query_id)
        return SyncError(query_id, result).encode()

    def submission_result(self, record_prefix: bytes, result: ResultCode) -> bytes:
        """The frame that answers a submission, named by the record's first 32 bytes."""
        return _RESULT_HEADS[result] + record_prefix

    def blob_submission_result(self, blob_hash: bytes, result: ResultCode) -> bytes:
        """The frame that answers a blob that was sent."""
        return BlobSubmissionResult(blob_hash, result).encode()

    def blob_result(self, blob_hash: bytes, result: ResultCode) -> bytes:
        """The frame that tells why a blob does not come (a result that is no success)."""
        return BlobResult(blob_hash, result).encode()

    def blob_result_head(self, blob_hash: bytes, length: int) -> bytes:
        """The first 40 bytes of the frame that brings a blob; its `length` bytes must follow."""
        return BlobResult.head(blob_hash, length)

    def dht_response(self, query_id: int, result: ResultCode, item: DhtItem | None = None) -> bytes:
        """The frame that answers the look-up of a query id: an item with SUCCESS, or why there is none."""
        if item is None:
            return DhtResponse(query_id, result).encode()
        return DhtResponse.found(query_id, item).encode()

    def proof(self, authentication: Authentication, signature: bytes) -> bytes:
        """The frame that answers HELLO CHALLENGE: the server's signature (64 bytes) of what was asked."""
        return authentications.proof(authentication, signature)
