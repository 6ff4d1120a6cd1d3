"""Read access: author only, author and tagged, everybody, on every path.

Source: kind.md (Read Access), edition §3.
"""

from __future__ import annotations

from dataclasses import dataclass

from mosaic.core import core_tags
from mosaic.core.filter import Filter
from mosaic.core.keys import SecretKey
from mosaic.core.kind import Kind, Readers
from mosaic.core.record import Record
from mosaic.testing.exam.check import Need, Run, Who, check
from mosaic.testing.exam.stage import Stage
from mosaic.testing.exam.wire import Wire
from mosaic.wire.result_code import ResultCode

_SOURCE = "kind.md (Read Access), edition §3"
_NAMES = {
    Readers.AUTHOR: "author_only",
    Readers.AUTHOR_AND_TAGGED: "author_and_tagged",
    Readers.EVERYBODY: "everybody",
}


@dataclass(frozen=True, slots=True)
class _Scene:
    """A record, one that everybody may read beside it, and somebody who looks at both."""

    record: Record
    marker: Record
    reader: Wire
    wanted: Filter


async def _scene(stage: Stage, readers: Readers, viewer: str) -> tuple[Wire, _Scene]:
    friend = stage.fresh_key()
    keys: dict[str, SecretKey | None] = {
        "anonymous": None,
        "stranger": stage.fresh_key(),
        "tagged": friend,
        "author": stage.member,
    }
    writer, reader = await stage.as_member(), await stage.connect(keys[viewer])
    kind = stage.kind(readers=readers)
    open_kind = Kind(kind.bytes[:7] + b"\x1c")
    record = stage.record(stage.member, kind, notify=[friend.public])
    marker = stage.record(stage.member, open_kind)
    wanted = Filter.of(authors=[stage.member.public], kinds=[kind, open_kind])
    return writer, _Scene(record, marker, reader, wanted)


async def _stored(stage: Stage, readers: Readers, viewer: str, *, reads: bool) -> None:
    writer, scene = await _scene(stage, readers, viewer)
    await writer.keep(scene.record)
    await writer.keep(scene.marker)
    seen = [scene.record] if reads else []
    stage.records_are(await scene.reader.get(scene.record.data[:48]), seen, "what its id finds")
    stage.records_are(await scene.reader.get(scene.record.data[48:96]), seen, "what its address finds")
    stage.records_are(await scene.reader.query(scene.wanted), [scene.marker, *seen], "what a query finds")
    _, stored = await scene.reader.subscribe(scene.wanted)
    stage.records_are(stored, [scene.marker, *seen], "what a subscription finds stored")


async def _live(stage: Stage, readers: Readers, viewer: str, *, reads: bool) -> None:
    writer, scene = await _scene(stage, readers, viewer)
    query_id, _ = await scene.reader.subscribe(scene.wanted)
    await writer.keep(scene.record)
    await writer.keep(scene.marker)
    got = await scene.reader.live(query_id, scene.marker.data)
    stage.records_are(got, [*([scene.record] if reads else []), scene.marker], "what came live")


_TABLE = {
    Readers.AUTHOR: {"anonymous": False, "stranger": False, "tagged": False, "author": True},
    Readers.AUTHOR_AND_TAGGED: {"anonymous": False, "stranger": False, "tagged": True, "author": True},
    Readers.EVERYBODY: {"anonymous": True, "stranger": True, "tagged": True, "author": True},
}


def _registered(readers: Readers, viewer: str, path: str, *, reads: bool) -> Run:
    async def run(stage: Stage) -> None:
        await (_stored if path == "stored" else _live)(stage, readers, viewer, reads=reads)

    whom = {
        "anonymous": "somebody without a key",
        "stranger": "a stranger",
        "tagged": "whom it notifies",
        "author": "its author",
    }[viewer]
    for_whom, verb = _NAMES[readers].replace("_", " "), "is" if reads else "is not"
    way = "by id, address, query and subscription" if path == "stored" else "live"
    return check(
        f"access.{_NAMES[readers]}_{path}_{viewer}",
        claims="C27",
        rule=f"A record for {for_whom} {verb} served to {whom}, {way}.",
        source=_SOURCE,
        who=Who.MEMBER,
        needs=Need.OUTBOX,
    )(run)


for _readers, _row in _TABLE.items():
    for _viewer, _reads in _row.items():
        for _path in ("stored", "live"):
            _registered(_readers, _viewer, _path, reads=_reads)


@check(
    "access.tagged_means_notify",
    claims="C27 C35",
    rule="Tagged means Notify: somebody who is only mentioned in the text reads nothing.",
    source="edition §3 (Read access)",
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _mentioned(stage: Stage) -> None:
    key = stage.fresh_key()
    wire, reader = await stage.as_member(), await stage.stranger(key)
    kind = stage.kind(readers=Readers.AUTHOR_AND_TAGGED)
    tags = [core_tags.user_mention(key.public, 0), core_tags.subkey(key.public)]
    record = stage.record(stage.member, kind, tags=tags)
    await wire.keep(record)
    stage.same(await reader.get(record.data[:48]), [], "what somebody who is mentioned finds")


@check(
    "access.several_are_tagged",
    claims="C27 C35",
    rule="Each whom a record notifies reads it, wherever the tag stands.",
    source=_SOURCE,
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _several(stage: Stage) -> None:
    keys = [stage.fresh_key() for _ in range(5)]
    wire = await stage.as_member()
    kind = stage.kind(readers=Readers.AUTHOR_AND_TAGGED)
    record = stage.record(stage.member, kind, notify=[key.public for key in keys])
    await wire.keep(record)
    for key in (keys[0], keys[4]):
        reader = await stage.stranger(key)
        stage.records_are(await reader.get(record.data[:48]), [record], "what one of them finds")


@check(
    "access.a_proven_key_is_one_links",
    claims="C27 C50",
    rule="What one link has proven gives other links no rights.",
    source="edition §2 and §3",
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _one_link(stage: Stage) -> None:
    member, other = await stage.as_member(), await stage.anonymous()
    record = stage.record(stage.member, stage.kind(readers=Readers.AUTHOR))
    await member.keep(record)
    stage.records_are(await member.get(record.data[:48]), [record], "what the author finds")
    stage.same(await other.get(record.data[:48]), [], "what another link finds")


@check(
    "access.from_author_on_his_own_link",
    claims="C26",
    rule="A FROM_AUTHOR record is taken on its author's own link.",
    source="record.md (Flags), edition §3",
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _from_author(stage: Stage) -> None:
    wire = await stage.as_member()
    record = stage.record(stage.member, stage.kind(), from_author=True)
    await wire.keep(record)
    reader = await stage.anonymous()
    stage.records_are(await reader.get(record.data[:48]), [record], "what everybody finds")


@check(
    "access.from_author_without_a_key",
    claims="C26 C46",
    rule="A FROM_AUTHOR record on a link that proves no key gets REQUIRES_AUTHENTICATION.",
    source="record.md (Flags), edition §3",
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _from_nobody(stage: Stage) -> None:
    wire = await stage.anonymous()
    record = stage.record(stage.member, stage.kind(), from_author=True)
    await wire.refused(record, ResultCode.REQUIRES_AUTHENTICATION)
    stage.same(await wire.get(record.data[:48]), [], "what is kept of it")


@check(
    "access.from_author_on_anothers_link",
    claims="C26 C46",
    rule="A FROM_AUTHOR record on somebody else's link is UNAUTHORIZED.",
    source="record.md (Flags), edition §3",
    who=Who.MEMBER,
    needs=Need.OUTBOX,
)
async def _from_other(stage: Stage) -> None:
    wire = await stage.stranger()
    record = stage.record(stage.member, stage.kind(), from_author=True)
    await wire.refused(record, ResultCode.UNAUTHORIZED)
