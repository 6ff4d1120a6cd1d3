"""Blobs: sent, kept, given to whoever names their hash.

Source: messages.md (BLOB Submission, BLOB Get), edition §1.
"""

from __future__ import annotations

import os

from mosaic.core import blob_hash
from mosaic.testing.exam.check import Need, Who, check
from mosaic.testing.exam.stage import Stage
from mosaic.wire import client_messages as ask
from mosaic.wire import server_messages as tell
from mosaic.wire.header import MessageType, encode_header
from mosaic.wire.result_code import ResultCode

_SUBMISSION = "messages.md (BLOB Submission)"
_GET = "messages.md (BLOB Get), edition §1"
_REFUSALS = (ResultCode.REQUIRES_AUTHENTICATION, ResultCode.UNAUTHORIZED)


def _blob(length: int = 1_000) -> tuple[bytes, bytes]:
    """A blob that nobody has, and its hash."""
    blob = os.urandom(min(length, 64)) + bytes(max(0, length - 64))
    return blob_hash.of(blob), blob


@check(
    "blobs.are_kept",
    claims="C10 C45",
    rule="A blob of a person served here is ACCEPTED and comes back.",
    source=_SUBMISSION,
    who=Who.MEMBER,
    needs=Need.BLOBS,
)
async def _kept(stage: Stage) -> None:
    wire = await stage.as_member()
    digest, blob = _blob()
    stage.same(await wire.put_blob(digest, blob), ResultCode.ACCEPTED, "the result")
    answer = await wire.get_blob(digest)
    stage.same((answer.result, answer.hash, answer.blob), (ResultCode.SUCCESS, digest, blob), "the answer")


@check(
    "blobs.twice_is_a_duplicate",
    claims="C45 C46",
    rule="A blob that is there already is DUPLICATE.",
    source=_SUBMISSION,
    who=Who.MEMBER,
    needs=Need.BLOBS,
)
async def _twice(stage: Stage) -> None:
    wire = await stage.as_member()
    digest, blob = _blob()
    stage.same(await wire.put_blob(digest, blob), ResultCode.ACCEPTED, "the first result")
    stage.same(await wire.put_blob(digest, blob), ResultCode.DUPLICATE, "the second result")


@check(
    "blobs.result_names_the_hash",
    claims="C45",
    rule="BLOB SUBMISSION RESULT has 40 bytes and names the hash.",
    source="messages.md (BLOB Submission Result)",
    who=Who.MEMBER,
    needs=Need.BLOBS,
)
async def _result(stage: Stage) -> None:
    wire = await stage.as_member()
    digest, blob = _blob()
    wire.send(ask.BlobSubmission(digest, blob))
    answer = await wire.take(tell.BlobSubmissionResult)
    stage.same(answer.hash, digest, "the hash in the result")


@check(
    "blobs.false_hash",
    claims="C10 C45",
    rule="A blob with another hash than it is sent under is INVALID and kept under neither.",
    source=_SUBMISSION,
    who=Who.MEMBER,
    needs=Need.BLOBS,
)
async def _false_hash(stage: Stage) -> None:
    wire = await stage.as_member()
    digest, blob = _blob()
    named = blob_hash.of(os.urandom(16))
    stage.same(await wire.put_blob(named, blob), ResultCode.INVALID, "the result")
    for each in (named, digest):
        stage.same((await wire.get_blob(each)).result, ResultCode.NOT_FOUND, "what a hash finds")


@check(
    "blobs.long_with_a_false_hash",
    claims="C10 C45",
    rule="A long blob with another hash than it is sent under is INVALID and kept under neither.",
    source=_SUBMISSION,
    who=Who.MEMBER,
    needs=Need.BLOBS,
)
async def _long_false_hash(stage: Stage) -> None:
    wire = await stage.as_member()
    digest, blob = _blob(300_000)
    named = blob_hash.of(os.urandom(16))
    stage.same(await wire.put_blob(named, blob), ResultCode.INVALID, "the result")
    for each in (named, digest):
        stage.same((await wire.get_blob(each)).result, ResultCode.NOT_FOUND, "what a hash finds")


@check(
    "blobs.not_there",
    claims="C45 C46",
    rule="BLOB GET of what is not there gets NOT_FOUND with the hash that was asked for, 40 bytes in all.",
    source=_GET,
    needs=Need.BLOBS,
)
async def _not_there(stage: Stage) -> None:
    wire = await stage.anonymous()
    digest = blob_hash.of(os.urandom(16))
    wire.send(ask.BlobGet(digest))
    came = await wire.next()
    wanted = encode_header(MessageType.BLOB_RESULT, 40, ResultCode.NOT_FOUND) + digest
    stage.same(came.frame, wanted, "the whole answer")


@check(
    "blobs.of_two_megabytes",
    claims="C45",
    rule="A blob of 2 MiB, longer than any record, is kept and comes back whole.",
    source=_SUBMISSION,
    who=Who.MEMBER,
    needs=Need.BLOBS,
)
async def _long(stage: Stage) -> None:
    wire = await stage.as_member()
    digest, blob = _blob(2 * 1_048_576)
    stage.same(await wire.put_blob(digest, blob), ResultCode.ACCEPTED, "the result")
    answer = await wire.get_blob(digest)
    stage.same((answer.result, answer.blob), (ResultCode.SUCCESS, blob), "the answer")


@check(
    "blobs.of_nothing",
    claims="C45",
    rule="A blob of no bytes is one: it is kept, or was before.",
    source=_SUBMISSION,
    who=Who.MEMBER,
    needs=Need.BLOBS,
)
async def _empty(stage: Stage) -> None:
    wire = await stage.as_member()
    digest = blob_hash.of(b"")
    result = await wire.put_blob(digest, b"")
    stage.expect(result in {ResultCode.ACCEPTED, ResultCode.DUPLICATE}, "ACCEPTED or DUPLICATE", result)
    answer = await wire.get_blob(digest)
    stage.same((answer.result, answer.blob), (ResultCode.SUCCESS, b""), "the answer")


@check(
    "blobs.for_whoever_names_them",
    claims="C45 C54",
    rule="Whoever names its hash gets a blob, with and without a key.",
    source=_GET,
    who=Who.MEMBER,
    needs=Need.BLOBS,
)
async def _anyone(stage: Stage) -> None:
    wire = await stage.as_member()
    digest, blob = _blob()
    await wire.put_blob(digest, blob)
    for reader in (await stage.anonymous(), await stage.stranger()):
        stage.same((await reader.get_blob(digest)).blob, blob, "the blob")


@check(
    "blobs.without_a_key",
    claims="C45 C88",
    rule="A blob of somebody who proves no key is refused, and not kept.",
    source=_SUBMISSION,
    needs=Need.BLOBS,
)
async def _anonymous(stage: Stage) -> None:
    wire = await stage.anonymous()
    digest, blob = _blob()
    result = await wire.put_blob(digest, blob)
    stage.expect(result in _REFUSALS, "REQUIRES_AUTHENTICATION or UNAUTHORIZED", result)
    stage.same((await wire.get_blob(digest)).result, ResultCode.NOT_FOUND, "what its hash finds")


@check(
    "blobs.of_a_stranger",
    claims="C45 C88",
    rule="A blob of a stranger is refused, and not kept.",
    source=_SUBMISSION,
    who=Who.STRANGER,
    needs=Need.BLOBS | Need.STRANGERS,
)
async def _stranger(stage: Stage) -> None:
    wire = await stage.stranger()
    digest, blob = _blob()
    stage.same(await wire.put_blob(digest, blob), ResultCode.UNAUTHORIZED, "the result")
    stage.same((await wire.get_blob(digest)).result, ResultCode.NOT_FOUND, "what its hash finds")


@check(
    "blobs.several_at_once",
    claims="C42 C45",
    rule="Several blobs that are asked for in one stretch all come, each named by its hash.",
    source=_GET,
    who=Who.MEMBER,
    needs=Need.BLOBS,
)
async def _several(stage: Stage) -> None:
    wire = await stage.as_member()
    blobs = dict(_blob(200_000 + number) for number in range(8))
    for digest, blob in blobs.items():
        stage.same(await wire.put_blob(digest, blob), ResultCode.ACCEPTED, "the result")
    wire.send(*(ask.BlobGet(digest) for digest in blobs))
    answers = [await wire.take(tell.BlobResult) for _ in blobs]
    stage.expect({each.hash: each.blob for each in answers} == blobs, "all eight blobs", len(answers))


@check(
    "blobs.hold_up_no_questions",
    claims="C42 C45",
    rule="Questions of another link are answered while a long blob is on its way.",
    source="messages.md, edition §1",
    who=Who.MEMBER,
    needs=Need.BLOBS,
)
async def _no_hold_up(stage: Stage) -> None:
    wire, other = await stage.as_member(), await stage.anonymous()
    digest, blob = _blob(1_200_000)
    frame = ask.BlobSubmission(digest, blob).encode()
    wire.send(frame[:600_000])
    stage.same(await other.query(stage.of(stage.kind(), stage.fresh_key().public)), [], "the other's answer")
    wire.send(frame[600_000:])
    stage.same((await wire.take(tell.BlobSubmissionResult)).result, ResultCode.ACCEPTED, "the result")
