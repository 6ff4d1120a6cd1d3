"""GET and QUERY: filters, order, limits, what is refused.

Source: messages.md (Get, Query), filter.md, edition §1 and §3.
"""

from __future__ import annotations

from functools import partial

from mosaic.core.filter import Filter
from mosaic.core.kind import Duplicates, Kind, Readers
from mosaic.testing.exam.check import Need, Who, check
from mosaic.testing.exam.scenes import some
from mosaic.testing.exam.stage import MINUTE, Stage
from mosaic.testing.exam.wire import Wire
from mosaic.wire import client_messages as ask
from mosaic.wire import server_messages as tell
from mosaic.wire.result_code import ResultCode

_FILTER = "filter.md"
_ORDER = "messages.md (Query), edition §3"


@check(
    "queries.newest_first",
    claims="C44",
    rule="Answers are newest first, whatever the order in which records came.",
    source=_ORDER,
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _newest(stage: Stage) -> None:
    wire = await stage.as_member()
    kind, base = stage.kind(), stage.now_ns - MINUTE
    records = [stage.record(stage.member, kind, timestamp=base + at) for at in range(6)]
    await wire.keep(*(records[at] for at in (3, 0, 5, 1, 4, 2)))
    stage.in_order(await wire.query(stage.of(kind, stage.member.public)), reversed(records), "the answer")


@check(
    "queries.same_time_by_id",
    claims="C30 C44",
    rule="Records of one time come with the greater id first.",
    source=_ORDER,
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _ties(stage: Stage) -> None:
    wire = await stage.as_member()
    kind, base = stage.kind(), stage.now_ns - MINUTE
    records = sorted(stage.record(stage.member, kind, timestamp=base) for _ in range(6))
    await wire.keep(*(records[at] for at in (3, 0, 5, 1, 4, 2)))
    stage.in_order(await wire.query(stage.of(kind, stage.member.public)), reversed(records), "the answer")


@check(
    "queries.limit_takes_the_newest",
    claims="C44",
    rule="A limit of 2 gives the two newest.",
    source=_ORDER,
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _limit(stage: Stage) -> None:
    wire, records = await some(stage, 5)
    got = await wire.query(stage.of(records[0].kind, stage.member.public), 2)
    stage.records_are(got, [records[4], records[3]], "the answer")


@check(
    "queries.limit_of_exactly_all",
    claims="C44",
    rule="A limit of as many as there are gives all, and one less leaves out one.",
    source=_ORDER,
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _exact_limit(stage: Stage) -> None:
    wire, records = await some(stage, 4)
    wanted = stage.of(records[0].kind, stage.member.public)
    stage.same(len(await wire.query(wanted, 4)), 4, "how many come with a limit of 4")
    stage.same(len(await wire.query(wanted, 3)), 3, "how many come with a limit of 3")


@check(
    "queries.no_limit",
    claims="C44",
    rule="A limit of 0 is none: all 300 records come.",
    source=_ORDER,
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _no_limit(stage: Stage) -> None:
    wire, records = await some(stage, 300)
    got = await wire.query(stage.of(records[0].kind, stage.member.public))
    stage.records_are(got, reversed(records), "the answer")


@check(
    "queries.greatest_limit",
    claims="C44",
    rule="A limit of 65,535 is taken.",
    source=_ORDER,
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _greatest_limit(stage: Stage) -> None:
    wire, records = await some(stage, 2)
    got = await wire.query(stage.of(records[0].kind, stage.member.public), 65_535)
    stage.records_are(got, reversed(records), "the answer")


@check(
    "queries.limit_after_access",
    claims="C27 C44",
    rule="The limit counts what the asker may read: hidden records take no place.",
    source="edition §1",
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _limit_access(stage: Stage) -> None:
    wire, reader = await stage.as_member(), await stage.anonymous()
    open_kind, base = stage.kind(), stage.now_ns - MINUTE
    hidden_kind = Kind(open_kind.bytes[:7] + b"\x00")
    seen = stage.record(stage.member, open_kind, timestamp=base)
    hidden = [stage.record(stage.member, hidden_kind, timestamp=base + at) for at in range(1, 4)]
    await wire.keep(seen, *hidden)
    wanted = Filter.of(authors=[stage.member.public], kinds=[open_kind, hidden_kind])
    stage.records_are(
        await reader.query(wanted, 2), [seen], "the answer to somebody who may read one of four"
    )
    stage.records_are(await wire.query(wanted, 2), [hidden[2], hidden[1]], "the answer to the author")


@check(
    "queries.broad_ones_are_told",
    claims="C41",
    rule="A filter that could match everything is answered or refused with TOO_OPEN, nothing else.",
    source="filter.md, messages.md (TOO_OPEN)",
)
async def _broad(stage: Stage) -> None:
    wire = await stage.anonymous()
    wire.send(ask.Query(1, 0, Filter().encode()))
    # What it may bring is not waited for: the end of the question is.
    wire.send(ask.Unsubscribe(1))
    closed = await wire.take(tell.QueryClosed, 1)
    allowed = {ResultCode.SUCCESS, ResultCode.TOO_OPEN, ResultCode.TOO_FAST}
    stage.expect(closed.result in allowed, "SUCCESS or TOO_OPEN", closed.result)


@check(
    "queries.get_mixes_ids_and_addresses",
    claims="C30 C44",
    rule="GET takes ids and addresses mixed.",
    source="messages.md (Get)",
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _mixed(stage: Stage) -> None:
    wire, records = await some(stage, 3)
    got = await wire.get(records[0].data[:48], records[1].data[48:96], records[2].data[:48])
    stage.records_are(sorted(got), sorted(each.data for each in records), "the answer, in any order")


@check(
    "queries.get_of_what_is_not_there",
    claims="C44",
    rule="GET leaves out what is not there and ends with SUCCESS.",
    source="edition §1",
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _absent(stage: Stage) -> None:
    wire, records = await some(stage, 1)
    absent = stage.record(stage.member, records[0].kind)
    wanted = (absent.data[:48], records[0].data[:48], absent.data[48:96])
    got, result = await wire.ask(ask.Get(3, wanted))
    stage.records_are(got, records, "the answer")
    stage.same(result, ResultCode.SUCCESS, "how it ends")
    stage.same(await wire.ask(ask.Get(4, wanted[:1])), ([], ResultCode.SUCCESS), "the answer without any")


@check(
    "queries.absent_and_forbidden_look_the_same",
    claims="C27 C44",
    rule="Somebody who may not read a record gets the same answer as if it were not there.",
    source="edition §1",
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _same_look(stage: Stage) -> None:
    wire, reader = await stage.as_member(), await stage.anonymous()
    kind = stage.kind(readers=Readers.AUTHOR)
    hidden, absent = stage.record(stage.member, kind), stage.record(stage.member, kind)
    await wire.keep(hidden)
    answers = []
    for record in (hidden, absent):
        for reference in (record.data[:48], record.data[48:96]):
            reader.send(ask.Get(7, (reference,)))
            answers.append((await reader.next()).frame)
    stage.same(set(answers), {answers[-1]}, "the four answers, byte for byte")


@check(
    "queries.get_by_the_right_author",
    claims="C44",
    rule="An address is whole: the same nonce and kind of another author find nothing.",
    source="reference.md",
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _whole_address(stage: Stage) -> None:
    wire, records = await some(stage, 1)
    other = records[0].data[48:64] + stage.fresh_key().public.bytes
    stage.same(await wire.get(other), [], "what stands at another author's address")


@check(
    "queries.side_by_side",
    claims="C42 C44",
    rule="Several questions of one link are answered side by side, each under its own id.",
    source="messages.md",
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _side_by_side(stage: Stage) -> None:
    wire, records = await some(stage, 12)
    wanted = stage.of(records[0].kind, stage.member.public)
    for number in range(1, 13):
        wire.send(ask.Query(number, number, wanted.encode()))
    for number in range(1, 13):
        await wire.until(partial(_ended, wire, number), "QUERY CLOSED")
    for number in range(1, 13):
        newest = list(reversed(records))[:number]
        stage.records_are(wire.records(number), newest, f"the answer with a limit of {number}")


def _ended(wire: Wire, number: int) -> bool:
    return any(
        isinstance(came.message, tell.QueryClosed) and came.message.query_id == number for came in wire.inbox
    )


@check(
    "queries.long_answers_are_whole",
    claims="C44",
    rule="A long answer comes whole: 120 records of 32 KiB.",
    source="messages.md (Query)",
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _long(stage: Stage) -> None:
    wire = await stage.as_member()
    kind, base = stage.kind(), stage.now_ns - MINUTE
    records = [
        stage.record(stage.member, kind, timestamp=base + at, payload=bytes((at,)) * 32_768)
        for at in range(120)
    ]
    await wire.keep(*records)
    stage.records_are(await wire.query(stage.of(kind, stage.member.public)), reversed(records), "the answer")


@check(
    "queries.do_not_stay_open",
    claims="C44",
    rule="A query ends: what comes later is not sent to it.",
    source="messages.md (Query)",
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _ends(stage: Stage) -> None:
    wire, records = await some(stage, 1)
    wanted = stage.of(records[0].kind, stage.member.public)
    wire.send(ask.Query(5, 0, wanted.encode()))
    await wire.take(tell.QueryClosed, 5)
    wire.records(5)
    await wire.keep(stage.record(stage.member, records[0].kind))
    await wire.settled()
    stage.same(wire.records(5), [], "what came after the end")


@check(
    "queries.replaceable_by_address_of_versioned_kind",
    claims="C27 C30",
    rule="The handling of duplicates is part of the kind: an address of another handling is another one.",
    source="kind.md, reference.md",
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _handling(stage: Stage) -> None:
    wire = await stage.as_member()
    kind = stage.kind(Duplicates.REPLACEABLE)
    record = stage.record(stage.member, kind)
    await wire.keep(record)
    other = record.data[48:63] + bytes((record.data[63] | 1,)) + record.data[64:96]
    stage.same(await wire.get(other), [], "what stands at the versioned address")
    stage.records_are(await wire.get(record.data[48:96]), [record], "what stands at its own")
