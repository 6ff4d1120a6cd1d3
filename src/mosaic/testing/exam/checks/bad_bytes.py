"""Bad bytes: whatever comes, the link that brings it ends or is answered, and others don't notice.

The bytes are random, but the same in every exam.

Source: messages.md, edition §1.
"""

from __future__ import annotations

from random import Random

from mosaic.core.record import Record
from mosaic.testing.exam.check import Deviation, Need, Who, check
from mosaic.testing.exam.scenes import drafted
from mosaic.testing.exam.stage import Stage
from mosaic.testing.exam.wire import Wire, told
from mosaic.wire import client_messages as ask
from mosaic.wire import server_messages as tell
from mosaic.wire.header import MessageType, encode_header
from mosaic.wire.result_code import ResultCode
from mosaic.wire.unrecognized import Unrecognized

_SOURCE = "messages.md, edition §1"


async def _is_well(stage: Stage) -> None:
    """Another link is greeted and answered."""
    wire = await stage.anonymous()
    stage.same(
        await wire.query(stage.of(stage.kind(), stage.fresh_key().public)), [], "another link's answer"
    )


async def _answered_or_ended(wire: Wire) -> None:
    """Waits until the server has read everything: it answers a last HELLO, or has ended the link."""
    wire.send(ask.Hello(0))

    def done() -> bool:
        return wire.ended or any(
            isinstance(came.message, tell.HelloAck | tell.Closing) for came in wire.inbox
        )

    await wire.until(done, "an answer or the end of the link")
    for came in wire.inbox:
        if came.message is None:
            raise Deviation(f"expected messages of the protocol; got {told(came)}")


@check(
    "bad_bytes.random_frames",
    claims="C42",
    rule="Frames of random types and bodies are answered or end their link, and disturb nobody.",
    source=_SOURCE,
)
async def _frames(stage: Stage) -> None:
    dice = Random(1)  # noqa: S311 - the same bytes each time is what is wanted
    wire = await stage.offender()
    for _ in range(40):
        body = dice.randbytes(dice.choice((0, 1, 7, 40, 300)))
        wire.send(encode_header(dice.choice((0, 9, 0x20, 0x44, 0x7F)), 8 + len(body)) + body)
    await _answered_or_ended(wire)
    await _is_well(stage)


@check(
    "bad_bytes.noise",
    claims="C42",
    rule="Noise instead of frames ends the link, and disturbs nobody.",
    source=_SOURCE,
)
async def _noise(stage: Stage) -> None:
    wire = await stage.offender()
    wire.send(b"\xc5" + Random(2).randbytes(3) + (4_000).to_bytes(4, "little") + Random(3).randbytes(3_992))  # noqa: S311
    await wire.closing()
    await _is_well(stage)


@check(
    "bad_bytes.zeros",
    claims="C42",
    rule="Zeros are no message: a length of 0 ends the link with CLOSING INVALID.",
    source=_SOURCE,
)
async def _zeros(stage: Stage) -> None:
    wire = await stage.offender()
    wire.send(bytes(64))
    await wire.closing(ResultCode.INVALID)
    await _is_well(stage)


@check(
    "bad_bytes.http",
    claims="C42",
    rule="A web browser that comes to the wrong door is turned away, and disturbs nobody.",
    source=_SOURCE,
)
async def _http(stage: Stage) -> None:
    wire = await stage.connect(stage.member if stage.has_member else None, greet=False)
    wire.send(b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n")
    await wire.until(lambda: wire.ended or bool(wire.inbox), "CLOSING or the end of the link")
    for came in wire.inbox:
        stage.expect(isinstance(came.message, tell.Closing), "CLOSING", told(came))
    await _is_well(stage)


_EMPTY = (
    ("get", MessageType.GET, False),
    ("query", MessageType.QUERY, True),
    ("subscribe", MessageType.SUBSCRIBE, True),
    ("submission", MessageType.SUBMISSION, True),
    ("look_up", MessageType.DHT_LOOKUP, True),
    ("blob_submission", MessageType.BLOB_SUBMISSION, True),
    ("blob_get", MessageType.BLOB_GET, True),
)


@check(
    "bad_bytes.messages_without_bodies",
    claims="C42",
    rule="A message that needs a body and has none ends its link with CLOSING INVALID.",
    source=_SOURCE,
)
async def _empty(stage: Stage) -> None:
    for name, message_type, is_bad in _EMPTY:
        wire = await stage.offender()
        wire.send(encode_header(message_type, 8, query_id=1))
        if is_bad:
            result = await wire.closing()
            stage.same(result, ResultCode.INVALID, f"CLOSING of a {name} without a body")
        else:
            await wire.take(tell.QueryClosed, 1)
        wire.hang_up()


@check(
    "bad_bytes.random_filters",
    claims="C39",
    rule="Filters of random bytes are refused, each with QUERY CLOSED INVALID, and the link goes on.",
    source="filter.md, edition §1",
)
async def _filters(stage: Stage) -> None:
    dice = Random(4)  # noqa: S311
    wire = await stage.anonymous()
    for number in range(30):
        body = dice.randbytes(dice.choice((8, 24, 64, 256)))
        data = (8 + len(body)).to_bytes(2, "little") + bytes(6) + body
        wire.send(ask.Query(number, 1, data))
    for number in range(30):
        closed = await wire.take(tell.QueryClosed, number)
        stage.same(closed.result, ResultCode.INVALID, "how the query ends")


@check(
    "bad_bytes.random_records",
    claims="C25",
    rule="Records of random bytes are INVALID, each named in its result, and nothing is kept of them.",
    source="record.md (Validation)",
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _records(stage: Stage) -> None:
    dice = Random(5)  # noqa: S311
    wire = await stage.as_member()
    for _ in range(20):
        data = bytearray(dice.randbytes(dice.choice((216, 224, 1_000))))
        data[0] &= 0x7F
        await wire.refused(bytes(data), ResultCode.INVALID)
    await _is_well(stage)


@check(
    "bad_bytes.every_bit_counts",
    claims="C9 C25",
    rule="A record with one bit turned, wherever it stands, is INVALID.",
    source="record.md (Validation), cryptography.md",
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _bits(stage: Stage) -> None:
    dice = Random(6)  # noqa: S311
    wire = await stage.as_member()
    record = stage.record(stage.member, stage.kind(), payload=b"every bit of this record counts!").data
    spoilt = []
    for at in range(8, len(record), 5):
        data = bytearray(record)
        data[at] ^= 1 << dice.randrange(8)
        spoilt.append(bytes(data))
    results = await wire.submit(*spoilt)
    wanted = [ResultCode.INVALID] * len(spoilt)
    # A record whose length fields no longer fit it can be refused from them, as too long.
    stage.same(
        [r if r is not ResultCode.TOO_LARGE else ResultCode.INVALID for r in results], wanted, "the results"
    )
    stage.same(await wire.query(stage.of(Record(record).kind, stage.member.public)), [], "what is kept")


@check(
    "bad_bytes.half_a_message",
    claims="C42",
    rule="A link that ends inside of a message leaves nothing behind.",
    source=_SOURCE,
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _half(stage: Stage) -> None:
    wire = await stage.as_member()
    record = stage.record(stage.member, stage.kind(), payload=bytes(10_000))
    wire.send(ask.Submission(record.data).encode()[:-1_000])
    wire.hang_up()
    reader = await stage.as_member()
    stage.same(await reader.get(record.data[:48]), [], "what is kept of it")


@check(
    "bad_bytes.many_unknown_messages",
    claims="C42 C46",
    rule="A hundred messages of unknown types are each answered with UNRECOGNIZED.",
    source=_SOURCE,
)
async def _many(stage: Stage) -> None:
    wire = await stage.anonymous()
    wire.send(encode_header(0x6B, 8) * 100)
    for _ in range(100):
        await wire.take(Unrecognized)


@check(
    "bad_bytes.false_signatures_among_good_ones",
    claims="C9 C25",
    rule="Among 64 records that come together each false signature is found, wherever it stands.",
    source="record.md (Validation), cryptography.md",
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _hidden(stage: Stage) -> None:
    wire, kind = await stage.as_member(), stage.kind()
    records = [stage.record(stage.member, kind).data for _ in range(64)]
    bad = {0, 1, 17, 31, 32, 62, 63}
    for at in bad:
        records[at] = drafted(stage, kind).finish(high_s=True)
    results = await wire.submit(*records)
    found = {at for at, result in enumerate(results) if result is ResultCode.INVALID}
    stage.same(sorted(found), sorted(bad), "which are INVALID")
