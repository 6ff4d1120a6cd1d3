"""Queries, subscriptions and syncs in a client's session."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.protocol.client_sessions import NOW, opened
from tests.wire.examples import FILTER, HASH, KEY, RECORD

from mosaic.errors import UsageError
from mosaic.protocol.events import (
    LocallyCompleted,
    QueryEnded,
    RecordArrived,
)
from mosaic.protocol.query_ids import QUERY_IDS
from mosaic.protocol.sync_events import SyncAnswered, SyncRefused
from mosaic.wire.client_messages import (
    Get,
    Query,
    Subscribe,
    Unsubscribe,
)
from mosaic.wire.codec import decode
from mosaic.wire.result_code import ResultCode
from mosaic.wire.server_messages import (
    BlobResult,
    BlobSubmissionResult,
    DhtResponse,
    LocallyComplete,
    QueryClosed,
    Record,
    SubmissionResult,
)
from mosaic.wire.sync_messages import ServerSyncData, SyncClose, SyncData, SyncError, SyncGet, SyncOpen


@pytest.mark.claim("C44")
def test_a_query_brings_records_and_ends() -> None:
    session = opened()
    query_id, frame = session.query(FILTER, 2)
    assert decode(frame) == Query(query_id, 2, FILTER)
    for _ in range(2):
        event = session.receive(Record(query_id, RECORD).encode(), NOW)
        assert event == RecordArrived(query_id, RECORD)
    assert session.receive(Record(query_id, RECORD).encode(), NOW) is None  # over the limit
    assert session.receive(LocallyComplete(query_id).encode(), NOW) is None
    ended = QueryClosed(query_id, ResultCode.SUCCESS).encode()
    assert session.receive(ended, NOW) == QueryEnded(query_id, ResultCode.SUCCESS)
    assert session.receive(ended, NOW) is None
    assert session.receive(Record(query_id, RECORD).encode(), NOW) is None
    assert session.is_idle


@pytest.mark.claim("C44")
def test_a_subscription_is_complete_once_and_lives_on_beyond_its_limit() -> None:
    session = opened()
    query_id, frame = session.subscribe(FILTER, 1)
    assert decode(frame) == Subscribe(query_id, 1, FILTER)
    record = Record(query_id, RECORD).encode()
    assert session.receive(record, NOW) == RecordArrived(query_id, RECORD)
    complete = LocallyComplete(query_id).encode()
    assert session.receive(complete, NOW) == LocallyCompleted(query_id)
    assert session.receive(complete, NOW) is None
    assert session.receive(record, NOW) == RecordArrived(query_id, RECORD)
    assert decode(session.unsubscribe(query_id)) == Unsubscribe(query_id)
    assert session.unsubscribe(query_id) == b""
    assert session.receive(record, NOW) is None  # was on its way
    ended = QueryClosed(query_id, ResultCode.SUCCESS).encode()
    assert session.receive(ended, NOW) == QueryEnded(query_id, ResultCode.SUCCESS)
    assert session.unsubscribe(query_id) == b""


def test_a_get_asks_for_references() -> None:
    session = opened()
    query_id, frame = session.get((bytes(48), bytes([1] * 48)))
    assert decode(frame) == Get(query_id, (bytes(48), bytes([1] * 48)))
    assert session.receive(Record(query_id, RECORD).encode(), NOW) == RecordArrived(query_id, RECORD)


def test_answers_to_ids_that_are_not_open_are_ignored() -> None:
    session = opened()
    for message in (
        Record(3, RECORD),
        LocallyComplete(3),
        QueryClosed(3, ResultCode.SUCCESS),
        DhtResponse(3, ResultCode.NOT_FOUND),
        SubmissionResult(HASH, ResultCode.SUCCESS),
        BlobResult(HASH, ResultCode.NOT_FOUND),
        BlobSubmissionResult(HASH, ResultCode.SUCCESS),
    ):
        assert session.receive(message.encode(), NOW) is None
    assert session.is_open


def test_ids_rise_and_open_ones_are_left_out() -> None:
    session = opened()
    kept, _ = session.subscribe(FILTER)
    seen = []
    for _ in range(QUERY_IDS + 3):
        query_id, _ = session.query(FILTER)
        seen.append(query_id)
        session.receive(QueryClosed(query_id, ResultCode.SUCCESS).encode(), NOW)
    assert kept not in seen
    assert len(set(seen)) == QUERY_IDS - 1
    assert seen[:3] == [1, 2, 3]


def test_no_more_queries_than_ids() -> None:
    session = opened()
    assert len({session.query(FILTER)[0] for _ in range(QUERY_IDS)}) == QUERY_IDS
    with pytest.raises(UsageError):
        session.query(FILTER)


def test_a_request_that_does_not_fit_leaves_nothing_open() -> None:
    session = opened()
    attempts: list[Callable[[], object]] = [
        lambda: session.query(FILTER[:7]),
        lambda: session.query(FILTER, 65536),
        lambda: session.get((bytes(47),)),
        lambda: session.dht_lookup(KEY[1:], server=True),
        lambda: session.blob_get(HASH[1:]),
        lambda: session.blob_put(HASH[1:], b""),
    ]
    for attempt in attempts:
        with pytest.raises(UsageError):
            attempt()
    assert session.is_idle


@pytest.mark.claim("C63")
def test_a_sync_goes_on_until_it_is_closed() -> None:
    session = opened()
    query_id, frame = session.sync_open(FILTER, b"a")
    assert decode(frame) == SyncOpen(query_id, FILTER, b"a")
    answer = ServerSyncData(query_id, b"b").encode()
    assert session.receive(answer, NOW) == SyncAnswered(query_id, b"b")
    assert decode(session.sync_data(query_id, b"c")) == SyncData(query_id, b"c")
    assert not session.is_idle
    assert session.receive(QueryClosed(query_id, ResultCode.SUCCESS).encode(), NOW) is None
    assert session.receive(Record(query_id, RECORD).encode(), NOW) is None
    assert decode(session.sync_close(query_id)) == SyncClose(query_id)
    assert session.sync_close(query_id) == session.sync_data(query_id, b"d") == b""
    assert session.receive(answer, NOW) is None
    assert session.is_idle


def test_a_sync_error_ends_a_sync() -> None:
    session = opened()
    query_id, _ = session.sync_open(FILTER, b"a")
    error = SyncError(query_id, ResultCode.TOO_OPEN).encode()
    assert session.receive(error, NOW) == SyncRefused(query_id, ResultCode.TOO_OPEN)
    assert session.receive(error, NOW) is None
    assert session.sync_data(query_id, b"c") == b""


def test_records_of_a_sync_come_like_others() -> None:
    session = opened()
    query_id, frame = session.sync_get((HASH, KEY))
    assert decode(frame) == SyncGet(query_id, (HASH, KEY))
    assert session.receive(Record(query_id, RECORD).encode(), NOW) == RecordArrived(query_id, RECORD)
    closed = QueryClosed(query_id, ResultCode.SUCCESS).encode()
    assert session.receive(closed, NOW) == QueryEnded(query_id, ResultCode.SUCCESS)
