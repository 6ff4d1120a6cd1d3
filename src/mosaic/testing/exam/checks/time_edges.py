"""Time edges: the future, what a range includes, when a record was received.

Source: timestamps.md, filter.md, edition §3.
"""

from __future__ import annotations

from mosaic.core.filter import Filter
from mosaic.core.record import Record
from mosaic.core.timestamp import Timestamp
from mosaic.testing.exam.check import Need, Who, check
from mosaic.testing.exam.stage import MINUTE, Stage
from mosaic.testing.exam.wire import Wire
from mosaic.wire.result_code import ResultCode

_FUTURE = "edition §3"
_HOUR = 60 * MINUTE
_LAST = (1 << 63) - 1


@check(
    "time_edges.fourteen_minutes_ahead",
    claims="C31",
    rule="A record up to 15 minutes ahead of the server's clock is taken.",
    source=_FUTURE,
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _ahead(stage: Stage) -> None:
    wire = await stage.as_member()
    await wire.keep(stage.record(stage.member, stage.kind(), timestamp=stage.now_ns + 14 * MINUTE))


@check(
    "time_edges.sixteen_minutes_ahead",
    claims="C31",
    rule="A record more than 15 minutes ahead of the server's clock is INVALID, and not served later.",
    source=_FUTURE,
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _too_far(stage: Stage) -> None:
    wire = await stage.as_member()
    record = stage.record(stage.member, stage.kind(), timestamp=stage.now_ns + 16 * MINUTE)
    await wire.refused(record, ResultCode.INVALID)
    stage.same(await wire.get(record.data[:48]), [], "what is kept of it")


@check(
    "time_edges.last_moment",
    claims="C31",
    rule="A record of the last moment that a timestamp can say is INVALID.",
    source=_FUTURE,
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _last(stage: Stage) -> None:
    wire = await stage.as_member()
    await wire.refused(stage.record(stage.member, stage.kind(), timestamp=_LAST), ResultCode.INVALID)


async def _three(stage: Stage) -> tuple[Wire, list[Record]]:
    """Three records a nanosecond apart, oldest first."""
    wire = await stage.as_member()
    kind, base = stage.kind(), stage.now_ns - MINUTE
    records = [stage.record(stage.member, kind, timestamp=base + at) for at in range(3)]
    await wire.keep(*records)
    return wire, records


def _wanted(stage: Stage, records: list[Record], **times: Timestamp) -> Filter:
    return Filter.of(authors=[stage.member.public], kinds=[records[0].kind], **times)  # type: ignore[arg-type]


@check(
    "time_edges.since_includes_its_end",
    claims="C40 C41",
    rule="Since includes its own nanosecond and nothing before it.",
    source="filter.md (Since)",
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _since(stage: Stage) -> None:
    wire, records = await _three(stage)
    got = await wire.query(_wanted(stage, records, since=Timestamp(records[1].timestamp)))
    stage.records_are(got, [records[2], records[1]], "what came since")


@check(
    "time_edges.until_includes_its_end",
    claims="C40 C41",
    rule="Until includes its own nanosecond and nothing after it.",
    source="filter.md (Until)",
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _until(stage: Stage) -> None:
    wire, records = await _three(stage)
    got = await wire.query(_wanted(stage, records, until=Timestamp(records[1].timestamp)))
    stage.records_are(got, [records[1], records[0]], "what came until then")


@check(
    "time_edges.since_and_until_together",
    claims="C40 C41",
    rule="Since and Until at one nanosecond leave exactly that one.",
    source="filter.md (Since, Until)",
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _both(stage: Stage) -> None:
    wire, records = await _three(stage)
    moment = Timestamp(records[1].timestamp)
    got = await wire.query(_wanted(stage, records, since=moment, until=moment))
    stage.records_are(got, [records[1]], "what was made then")


@check(
    "time_edges.exact_times",
    claims="C40",
    rule="Timestamps match exactly, to the nanosecond.",
    source="filter.md (Timestamps)",
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _exact(stage: Stage) -> None:
    wire, records = await _three(stage)
    moments = [Timestamp(records[0].timestamp), Timestamp(records[2].timestamp)]
    wanted = Filter.of(authors=[stage.member.public], kinds=[records[0].kind], timestamps=moments)
    stage.records_are(await wire.query(wanted), [records[2], records[0]], "what was made then")


@check(
    "time_edges.received_since",
    claims="C7 C40",
    rule="Received Since goes by when the server received a record, not by its own time.",
    source="filter.md (Received Since)",
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _received_since(stage: Stage) -> None:
    wire = await stage.as_member()
    record = stage.record(stage.member, stage.kind(), timestamp=stage.now_ns - 1_000 * _HOUR)
    await wire.keep(record)
    got = await wire.query(_wanted(stage, [record], received_since=Timestamp(stage.now_ns - _HOUR)))
    stage.records_are(got, [record], "what was received within the hour")
    later = Timestamp(stage.now_ns + _HOUR)
    stage.same(await wire.query(_wanted(stage, [record], received_since=later)), [], "what came later")


@check(
    "time_edges.received_until",
    claims="C7 C40",
    rule="Received Until goes by when the server received a record, not by its own time.",
    source="filter.md (Received Until)",
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _received_until(stage: Stage) -> None:
    wire = await stage.as_member()
    record = stage.record(stage.member, stage.kind(), timestamp=stage.now_ns - 1_000 * _HOUR)
    await wire.keep(record)
    before = Timestamp(stage.now_ns - _HOUR)
    stage.same(await wire.query(_wanted(stage, [record], received_until=before)), [], "what came before")
    got = await wire.query(_wanted(stage, [record], received_until=Timestamp(stage.now_ns + _HOUR)))
    stage.records_are(got, [record], "what was received until in an hour")


@check(
    "time_edges.filter_after_2262",
    claims="C31 C40",
    rule="A time with its top bit set makes a filter INVALID.",
    source="filter.md, timestamps.md, edition §3",
)
async def _filter_time(stage: Stage) -> None:
    wire = await stage.anonymous()
    good = stage.of(stage.kind(), stage.fresh_key().public).encode()
    element = bytes((0x80, 2)) + bytes(6) + b"\x80" + bytes(7)
    data = (len(good) + 16).to_bytes(2, "little") + good[2:] + element
    _, result = await wire.query_result(data, 1)
    stage.same(result, ResultCode.INVALID, "how the query ends")
