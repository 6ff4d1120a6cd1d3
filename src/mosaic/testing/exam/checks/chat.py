"""The chat role: messages of people served here and to them, kept or of the moment.

Source: chat.md, network.md, edition §4 (Hub, Passing Message).
"""

from __future__ import annotations

from mosaic.core import core_tags
from mosaic.core.community_kinds import PASSING_MESSAGE
from mosaic.core.filter import Filter
from mosaic.core.kinds import CHAT_MESSAGE
from mosaic.core.record import Record
from mosaic.core.tag import Tag
from mosaic.testing.exam.check import Need, Who, check
from mosaic.testing.exam.stage import Stage
from mosaic.wire.result_code import ResultCode

_CHAT = "chat.md, edition §4 (Hub)"
_PASSING = "edition §4 (Hub, Passing Message), edition §3 (Ephemeral)"
_REFUSALS = (ResultCode.UNAUTHORIZED, ResultCode.REQUIRES_AUTHENTICATION)


def _room(stage: Stage) -> tuple[Tag, Tag]:
    """Reply and Root of a message to a room that nobody else uses."""
    room = stage.record(stage.fresh_key(), stage.kind())
    return core_tags.reply(room.kind, room.address), core_tags.root(room.kind, room.address)


def _said(stage: Stage, text: str, room: tuple[Tag, Tag]) -> Record:
    """A stranger's Chat Message in a room of the member's, whom it notifies as its hub."""
    return stage.record(
        stage.fresh_key(), CHAT_MESSAGE, notify=[stage.member.public], tags=room, payload=text.encode()
    )


@check(
    "chat.of_people_served",
    claims="C54 C57",
    rule="A chat server takes the Chat Messages of people whom it serves, and gives them to whoever asks.",
    source=_CHAT,
    who=Who.MEMBER,
    needs=Need.CHAT,
)
async def _of_members(stage: Stage) -> None:
    wire, reader = await stage.as_member(), await stage.anonymous()
    record = stage.record(stage.member, CHAT_MESSAGE, tags=_room(stage), payload=b"an exam's message")
    await wire.keep(record)
    stage.records_are(await reader.get(record.data[:48]), [record], "what its id finds")


@check(
    "chat.to_people_served",
    claims="C36 C57",
    rule="A chat server takes from anybody the Chat Messages that notify somebody whom it serves.",
    source=_CHAT,
    who=Who.RECIPIENT,
    needs=Need.CHAT,
)
async def _to_members(stage: Stage) -> None:
    member, room = await stage.as_member(), _room(stage)
    for wire in (await stage.anonymous(), await stage.stranger()):
        record = _said(stage, "hello", room)
        await wire.keep(record)
        stage.records_are(await member.get(record.data[:48]), [record], "what the recipient finds")


@check(
    "chat.between_strangers",
    claims="C55 C57",
    rule="Chat Messages of strangers to strangers are refused.",
    source=_CHAT,
    who=Who.STRANGER,
    needs=Need.CHAT | Need.STRANGERS,
)
async def _between_strangers(stage: Stage) -> None:
    wire, key = await stage.stranger(), stage.fresh_key()
    for notify in ([], [stage.fresh_key().public]):
        record = stage.record(key, CHAT_MESSAGE, notify=notify, payload=b"hello")
        await wire.refused(record, *_REFUSALS)
        stage.same(await wire.get(record.data[:48]), [], "what is kept of it")


@check(
    "chat.a_room_by_its_root",
    claims="C57 C69",
    rule="The Root tag finds all that was said in a room, newest first.",
    source="chat.md, core_tags.md (Root)",
    who=Who.RECIPIENT,
    needs=Need.CHAT,
)
async def _room_by_root(stage: Stage) -> None:
    wire, member, room = await stage.stranger(), await stage.as_member(), _room(stage)
    said = [_said(stage, f"{number}", room) for number in range(4)]
    await wire.keep(*said, _said(stage, "elsewhere", _room(stage)))
    wanted = Filter.of(kinds=[CHAT_MESSAGE], tags=[room[1]])
    stage.in_order(await member.query(wanted), said[::-1], "what was said in the room")


@check(
    "chat.a_room_live",
    claims="C41 C57",
    rule="Who has subscribed to a room by its Root hears each message as it comes.",
    source="chat.md, messages.md (SUBSCRIBE)",
    who=Who.RECIPIENT,
    needs=Need.CHAT,
)
async def _room_live(stage: Stage) -> None:
    wire, member, room = await stage.stranger(), await stage.as_member(), _room(stage)
    query_id, _ = await member.subscribe(Filter.of(kinds=[CHAT_MESSAGE], tags=[room[1]]))
    said = [_said(stage, f"{number}", room) for number in range(3)]
    for each in said:
        await wire.keep(each)
    stage.in_order(await member.live(query_id, said[-1].data), said, "what came live")


@check(
    "chat.passing_messages",
    claims="C28 C57",
    rule="A Passing Message to somebody served here reaches who has subscribed, and is not kept.",
    source=_PASSING,
    who=Who.RECIPIENT,
    needs=Need.CHAT,
)
async def _passing(stage: Stage) -> None:
    wire, member, room = await stage.stranger(), await stage.as_member(), _room(stage)
    wanted = Filter.of(kinds=[PASSING_MESSAGE], tags=[room[1]])
    query_id, _ = await member.subscribe(wanted)
    record = stage.record(
        stage.fresh_key(), PASSING_MESSAGE, notify=[stage.member.public], tags=room, payload=b"just now"
    )
    stage.same((await wire.submit(record))[0].is_success, True, "whether it is taken")  # noqa: FBT003 - a value
    stage.records_are(await member.live(query_id, record.data), [record], "what came live")
    stage.same(await member.query(wanted), [], "what is kept of it")


@check(
    "chat.passing_messages_between_strangers",
    claims="C28 C57",
    rule="Passing Messages of strangers to strangers are refused, and reach nobody.",
    source=_PASSING,
    who=Who.STRANGER,
    needs=Need.CHAT | Need.STRANGERS,
)
async def _passing_between_strangers(stage: Stage) -> None:
    wire, listener, room = await stage.stranger(), await stage.stranger(), _room(stage)
    query_id, _ = await listener.subscribe(Filter.of(kinds=[PASSING_MESSAGE], tags=[room[1]]))
    record = stage.record(stage.fresh_key(), PASSING_MESSAGE, tags=room, payload=b"just now")
    await wire.refused(record, *_REFUSALS)
    await listener.settled()
    stage.same(listener.records(query_id), [], "what came live")
