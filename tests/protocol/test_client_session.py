from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.protocol.client_sessions import ACK, NOW, SECOND, assert_violated, greeting, opened
from tests.protocol.server_sessions import FRAMES
from tests.wire.examples import EXAMPLES, FILTER, HASH, KEY, RECORD, SIGNATURE

from mosaic.errors import UsageError
from mosaic.protocol.client_session import ClientSession
from mosaic.protocol.events import (
    DhtAnswered,
    HelloAccepted,
    RequestUnrecognized,
    ServerClosing,
    SubmissionAnswered,
    Violation,
)
from mosaic.protocol.settings import ClientSessionSettings
from mosaic.wire.client_messages import (
    DhtLookup,
    Hello,
    Submission,
)
from mosaic.wire.codec import CLIENT_MESSAGES, decode
from mosaic.wire.header import encode_header
from mosaic.wire.result_code import ResultCode
from mosaic.wire.server_messages import (
    Closing,
    DhtItem,
    DhtResponse,
    HelloAck,
    HelloProof,
    QueryClosed,
    Record,
    SubmissionResult,
)
from mosaic.wire.unrecognized import Unrecognized

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
