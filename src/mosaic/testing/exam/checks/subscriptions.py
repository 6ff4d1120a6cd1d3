"""Subscriptions: what was stored, LOCALLY COMPLETE, what comes live, each record once.

Source: messages.md (Subscribe, Unsubscribe, Locally Complete), edition §1 and §3.
"""

from __future__ import annotations

from mosaic.core.filter import Filter
from mosaic.core.kind import Kind, Readers
from mosaic.core.tag import Tag
from mosaic.core.timestamp import Timestamp
from mosaic.testing.exam.check import Need, Who, check
from mosaic.testing.exam.scenes import drafted, some
from mosaic.testing.exam.stage import MINUTE, Stage
from mosaic.wire import client_messages as ask
from mosaic.wire import server_messages as tell
from mosaic.wire.result_code import ResultCode

_SUBSCRIBE = "messages.md (Subscribe)"


@check(
    "subscriptions.stored_then_live",
    claims="C44",
    rule="A subscription brings what is stored, newest first, then LOCALLY COMPLETE, then what comes live.",
    source=_SUBSCRIBE,
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _stored_then_live(stage: Stage) -> None:
    wire, records = await some(stage, 3)
    reader = await stage.anonymous()
    query_id, stored = await reader.subscribe(stage.of(records[0].kind, stage.member.public))
    stage.in_order(stored, reversed(records), "what came before LOCALLY COMPLETE")
    later = [stage.record(stage.member, records[0].kind) for _ in range(3)]
    for record in later:
        await wire.keep(record)
    stage.records_are(await reader.live(query_id, later[-1].data), later, "what came live")


@check(
    "subscriptions.nothing_stored",
    claims="C44",
    rule="Where nothing is stored LOCALLY COMPLETE comes at once, and the subscription stays open.",
    source=_SUBSCRIBE,
)
async def _nothing(stage: Stage) -> None:
    wire = await stage.anonymous()
    query_id, stored = await wire.subscribe(stage.of(stage.kind(), stage.fresh_key().public))
    stage.same(stored, [], "what was stored")
    await wire.settled()
    closed = [came for came in wire.inbox if isinstance(came.message, tell.QueryClosed)]
    stage.same(closed, [], "what closed the subscription")
    wire.send(ask.Unsubscribe(query_id))
    stage.same((await wire.take(tell.QueryClosed, query_id)).result, ResultCode.SUCCESS, "how it ends")


@check(
    "subscriptions.unsubscribe",
    claims="C44",
    rule="UNSUBSCRIBE is answered with QUERY CLOSED SUCCESS.",
    source="messages.md (Unsubscribe)",
)
async def _unsubscribe(stage: Stage) -> None:
    wire = await stage.anonymous()
    query_id, _ = await wire.subscribe(stage.of(stage.kind(), stage.fresh_key().public))
    wire.send(ask.Unsubscribe(query_id))
    stage.same((await wire.take(tell.QueryClosed, query_id)).result, ResultCode.SUCCESS, "how it ends")


@check(
    "subscriptions.unsubscribe_from_nothing",
    claims="C44 C46",
    rule="UNSUBSCRIBE of an id that is not open is answered with QUERY CLOSED NOT_FOUND.",
    source="messages.md (Unsubscribe, Result Codes)",
)
async def _unsubscribe_nothing(stage: Stage) -> None:
    wire = await stage.anonymous()
    wire.send(ask.Unsubscribe(0x4242))
    stage.same((await wire.take(tell.QueryClosed, 0x4242)).result, ResultCode.NOT_FOUND, "how it ends")


@check(
    "subscriptions.nothing_after_the_end",
    claims="C44",
    rule="After QUERY CLOSED nothing more comes for a subscription.",
    source="messages.md (Unsubscribe)",
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _after_end(stage: Stage) -> None:
    wire, reader, kind = await stage.as_member(), await stage.anonymous(), stage.kind()
    wanted = stage.of(kind, stage.member.public)
    ended, _ = await reader.subscribe(wanted)
    goes_on, _ = await reader.subscribe(wanted)
    reader.send(ask.Unsubscribe(ended))
    await reader.take(tell.QueryClosed, ended)
    record = stage.record(stage.member, kind)
    await wire.keep(record)
    stage.records_are(await reader.live(goes_on, record.data), [record], "what came for the one that goes on")
    stage.same(reader.records(ended), [], "what came for the one that has ended")


@check(
    "subscriptions.id_is_free_again",
    claims="C44",
    rule="After UNSUBSCRIBE the id can be used for another subscription.",
    source="messages.md (Unsubscribe)",
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _id_again(stage: Stage) -> None:
    wire, records = await some(stage, 1)
    for _ in range(3):
        wire.send(ask.Subscribe(6, 0, stage.of(records[0].kind, stage.member.public).encode()))
        await wire.completed(6)
        stage.records_are(wire.records(6), records, "what was stored")
        wire.send(ask.Unsubscribe(6))
        await wire.take(tell.QueryClosed, 6)


@check(
    "subscriptions.exactly_once_between_stored_and_live",
    claims="C44",
    rule="What is submitted while a subscription begins comes exactly once, stored or live.",
    source="edition §3 (Subscription)",
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _once(stage: Stage) -> None:
    wire, reader, kind = await stage.as_member(), await stage.anonymous(), stage.kind()
    records = [stage.record(stage.member, kind) for _ in range(120)]
    wanted = stage.of(kind, stage.member.public).encode()
    for at, record in enumerate(records):
        wire.note(record.data)
        wire.send(ask.Submission(record.data))
        if at % 20 == 10:
            reader.send(ask.Subscribe(at, 0, wanted))
    for _ in records:
        await wire.take(tell.SubmissionResult)
    marker = stage.record(stage.member, kind)
    await wire.keep(marker)
    everything = sorted(each.data for each in (*records, marker))
    for number in range(10, 120, 20):
        got = await reader.live(number, marker.data)
        await reader.completed(number)
        stage.same(sorted(got), everything, "what came in all, stored and live")


@check(
    "subscriptions.live_once",
    claims="C44",
    rule="A record comes live once, also where several elements of the filter match it.",
    source="edition §3 (Subscription)",
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _live_once(stage: Stage) -> None:
    wire, reader, kind = await stage.as_member(), await stage.anonymous(), stage.kind()
    red, blue = Tag(0x9001, b"red"), Tag(0x9001, b"blue")
    wanted = Filter.of(
        authors=[stage.member.public, stage.fresh_key().public], kinds=[kind], tags=[red, blue]
    )
    query_id, _ = await reader.subscribe(wanted)
    both = stage.record(stage.member, kind, tags=[red, blue, red])
    marker = stage.record(stage.member, kind, tags=[blue])
    await wire.keep(both)
    await wire.keep(marker)
    stage.records_are(await reader.live(query_id, marker.data), [both, marker], "what came live")


@check(
    "subscriptions.duplicates_do_not_come",
    claims="C44",
    rule="A record that comes again is no news: subscribers don't get it twice.",
    source="edition §3 (Subscription)",
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _duplicate(stage: Stage) -> None:
    wire, reader, kind = await stage.as_member(), await stage.anonymous(), stage.kind()
    query_id, _ = await reader.subscribe(stage.of(kind, stage.member.public))
    record, marker = stage.record(stage.member, kind), stage.record(stage.member, kind)
    await wire.keep(record)
    await wire.submit(record)
    await wire.keep(marker)
    stage.records_are(await reader.live(query_id, marker.data), [record, marker], "what came live")


@check(
    "subscriptions.refused_ones_do_not_come",
    claims="C25 C44",
    rule="A record that was refused reaches no subscriber.",
    source=_SUBSCRIBE,
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _refused(stage: Stage) -> None:
    wire, reader, kind = await stage.as_member(), await stage.anonymous(), stage.kind()
    query_id, _ = await reader.subscribe(stage.of(kind, stage.member.public))
    await wire.refused(drafted(stage, kind).finish(high_s=True), ResultCode.INVALID)
    marker = stage.record(stage.member, kind)
    await wire.keep(marker)
    stage.records_are(await reader.live(query_id, marker.data), [marker], "what came live")


@check(
    "subscriptions.only_what_matches",
    claims="C39 C44",
    rule="Only what the filter matches comes live: author, kind, tags and times all count.",
    source=_SUBSCRIBE,
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _matches(stage: Stage) -> None:
    wire, reader, kind = await stage.as_member(), await stage.anonymous(), stage.kind()
    red = Tag(0x9001, b"red")
    other_kind = Kind(kind.bytes[:7] + b"\x1c")
    wanted = Filter.of(
        authors=[stage.member.public],
        kinds=[kind],
        tags=[red],
        since=Timestamp(stage.now_ns - MINUTE),
        exclude_tags=[Tag(0x9001, b"blue")],
    )
    query_id, _ = await reader.subscribe(wanted)
    await wire.keep(
        stage.record(stage.member, kind),
        stage.record(stage.member, other_kind, tags=[red]),
        stage.record(stage.member, kind, tags=[red, Tag(0x9001, b"blue")]),
        stage.record(stage.member, kind, tags=[red], timestamp=stage.now_ns - 2 * MINUTE),
        stage.record(stage.member, kind, tags=[Tag(0x9001, b"red!")]),
    )
    marker = stage.record(stage.member, kind, tags=[red])
    await wire.keep(marker)
    stage.records_are(await reader.live(query_id, marker.data), [marker], "what came live")


@check(
    "subscriptions.each_under_its_id",
    claims="C44",
    rule="Several subscriptions of one link get their records each under its own id.",
    source=_SUBSCRIBE,
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _each(stage: Stage) -> None:
    wire, reader = await stage.as_member(), await stage.anonymous()
    kinds = [stage.kind() for _ in range(4)]
    both, _ = await reader.subscribe(Filter.of(authors=[stage.member.public], kinds=kinds))
    ids = [(await reader.subscribe(stage.of(kind, stage.member.public)))[0] for kind in kinds]
    records = [stage.record(stage.member, kind) for kind in kinds]
    for record in records:
        await wire.keep(record)
    stage.records_are(await reader.live(both, records[-1].data), records, "what came for the broad one")
    for query_id, record in zip(ids, records, strict=True):
        stage.records_are(await reader.live(query_id, record.data), [record], "what came for a narrow one")


@check(
    "subscriptions.everyone_gets_it",
    claims="C44 C54",
    rule="What everybody may read reaches every subscriber, with and without a key.",
    source="messages.md (Subscribe), network.md",
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _everyone(stage: Stage) -> None:
    wire, kind = await stage.as_member(), stage.kind()
    readers = [await stage.anonymous(), await stage.stranger(), await stage.as_member()]
    wanted = stage.of(kind, stage.member.public)
    ids = [(await reader.subscribe(wanted))[0] for reader in readers]
    record = stage.record(stage.member, kind)
    await wire.keep(record)
    for reader, query_id in zip(readers, ids, strict=True):
        stage.records_are(await reader.live(query_id, record.data), [record], "what came live")


@check(
    "subscriptions.limit_of_stored_ones",
    claims="C44",
    rule="The limit of a subscription counts stored records, after access control, and not live ones.",
    source="edition §1",
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _limit(stage: Stage) -> None:
    wire, records = await some(stage, 4)
    reader = await stage.anonymous()
    query_id, stored = await reader.subscribe(stage.of(records[0].kind, stage.member.public), 2)
    stage.records_are(stored, [records[3], records[2]], "what came before LOCALLY COMPLETE")
    later = [stage.record(stage.member, records[0].kind) for _ in range(4)]
    for record in later:
        await wire.keep(record)
    stage.records_are(await reader.live(query_id, later[-1].data), later, "what came live")


@check(
    "subscriptions.go_on_beside_queries",
    claims="C42 C44",
    rule="A subscription goes on while its link asks and submits.",
    source=_SUBSCRIBE,
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _beside(stage: Stage) -> None:
    wire, kind = await stage.as_member(), stage.kind()
    wanted = stage.of(kind, stage.member.public)
    query_id, _ = await wire.subscribe(wanted)
    records = []
    for _ in range(5):
        records.append(stage.record(stage.member, kind))
        await wire.keep(records[-1])
        stage.records_are(await wire.query(wanted), records, "what a query finds")
    stage.records_are(await wire.live(query_id, records[-1].data), records, "what came live")


@check(
    "subscriptions.others_go_on",
    claims="C44",
    rule="A subscriber that vanishes takes nobody along.",
    source=_SUBSCRIBE,
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _others(stage: Stage) -> None:
    wire, kind = await stage.as_member(), stage.kind()
    gone, stays = await stage.anonymous(), await stage.anonymous()
    wanted = stage.of(kind, stage.member.public)
    await gone.subscribe(wanted)
    query_id, _ = await stays.subscribe(wanted)
    gone.hang_up()
    record = stage.record(stage.member, kind)
    await wire.keep(record)
    stage.records_are(await stays.live(query_id, record.data), [record], "what came live")


@check(
    "subscriptions.bad_filter",
    claims="C39 C44",
    rule="A SUBSCRIBE with a filter that is none ends with QUERY CLOSED INVALID, without LOCALLY COMPLETE.",
    source="edition §1",
)
async def _bad_filter(stage: Stage) -> None:
    wire = await stage.anonymous()
    wire.send(ask.Subscribe(8, 0, bytes((16, 0)) + bytes(6) + bytes((0x33, 1)) + bytes(6)))
    stage.same((await wire.take(tell.QueryClosed, 8)).result, ResultCode.INVALID, "how it ends")
    await wire.settled()
    complete = [came for came in wire.inbox if isinstance(came.message, tell.LocallyComplete)]
    stage.same(complete, [], "what said LOCALLY COMPLETE")


@check(
    "subscriptions.long_ones_come_whole",
    claims="C24 C44",
    rule="A record of nearly 1 MiB comes live, byte for byte.",
    source=_SUBSCRIBE,
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _long(stage: Stage) -> None:
    wire, reader, kind = await stage.as_member(), await stage.anonymous(), stage.kind()
    query_id, _ = await reader.subscribe(stage.of(kind, stage.member.public))
    record = stage.record(stage.member, kind, payload=bytes(range(256)) * 4_000)
    await wire.keep(record)
    stage.records_are(await reader.live(query_id, record.data), [record], "what came live")


@check(
    "subscriptions.private_ones_stay_private",
    claims="C27 C44",
    rule="A subscription brings no record that its link may not read, stored or live.",
    source="edition §3 (Read access)",
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _private(stage: Stage) -> None:
    wire, kind = await stage.as_member(), stage.kind()
    hidden_kind = Kind(kind.bytes[:7] + bytes((Readers.AUTHOR,)))
    readers = [await stage.anonymous(), await stage.stranger()]
    await wire.keep(stage.record(stage.member, hidden_kind))
    wanted = Filter.of(authors=[stage.member.public], kinds=[kind, hidden_kind])
    opened = [await reader.subscribe(wanted) for reader in readers]
    stage.same([stored for _, stored in opened], [[], []], "what was stored")
    await wire.keep(stage.record(stage.member, hidden_kind))
    marker = stage.record(stage.member, kind)
    await wire.keep(marker)
    for reader, (query_id, _) in zip(readers, opened, strict=True):
        stage.records_are(await reader.live(query_id, marker.data), [marker], "what came live")
