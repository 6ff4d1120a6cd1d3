"""Ephemeral records: to those who listen now, and nowhere else.

Source: kind.md (Ephemeral), messages.md (NO_CONSUMERS), edition §3.
"""

from __future__ import annotations

from mosaic.core.kind import Duplicates, Readers
from mosaic.testing.exam.check import Need, Who, check
from mosaic.testing.exam.stage import MINUTE, Stage
from mosaic.wire.result_code import ResultCode

_SOURCE = "kind.md, edition §3"


@check(
    "ephemeral.reaches_subscribers",
    claims="C28",
    rule="An ephemeral record reaches those who are subscribed.",
    source=_SOURCE,
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _reaches(stage: Stage) -> None:
    wire, reader, kind = await stage.as_member(), await stage.anonymous(), stage.kind(Duplicates.EPHEMERAL)
    query_id, _ = await reader.subscribe(stage.of(kind, stage.member.public))
    record = stage.record(stage.member, kind, payload=b"now")
    await wire.keep(record)
    stage.records_are(await reader.live(query_id, record.data), [record], "what came live")


@check(
    "ephemeral.is_not_stored",
    claims="C28",
    rule="An ephemeral record is not stored: no query, id or address finds it.",
    source=_SOURCE,
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _not_stored(stage: Stage) -> None:
    wire, reader, kind = await stage.as_member(), await stage.anonymous(), stage.kind(Duplicates.EPHEMERAL)
    wanted = stage.of(kind, stage.member.public)
    query_id, _ = await reader.subscribe(wanted)
    record = stage.record(stage.member, kind)
    await wire.keep(record)
    await reader.live(query_id, record.data)
    stage.same(await wire.query(wanted), [], "what a query finds")
    stage.same(await wire.get(record.data[:48], record.data[48:96]), [], "what id and address find")


@check(
    "ephemeral.not_for_those_who_come_later",
    claims="C28",
    rule="Who subscribes later does not get an ephemeral record that has passed.",
    source=_SOURCE,
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _later(stage: Stage) -> None:
    wire, early, kind = await stage.as_member(), await stage.anonymous(), stage.kind(Duplicates.EPHEMERAL)
    wanted = stage.of(kind, stage.member.public)
    early_id, _ = await early.subscribe(wanted)
    first = stage.record(stage.member, kind)
    await wire.keep(first)
    await early.live(early_id, first.data)
    late = await stage.anonymous()
    late_id, stored = await late.subscribe(wanted)
    stage.same(stored, [], "what was stored")
    second = stage.record(stage.member, kind)
    await wire.keep(second)
    stage.records_are(await late.live(late_id, second.data), [second], "what came live")


@check(
    "ephemeral.nobody_listens",
    claims="C28 C46",
    rule="Its author, proven and served here, is told NO_CONSUMERS when nobody listens.",
    source="messages.md (NO_CONSUMERS), edition §3",
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _nobody(stage: Stage) -> None:
    wire = await stage.as_member()
    record = stage.record(stage.member, stage.kind(Duplicates.EPHEMERAL))
    stage.same(await wire.submit(record), [ResultCode.NO_CONSUMERS], "the result")


@check(
    "ephemeral.somebody_else_listens",
    claims="C28",
    rule="Who listens to another kind is no consumer.",
    source="messages.md (NO_CONSUMERS)",
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _other_listens(stage: Stage) -> None:
    wire, reader = await stage.as_member(), await stage.anonymous()
    await reader.subscribe(stage.of(stage.kind(Duplicates.EPHEMERAL), stage.member.public))
    record = stage.record(stage.member, stage.kind(Duplicates.EPHEMERAL))
    stage.same(await wire.submit(record), [ResultCode.NO_CONSUMERS], "the result")


@check(
    "ephemeral.nobody_may_listen",
    claims="C28",
    rule="NO_CONSUMERS is told of kinds only that everybody may read: of others it would tell who listens.",
    source="edition §3",
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _private(stage: Stage) -> None:
    wire = await stage.as_member()
    record = stage.record(stage.member, stage.kind(Duplicates.EPHEMERAL, Readers.AUTHOR_AND_TAGGED))
    stage.same(await wire.submit(record), [ResultCode.ACCEPTED], "the result")


@check(
    "ephemeral.on_anothers_link",
    claims="C28",
    rule="NO_CONSUMERS is told to the proven author only: on an anonymous link it is ACCEPTED.",
    source="edition §3",
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _anothers_link(stage: Stage) -> None:
    wire = await stage.anonymous()
    record = stage.record(stage.member, stage.kind(Duplicates.EPHEMERAL))
    stage.same(await wire.submit(record), [ResultCode.ACCEPTED], "the result")


@check(
    "ephemeral.passes_once",
    claims="C28 C46",
    rule="An ephemeral record passes once: the second time it is DUPLICATE and reaches nobody.",
    source="edition §3",
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _once(stage: Stage) -> None:
    wire, reader, kind = await stage.as_member(), await stage.anonymous(), stage.kind(Duplicates.EPHEMERAL)
    query_id, _ = await reader.subscribe(stage.of(kind, stage.member.public))
    record, marker = stage.record(stage.member, kind), stage.record(stage.member, kind)
    await wire.keep(record)
    await wire.refused(record, ResultCode.DUPLICATE)
    await wire.keep(marker)
    stage.records_are(await reader.live(query_id, marker.data), [record, marker], "what came live")


@check(
    "ephemeral.four_minutes_off",
    claims="C28 C31",
    rule="An ephemeral record up to 5 minutes off, either way, is taken.",
    source="edition §3",
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _near(stage: Stage) -> None:
    wire, reader, kind = await stage.as_member(), await stage.anonymous(), stage.kind(Duplicates.EPHEMERAL)
    await reader.subscribe(stage.of(kind, stage.member.public))
    for minutes in (-4, 4):
        await wire.keep(stage.record(stage.member, kind, timestamp=stage.now_ns + minutes * MINUTE))


@check(
    "ephemeral.six_minutes_ago",
    claims="C28 C31",
    rule="An ephemeral record more than 5 minutes old is INVALID.",
    source="edition §3",
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _old(stage: Stage) -> None:
    wire, kind = await stage.as_member(), stage.kind(Duplicates.EPHEMERAL)
    record = stage.record(stage.member, kind, timestamp=stage.now_ns - 6 * MINUTE)
    await wire.refused(record, ResultCode.INVALID)


@check(
    "ephemeral.six_minutes_ahead",
    claims="C28 C31",
    rule="An ephemeral record more than 5 minutes ahead is INVALID.",
    source="edition §3",
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _ahead(stage: Stage) -> None:
    wire, kind = await stage.as_member(), stage.kind(Duplicates.EPHEMERAL)
    record = stage.record(stage.member, kind, timestamp=stage.now_ns + 6 * MINUTE)
    await wire.refused(record, ResultCode.INVALID)


@check(
    "ephemeral.private_ones_stay_private",
    claims="C27 C28",
    rule="Read access holds for ephemeral records, too: author and tagged only.",
    source="edition §3 (Read access)",
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _access(stage: Stage) -> None:
    friend = stage.fresh_key()
    wire, outsider, tagged = await stage.as_member(), await stage.anonymous(), await stage.stranger(friend)
    private = stage.kind(Duplicates.EPHEMERAL, Readers.AUTHOR_AND_TAGGED)
    public = type(private)(private.bytes[:7] + b"\x0d")
    wanted = type(stage.of(private)).of(authors=[stage.member.public], kinds=[private, public])
    outside, _ = await outsider.subscribe(wanted)
    inside, _ = await tagged.subscribe(wanted)
    secret = stage.record(stage.member, private, notify=[friend.public])
    marker = stage.record(stage.member, public)
    await wire.keep(secret)
    await wire.keep(marker)
    stage.records_are(await tagged.live(inside, marker.data), [secret, marker], "what the tagged one got")
    stage.records_are(await outsider.live(outside, marker.data), [marker], "what an outsider got")
