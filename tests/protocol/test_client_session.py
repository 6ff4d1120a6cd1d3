from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.protocol.test_server_session import FRAMES
from tests.wire.examples import EXAMPLES, FILTER, HASH, KEY, RECORD, SIGNATURE

from mosaic.core import blob_hash
from mosaic.errors import Disconnected, UsageError
from mosaic.protocol.blob_events import BlobHeld, BlobPartArrived
from mosaic.protocol.client_session import ClientSession
from mosaic.protocol.events import (
    BlobAnswered,
    BlobArrived,
    DhtAnswered,
    HelloAccepted,
    LocallyCompleted,
    QueryEnded,
    RecordArrived,
    RequestUnrecognized,
    ServerClosing,
    SubmissionAnswered,
    Violation,
)
from mosaic.protocol.query_ids import QUERY_IDS
from mosaic.protocol.settings import ClientSessionSettings
from mosaic.protocol.sync_events import SyncAnswered, SyncRefused
from mosaic.wire.blob_messages import BlobOffer, BlobOfferResult, BlobPart, BlobPartGet, BlobPartResult
from mosaic.wire.client_messages import (
    BlobGet,
    BlobSubmission,
    DhtLookup,
    Get,
    Hello,
    Query,
    Submission,
    Subscribe,
    Unsubscribe,
)
from mosaic.wire.codec import CLIENT_MESSAGES, decode
from mosaic.wire.header import encode_header
from mosaic.wire.result_code import ResultCode
from mosaic.wire.server_messages import (
    BlobResult,
    BlobSubmissionResult,
    Closing,
    DhtItem,
    DhtResponse,
    HelloAck,
    HelloProof,
    LocallyComplete,
    QueryClosed,
    Record,
    SubmissionResult,
)
from mosaic.wire.sync_messages import ServerSyncData, SyncClose, SyncData, SyncError, SyncGet, SyncOpen
from mosaic.wire.unrecognized import Unrecognized

NOW = 1_000_000_000_000
SECOND = 1_000_000_000
BLOB = b"a blob"
ACK = HelloAck(ResultCode.SUCCESS, 0, (0, 1)).encode()


def greeting() -> ClientSession:
    session = ClientSession(ClientSessionSettings(), NOW)
    session.hello()
    return session


def opened() -> ClientSession:
    session = greeting()
    session.receive(ACK, NOW)
    return session


def assert_violated(session: ClientSession, event: object, *words: str) -> None:
    assert isinstance(event, Violation)
    assert all(word in event.reason for word in words)
    assert session.is_closed
    assert session.is_idle
    assert session.deadline_ns is None
    assert session.receive(ACK, NOW) is None
    assert session.tick(NOW + 3600 * SECOND) is None
    assert session.refused_length(bytes(8), NOW) is None
    assert session.spooled(BlobResult.head(HASH, 1), "file", HASH, 1, NOW) is None
    with pytest.raises(Disconnected):
        session.submit(RECORD)


# --- HELLO


@pytest.mark.claim("C43", "C33")
def test_hello_offers_version_and_applications() -> None:
    session = ClientSession(ClientSessionSettings(applications=(5, 7)), NOW)
    assert decode(session.hello()) == Hello(0, (5, 7))
    with pytest.raises(UsageError):
        session.hello()
    event = session.receive(HelloAck(ResultCode.SUCCESS, 0, (7,)).encode(), NOW)
    assert event == HelloAccepted(0, (7,))
    assert session.is_open
    assert session.tick(NOW + 3600 * SECOND) is None


def test_nothing_is_asked_before_hello() -> None:
    session = ClientSession(ClientSessionSettings(), NOW)
    with pytest.raises(UsageError):
        session.submit(RECORD)


def test_a_server_that_does_not_answer_hello_is_given_up() -> None:
    session = greeting()
    assert session.tick(NOW + 10 * SECOND - 1) is None
    assert_violated(session, session.tick(NOW + 10 * SECOND), "10 s")


@pytest.mark.parametrize(
    "result", [r for r in ResultCode if r not in (ResultCode.SUCCESS, ResultCode.DUPLICATE)]
)
@pytest.mark.parametrize("make", [greeting, opened])
def test_hello_ack_carries_success_or_duplicate_only(
    make: Callable[[], ClientSession], result: ResultCode
) -> None:
    session = make()
    assert_violated(session, session.receive(HelloAck(result, 0).encode(), NOW), result.name)


@pytest.mark.parametrize("ack", [HelloAck(ResultCode.SUCCESS, 1), HelloAck(ResultCode.SUCCESS, 0, (99,))])
def test_a_server_that_agrees_to_what_was_not_offered_is_given_up(ack: HelloAck) -> None:
    session = greeting()
    assert_violated(session, session.receive(ack.encode(), NOW), "HELLO ACK")


def test_a_second_hello_ack_and_a_proof_nobody_asked_for_are_ignored() -> None:
    session = opened()
    assert session.receive(HelloAck(ResultCode.DUPLICATE, 0).encode(), NOW) is None
    assert session.receive(HelloProof(KEY, KEY, SIGNATURE).encode(), NOW) is None
    assert session.is_open


def test_requests_may_follow_hello_at_once_but_answers_follow_hello_ack() -> None:
    session = greeting()
    session.submit(RECORD)
    answer = SubmissionResult(RECORD[:32], ResultCode.ACCEPTED)
    query_id, _ = session.query(FILTER)
    assert session.receive(answer.encode(), NOW) is None
    assert session.receive(Record(query_id, RECORD).encode(), NOW) is None
    session.receive(ACK, NOW)
    assert session.receive(answer.encode(), NOW) == SubmissionAnswered(RECORD[:32], ResultCode.ACCEPTED)


@pytest.mark.parametrize("make", [greeting, opened])
def test_closing_ends_the_session_at_any_time(make: Callable[[], ClientSession]) -> None:
    session = make()
    event = session.receive(Closing(ResultCode.SHUTTING_DOWN).encode(), NOW)
    assert event == ServerClosing(ResultCode.SHUTTING_DOWN)
    assert session.is_closed
    assert session.receive(ACK, NOW) is None


# --- submissions


@pytest.mark.claim("C45")
def test_a_submission_is_answered_once() -> None:
    session = opened()
    assert decode(session.submit(RECORD)) == Submission(RECORD)
    assert not session.is_idle
    answer = SubmissionResult(RECORD[:32], ResultCode.DUPLICATE).encode()
    assert session.receive(answer, NOW) == SubmissionAnswered(RECORD[:32], ResultCode.DUPLICATE)
    assert session.receive(answer, NOW) is None
    assert session.is_idle


def test_the_same_record_twice_is_answered_twice() -> None:
    session = opened()
    session.submit(RECORD)
    session.submit(RECORD)
    answer = SubmissionResult(RECORD[:32], ResultCode.ACCEPTED).encode()
    assert session.receive(answer, NOW) is not None
    assert session.receive(answer, NOW) is not None
    assert session.receive(answer, NOW) is None


def test_what_is_no_record_is_not_submitted() -> None:
    session = opened()
    for data in (RECORD[:215], b"\x80" + RECORD):
        with pytest.raises(UsageError):
            session.submit(data)
    assert session.is_idle


# --- queries


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


# --- the DHT


def test_a_look_up_is_answered_with_an_item_or_without() -> None:
    session = opened()
    query_id, frame = session.dht_lookup(KEY, server=True)
    assert decode(frame) == DhtLookup(query_id, server=True, key=KEY)
    item = DhtItem(3, SIGNATURE, b"S\n")
    answer = DhtResponse.found(query_id, item).encode()
    assert session.receive(Record(query_id, RECORD).encode(), NOW) is None
    assert session.receive(QueryClosed(query_id, ResultCode.SUCCESS).encode(), NOW) is None
    assert session.receive(answer, NOW) == DhtAnswered(query_id, ResultCode.SUCCESS, item)
    assert session.receive(answer, NOW) is None
    query_id, _ = session.dht_lookup(KEY, server=False)
    event = session.receive(DhtResponse(query_id, ResultCode.NOT_FOUND).encode(), NOW)
    assert event == DhtAnswered(query_id, ResultCode.NOT_FOUND)


def test_a_found_item_that_proves_nothing_is_a_violation() -> None:
    session = opened()
    query_id, _ = session.dht_lookup(KEY, server=True)
    answer = DhtResponse(query_id, ResultCode.SUCCESS, b"S\n").encode()
    assert_violated(session, session.receive(answer, NOW), "72")


# --- blobs


@pytest.mark.claim("C45")
def test_a_blob_is_sent_and_answered() -> None:
    session = opened()
    name = blob_hash.of(BLOB)
    assert decode(session.blob_put(name, BLOB)) == BlobSubmission(name, BLOB)
    answer = BlobSubmissionResult(name, ResultCode.ACCEPTED).encode()
    assert session.receive(answer, NOW) == BlobAnswered(name, ResultCode.ACCEPTED)
    assert session.receive(answer, NOW) is None


@pytest.mark.claim("C45")
def test_a_blob_arrives_by_its_hash() -> None:
    session = opened()
    name = blob_hash.of(BLOB)
    assert decode(session.blob_get(name)) == BlobGet(name)
    answer = BlobResult(name, ResultCode.SUCCESS, BLOB).encode()
    assert session.receive(answer, NOW) == BlobArrived(name, ResultCode.SUCCESS, len(BLOB), body=BLOB)
    assert session.receive(answer, NOW) is None
    session.blob_get(HASH)
    event = session.receive(BlobResult(HASH, ResultCode.NOT_FOUND).encode(), NOW)
    assert event == BlobArrived(HASH, ResultCode.NOT_FOUND)


def test_a_blob_with_another_hash_is_a_violation() -> None:
    session = opened()
    session.blob_get(HASH)
    answer = BlobResult(HASH, ResultCode.SUCCESS, BLOB).encode()
    assert_violated(session, session.receive(answer, NOW), "hash")


def test_a_long_blob_arrives_as_a_file() -> None:
    session = opened()
    head = BlobResult.head(HASH, 70_000)
    assert session.spooled(head, "file", HASH, 70_000, NOW) is None  # nobody asked
    session.blob_get(HASH)
    event = session.spooled(head, "file", HASH, 70_000, NOW)
    assert event == BlobArrived(HASH, ResultCode.SUCCESS, 70_000, path="file")
    session.blob_get(HASH)
    assert_violated(session, session.spooled(head, "file", KEY, 70_000, NOW), "hash")


@pytest.mark.parametrize("head", [b"\x86\x10", b"\x86\x00", b"\x07\x01"])
def test_a_file_that_is_no_blob_is_a_violation(head: bytes) -> None:
    session = opened()
    session.blob_get(HASH)
    prefix = head + BlobResult.head(HASH, 70_000)[2:]
    assert_violated(session, session.spooled(prefix, "file", HASH, 70_000, NOW))


def test_parts_of_blobs_are_answered_by_hash_and_place() -> None:
    session = opened()
    assert decode(session.blob_parts.offer(HASH, 9)) == BlobOffer(HASH, 9)
    assert decode(session.blob_parts.part(HASH, 2, b"ab")) == BlobPart(HASH, 2, b"ab")
    assert decode(session.blob_parts.part_get(HASH, 4, 5)) == BlobPartGet(HASH, 4, 5)
    held = BlobOfferResult(HASH, ResultCode.SUCCESS, 2)
    for _ in range(2):
        assert session.receive(held.encode(), NOW) == BlobHeld(HASH, ResultCode.SUCCESS, 2)
    assert session.receive(held.encode(), NOW) is None
    part = BlobPartResult(HASH, ResultCode.SUCCESS, 4, 9, b"cd")
    assert not session.is_idle
    other = BlobPartResult(HASH, ResultCode.SUCCESS, 5, 9, b"cd")
    assert session.receive(other.encode(), NOW) is None
    assert session.receive(part.encode(), NOW) == BlobPartArrived(HASH, ResultCode.SUCCESS, 4, 9, b"cd")
    assert session.is_idle


def test_a_server_that_knows_no_parts_answers_none() -> None:
    session = opened()
    session.blob_parts.offer(HASH, 9)
    session.blob_parts.part_get(HASH, 0, 5)
    assert session.receive(Unrecognized().encode(), NOW) == RequestUnrecognized()
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


# --- what servers may not do


@pytest.mark.parametrize("make", [greeting, opened])
@pytest.mark.parametrize("message", CLIENT_MESSAGES, ids=lambda m: m.__name__)
def test_a_client_s_message_from_a_server_is_a_violation(
    make: Callable[[], ClientSession], message: type
) -> None:
    session = make()
    data = next(data for example, data in EXAMPLES if type(example) is message)
    assert_violated(session, session.receive(data, NOW), "server may not send")


@pytest.mark.claim("C46")
@pytest.mark.parametrize("code", [0, 5, 255])
def test_an_undefined_result_code_is_a_violation(code: int) -> None:
    session = opened()
    frame = bytes([0x82, code]) + QueryClosed(1, ResultCode.SUCCESS).encode()[2:]
    assert_violated(session, session.receive(frame, NOW), str(code))


@pytest.mark.parametrize("kind", [0x00, 0x09, 0x12, 0x7F, 0x87, 0xFF])
@pytest.mark.parametrize("make", [greeting, opened])
def test_an_unknown_type_is_ignored(make: Callable[[], ClientSession], kind: int) -> None:
    session = make()
    assert session.receive(encode_header(kind, 9) + b"x", NOW) is None
    assert not session.is_closed


def test_unrecognized_is_told() -> None:
    session = opened()
    assert session.receive(Unrecognized().encode(), NOW) == RequestUnrecognized()
    assert session.is_open


def test_refused_lengths_end_the_session() -> None:
    session = opened()
    assert_violated(session, session.refused_length(encode_header(0x80, 2_000_000), NOW), "2000000")


def test_a_server_with_the_old_framing_is_told_apart() -> None:
    session = greeting()
    assert_violated(session, session.refused_length(bytes.fromhex("fe24000000000000"), NOW), "0.8.0", "36")


@given(st.booleans(), st.lists(FRAMES, max_size=40))
def test_any_frames_are_taken_in_bounds(hello: bool, frames: list[bytes]) -> None:
    session = opened() if hello else greeting()
    session.submit(RECORD)
    session.query(FILTER)
    session.blob_get(HASH)
    for frame in frames:
        was_closed = session.is_closed
        event = session.receive(frame, NOW)
        assert len(session.open_queries) <= 1
        assert len(session._submitted) + len(session._blobs) <= 2
        if was_closed:
            assert event is None
        assert isinstance(event, Violation | ServerClosing) == (session.is_closed and not was_closed)


@given(st.booleans(), st.binary(min_size=8, max_size=8), st.binary(min_size=40, max_size=40))
def test_any_refused_header_or_file_is_taken(hello: bool, head: bytes, prefix: bytes) -> None:
    session = opened() if hello else greeting()
    session.spooled(prefix, "file", HASH, 1, NOW)
    assert isinstance(session.refused_length(head, NOW), Violation) or session.is_closed
