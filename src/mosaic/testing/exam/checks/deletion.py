"""Deletion: what an author takes back goes, stays away, and the Deletion itself is passed on.

Source: edition §4 (Deletion).
"""

from __future__ import annotations

from mosaic.core import core_tags
from mosaic.core.community_kinds import DELETION
from mosaic.core.community_tags import target
from mosaic.core.filter import Filter
from mosaic.core.key_schedule import Marker
from mosaic.core.keys import PublicKey, SecretKey
from mosaic.core.kind import Duplicates
from mosaic.core.kinds import KEY_SCHEDULE
from mosaic.core.record import Record
from mosaic.core.tag import Tag
from mosaic.testing.exam.author import Author
from mosaic.testing.exam.check import Need, Who, check
from mosaic.testing.exam.stage import MINUTE, Stage
from mosaic.testing.exam.wire import Wire
from mosaic.wire.result_code import ResultCode

_SOURCE = "edition §4 (Deletion)"


def _by_id(record: Record) -> Tag:
    return target(record.kind, record.id)


def _by_address(record: Record) -> Tag:
    return target(record.kind, record.address)


def _deletion(
    stage: Stage, *tags: Tag, signer: SecretKey | None = None, author: PublicKey | None = None
) -> Record:
    """A Deletion, the member's own if nobody else is named."""
    return stage.record(signer or stage.member, DELETION, author=author, tags=tags)


async def _posted(stage: Stage, count: int = 1) -> tuple[Wire, list[Record]]:
    """Records of the member's at addresses of their own, a minute old."""
    wire, kind, base = await stage.as_member(), stage.kind(), stage.now_ns - MINUTE
    records = [stage.record(stage.member, kind, timestamp=base + at) for at in range(count)]
    await wire.keep(*records)
    return wire, records


@check(
    "deletion.by_id",
    claims="C32 C72",
    rule="A record whose id a Deletion names goes at once, by id, by address and from queries.",
    source=_SOURCE,
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _goes_by_id(stage: Stage) -> None:
    wire, (gone, stays) = await _posted(stage, 2)
    await wire.keep(_deletion(stage, _by_id(gone)))
    stage.same(await wire.get(gone.data[:48]), [], "what its id finds")
    stage.same(await wire.get(gone.data[48:96]), [], "what its address finds")
    found = await wire.query(stage.of(gone.kind, stage.member.public))
    stage.records_are(found, [stays], "what a query finds")


@check(
    "deletion.by_address",
    claims="C32 C72",
    rule="A Deletion of an address covers all that stands there up to its own time.",
    source=_SOURCE,
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _goes_by_address(stage: Stage) -> None:
    wire, kind, nonce = await stage.as_member(), stage.kind(Duplicates.VERSIONED), stage.nonce()
    records = [stage.record(stage.member, kind, nonce=nonce) for _ in range(3)]
    await wire.keep(*records)
    await wire.keep(_deletion(stage, _by_address(records[0])))
    stage.same(await wire.get(records[0].data[48:96]), [], "what its address finds")


@check(
    "deletion.later_ones_live",
    claims="C32 C72",
    rule="What is written at a deleted address later lives.",
    source=_SOURCE,
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _later(stage: Stage) -> None:
    wire, (old,) = await _posted(stage)
    await wire.keep(_deletion(stage, _by_address(old)))
    new = stage.record(stage.member, old.kind, nonce=old.data[48:56])
    await wire.keep(new)
    stage.records_are(await wire.get(old.data[48:96]), [new], "what its address finds")


@check(
    "deletion.older_versions_stay_away",
    claims="C32 C72",
    rule="An older record of a deleted address that comes late is refused.",
    source=_SOURCE,
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _older(stage: Stage) -> None:
    wire, (record,) = await _posted(stage)
    await wire.keep(_deletion(stage, _by_address(record)))
    older = stage.record(
        stage.member, record.kind, nonce=record.data[48:56], timestamp=record.timestamp - MINUTE
    )
    await wire.refused(older)
    stage.same(await wire.get(older.data[:48]), [], "what its id finds")


@check(
    "deletion.sticks",
    claims="C32 C72",
    rule="What was deleted and comes again, from whomever, is refused and stays away.",
    source=_SOURCE,
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _sticks(stage: Stage) -> None:
    wire, (gone,) = await _posted(stage)
    await wire.keep(_deletion(stage, _by_id(gone)))
    for again in (wire, await stage.anonymous(), await stage.stranger()):
        await again.refused(gone)
    stage.same(await wire.get(gone.data[:48]), [], "what its id finds")


@check(
    "deletion.comes_first",
    claims="C32 C72",
    rule="A Deletion that comes before what it names keeps that away.",
    source=_SOURCE,
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _first(stage: Stage) -> None:
    wire = await stage.as_member()
    record = stage.record(stage.member, stage.kind())
    await wire.keep(_deletion(stage, _by_id(record)))
    await wire.refused(record)
    stage.same(await wire.get(record.data[:48]), [], "what its id finds")


@check(
    "deletion.in_one_go",
    claims="C32 C72",
    rule="A record, its Deletion and the record again in one stretch leave it deleted.",
    source=_SOURCE,
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _in_one_go(stage: Stage) -> None:
    wire = await stage.as_member()
    record = stage.record(stage.member, stage.kind())
    await wire.submit(record, _deletion(stage, _by_id(record)), record)
    stage.same(await wire.get(record.data[:48]), [], "what its id finds")


@check(
    "deletion.is_served_itself",
    claims="C32 C72",
    rule="A Deletion is served to whoever asks, and passed on to subscribers.",
    source=_SOURCE,
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _served(stage: Stage) -> None:
    wire, (gone,) = await _posted(stage)
    reader = await stage.anonymous()
    wanted = Filter.of(authors=[stage.member.public], kinds=[DELETION], tags=[_by_id(gone)])
    query_id, _ = await reader.subscribe(wanted)
    deletion = _deletion(stage, _by_id(gone))
    await wire.keep(deletion)
    stage.records_are(await reader.live(query_id, deletion.data), [deletion], "what came live")
    stage.records_are(await reader.query(wanted), [deletion], "what a query finds")


@check(
    "deletion.of_many",
    claims="C32 C72",
    rule="One Deletion may name many records, ids and addresses mixed; a malformed Target is passed over.",
    source=_SOURCE,
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _many(stage: Stage) -> None:
    wire, records = await _posted(stage, 40)
    tags = [_by_id(each) if at % 2 else _by_address(each) for at, each in enumerate(records[:39])]
    await wire.keep(_deletion(stage, Tag(tags[0].type, b"short"), *tags))
    found = await wire.query(stage.of(records[0].kind, stage.member.public))
    stage.records_are(found, records[39:], "what a query finds")


@check(
    "deletion.not_for_later_subscribers",
    claims="C32 C44 C72",
    rule="Who subscribes later gets nothing of what was deleted.",
    source=_SOURCE,
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _later_subscribers(stage: Stage) -> None:
    wire, (gone, stays) = await _posted(stage, 2)
    await wire.keep(_deletion(stage, _by_id(gone)))
    reader = await stage.anonymous()
    _, stored = await reader.subscribe(stage.of(gone.kind, stage.member.public))
    stage.records_are(stored, [stays], "what is stored")


@check(
    "deletion.makes_room_in_limits",
    claims="C32 C44 C72",
    rule="What was deleted counts for no limit.",
    source=_SOURCE,
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _limits(stage: Stage) -> None:
    wire, records = await _posted(stage, 4)
    await wire.keep(_deletion(stage, _by_id(records[3]), _by_id(records[2])))
    found = await wire.query(stage.of(records[0].kind, stage.member.public), 2)
    stage.records_are(found, records[:2], "what a query with a limit of 2 finds")


@check(
    "deletion.of_what_was_replaced",
    claims="C29 C32",
    rule="After the newest at an address was deleted nothing older comes back.",
    source=_SOURCE,
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _replaced(stage: Stage) -> None:
    wire, kind, nonce = await stage.as_member(), stage.kind(Duplicates.REPLACEABLE), stage.nonce()
    records = [stage.record(stage.member, kind, nonce=nonce) for _ in range(2)]
    for record in records:
        await wire.keep(record)
    await wire.keep(_deletion(stage, _by_address(records[0])))
    stage.same(await wire.get(records[0].data[48:96]), [], "what its address finds")


@check(
    "deletion.by_somebody_else",
    claims="C32 C58",
    rule="Nobody can delete what somebody else wrote, also not what is addressed to him.",
    source=_SOURCE,
    who=Who.RECIPIENT,
    needs=Need.OUTBOX | Need.INBOX,
)
async def _by_another(stage: Stage) -> None:
    wire, (record,) = await _posted(stage)
    thief = stage.fresh_key()
    other = await stage.stranger(thief)
    await other.keep(stage.record(thief, stage.kind(), notify=[stage.member.public]))
    tags = [_by_id(record), _by_address(record), core_tags.notify(stage.member.public)]
    await other.submit(_deletion(stage, *tags, signer=thief))
    theirs = stage.record(thief, stage.kind(), notify=[stage.member.public])
    await other.keep(theirs)
    await wire.keep(_deletion(stage, _by_id(theirs)))
    stage.records_are(await wire.get(record.data[:48]), [record], "what the member's id finds")
    stage.records_are(await wire.get(theirs.data[:48]), [theirs], "what the other's id finds")


@check(
    "deletion.of_deletions",
    claims="C32 C72",
    rule="A Deletion can't be deleted: it stays, and so does what it does.",
    source=_SOURCE,
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _of_deletions(stage: Stage) -> None:
    wire, (gone,) = await _posted(stage)
    deletion = _deletion(stage, _by_id(gone))
    await wire.keep(deletion)
    await wire.submit(_deletion(stage, _by_id(deletion), _by_address(deletion)))
    stage.records_are(await wire.get(deletion.data[:48]), [deletion], "what the first Deletion's id finds")
    await wire.refused(gone)


@check(
    "deletion.of_core_records",
    claims="C4 C32",
    rule="Records of application 0 can't be deleted: a key schedule stays.",
    source=_SOURCE,
    who=Who.RECIPIENT,
    needs=Need.INBOX,
)
async def _of_core(stage: Stage) -> None:
    author = await Author.known(stage)
    schedule = await author.lists((author.devices[0], Marker.ACTIVE_SIGNING_KEY, 0))
    tags = [target(KEY_SCHEDULE, schedule.id), target(KEY_SCHEDULE, schedule.address)]
    await author.wire.submit(
        _deletion(stage, *tags, core_tags.notify(stage.member.public), signer=author.master)
    )
    stage.records_are(await author.finds(schedule), [schedule], "what the schedule's id finds")


@check(
    "deletion.by_a_device",
    claims="C2 C32",
    rule="A Deletion that an active device has signed counts.",
    source=_SOURCE,
    who=Who.RECIPIENT,
    needs=Need.INBOX,
)
async def _by_device(stage: Stage) -> None:
    author = await Author.known(stage)
    await author.lists((author.devices[0], Marker.ACTIVE_SIGNING_KEY, 0))
    record = author.record(author.master)
    await author.wire.keep(record)
    tags = [_by_id(record), core_tags.notify(stage.member.public)]
    await author.wire.keep(_deletion(stage, *tags, signer=author.devices[0], author=author.master.public))
    stage.same(await author.finds(record), [], "what the recipient finds")


@check(
    "deletion.by_an_unlisted_key",
    claims="C2 C32",
    rule="A Deletion of a key that the author's schedule does not list counts for nothing.",
    source=_SOURCE,
    who=Who.RECIPIENT,
    needs=Need.INBOX,
)
async def _by_unlisted(stage: Stage) -> None:
    author = await Author.known(stage)
    await author.lists((author.devices[0], Marker.ACTIVE_SIGNING_KEY, 0))
    record = author.record(author.devices[0])
    await author.wire.keep(record)
    tags = [_by_id(record), core_tags.notify(stage.member.public)]
    false = _deletion(stage, *tags, signer=author.devices[1], author=author.master.public)
    await author.wire.refused(false, ResultCode.UNAUTHORIZED)
    stage.records_are(await author.finds(record), [record], "what the recipient finds")


@check(
    "deletion.by_a_key_that_is_revoked_later",
    claims="C6 C32",
    rule="A Deletion whose signer turns out revoked stops counting: what it removed may come again.",
    source=_SOURCE,
    who=Who.RECIPIENT,
    needs=Need.INBOX,
)
async def _revoked(stage: Stage) -> None:
    author = await Author.known(stage)
    stolen, kept = author.devices
    active = Marker.ACTIVE_SIGNING_KEY
    await author.lists((stolen, active, 0), (kept, active, 0))
    record = author.record(kept)
    await author.wire.keep(record)
    tags = [_by_id(record), core_tags.notify(stage.member.public)]
    await author.wire.keep(_deletion(stage, *tags, signer=stolen, author=author.master.public))
    stage.same(await author.finds(record), [], "what the recipient finds after the Deletion")
    await author.lists((stolen, Marker.REVOKED_ALL, stage.now_ns), (kept, active, 0))
    await author.wire.keep(record)
    stage.records_are(await author.finds(record), [record], "what the recipient finds in the end")
