"""An inbox that holds back what strangers write: until it is approved, its recipient alone sees it.

Made only where the server's Server Info says that it does so.

Source: network.md (Inbox: MAY withhold serving prior to moderation), edition §4 (Sync).
"""

from __future__ import annotations

from mosaic.core import core_tags
from mosaic.core.filter import Filter
from mosaic.core.keys import SecretKey
from mosaic.core.kind import Kind
from mosaic.core.record import Record
from mosaic.testing.exam.check import Need, Who, check
from mosaic.testing.exam.checks.sync import compare
from mosaic.testing.exam.stage import MINUTE, Stage
from mosaic.testing.exam.wire import Wire

_SOURCE = "network.md (Inbox)"
_NEEDS = Need.INBOX | Need.WITHHOLD | Need.STRANGERS


async def _sent(stage: Stage, kind: Kind | None = None) -> tuple[Record, SecretKey]:
    """A record that a stranger has handed in for the member, and his key."""
    key = stage.fresh_key()
    record = stage.record(key, kind or stage.kind(), notify=[stage.member.public], payload=b"to be approved")
    await (await stage.stranger(key)).keep(record)
    return record, key


async def _sees(stage: Stage, wire: Wire, record: Record, *, reads: bool) -> None:
    """Tries every way to a stored record."""
    seen = [record] if reads else []
    stage.records_are(await wire.get(record.data[:48]), seen, "what its id finds")
    stage.records_are(await wire.get(record.data[48:96]), seen, "what its address finds")
    for wanted in (
        stage.of(record.kind, record.author),
        Filter.of(kinds=[record.kind], tags=[core_tags.notify(stage.member.public)]),
    ):
        stage.records_are(await wire.query(wanted), seen, "what a query finds")
        _, stored = await wire.subscribe(wanted)
        stage.records_are(stored, seen, "what a subscription finds stored")


@check(
    "withheld.recipient_reads",
    claims="C55",
    rule="What is held back is given to its recipient, logged in, every way.",
    source=_SOURCE,
    who=Who.RECIPIENT,
    needs=_NEEDS,
)
async def _recipient(stage: Stage) -> None:
    record, _ = await _sent(stage)
    await _sees(stage, await stage.as_member(), record, reads=True)


@check(
    "withheld.nobody_else_reads",
    claims="C55",
    rule="What is held back is found by nobody without a key and by no stranger, whichever way.",
    source=_SOURCE,
    who=Who.RECIPIENT,
    needs=_NEEDS,
)
async def _nobody(stage: Stage) -> None:
    record, _ = await _sent(stage)
    for wire in (await stage.anonymous(), await stage.stranger()):
        await _sees(stage, wire, record, reads=False)


@check(
    "withheld.its_author_does_not_read",
    claims="C55",
    rule="Its author does not find it either: he would learn that it is held back.",
    source="network.md (Inbox), docs/behavior.md",
    who=Who.RECIPIENT,
    needs=_NEEDS,
)
async def _author(stage: Stage) -> None:
    record, key = await _sent(stage)
    await _sees(stage, await stage.stranger(key), record, reads=False)


@check(
    "withheld.comes_live_to_the_recipient",
    claims="C55",
    rule="The recipient, logged in and subscribed, gets what is held back as it comes.",
    source=_SOURCE,
    who=Who.RECIPIENT,
    needs=_NEEDS,
)
async def _live(stage: Stage) -> None:
    member, kind = await stage.as_member(), stage.kind()
    query_id, _ = await member.subscribe(
        Filter.of(kinds=[kind], tags=[core_tags.notify(stage.member.public)])
    )
    record, _ = await _sent(stage, kind)
    stage.records_are(await member.live(query_id, record.data), [record], "what came live")


@check(
    "withheld.comes_live_to_nobody_else",
    claims="C55",
    rule="Others who have subscribed do not hear of what is held back.",
    source=_SOURCE,
    who=Who.RECIPIENT,
    needs=_NEEDS | Need.OUTBOX,
)
async def _live_to_nobody(stage: Stage) -> None:
    member, kind = await stage.as_member(), stage.kind()
    readers = [await stage.anonymous(), await stage.stranger()]
    wanted = Filter.of(kinds=[kind], tags=[core_tags.notify(stage.member.public)])
    ids = [(await reader.subscribe(wanted))[0] for reader in readers]
    await _sent(stage, kind)
    open_one = stage.record(stage.member, kind, notify=[stage.member.public])
    await member.keep(open_one)
    for reader, query_id in zip(readers, ids, strict=True):
        stage.records_are(await reader.live(query_id, open_one.data), [open_one], "what came live")


@check(
    "withheld.takes_no_place_in_limits",
    claims="C55",
    rule="What is held back takes no place in the limit of a query by somebody who may not see it.",
    source="network.md (Inbox), edition §3 (limit)",
    who=Who.RECIPIENT,
    needs=_NEEDS | Need.OUTBOX,
)
async def _limit(stage: Stage) -> None:
    member, reader, kind = await stage.as_member(), await stage.anonymous(), stage.kind()
    older = stage.record(stage.member, kind, timestamp=stage.now_ns - MINUTE, notify=[stage.member.public])
    await member.keep(older)
    await _sent(stage, kind)
    wanted = Filter.of(kinds=[kind], tags=[core_tags.notify(stage.member.public)])
    stage.records_are(await reader.query(wanted, 1), [older], "the newest one that may be seen")


@check(
    "withheld.no_part_of_sync",
    claims="C55 C63",
    rule="Sync shows nothing of what is held back, not even to its recipient.",
    source="edition §4 (Sync: not superseded, deleted or withheld)",
    who=Who.RECIPIENT,
    needs=_NEEDS | Need.SYNC,
)
async def _sync(stage: Stage) -> None:
    record, key = await _sent(stage)
    wanted = Filter.of(kinds=[record.kind], authors=[record.author])
    for wire in (await stage.as_member(), await stage.stranger(key), await stage.anonymous()):
        stage.same(await compare(wire, wanted), (set(), set()), "what only one side has")


@check(
    "withheld.members_are_not",
    claims="C54 C55",
    rule="What people served here write is not held back, even when it notifies one of them.",
    source="network.md (Outbox)",
    who=Who.MEMBER,
    needs=Need.OUTBOX | Need.WITHHOLD,
)
async def _members(stage: Stage) -> None:
    member, reader = await stage.as_member(), await stage.anonymous()
    record = stage.record(stage.member, stage.kind(), notify=[stage.member.public])
    await member.keep(record)
    await _sees(stage, reader, record, reads=True)
