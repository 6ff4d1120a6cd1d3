"""Roles: what an outbox and an inbox must take, and from whom.

Source: network.md (Outbox, Inbox), core_tags.md (Notify), edition §3.
"""

from __future__ import annotations

from mosaic.core import core_tags
from mosaic.core.filter import Filter
from mosaic.core.kind import Duplicates, Kind
from mosaic.core.kinds import REPLY_COMMENT
from mosaic.testing.exam.check import Need, Who, check
from mosaic.testing.exam.stage import Stage
from mosaic.wire.result_code import ResultCode

_OUTBOX = "network.md (Outbox)"
_INBOX = "network.md (Inbox)"
_REFUSALS = (ResultCode.UNAUTHORIZED, ResultCode.REQUIRES_AUTHENTICATION)


@check(
    "roles.outbox_takes_its_people",
    claims="C54",
    rule="An outbox takes what the people write whom it serves, on whosever link it comes.",
    source=_OUTBOX,
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _takes(stage: Stage) -> None:
    for wire in (await stage.as_member(), await stage.anonymous(), await stage.stranger()):
        await wire.keep(stage.record(stage.member, stage.kind()))


@check(
    "roles.outbox_gives_to_everybody",
    claims="C54",
    rule="An outbox gives what everybody may read to everybody, without a login.",
    source=_OUTBOX,
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _gives(stage: Stage) -> None:
    wire = await stage.as_member()
    record = stage.record(stage.member, stage.kind())
    await wire.keep(record)
    for reader in (await stage.anonymous(), await stage.stranger()):
        found = await reader.query(stage.of(record.kind, stage.member.public))
        stage.records_are(found, [record], "what a query finds")


@check(
    "roles.strangers_do_not_write_here",
    claims="C54 C59",
    rule="What a stranger writes that concerns nobody here is refused, and not kept.",
    source="network.md",
    who=Who.STRANGER,
    needs=Need.OUTBOX | Need.STRANGERS,
)
async def _stranger(stage: Stage) -> None:
    key = stage.fresh_key()
    for wire in (await stage.anonymous(), await stage.stranger(key)):
        record = stage.record(key, stage.kind())
        await wire.refused(record, *_REFUSALS)
        stage.same(await wire.get(record.data[:48]), [], "what is kept of it")


@check(
    "roles.strangers_to_strangers",
    claims="C55",
    rule="What a stranger writes to somebody whom the server does not serve is refused.",
    source=_INBOX,
    who=Who.STRANGER,
    needs=Need.INBOX | Need.STRANGERS,
)
async def _between_strangers(stage: Stage) -> None:
    wire = await stage.stranger()
    record = stage.record(stage.fresh_key(), stage.kind(), notify=[stage.fresh_key().public])
    await wire.refused(record, *_REFUSALS)


@check(
    "roles.inbox_takes_from_anybody",
    claims="C36 C55",
    rule="An inbox takes from anybody, without a login, what notifies somebody whom it serves.",
    source=_INBOX,
    who=Who.RECIPIENT,
    needs=Need.INBOX,
)
async def _inbox(stage: Stage) -> None:
    key = stage.fresh_key()
    for wire in (await stage.anonymous(), await stage.stranger(), await stage.stranger(key)):
        await wire.keep(stage.record(key, stage.kind(), notify=[stage.member.public]))


@check(
    "roles.inbox_gives_to_the_recipient",
    claims="C36 C55",
    rule="The recipient, logged in, gets what was sent to him: by id, by address, and by his Notify tag.",
    source=_INBOX,
    who=Who.RECIPIENT,
    needs=Need.INBOX,
)
async def _recipient(stage: Stage) -> None:
    wire, member = await stage.stranger(), await stage.as_member()
    record = stage.record(stage.fresh_key(), stage.kind(), notify=[stage.member.public])
    await wire.keep(record)
    stage.records_are(await member.get(record.data[:48]), [record], "what its id finds")
    stage.records_are(await member.get(record.data[48:96]), [record], "what its address finds")
    wanted = Filter.of(kinds=[record.kind], tags=[core_tags.notify(stage.member.public)])
    stage.records_are(await member.query(wanted), [record], "what his Notify tag finds")


@check(
    "roles.inbox_tells_the_recipient_at_once",
    claims="C36 C55",
    rule="The recipient, logged in and subscribed, gets what is sent to him as it comes.",
    source=_INBOX,
    who=Who.RECIPIENT,
    needs=Need.INBOX,
)
async def _recipient_live(stage: Stage) -> None:
    wire, member, kind = await stage.stranger(), await stage.as_member(), stage.kind()
    wanted = Filter.of(kinds=[kind], tags=[core_tags.notify(stage.member.public)])
    query_id, _ = await member.subscribe(wanted)
    record = stage.record(stage.fresh_key(), kind, notify=[stage.member.public])
    await wire.keep(record)
    stage.records_are(await member.live(query_id, record.data), [record], "what came live")


@check(
    "roles.one_of_several_recipients",
    claims="C36 C55",
    rule="It is enough that one of those whom a record notifies is served here.",
    source=_INBOX,
    who=Who.RECIPIENT,
    needs=Need.INBOX,
)
async def _one_of_several(stage: Stage) -> None:
    wire, member = await stage.stranger(), await stage.as_member()
    others = [stage.fresh_key().public for _ in range(4)]
    record = stage.record(
        stage.fresh_key(), stage.kind(), notify=[*others[:2], stage.member.public, *others[2:]]
    )
    await wire.keep(record)
    stage.records_are(await member.get(record.data[:48]), [record], "what the recipient finds")


@check(
    "roles.mentions_are_no_notification",
    claims="C35 C36 C55",
    rule="Only Notify asks for delivery: a mention in the text does not open the inbox.",
    source="core_tags.md (Notify)",
    who=Who.RECIPIENT,
    needs=Need.INBOX | Need.STRANGERS,
)
async def _mention(stage: Stage) -> None:
    wire = await stage.anonymous()
    record = stage.record(
        stage.fresh_key(), stage.kind(), tags=[core_tags.user_mention(stage.member.public, 0)]
    )
    await wire.refused(record, *_REFUSALS)


@check(
    "roles.inbox_for_replies",
    claims="C36 C55 C69",
    rule="An inbox takes replies to those whom it serves, with their Reply and Root.",
    source="reply_comment.md, core_tags.md",
    who=Who.RECIPIENT,
    needs=Need.INBOX | Need.OUTBOX,
)
async def _reply(stage: Stage) -> None:
    wire, member = await stage.stranger(), await stage.as_member()
    post = stage.record(stage.member, stage.kind())
    await member.keep(post)
    tags = [core_tags.reply(post.kind, post.id), core_tags.root(post.kind, post.id)]
    answer = stage.record(
        stage.fresh_key(), REPLY_COMMENT, notify=[stage.member.public], tags=tags, payload=b"an exam's reply"
    )
    await wire.keep(answer)
    wanted = Filter.of(kinds=[REPLY_COMMENT], tags=[core_tags.root(post.kind, post.id)])
    stage.records_are(await member.query(wanted), [answer], "the whole thread by its root")


@check(
    "roles.inbox_and_replaceable_kinds",
    claims="C29 C55",
    rule="What strangers send is handled by its kind, too: a newer reaction takes the place of the older.",
    source="kind.md, network.md (Inbox)",
    who=Who.RECIPIENT,
    needs=Need.INBOX,
)
async def _replaceable(stage: Stage) -> None:
    wire, member = await stage.stranger(), await stage.as_member()
    key, kind, nonce = stage.fresh_key(), stage.kind(Duplicates.REPLACEABLE), stage.nonce()
    old, new = (stage.record(key, kind, nonce=nonce, notify=[stage.member.public]) for _ in range(2))
    await wire.keep(old)
    await wire.keep(new)
    stage.records_are(await member.get(old.data[48:96]), [new], "what the recipient finds at the address")


@check(
    "roles.unknown_kinds_are_served",
    claims="C33 C57",
    rule="Kinds of applications that nobody has heard of are taken and served like any other.",
    source="applications.md, edition §3",
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _unknown_kinds(stage: Stage) -> None:
    wire, reader = await stage.as_member(), await stage.anonymous()
    for flags in (0x0C, 0x0E, 0x0F, 0x1C, 0x1E, 0x1F):
        kind = Kind(stage.kind().bytes[:7] + bytes((flags,)))
        record = stage.record(stage.member, kind)
        await wire.keep(record)
        stage.records_are(await reader.get(record.data[:48]), [record], f"one with the flags {flags:02x}")


@check(
    "roles.forged_authors_are_refused",
    claims="C25 C55",
    rule="What another key signs in a member's name never takes the place of his own.",
    source="record.md (Validation), edition §3",
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _forged(stage: Stage) -> None:
    wire, thief = await stage.as_member(), stage.fresh_key()
    good = stage.record(stage.member, stage.kind(Duplicates.REPLACEABLE))
    await wire.keep(good)
    forged = stage.record(
        thief, good.kind, author=stage.member.public, nonce=good.data[48:56], payload=b"not his"
    )
    await wire.submit(forged)
    found = await wire.get(good.data[48:96])
    stage.expect(good.data in found, "the member's own record at its address", found)
