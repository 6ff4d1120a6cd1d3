"""The encryption role: private messages are taken from anybody and given to nobody but their recipient.

Source: network.md (Encryption), edition §3 (Read access) and §4 (Private Message).
"""

from __future__ import annotations

import os

from mosaic.core import core_tags
from mosaic.core.community_kinds import CHANNEL_KEY, DIRECT_MESSAGE, PRIVATE_DELETION, PRIVATE_MESSAGE
from mosaic.core.community_tags import target
from mosaic.core.filter import Filter
from mosaic.core.keys import SecretKey
from mosaic.core.kind import Kind
from mosaic.core.record import Record
from mosaic.testing.exam.check import Need, Who, check
from mosaic.testing.exam.stage import MINUTE, Stage
from mosaic.testing.exam.wire import Wire
from mosaic.wire.result_code import ResultCode

_SOURCE = "network.md (Encryption), edition §4 (Private Message)"


def _letter(stage: Stage, key: SecretKey | None = None) -> Record:
    """A private message to the member, by a key made for it alone, dated back as such messages are."""
    hours = 1 + os.urandom(1)[0] % 40
    return stage.record(
        key or stage.fresh_key(),
        PRIVATE_MESSAGE,
        timestamp=stage.now_ns - hours * 60 * MINUTE,
        notify=[stage.member.public],
        payload=os.urandom(512),
    )


async def _sent(stage: Stage) -> tuple[Record, SecretKey]:
    """A letter that was taken over a stranger's link, and the key that wrote it."""
    key = stage.fresh_key()
    letter = _letter(stage, key)
    await (await stage.stranger()).keep(letter)
    return letter, key


async def _sees(stage: Stage, wire: Wire, letter: Record, *, reads: bool) -> None:
    """Tries every way to a stored letter."""
    seen = [letter] if reads else []
    author = Filter.of(authors=[letter.author], kinds=[PRIVATE_MESSAGE])
    notified = Filter.of(
        authors=[letter.author], kinds=[PRIVATE_MESSAGE], tags=[core_tags.notify(stage.member.public)]
    )
    stage.records_are(await wire.get(letter.data[:48]), seen, "what its id finds")
    stage.records_are(await wire.get(letter.data[48:96]), seen, "what its address finds")
    for wanted in (author, notified):
        stage.records_are(await wire.query(wanted), seen, "what a query finds")
        _, stored = await wire.subscribe(wanted)
        stage.records_are(stored, seen, "what a subscription finds stored")


@check(
    "encryption.takes_from_anybody",
    claims="C55 C56",
    rule="Private messages for somebody served here are taken from anybody, without a key.",
    source=_SOURCE,
    who=Who.RECIPIENT,
    needs=Need.ENCRYPTION,
)
async def _takes(stage: Stage) -> None:
    for wire in (await stage.anonymous(), await stage.stranger()):
        await wire.keep(_letter(stage))


@check(
    "encryption.recipient_reads",
    claims="C56",
    rule="The recipient, logged in, reads what was sent to him, every way.",
    source=_SOURCE,
    who=Who.RECIPIENT,
    needs=Need.ENCRYPTION,
)
async def _recipient(stage: Stage) -> None:
    letter, _ = await _sent(stage)
    await _sees(stage, await stage.as_member(), letter, reads=True)


@check(
    "encryption.nobody_else_reads",
    claims="C56",
    rule="Somebody without a key, and a stranger, find nothing of it, whichever way.",
    source=_SOURCE,
    who=Who.RECIPIENT,
    needs=Need.ENCRYPTION,
)
async def _nobody(stage: Stage) -> None:
    letter, _ = await _sent(stage)
    for wire in (await stage.anonymous(), await stage.stranger()):
        await _sees(stage, wire, letter, reads=False)


@check(
    "encryption.its_author_does_not_read",
    claims="C56",
    rule="Not even its author finds it: the key that wrote it may be stolen.",
    source=_SOURCE,
    who=Who.RECIPIENT,
    needs=Need.ENCRYPTION,
)
async def _author(stage: Stage) -> None:
    letter, key = await _sent(stage)
    await _sees(stage, await stage.stranger(key), letter, reads=False)


@check(
    "encryption.comes_live_to_the_recipient",
    claims="C56",
    rule="The recipient, logged in and subscribed, gets it as it comes.",
    source=_SOURCE,
    who=Who.RECIPIENT,
    needs=Need.ENCRYPTION,
)
async def _live(stage: Stage) -> None:
    letter = _letter(stage)
    wire, member = await stage.stranger(), await stage.as_member()
    query_id, _ = await member.subscribe(Filter.of(authors=[letter.author], kinds=[PRIVATE_MESSAGE]))
    await wire.keep(letter)
    stage.records_are(await member.live(query_id, letter.data), [letter], "what came live")


@check(
    "encryption.comes_live_to_nobody_else",
    claims="C56",
    rule="Subscriptions of others, its author among them, bring nothing of it.",
    source=_SOURCE,
    who=Who.RECIPIENT,
    needs=Need.ENCRYPTION | Need.OUTBOX,
)
async def _not_live(stage: Stage) -> None:
    key = stage.fresh_key()
    letter = _letter(stage, key)
    member, kind = await stage.as_member(), stage.kind()
    readers = [await stage.anonymous(), await stage.stranger(), await stage.stranger(key)]
    wanted = Filter.of(authors=[key.public, stage.member.public], kinds=[PRIVATE_MESSAGE, kind])
    ids = [(await reader.subscribe(wanted))[0] for reader in readers]
    await member.keep(letter)
    marker = stage.record(stage.member, kind)
    await member.keep(marker)
    for reader, query_id in zip(readers, ids, strict=True):
        got = await reader.live(query_id, marker.data)
        stage.expect(letter.data not in got, "nothing of the private message", got)


@check(
    "encryption.takes_no_place_in_limits",
    claims="C44 C56",
    rule="A limit does not count it for those who may not read it: counting tells nothing.",
    source="edition §1 and §3",
    who=Who.RECIPIENT,
    needs=Need.ENCRYPTION | Need.OUTBOX,
)
async def _limits(stage: Stage) -> None:
    letter, key = await _sent(stage)
    member = await stage.as_member()
    shown = stage.record(stage.member, stage.kind(), timestamp=letter.timestamp - MINUTE)
    await member.keep(shown)
    wanted = Filter.of(authors=[key.public, stage.member.public], kinds=[PRIVATE_MESSAGE, shown.kind])
    narrowed = Filter.of(
        authors=[key.public, stage.member.public],
        kinds=[PRIVATE_MESSAGE, shown.kind],
        until=letter.id.timestamp,
    )
    for reader in (await stage.anonymous(), await stage.stranger(key)):
        stage.records_are(await reader.query(narrowed, 1), [shown], "the newest that others may read")
        stage.expect(letter.data not in await reader.query(wanted, 500), "nothing of the private message")


@check(
    "encryption.twice_is_a_duplicate",
    claims="C45 C56",
    rule="A private message that comes again is DUPLICATE and comes to nobody again.",
    source=_SOURCE,
    who=Who.RECIPIENT,
    needs=Need.ENCRYPTION,
)
async def _twice(stage: Stage) -> None:
    letter, _ = await _sent(stage)
    await (await stage.anonymous()).refused(letter, ResultCode.DUPLICATE)


@check(
    "encryption.to_nobody_here",
    claims="C56",
    rule="A private message for somebody whom the server does not serve is refused.",
    source=_SOURCE,
    who=Who.STRANGER,
    needs=Need.ENCRYPTION | Need.STRANGERS,
)
async def _nobody_here(stage: Stage) -> None:
    wire = await stage.anonymous()
    letter = stage.record(stage.fresh_key(), PRIVATE_MESSAGE, notify=[stage.fresh_key().public])
    await wire.refused(letter)


async def _bare(stage: Stage, kind: Kind) -> None:
    wire = await stage.as_member()
    for key in (stage.member, stage.fresh_key()):
        await wire.refused(stage.record(key, kind, notify=[stage.member.public]), ResultCode.INVALID)


@check(
    "encryption.bare_direct_message",
    claims="C56 C66",
    rule="A Direct Message that is not inside of a private one is INVALID.",
    source=_SOURCE,
    who=Who.RECIPIENT,
    needs=Need.ENCRYPTION,
)
async def _bare_message(stage: Stage) -> None:
    await _bare(stage, DIRECT_MESSAGE)


@check(
    "encryption.bare_channel_key",
    claims="C56 C66",
    rule="A Channel Key that is not inside of a private message is INVALID.",
    source=_SOURCE,
    who=Who.RECIPIENT,
    needs=Need.ENCRYPTION,
)
async def _bare_key(stage: Stage) -> None:
    await _bare(stage, CHANNEL_KEY)


@check(
    "encryption.recipient_deletes",
    claims="C32 C66",
    rule="The recipient deletes a private message to him alone with a Private Deletion, and it stays away.",
    source="edition §4 (Deletion)",
    who=Who.RECIPIENT,
    needs=Need.ENCRYPTION,
)
async def _deletes(stage: Stage) -> None:
    letter, _ = await _sent(stage)
    member = await stage.as_member()
    await member.keep(stage.record(stage.member, PRIVATE_DELETION, tags=[target(letter.kind, letter.id)]))
    stage.same(await member.get(letter.data[:48]), [], "what the recipient finds")
    await (await stage.anonymous()).refused(letter)


@check(
    "encryption.others_do_not_delete",
    claims="C32 C66",
    rule="Nobody but its recipient deletes a private message.",
    source="edition §4 (Deletion)",
    who=Who.RECIPIENT,
    needs=Need.ENCRYPTION,
)
async def _others(stage: Stage) -> None:
    letter, _ = await _sent(stage)
    thief = stage.fresh_key()
    wire, member = await stage.stranger(thief), await stage.as_member()
    await wire.submit(
        stage.record(
            thief,
            PRIVATE_DELETION,
            tags=[target(letter.kind, letter.id), core_tags.notify(stage.member.public)],
        )
    )
    stage.records_are(await member.get(letter.data[:48]), [letter], "what the recipient finds")
