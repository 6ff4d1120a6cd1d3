"""Limits that every server keeps: the longest it takes, and what it says to too much.

Source: edition §1, §5 (R8, R9) and §6, messages.md (TOO_FAST, TOO_LARGE).
"""

from __future__ import annotations

import asyncio

from mosaic.core.tag import Tag
from mosaic.testing.exam.check import Deviation, Need, Who, check
from mosaic.testing.exam.scenes import some
from mosaic.testing.exam.stage import Stage
from mosaic.testing.exam.wire import Wire
from mosaic.wire import client_messages as ask
from mosaic.wire import server_messages as tell
from mosaic.wire.result_code import ResultCode

_LONGEST = 1_048_576
_TOO_MUCH = (ResultCode.TOO_FAST, ResultCode.TOO_OPEN)


@check(
    "limits.longest_record",
    claims="C24 C89",
    rule="A record of 1,048,576 bytes is taken and comes back.",
    source="edition §6",
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _longest(stage: Stage) -> None:
    wire = await stage.as_member()
    record = stage.record(stage.member, stage.kind(), payload=b"\x5a" * (_LONGEST - 216))
    stage.same(len(record.data), _LONGEST, "the length of the record")
    await wire.keep(record)
    stage.records_are(await wire.get(record.data[:48]), [record], "the record by its id")


@check(
    "limits.longest_tags",
    claims="C24 C34 C89",
    rule="65,535 bytes of tags are taken.",
    source="edition §5 (R8, R9)",
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _tags(stage: Stage) -> None:
    wire = await stage.as_member()
    tags = [Tag(0x9001, number.to_bytes(4, "big")) for number in range(8_191)] + [Tag(0x9002, b"abc")]
    record = stage.record(stage.member, stage.kind(), tags=tags)
    stage.same(int.from_bytes(record.data[144:146], "little"), 65_535, "the bytes of tags")
    await wire.keep(record)
    wanted = type(stage.of(record.kind)).of(kinds=[record.kind], tags=[tags[-2]])
    stage.records_are(await wire.query(wanted), [record], "what is found by the last of 8,191 tags")


@check(
    "limits.longest_tag",
    claims="C24 C34 C89",
    rule="A tag of 65,535 bytes is taken.",
    source="edition §5 (R8, R9)",
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _tag(stage: Stage) -> None:
    wire = await stage.as_member()
    record = stage.record(stage.member, stage.kind(), tags=[Tag(0x9001, bytes(65_531))])
    await wire.keep(record)
    stage.records_are(await wire.get(record.data[:48]), [record], "the record by its id")


@check(
    "limits.longest_get",
    claims="C44 C89",
    rule="A GET of 1,365 references, nearly 64 KiB, is taken.",
    source="edition §1",
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _get(stage: Stage) -> None:
    wire, records = await some(stage, 3)
    absent = [stage.record(stage.member, records[0].kind).data[:48] for _ in range(10)]
    references = [*(absent * 137)[:1_362], *(each.data[:48] for each in records)]
    got = await wire.get(*references)
    stage.records_are(sorted(got), sorted(each.data for each in records), "the answer, in any order")


@check(
    "limits.twenty_subscriptions",
    claims="C44",
    rule="One link may have twenty subscriptions open.",
    source="messages.md (Subscribe)",
)
async def _twenty(stage: Stage) -> None:
    wire = await stage.anonymous()
    for _ in range(20):
        await wire.subscribe(stage.of(stage.kind(), stage.fresh_key().public))


@check(
    "limits.too_many_subscriptions",
    claims="C44 C60 C89",
    rule="Who opens 2,000 subscriptions is told TOO_FAST, and the link goes on: nothing stays unanswered.",
    source="messages.md (TOO_FAST)",
)
async def _too_many(stage: Stage) -> None:
    wire = await stage.offender()
    wanted = stage.of(stage.kind(), stage.fresh_key().public).encode()
    wire.send(*(ask.Subscribe(number, 0, wanted) for number in range(2_000)))
    await _each_answered(wire, 2_000)


async def _each_answered(wire: Wire, count: int) -> None:
    """Waits until LOCALLY COMPLETE or a refusal has come for each of so many query ids."""
    answered: set[int] = set()

    def complete() -> bool:
        for came in wire.inbox:
            if isinstance(came.message, tell.LocallyComplete):
                answered.add(came.message.query_id)
            elif isinstance(came.message, tell.QueryClosed):
                if came.message.result not in {*_TOO_MUCH, ResultCode.SUCCESS}:
                    raise Deviation(f"expected TOO_FAST; got {came.message.result.name}")
                answered.add(came.message.query_id)
        wire.inbox.clear()
        return len(answered) >= count or wire.ended

    await wire.until(complete, f"an answer to each of {count} questions")
    if len(answered) < count:
        raise Deviation(f"expected {count} answers; the link ended after {len(answered)}")


@check(
    "limits.many_questions_at_once",
    claims="C42 C44",
    rule="Two hundred queries in one stretch are each answered, or told TOO_FAST.",
    source="messages.md (Query, TOO_FAST)",
)
async def _many(stage: Stage) -> None:
    wire = await stage.anonymous()
    wanted = stage.of(stage.kind(), stage.fresh_key().public).encode()
    wire.send(*(ask.Query(number, 1, wanted) for number in range(200)))
    await _each_answered(wire, 200)


@check(
    "limits.ten_links",
    claims="C48 C59",
    rule="One address may have ten links at once, each greeted and answered.",
    source="messages.md",
)
async def _links(stage: Stage) -> None:
    wires = await asyncio.gather(*(stage.anonymous() for _ in range(10)))
    wanted = stage.of(stage.kind(), stage.fresh_key().public)
    answers = await asyncio.gather(*(wire.query(wanted) for wire in wires))
    stage.same(answers, [[]] * 10, "the ten answers")


@check(
    "limits.unsubscribing_makes_room",
    claims="C44",
    rule="Subscriptions that have ended don't count: one link may open and end 100, ten at a time.",
    source="messages.md (Unsubscribe)",
)
async def _room(stage: Stage) -> None:
    wire = await stage.anonymous()
    wanted = stage.of(stage.kind(), stage.fresh_key().public).encode()
    for _ in range(10):
        for number in range(10):
            wire.send(ask.Subscribe(number, 0, wanted), ask.Unsubscribe(number))
        for number in range(10):
            closed = await wire.take(tell.QueryClosed, number)
            stage.same(closed.result, ResultCode.SUCCESS, "how a subscription ends")
        wire.inbox.clear()
