"""Judges what messages carry, after the codec has judged their layout.

Servers and clients do this where it costs least (records in batches, filters
when they are compiled, blobs while they stream); this is the whole of it for
one message, for tools and tests.

Source: messages.md, edition §1 and §5 (F9, M4, M6).
"""

from __future__ import annotations

from mosaic.core import blob_hash as blob_hashes
from mosaic.core import reference
from mosaic.core.filter import Filter
from mosaic.core.record import Record as CoreRecord
from mosaic.errors import InvalidMessage
from mosaic.wire.client_messages import BlobSubmission, Get, Query, Submission, Subscribe
from mosaic.wire.codec import Message
from mosaic.wire.server_messages import BlobResult, Record
from mosaic.wire.sync_messages import SyncOpen


def check(message: Message) -> None:
    """Checks the references, filter, record or blob in a message. Keys of look-ups are not judged.

    Raises:
        InvalidReference: a reference in GET.
        InvalidFilter: the filter in QUERY, SUBSCRIBE or SYNC OPEN.
        InvalidRecord: the record in SUBMISSION or RECORD; a subclass for each rule.
        InvalidMessage: a blob does not have the hash beside it.
    """
    match message:
        case Get(_, references):
            for data in references:
                reference.from_bytes(data)
        case Query(_, _, data) | Subscribe(_, _, data) | SyncOpen(_, data, _):
            Filter.parse(data)
        case Submission(data) | Record(_, data):
            CoreRecord.parse(data)
        case BlobSubmission(blob_hash, blob):
            _check_blob(blob_hash, blob)
        case BlobResult(blob_hash, result, blob) if result.is_success:
            _check_blob(blob_hash, blob)
        case _:
            pass


def _check_blob(blob_hash: bytes, blob: bytes) -> None:
    if blob_hashes.of(blob) != blob_hash:
        raise InvalidMessage("the blob does not have the hash that its message names")
