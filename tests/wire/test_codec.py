from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.wire.examples import EXAMPLES, FILTER, HASH, KEY, RECORD, SIGNATURE

from mosaic.errors import InvalidMessage, UsageError
from mosaic.wire import header, limits
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
from mosaic.wire.codec import CLIENT_MESSAGES, SERVER_MESSAGES, Message, decode
from mosaic.wire.header import MessageType
from mosaic.wire.result_code import ResultCode
from mosaic.wire.server_messages import (
    BlobResult,
    BlobSubmissionResult,
    DhtItem,
    DhtResponse,
    Record,
    SubmissionResult,
)
from mosaic.wire.sync_messages import SyncData, SyncGet, SyncOpen
from mosaic.wire.unrecognized import Unknown, Unrecognized

KNOWN = {int(t) for t in MessageType}
by_name = pytest.mark.parametrize(
    ("message", "data"), EXAMPLES, ids=[f"{type(m).__name__} {n}" for n, (m, _) in enumerate(EXAMPLES)]
)


@pytest.mark.claim("C42", "C44", "C45", "C46")
@by_name
def test_each_message_has_its_layout_both_ways(message: Message, data: bytes) -> None:
    assert message.encode() == data
    assert decode(data) == message


def test_the_examples_name_every_type() -> None:
    assert {data[0] for _, data in EXAMPLES} >= KNOWN
    assert {int(m.TYPE) for m in (*CLIENT_MESSAGES, *SERVER_MESSAGES, Unrecognized)} == KNOWN


@by_name
def test_an_example_cut_or_lengthened_without_its_header_is_refused(message: Message, data: bytes) -> None:
    for damaged in (data[:-1], data + b"\0", data[:4], b""):
        with pytest.raises(InvalidMessage):
            decode(damaged)


def _resized(data: bytes, length: int) -> bytes:
    body = (data + bytes(100))[:length]
    return body[:4] + length.to_bytes(4, "little") + body[8:]


FIXED = {
    MessageType.HELLO_AUTH: 104,
    MessageType.UNSUBSCRIBE: 8,
    MessageType.SYNC_CLOSE: 8,
    MessageType.SYNC_ERROR: 8,
    MessageType.DHT_LOOKUP: 40,
    MessageType.BLOB_GET: 40,
    MessageType.BLOB_OFFER: 48,
    MessageType.BLOB_PART_GET: 56,
    MessageType.BLOB_OFFER_RESULT: 48,
    MessageType.LOCALLY_COMPLETE: 8,
    MessageType.QUERY_CLOSED: 8,
    MessageType.SUBMISSION_RESULT: 40,
    MessageType.BLOB_SUBMISSION_RESULT: 40,
    MessageType.HELLO_PROOF: 136,
    MessageType.UNRECOGNIZED: 8,
    MessageType.CLOSING: 8,
}
SHORTEST = {
    MessageType.HELLO_CHALLENGE: 73,
    MessageType.QUERY: 24,
    MessageType.SUBSCRIBE: 24,
    MessageType.SUBMISSION: 224,
    MessageType.BLOB_SUBMISSION: 40,
    MessageType.RECORD: 224,
    MessageType.BLOB_RESULT: 40,
    MessageType.BLOB_PART: 49,
    MessageType.BLOB_PART_RESULT: 56,
    MessageType.SYNC_OPEN: 25,
    MessageType.SYNC_DATA: 9,
    MessageType.SERVER_SYNC_DATA: 9,
}
STEPS = {MessageType.HELLO: 4, MessageType.HELLO_ACK: 4, MessageType.GET: 48, MessageType.SYNC_GET: 32}


@pytest.mark.claim("C42")
@by_name
def test_lengths_that_a_type_does_not_have_are_refused(message: Message, data: bytes) -> None:
    if data[0] not in KNOWN or data[0] == MessageType.DHT_RESPONSE:
        return  # any length will do
    kind = MessageType(data[0])
    for length in range(8, len(data) + 60):
        frame = _resized(data, length)
        if kind in FIXED:
            allowed = length == FIXED[kind]
        elif kind is MessageType.BLOB_RESULT and data[1] != ResultCode.SUCCESS:
            allowed = length == 40
        elif kind is MessageType.BLOB_PART_RESULT:
            # As many bytes as the blob has from the offset on, at most.
            most = 56 + 3 if data[1] == ResultCode.SUCCESS else 56
            allowed = 56 <= length <= most
        elif kind in SHORTEST:
            allowed = length >= SHORTEST[kind]
        else:
            allowed = (length - 8) % STEPS[kind] == 0
        if allowed:
            assert decode(frame).encode()[:8] == frame[:8]
        else:
            with pytest.raises(InvalidMessage):
                decode(frame)


def test_every_type_is_fixed_or_has_a_rule_for_its_length() -> None:
    assert set(FIXED) | set(SHORTEST) | set(STEPS) | {MessageType.DHT_RESPONSE} == set(MessageType)


USED_HEADER_BYTES = {
    **{t: {1} for t in MessageType if t.has_result_code},
    MessageType.HELLO: {3},
    MessageType.HELLO_ACK: {1, 3},
    MessageType.GET: {2, 3},
    MessageType.QUERY: {2, 3},
    MessageType.SUBSCRIBE: {2, 3},
    MessageType.UNSUBSCRIBE: {2, 3},
    MessageType.RECORD: {2, 3},
    MessageType.LOCALLY_COMPLETE: {2, 3},
    MessageType.DHT_LOOKUP: {1, 2, 3},
    MessageType.DHT_RESPONSE: {1, 2, 3},
    MessageType.QUERY_CLOSED: {1, 2, 3},
    MessageType.SYNC_OPEN: {2, 3},
    MessageType.SYNC_DATA: {2, 3},
    MessageType.SYNC_CLOSE: {2, 3},
    MessageType.SYNC_GET: {2, 3},
    MessageType.SERVER_SYNC_DATA: {2, 3},
    MessageType.SYNC_ERROR: {1, 2, 3},
}


@by_name
def test_header_bytes_that_a_type_does_not_use_are_ignored_and_written_as_zero(
    message: Message, data: bytes
) -> None:
    if data[0] not in KNOWN:
        return
    unused = {1, 2, 3} - USED_HEADER_BYTES.get(MessageType(data[0]), set())
    if data[0] in (MessageType.QUERY, MessageType.SUBSCRIBE):
        unused |= set(range(10, 16))
    noisy = bytes(0xA5 if at in unused else byte for at, byte in enumerate(data))
    assert decode(noisy) == message
    assert decode(noisy).encode() == data


@pytest.mark.claim("C46")
@pytest.mark.parametrize("kind", [t for t in MessageType if t.has_result_code])
def test_an_undefined_result_code_is_refused(kind: MessageType) -> None:
    data = min((d for _, d in EXAMPLES if d[0] == kind), key=len)  # one without data, where there are two
    defined = {int(code) for code in ResultCode}
    for code in range(256):
        frame = bytes([data[0], code]) + data[2:]
        if code == ResultCode.SUCCESS or (code in defined and kind is not MessageType.HELLO_PROOF):
            decode(frame)
        else:
            with pytest.raises(InvalidMessage):
                decode(frame)


@pytest.mark.parametrize("kind", [MessageType.SUBMISSION, MessageType.RECORD, MessageType.SUBMISSION_RESULT])
def test_an_id_that_begins_with_a_1_bit_is_refused(kind: MessageType) -> None:
    data = next(d for _, d in EXAMPLES if d[0] == kind)
    with pytest.raises(InvalidMessage, match="1 bit"):
        decode(data[:8] + b"\x80" + data[9:])


def test_only_a_success_carries_data() -> None:
    for failed in (
        DhtResponse(1, ResultCode.NOT_FOUND, b"x"),
        BlobResult(HASH, ResultCode.TEMPORARY_ERROR, b"x"),
    ):
        with pytest.raises(UsageError):
            failed.encode()
    frame = BlobResult(HASH, ResultCode.SUCCESS, b"x").encode()
    with pytest.raises(InvalidMessage):
        decode(bytes([frame[0], ResultCode.NOT_FOUND]) + frame[2:])


@pytest.mark.parametrize("flag", [2, 128, 255])
def test_a_dht_look_up_asks_for_a_user_or_a_server(flag: int) -> None:
    data = DhtLookup(1, server=True, key=KEY).encode()
    with pytest.raises(InvalidMessage):
        decode(bytes([data[0], flag]) + data[2:])


def test_a_dht_item_is_read_back_and_a_short_one_proves_nothing() -> None:
    item = DhtItem(12, SIGNATURE, b"S\nmosaic://a.example:1320/")
    assert DhtResponse.found(1, item).item() == item
    with pytest.raises(InvalidMessage, match="72"):
        DhtResponse(1, ResultCode.SUCCESS, bytes(71)).item()


def test_heads_of_blobs_are_the_beginning_of_the_whole_message() -> None:
    blob = bytes(1000)
    assert BlobSubmission.head(HASH, 1000) + blob == BlobSubmission(HASH, blob).encode()
    assert BlobResult.head(HASH, 1000) + blob == BlobResult(HASH, ResultCode.SUCCESS, blob).encode()


@given(
    st.sampled_from(sorted(KNOWN | {0, 9, 0x7F, 0x87, 0xFF})), st.binary(max_size=300), st.binary(min_size=3)
)
@example(0x12, b"", b"\0\0\0")
def test_any_frame_is_refused_or_comes_back_as_the_same_message(
    kind: int, body: bytes, fields: bytes
) -> None:
    frame = bytes([kind, *fields[:3]]) + (8 + len(body)).to_bytes(4, "little") + body
    try:
        message = decode(frame)
    except InvalidMessage:
        assert kind in KNOWN
        return
    encoded = message.encode()
    assert decode(encoded) == message
    assert len(encoded) == len(frame)
    if isinstance(message, Unknown):
        assert message.type == kind
        assert encoded == frame


@given(st.binary(max_size=400))
def test_any_bytes_are_refused_or_are_a_message(data: bytes) -> None:
    try:
        message = decode(data)
    except InvalidMessage:
        return
    assert int.from_bytes(data[4:8], "little") == len(data)
    assert decode(message.encode()) == message


@pytest.mark.parametrize(
    "message",
    [
        Hello(256),
        Hello(0, (1 << 32,)),
        HelloAuth(KEY[:31], SIGNATURE),
        HelloAuth(KEY, SIGNATURE[:63]),
        HelloChallenge(b"", KEY, b"a"),
        Get(65536, ()),
        Get(0, (bytes(47),)),
        Query(0, 65536, FILTER),
        Query(0, 0, FILTER[:7]),
        Subscribe(-1, 0, FILTER),
        Submission(RECORD[:215]),
        Record(0, b"\x80" + RECORD),
        DhtLookup(0, server=True, key=KEY + KEY),
        BlobGet(HASH[1:]),
        BlobSubmissionResult(HASH + b"0", ResultCode.SUCCESS),
        SubmissionResult(b"\x80" + HASH[1:], ResultCode.SUCCESS),
    ],
    ids=lambda m: type(m).__name__,
)
def test_values_that_do_not_fit_are_not_written(message: Message) -> None:
    with pytest.raises(UsageError) as caught:
        message.encode()
    assert caught.value.hint


def test_a_blob_longer_than_the_length_field_holds_is_not_announced() -> None:
    with pytest.raises(UsageError):
        BlobSubmission.head(HASH, limits.BLOB_LIMIT_MAXIMUM + 1)
    with pytest.raises(UsageError):
        DhtResponse.found(1, DhtItem(1 << 63, SIGNATURE, b""))
    assert header.parse_header(BlobSubmission.head(HASH, limits.BLOB_LIMIT_MAXIMUM)).length == 0xFFFF_FFFF


@pytest.mark.claim("C63")
@pytest.mark.parametrize("length", [0, 7, 9, 32_001, 65_535])
def test_a_filter_to_sync_by_that_leaves_no_message_is_refused(length: int) -> None:
    data = bytearray(SyncOpen(7, FILTER, b"a").encode())
    data[8:10] = length.to_bytes(2, "little")
    with pytest.raises(InvalidMessage):
        decode(bytes(data))


def test_sync_messages_that_do_not_fit_are_not_written() -> None:
    for message in (
        SyncOpen(7, bytes(32_001), b"a"),
        SyncOpen(7, bytes(7), b"a"),
        SyncOpen(7, FILTER, b""),
        SyncData(7, b""),
        SyncGet(7, (bytes(31),)),
    ):
        with pytest.raises(UsageError):
            message.encode()
