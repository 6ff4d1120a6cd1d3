"""Blobs in parts: offered, sent and fetched part by part, gone on with where a link broke.

A server that does not know the messages answers UNRECOGNIZED; then there is nothing to judge.

Source: messages.md (BLOB Submission); the messages for parts: `mosaic.wire.blob_messages`.
"""

from __future__ import annotations

import os

from mosaic.core import blob_hash
from mosaic.testing.exam.check import Deviation, Need, Unsettled, Who, check
from mosaic.testing.exam.scenes import in_turn
from mosaic.testing.exam.stage import Stage
from mosaic.testing.exam.wire import Wire
from mosaic.wire.blob_messages import BlobOffer, BlobOfferResult, BlobPart, BlobPartGet, BlobPartResult
from mosaic.wire.result_code import ResultCode
from mosaic.wire.unrecognized import Unrecognized

_SOURCE = "docs/blobs.md (In parts), messages.md (BLOB Submission)"
_NEEDS = Need.BLOBS
_PART = 100_000
_REFUSALS = (ResultCode.REQUIRES_AUTHENTICATION, ResultCode.UNAUTHORIZED)


def _blob(length: int = 3 * _PART) -> tuple[bytes, bytes]:
    """A blob that nobody has, and its hash."""
    blob = os.urandom(64) + bytes(length - 64)
    return blob_hash.of(blob), blob


async def _held(wire: Wire, digest: bytes) -> tuple[ResultCode, int]:
    """The server's next answer about a blob: the result, and how many bytes it has."""

    def answered() -> bool:
        return wire.ended or any(
            isinstance(came.message, BlobOfferResult | Unrecognized) for came in wire.inbox
        )

    await wire.until(answered, "BLOB OFFER RESULT")
    if any(isinstance(came.message, Unrecognized) for came in wire.inbox):
        raise Unsettled("the server does not know blobs in parts: it answers UNRECOGNIZED")
    answer = await wire.take(BlobOfferResult)
    if answer.hash != digest:
        raise Deviation("expected the hash of the blob in BLOB OFFER RESULT; it names another")
    return answer.result, answer.held


async def _offer(wire: Wire, digest: bytes, length: int) -> tuple[ResultCode, int]:
    wire.send(BlobOffer(digest, length))
    return await _held(wire, digest)


async def _part(wire: Wire, digest: bytes, offset: int, data: bytes) -> tuple[ResultCode, int]:
    wire.send(BlobPart(digest, offset, data))
    return await _held(wire, digest)


async def _whole(stage: Stage, wire: Wire, digest: bytes, blob: bytes) -> None:
    """Sends a blob that nobody has, in parts."""
    stage.same(await _offer(wire, digest, len(blob)), (ResultCode.SUCCESS, 0), "the answer to the offer")
    for begin in range(0, len(blob), _PART):
        end = min(begin + _PART, len(blob))
        wanted = (ResultCode.ACCEPTED if end == len(blob) else ResultCode.SUCCESS, end)
        stage.same(await _part(wire, digest, begin, blob[begin:end]), wanted, "the answer to a part")


@check(
    "blob_parts.make_a_whole",
    claims="C10 C45",
    rule="An offered blob is taken part by part, each answered by how much is there; the last is ACCEPTED.",
    source=_SOURCE,
    who=Who.MEMBER,
    needs=_NEEDS,
)
@in_turn
async def _made(stage: Stage) -> None:
    wire, reader = await stage.as_member(), await stage.anonymous()
    digest, blob = _blob()
    await _whole(stage, wire, digest, blob)
    stage.same((await reader.get_blob(digest)).blob, blob, "the whole blob")


@check(
    "blob_parts.go_on_over_another_link",
    claims="C45",
    rule="After a link has broken, the next offer of the same person is answered by where the blob goes on.",
    source=_SOURCE,
    who=Who.MEMBER,
    needs=_NEEDS,
)
@in_turn
async def _go_on(stage: Stage) -> None:
    first = await stage.as_member()
    digest, blob = _blob()
    await _offer(first, digest, len(blob))
    stage.same(await _part(first, digest, 0, blob[:_PART]), (ResultCode.SUCCESS, _PART), "the first part")
    first.hang_up()
    second = await stage.as_member()
    stage.same(await _offer(second, digest, len(blob)), (ResultCode.SUCCESS, _PART), "the second offer")
    answer = await _part(second, digest, _PART, blob[_PART:])
    stage.same(answer, (ResultCode.ACCEPTED, len(blob)), "the rest")
    stage.same((await second.get_blob(digest)).blob, blob, "the whole blob")


@check(
    "blob_parts.without_an_offer",
    claims="C45",
    rule="A part of a blob that was not offered on the same link is NOT_FOUND.",
    source=_SOURCE,
    who=Who.MEMBER,
    needs=_NEEDS,
)
@in_turn
async def _no_offer(stage: Stage) -> None:
    first, second = await stage.as_member(), await stage.as_member()
    digest, blob = _blob()
    await _offer(first, digest, len(blob))
    result, _ = await _part(second, digest, 0, blob[:_PART])
    stage.same(result, ResultCode.NOT_FOUND, "the result")


@check(
    "blob_parts.out_of_turn",
    claims="C45",
    rule="A part that is not the next one changes nothing; the answer tells which is.",
    source=_SOURCE,
    who=Who.MEMBER,
    needs=_NEEDS,
)
@in_turn
async def _out_of_turn(stage: Stage) -> None:
    wire = await stage.as_member()
    digest, blob = _blob()
    await _offer(wire, digest, len(blob))
    _, held = await _part(wire, digest, _PART, blob[_PART : 2 * _PART])
    stage.same(held, 0, "what is held after a part from the middle")
    _, held = await _part(wire, digest, 0, blob[:_PART])
    stage.same(held, _PART, "what is held after the first part")
    _, held = await _part(wire, digest, 0, bytes(_PART))
    stage.same(held, _PART, "what is held after another first part")
    answer = await _part(wire, digest, _PART, blob[_PART:])
    stage.same(answer, (ResultCode.ACCEPTED, len(blob)), "the rest")


@check(
    "blob_parts.false_hash",
    claims="C10 C45",
    rule="Parts that make a blob with another hash are INVALID at the last, and kept under neither hash.",
    source=_SOURCE,
    who=Who.MEMBER,
    needs=_NEEDS,
)
@in_turn
async def _false_hash(stage: Stage) -> None:
    wire = await stage.as_member()
    digest, blob = _blob()
    named = blob_hash.of(os.urandom(16))
    await _offer(wire, named, len(blob))
    await _part(wire, named, 0, blob[:_PART])
    result, _ = await _part(wire, named, _PART, blob[_PART:])
    stage.same(result, ResultCode.INVALID, "the result of the last part")
    for each in (named, digest):
        stage.same((await wire.get_blob(each)).result, ResultCode.NOT_FOUND, "what a hash finds")


@check(
    "blob_parts.more_than_was_offered",
    claims="C45",
    rule="A part that goes beyond the length that was offered is INVALID.",
    source=_SOURCE,
    who=Who.MEMBER,
    needs=_NEEDS,
)
@in_turn
async def _too_much(stage: Stage) -> None:
    wire = await stage.as_member()
    digest, blob = _blob(_PART)
    await _offer(wire, digest, _PART - 1)
    result, _ = await _part(wire, digest, 0, blob)
    stage.same(result, ResultCode.INVALID, "the result")


@check(
    "blob_parts.of_what_is_there",
    claims="C45 C46",
    rule="An offer of a blob that is there already is a DUPLICATE, with all its bytes held.",
    source=_SOURCE,
    who=Who.MEMBER,
    needs=_NEEDS,
)
@in_turn
async def _there(stage: Stage) -> None:
    wire = await stage.as_member()
    digest, blob = _blob(1_000)
    await wire.put_blob(digest, blob)
    stage.same(await _offer(wire, digest, 1_000), (ResultCode.DUPLICATE, 1_000), "the answer to the offer")


@check(
    "blob_parts.of_a_stranger",
    claims="C45 C88",
    rule="Offers of a stranger, and of somebody without a key, are refused.",
    source=_SOURCE,
    who=Who.STRANGER,
    needs=_NEEDS | Need.STRANGERS,
)
async def _stranger(stage: Stage) -> None:
    for wire in (await stage.anonymous(), await stage.stranger()):
        digest, blob = _blob()
        result, _ = await _offer(wire, digest, len(blob))
        stage.expect(result in _REFUSALS, "REQUIRES_AUTHENTICATION or UNAUTHORIZED", result)
        result, _ = await _part(wire, digest, 0, blob[:_PART])
        stage.same(result, ResultCode.NOT_FOUND, "the result of a part all the same")


@check(
    "blob_parts.are_given",
    claims="C45 C54",
    rule="Whoever names its hash gets a blob part by part, each with its place and the whole length.",
    source=_SOURCE,
    who=Who.MEMBER,
    needs=_NEEDS,
)
@in_turn
async def _given(stage: Stage) -> None:
    wire, reader = await stage.as_member(), await stage.anonymous()
    digest, blob = _blob()
    await _whole(stage, wire, digest, blob)
    length = len(blob)
    for begin, most, end in (
        (0, 10, 10),
        (7, _PART, 7 + _PART),
        (length - 3, 10, length),
        (length, 10, length),
    ):
        reader.send(BlobPartGet(digest, begin, most))
        answer = await reader.take(BlobPartResult)
        wanted = BlobPartResult(digest, ResultCode.SUCCESS, begin, length, blob[begin:end])
        stage.expect(answer == wanted, f"{end - begin} bytes from {begin} on", len(answer.data))


@check(
    "blob_parts.of_what_is_not_there",
    claims="C45 C46",
    rule="A part of a blob that is not there is NOT_FOUND.",
    source=_SOURCE,
    needs=_NEEDS,
)
async def _not_there(stage: Stage) -> None:
    wire = await stage.anonymous()
    digest = blob_hash.of(os.urandom(16))
    wire.send(BlobPartGet(digest, 0, 10))
    await wire.until(lambda: bool(wire.inbox) or wire.ended, "BLOB PART RESULT")
    if any(isinstance(came.message, Unrecognized) for came in wire.inbox):
        raise Unsettled("the server does not know blobs in parts: it answers UNRECOGNIZED")
    answer = await wire.take(BlobPartResult)
    stage.same((answer.hash, answer.result, answer.data), (digest, ResultCode.NOT_FOUND, b""), "the answer")
