from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.protocol.server_sessions import FRAMES, IDS, NOW, SECOND, assert_finished, new, opened
from tests.wire.examples import EXAMPLES, FILTER, HASH, KEY, RECORD, SIGNATURE

from mosaic.protocol.blob_events import BlobOffered, BlobPartAsked, BlobPartCame
from mosaic.protocol.events import (
    BlobAsked,
    BlobSubmitted,
    DhtAsked,
    Finished,
    GetAsked,
    HelloDone,
    QueryAsked,
    Submitted,
    SubscribeAsked,
)
from mosaic.wire.blob_messages import BlobOffer, BlobPart, BlobPartGet
from mosaic.wire.client_messages import (
    BlobGet,
    BlobSubmission,
    DhtLookup,
    Get,
    Hello,
    HelloAuth,
    HelloChallenge,
    Query,
    Submission,
    Subscribe,
)
from mosaic.wire.codec import SERVER_MESSAGES, decode
from mosaic.wire.header import MessageType, encode_header
from mosaic.wire.limits import frame_limits
from mosaic.wire.result_code import ResultCode
from mosaic.wire.server_messages import (
    BlobResult,
    BlobSubmissionResult,
    Closing,
    DhtItem,
    DhtResponse,
    HelloAck,
    LocallyComplete,
    QueryClosed,
    SubmissionResult,
)
from mosaic.wire.unrecognized import Unrecognized

OLD_HELLO = bytes.fromhex("100c000000000000 01000000")


# --- HELLO


@pytest.mark.claim("C43", "C33")
@pytest.mark.parametrize("version", [0, 1, 255])
def test_hello_is_answered_with_the_version_and_applications_of_both(version: int) -> None:
    session = new()
    event = session.receive(Hello(version, (99, 1, 0xDEF0843A, 1)).encode(), NOW)
    assert event == HelloDone(0, (1, 0xDEF0843A))
    assert session.take_outgoing() == [HelloAck(ResultCode.SUCCESS, 0, (1, 0xDEF0843A)).encode()]
    assert session.is_open
    assert session.tick(NOW + 3600 * SECOND) is None


@pytest.mark.claim("C43")
def test_a_second_hello_is_a_duplicate() -> None:
    session = new()
    session.receive(Hello(0, (1,)).encode(), NOW)
    first = session.take_outgoing()
    assert session.receive(Hello(0, (0,)).encode(), NOW) is None
    (second,) = session.take_outgoing()
    assert second[1] == ResultCode.DUPLICATE
    assert second[2:] == first[0][2:]
    assert session.is_open


@pytest.mark.parametrize("data", [data for _, data in EXAMPLES if data[0] != MessageType.HELLO])
def test_anything_before_hello_closes(data: bytes) -> None:
    session = new()
    assert_finished(session, session.receive(data, NOW), ResultCode.INVALID)


def test_no_hello_within_ten_seconds_closes() -> None:
    session = new()
    assert session.deadline_ns == NOW + 10 * SECOND
    assert session.tick(NOW + 10 * SECOND - 1) is None
    assert_finished(session, session.tick(NOW + 10 * SECOND), ResultCode.INVALID)


def test_a_hello_in_the_old_framing_gets_the_old_closing_and_a_reason() -> None:
    session = new()
    assert OLD_HELLO[4:8] == bytes(4)  # so that our framing refuses its length
    event = session.refused_length(OLD_HELLO[:8], NOW)
    assert isinstance(event, Finished)
    assert "0.8.0" in event.reason
    assert session.take_outgoing() == [bytes.fromhex("fe24000000000000")]
    assert session.is_closed


def test_the_old_framing_is_recognised_in_a_whole_message_too() -> None:
    session = new()
    event = session.receive(OLD_HELLO, NOW)
    assert isinstance(event, Finished)
    assert session.take_outgoing() == [bytes.fromhex("fe24000000000000")]


@pytest.mark.parametrize(
    "head",
    [
        "1000000000000000",  # no length in the old place either
        "1007000000000000",  # an old length under 8
        "100d000000000000",  # not a multiple of 4
        "100c000001000000",  # [4:6] not zero
        "110c000000000000",  # not HELLO
    ],
)
def test_what_only_resembles_the_old_hello_gets_our_closing(head: str) -> None:
    session = new()
    assert_finished(session, session.refused_length(bytes.fromhex(head), NOW), ResultCode.INVALID)


def test_an_old_hello_after_ours_is_just_a_refused_length() -> None:
    session = opened()
    assert_finished(session, session.refused_length(OLD_HELLO[:8], NOW), ResultCode.INVALID)


# --- requests


@pytest.mark.claim("C44", "C45")
@pytest.mark.parametrize(
    ("message", "event"),
    [
        (Submission(RECORD), Submitted(RECORD)),
        (Get(1, IDS), GetAsked(1, IDS)),
        (Get(1, ()), GetAsked(1, ())),
        (Query(2, 3, FILTER), QueryAsked(2, 3, FILTER)),
        (Subscribe(65535, 0, FILTER), SubscribeAsked(65535, 0, FILTER)),
        (BlobGet(HASH), BlobAsked(HASH)),
        (BlobSubmission(HASH, b"blob"), BlobSubmitted(HASH, 4, body=b"blob")),
        (DhtLookup(4, server=True, key=KEY), DhtAsked(4, server=True, key=KEY)),
    ],
    ids=lambda x: type(x).__name__,
)
def test_a_request_becomes_its_event(message: Query, event: object) -> None:
    session = opened()
    assert session.receive(message.encode(), NOW) == event
    assert session.take_outgoing() == []


@pytest.mark.parametrize(
    "frame",
    [
        Submission(RECORD).encode()[:8] + b"\x80" + RECORD[1:],
        encode_header(MessageType.SUBMISSION, 8 + 215) + RECORD[:215],
        encode_header(MessageType.SUBMISSION, 8),
        encode_header(MessageType.SUBMISSION, 225) + RECORD,
        encode_header(MessageType.UNSUBSCRIBE, 9) + b"0",
        b"",
        b"\x05",
    ],
)
def test_a_frame_that_the_codec_refuses_closes(frame: bytes) -> None:
    session = opened()
    assert session.receive_run([frame]) == []
    assert_finished(session, session.receive(frame, NOW), ResultCode.INVALID)


@pytest.mark.parametrize("kind", [0x00, 0x09, 0x12, 0x24, 0x7F])
@pytest.mark.claim("C46")
def test_an_unknown_type_below_0x80_is_not_recognised(kind: int) -> None:
    session = opened()
    assert session.receive(encode_header(kind, 9) + b"x", NOW) is None
    assert session.take_outgoing() == [Unrecognized().encode()]
    assert session.is_open


@pytest.mark.parametrize("kind", [0x87, 0x8F, 0x91, 0xA2, 0xFF])
def test_an_unknown_type_from_0x80_on_closes(kind: int) -> None:
    session = opened()
    assert_finished(session, session.receive(encode_header(kind, 8), NOW), ResultCode.INVALID)


@pytest.mark.parametrize("message", SERVER_MESSAGES, ids=lambda m: m.__name__)
def test_a_server_s_message_closes(message: type) -> None:
    session = opened()
    data = next(data for example, data in EXAMPLES if type(example) is message)
    assert_finished(session, session.receive(data, NOW), ResultCode.INVALID)


def test_unrecognized_is_never_answered() -> None:
    session = opened()
    assert session.receive(Unrecognized().encode(), NOW) is None
    assert session.take_outgoing() == []
    assert session.is_open


@pytest.mark.parametrize("message", [HelloAuth(KEY, SIGNATURE), HelloChallenge(KEY, KEY, b"a")])
def test_where_tls_proves_keys_messages_for_it_are_invalid(message: HelloAuth) -> None:
    session = opened()
    assert_finished(session, session.receive(message.encode(), NOW), ResultCode.INVALID)


# --- lengths and files


LIMITS = frame_limits()


@pytest.mark.claim("C89")
@pytest.mark.parametrize("kind", [*range(0x14), 0x20, 0x7F])
def test_a_client_s_message_beyond_its_limit_is_too_large(kind: int) -> None:
    session = opened()
    head = encode_header(kind, LIMITS[kind] + 1, 0, 0x1234)
    assert_finished(session, session.refused_length(head, NOW), ResultCode.TOO_LARGE)


@pytest.mark.parametrize(
    "head", ["0500000007000000", "0500000000000000", "80000000ffffffff", "ff000000ffff0f00"]
)
def test_other_refused_lengths_are_invalid(head: str) -> None:
    session = opened()
    assert_finished(session, session.refused_length(bytes.fromhex(head), NOW), ResultCode.INVALID)


def test_a_refused_length_before_hello_is_invalid() -> None:
    session = new()
    head = encode_header(MessageType.SUBMISSION, 0xFFFF_FFFF)
    assert_finished(session, session.refused_length(head, NOW), ResultCode.INVALID)


def test_a_long_blob_comes_as_a_file() -> None:
    session = opened()
    event = session.spooled(BlobSubmission.head(HASH, 70_000), "file", KEY, 70_000, NOW)
    assert event == BlobSubmitted(HASH, 70_000, path="file", digest=KEY)


def test_a_long_blob_before_hello_closes() -> None:
    session = new()
    head = BlobSubmission.head(HASH, 70_000)
    assert_finished(session, session.spooled(head, "file", HASH, 70_000, NOW), ResultCode.INVALID)
    assert session.spooled(head, "file", HASH, 70_000, NOW) is None


def test_another_type_in_a_file_closes() -> None:
    session = opened()
    head = BlobResult.head(HASH, 70_000)
    assert_finished(session, session.spooled(head, "file", HASH, 70_000, NOW), ResultCode.INVALID)


def test_parts_of_blobs_are_events() -> None:
    session = opened()
    assert session.receive(BlobOffer(HASH, 9).encode(), NOW) == BlobOffered(HASH, 9)
    assert session.receive(BlobPart(HASH, 2, b"ab").encode(), NOW) == BlobPartCame(HASH, 2, b"ab")
    assert session.receive(BlobPartGet(HASH, 4, 5).encode(), NOW) == BlobPartAsked(HASH, 4, 5)


# --- answers


@pytest.mark.claim("C45", "C46")
@pytest.mark.parametrize("result", list(ResultCode))
def test_answers_are_the_messages_of_the_codec(result: ResultCode) -> None:
    session = opened()
    assert decode(session.submission_result(RECORD[:32], result)) == SubmissionResult(RECORD[:32], result)
    assert decode(session.blob_submission_result(HASH, result)) == BlobSubmissionResult(HASH, result)
    assert decode(session.query_closed(9, result)) == QueryClosed(9, result)
    assert decode(session.blob_result(HASH, result)) == BlobResult(HASH, result)
    assert decode(session.dht_response(9, result)) == DhtResponse(9, result)
    assert decode(session.locally_complete(9)) == LocallyComplete(9)
    assert decode(session.closing(result)) == Closing(result)
    assert session.is_closed


def test_an_answer_with_a_blob_or_an_item() -> None:
    session = opened()
    found = decode(session.blob_result_head(HASH, 4) + b"blob")
    assert found == BlobResult(HASH, ResultCode.SUCCESS, b"blob")
    item = DhtItem(3, SIGNATURE, b"U\n")
    response = decode(session.dht_response(9, ResultCode.SUCCESS, item))
    assert isinstance(response, DhtResponse)
    assert response.item() == item


# --- runs


SUBMISSION = Submission(RECORD).encode()


@given(
    st.lists(
        st.sampled_from(
            [SUBMISSION, Submission(RECORD + bytes(8)).encode(), Hello(0).encode(), b"", SUBMISSION[:-1]]
        )
    )
)
def test_a_run_takes_what_receive_would_have_taken(frames: list[bytes]) -> None:
    session = opened()
    expected = []
    for frame in frames:
        event = opened().receive(frame, NOW)
        if not isinstance(event, Submitted):
            break
        expected.append(event.record)
    assert session.receive_run(frames) == expected
    assert session.receive_run([b"skipped", *frames], 1) == expected
    assert new().receive_run(frames) == []


# --- hostile input


@given(st.booleans(), st.lists(FRAMES, max_size=40))
def test_any_frames_are_answered_in_bounds(hello: bool, frames: list[bytes]) -> None:
    session = opened(open_queries=3) if hello else new(open_queries=3)
    for frame in frames:
        was_closed = session.is_closed
        event = session.receive(frame, NOW)
        sent = session.take_outgoing()
        assert len(sent) <= 1
        assert len(session.open_queries) <= 3
        if was_closed:
            assert event is None
            assert not sent
        for answer in sent:
            if answer != bytes.fromhex("fe24000000000000"):
                assert decode(answer).encode() == answer
                assert len(answer) <= 64
        assert isinstance(event, Finished) == (session.is_closed and not was_closed)


@given(st.booleans(), st.binary(min_size=8, max_size=8), st.binary(min_size=40, max_size=40))
def test_any_refused_header_or_file_ends_cleanly(hello: bool, head: bytes, prefix: bytes) -> None:
    session = opened() if hello else new()
    assert isinstance(session.refused_length(head, NOW), Finished)
    session = opened() if hello else new()
    assert isinstance(session.spooled(prefix, "file", HASH, 1, NOW), Finished | BlobSubmitted)
