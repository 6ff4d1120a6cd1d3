"""Replacement: which of the records at one address are served.

Source: kind.md (Duplicate Handling), reference.md, edition §3 (Replaceable).
"""

from __future__ import annotations

from mosaic.core.kind import Duplicates
from mosaic.core.record import Record
from mosaic.testing.exam.check import Need, Who, check
from mosaic.testing.exam.stage import MINUTE, Stage
from mosaic.wire.result_code import ResultCode

_SOURCE = "kind.md, edition §3"


def _series(stage: Stage, duplicates: Duplicates, count: int = 2, *, same_time: bool = False) -> list[Record]:
    """Records at one address, in the order in which they count: oldest first, or by id."""
    kind, nonce, base = stage.kind(duplicates), stage.nonce(), stage.now_ns - MINUTE
    records = [
        stage.record(
            stage.member,
            kind,
            nonce=nonce,
            timestamp=base if same_time else base + at,
            payload=f"number {at}".encode(),
        )
        for at in range(count)
    ]
    return sorted(records)


@check(
    "replacement.newer_takes_the_place",
    claims="C29",
    rule="Of a replaceable kind only the newest at an address is served.",
    source=_SOURCE,
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _newer(stage: Stage) -> None:
    wire = await stage.as_member()
    old, new = _series(stage, Duplicates.REPLACEABLE)
    await wire.keep(old)
    await wire.keep(new)
    stage.records_are(await wire.query(stage.of(old.kind, stage.member.public)), [new], "what a query finds")
    stage.records_are(await wire.get(old.data[48:96]), [new], "what stands at the address")


@check(
    "replacement.replaced_is_gone_by_id",
    claims="C29",
    rule="What was replaced is not served by its id any more.",
    source=_SOURCE,
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _by_id(stage: Stage) -> None:
    wire = await stage.as_member()
    old, new = _series(stage, Duplicates.REPLACEABLE)
    await wire.keep(old)
    stage.records_are(await wire.get(old.data[:48]), [old], "the first one, while it stands alone")
    await wire.keep(new)
    stage.same(await wire.get(old.data[:48]), [], "the first one, after it was replaced")


@check(
    "replacement.older_comes_late",
    claims="C29 C46",
    rule="An older record of a replaceable kind that arrives late is DUPLICATE and changes nothing.",
    source=_SOURCE,
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _late(stage: Stage) -> None:
    wire = await stage.as_member()
    old, new = _series(stage, Duplicates.REPLACEABLE)
    await wire.keep(new)
    await wire.refused(old, ResultCode.DUPLICATE)
    stage.records_are(await wire.get(new.data[48:96]), [new], "what stands at the address")
    stage.same(await wire.get(old.data[:48]), [], "the older one by its id")


@check(
    "replacement.replaced_comes_again",
    claims="C29 C46",
    rule="What was replaced and comes again is DUPLICATE and stays away.",
    source=_SOURCE,
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _again(stage: Stage) -> None:
    wire = await stage.as_member()
    old, new = _series(stage, Duplicates.REPLACEABLE)
    await wire.keep(old)
    await wire.keep(new)
    await wire.refused(old, ResultCode.DUPLICATE)
    stage.records_are(await wire.query(stage.of(old.kind, stage.member.public)), [new], "what a query finds")


@check(
    "replacement.greater_id_at_the_same_time",
    claims="C29",
    rule="Of two records of one time the one with the greater id is served, if it comes last.",
    source="edition §3 (Replaceable)",
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _tie(stage: Stage) -> None:
    wire = await stage.as_member()
    low, high = _series(stage, Duplicates.REPLACEABLE, same_time=True)
    await wire.keep(low)
    await wire.keep(high)
    stage.records_are(await wire.get(low.data[48:96]), [high], "what stands at the address")


@check(
    "replacement.greater_id_came_first",
    claims="C29",
    rule="Of two records of one time the one with the greater id is served, also if it came first.",
    source="edition §3 (Replaceable)",
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _tie_first(stage: Stage) -> None:
    wire = await stage.as_member()
    low, high = _series(stage, Duplicates.REPLACEABLE, same_time=True)
    await wire.keep(high)
    await wire.refused(low, ResultCode.DUPLICATE)
    stage.records_are(await wire.get(low.data[48:96]), [high], "what stands at the address")


@check(
    "replacement.in_one_go",
    claims="C29",
    rule="Five versions that come in one stretch, in any order, leave the newest.",
    source=_SOURCE,
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _one_go(stage: Stage) -> None:
    wire = await stage.as_member()
    records = _series(stage, Duplicates.REPLACEABLE, 5)
    await wire.submit(*(records[at] for at in (2, 0, 4, 1, 3)))
    stage.records_are(await wire.get(records[0].data[48:96]), [records[4]], "what stands at the address")


@check(
    "replacement.other_address_stays",
    claims="C29",
    rule="A record replaces only what has the same address: another nonce is another address.",
    source=_SOURCE,
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _other_nonce(stage: Stage) -> None:
    wire = await stage.as_member()
    one = stage.record(stage.member, stage.kind(Duplicates.REPLACEABLE))
    other = stage.record(stage.member, one.kind)
    await wire.keep(one, other)
    got = await wire.query(stage.of(one.kind, stage.member.public))
    stage.records_are(got, [other, one], "what a query finds")


@check(
    "replacement.other_kind_stays",
    claims="C27 C29",
    rule="The same number with other flags is another kind, and so another address.",
    source="kind.md, edition §3",
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _other_kind(stage: Stage) -> None:
    wire = await stage.as_member()
    kind, nonce = stage.kind(Duplicates.REPLACEABLE), stage.nonce()
    other_kind = type(kind)(kind.bytes[:7] + bytes((kind.bytes[7] | 0x10,)))
    one = stage.record(stage.member, kind, nonce=nonce)
    other = stage.record(stage.member, other_kind, nonce=nonce)
    await wire.keep(one, other)
    stage.records_are(await wire.get(one.data[48:96]), [one], "what stands at the first address")
    stage.records_are(await wire.get(other.data[48:96]), [other], "what stands at the second address")


@check(
    "replacement.versions_are_all_kept",
    claims="C29",
    rule="Of a versioned kind all records of an address are served, newest first.",
    source=_SOURCE,
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _versioned(stage: Stage) -> None:
    wire = await stage.as_member()
    records = _series(stage, Duplicates.VERSIONED, 3)
    await wire.keep(records[1], records[2], records[0])
    stage.in_order(await wire.get(records[0].data[48:96]), reversed(records), "what stands at the address")


@check(
    "replacement.versions_by_their_ids",
    claims="C29",
    rule="Each record of a versioned kind is served by its id.",
    source=_SOURCE,
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _version_ids(stage: Stage) -> None:
    wire = await stage.as_member()
    records = _series(stage, Duplicates.VERSIONED, 2)
    await wire.keep(*records)
    for record in records:
        stage.records_are(await wire.get(record.data[:48]), [record], "the version by its id")


@check(
    "replacement.unique_ones_are_all_kept",
    claims="C29",
    rule="Of a unique kind all records of an address are kept: an edit stands beside what it edits.",
    source="kind.md, edition §3 and §4",
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _unique(stage: Stage) -> None:
    wire = await stage.as_member()
    records = _series(stage, Duplicates.UNIQUE, 3)
    await wire.keep(*records)
    stage.records_are(await wire.get(records[0].data[48:96]), reversed(records), "what stands at the address")


@check(
    "replacement.subscribers_see_each_version",
    claims="C29 C44",
    rule="A subscriber gets the newer record of an address when it comes, and an older one never.",
    source=_SOURCE,
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _live(stage: Stage) -> None:
    wire, reader = await stage.as_member(), await stage.anonymous()
    first, late, second = _series(stage, Duplicates.REPLACEABLE, 3)
    query_id, _ = await reader.subscribe(stage.of(first.kind, stage.member.public))
    await wire.keep(first)
    await wire.keep(second)
    await wire.submit(late)
    marker = stage.record(stage.member, first.kind)
    await wire.keep(marker)
    got = await reader.live(query_id, marker.data)
    stage.records_are(got, [first, second, marker], "what came live")


@check(
    "replacement.authors_apart",
    claims="C29",
    rule="Nobody replaces what somebody else wrote: another author is another address.",
    source=_SOURCE,
    who=Who.RECIPIENT,
    needs=Need.OUTBOX | Need.INBOX,
)
async def _authors(stage: Stage) -> None:
    member, outsider = await stage.as_member(), await stage.stranger()
    mine = stage.record(stage.member, stage.kind(Duplicates.REPLACEABLE))
    await member.keep(mine)
    nonce = mine.data[48:56]
    theirs = stage.record(stage.fresh_key(), mine.kind, nonce=nonce, notify=[stage.member.public])
    await outsider.keep(theirs)
    stage.records_are(await member.get(mine.data[48:96]), [mine], "what stands at the first address")
    stage.records_are(await member.get(theirs.data[48:96]), [theirs], "what stands at the second address")
