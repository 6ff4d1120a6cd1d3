"""Blobs in a client's session, whole and in parts."""

from __future__ import annotations

import pytest
from tests.protocol.client_sessions import NOW, assert_violated, opened
from tests.wire.examples import HASH, KEY

from mosaic.core import blob_hash
from mosaic.protocol.blob_events import BlobHeld, BlobPartArrived
from mosaic.protocol.events import (
    BlobAnswered,
    BlobArrived,
    RequestUnrecognized,
)
from mosaic.wire.blob_messages import BlobOffer, BlobOfferResult, BlobPart, BlobPartGet, BlobPartResult
from mosaic.wire.client_messages import (
    BlobGet,
    BlobSubmission,
)
from mosaic.wire.codec import decode
from mosaic.wire.result_code import ResultCode
from mosaic.wire.server_messages import (
    BlobResult,
    BlobSubmissionResult,
)
from mosaic.wire.unrecognized import Unrecognized

BLOB = b"a blob"


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
