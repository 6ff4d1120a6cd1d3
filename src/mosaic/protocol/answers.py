"""What a server's message answers: which of a client's requests it belongs to, and what it says of it.

An answer to nothing that was asked (any more) is ignored.

Source: messages.md (RECORD, LOCALLY COMPLETE, QUERY CLOSED, SUBMISSION RESULT, BLOB RESULT, BLOB SUBMISSION
RESULT, DHT RESPONSE), edition §1.
"""

from __future__ import annotations

from mosaic.errors import InvalidMessage
from mosaic.protocol.awaited import Awaited
from mosaic.protocol.blob_requests import BlobRequests
from mosaic.protocol.events import (
    ClientEvent,
    DhtAnswered,
    LocallyCompleted,
    QueryEnded,
    RecordArrived,
    SubmissionAnswered,
    Violation,
)
from mosaic.protocol.query_ids import ClientQueries
from mosaic.protocol.sync_events import SyncAnswered, SyncRefused
from mosaic.wire.blob_messages import BlobOfferResult, BlobPartResult
from mosaic.wire.codec import ServerMessage
from mosaic.wire.server_messages import (
    BlobResult,
    BlobSubmissionResult,
    DhtResponse,
    LocallyComplete,
    QueryClosed,
    Record,
    SubmissionResult,
)
from mosaic.wire.sync_messages import ServerSyncData, SyncError


def answer(  # noqa: C901 - one case a message
    message: ServerMessage, queries: ClientQueries, submitted: Awaited, blobs: BlobRequests
) -> ClientEvent | None:
    """What a message says of a request, which is answered by it; None if nothing was asked for it.

    Args:
        message: One that answers a request; all others give None.
        queries: The query ids that are open.
        submitted: The records, by their first 32 bytes, that were submitted.
        blobs: The blobs that were sent or asked for.
    """
    match message:
        case SubmissionResult(prefix, result):
            return SubmissionAnswered(prefix, result) if submitted.take(prefix) else None
        case QueryClosed(query_id, result):
            return QueryEnded(query_id, result) if queries.ended(query_id) else None
        case LocallyComplete(query_id):
            return LocallyCompleted(query_id) if queries.completed(query_id) else None
        case Record(query_id, record):
            return RecordArrived(query_id, record) if queries.record_wanted(query_id) else None
        case BlobResult():
            return blobs.arrived(message)
        case BlobSubmissionResult(blob_hash, result):
            return blobs.answered(blob_hash, result)
        case BlobOfferResult():
            return blobs.held(message)
        case BlobPartResult():
            return blobs.part_arrived(message)
        case DhtResponse(query_id):
            return _looked_up(message) if queries.looked_up(query_id) else None
        case ServerSyncData(query_id, data):
            return SyncAnswered(query_id, data) if queries.is_sync(query_id) else None
        case SyncError(query_id, result):
            return SyncRefused(query_id, result) if queries.sync_ended(query_id) else None
        case _:
            return None


def _looked_up(message: DhtResponse) -> DhtAnswered | Violation:
    if not message.result.is_success:
        return DhtAnswered(message.query_id, message.result)
    try:
        return DhtAnswered(message.query_id, message.result, message.item())
    except InvalidMessage as error:
        return Violation(str(error))
