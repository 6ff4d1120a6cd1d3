"""Sync: two stores find out what each lacks, and nobody learns of what he may not read.

Source: sync.md, edition §4 (Sync).
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path

from mosaic.core.community_kinds import DELETION
from mosaic.core.community_tags import target
from mosaic.core.filter import Filter, compile_filter
from mosaic.core.filter_element import Since
from mosaic.core.kind import Duplicates, Kind, Readers
from mosaic.core.record import Record
from mosaic.store.embedded import open_store
from mosaic.store.store import Mode
from mosaic.sync.reconciling import Initiator, SyncSet, split_ids
from mosaic.testing.exam.check import Deviation, Need, Who, check
from mosaic.testing.exam.scenes import some
from mosaic.testing.exam.stage import Stage
from mosaic.testing.exam.wire import PAUSES_S, Wire
from mosaic.wire import server_messages as tell
from mosaic.wire import sync_messages as sync
from mosaic.wire.result_code import ResultCode

_SOURCE = "sync.md, edition §4 (Sync)"
_MOST = 10_000
_PREFIX = 32
_LATER = (ResultCode.TEMPORARY_ERROR, ResultCode.TOO_FAST)


def _initiator(records: Sequence[Record]) -> Initiator:
    """The client's side, which has these records."""
    items = SyncSet(_MOST)
    if records:
        with tempfile.TemporaryDirectory(prefix="mosaic-exam-") as folder:
            store = open_store(Path(folder))
            data = [record.data for record in records]
            store.append(data, list(range(1, len(data) + 1)), bytes([Mode.KEEP_ALL]) * len(data))
            items.add(store.scan(compile_filter(Filter.of().encode())), 10**9)
            store.close()
    items.seal()
    return Initiator(items, _MOST)


async def _told(wire: Wire, query_id: int) -> bytes | ResultCode:
    """The server's next Negentropy message, or why it goes no further."""

    def answers() -> list[sync.ServerSyncData | sync.SyncError]:
        kinds = (sync.ServerSyncData, sync.SyncError)
        found = [came.message for came in wire.inbox if isinstance(came.message, kinds)]
        return [each for each in found if each.query_id == query_id]

    await wire.until(lambda: bool(answers()) or wire.ended, "SYNC DATA")
    if not answers():
        raise Deviation("expected SYNC DATA; the link ended")
    answer = answers()[0]
    await wire.take(type(answer), query_id)
    return answer.message if isinstance(answer, sync.ServerSyncData) else answer.result


async def _opened(wire: Wire, wanted: bytes, message: bytes) -> tuple[int, bytes | ResultCode]:
    """The id of a sync that was begun, and the first answer; a server that is busy is asked again."""
    for pause in (0.0, *PAUSES_S):
        await asyncio.sleep(pause)
        query_id = wire.next_id()
        wire.send(sync.SyncOpen(query_id, wanted, message))
        answer = await _told(wire, query_id)
        if answer not in _LATER:
            return query_id, answer
    raise Deviation("expected SYNC DATA; the server stays too busy for it")


async def compare(
    wire: Wire, wanted: Filter, records: Sequence[Record] = ()
) -> tuple[set[bytes], set[bytes]]:
    """What only the client has and what only the server has, ids of 32 bytes each.

    Args:
        wire: Whose link.
        wanted: What is compared.
        records: What the client has of it.

    Raises:
        Deviation: the server would not.
    """
    ours = _initiator(records)
    query_id, answer = await _opened(wire, wanted.encode(), ours.begin())
    have: set[bytes] = set()
    need: set[bytes] = set()
    while isinstance(answer, bytes):
        learned = ours.take(answer)
        have |= set(split_ids(learned.ours))
        need |= set(split_ids(learned.theirs))
        if learned.answer is None:
            wire.send(sync.SyncClose(query_id))
            return have, need
        wire.send(sync.SyncData(query_id, learned.answer))
        answer = await _told(wire, query_id)
    raise Deviation(f"expected SYNC DATA; got {answer.name}")


async def _get(wire: Wire, *prefixes: bytes) -> list[bytes]:
    query_id = wire.next_id()
    wire.send(sync.SyncGet(query_id, prefixes))
    await wire.take(tell.QueryClosed, query_id)
    return wire.records(query_id)


def _ids(records: Sequence[Record]) -> set[bytes]:
    return {record.data[:_PREFIX] for record in records}


@check(
    "sync.tells_what_the_client_lacks",
    claims="C63",
    rule="A client that has nothing learns the ids of all that a filter matches.",
    source=_SOURCE,
    who=Who.MEMBER,
    needs=Need.SYNC | Need.OUTBOX,
)
async def _lacks(stage: Stage) -> None:
    _, records = await some(stage, 150)
    wire = await stage.anonymous()
    have, need = await compare(wire, stage.of(records[0].kind, stage.member.public))
    stage.expect((have, need) == (set(), _ids(records)), "150 ids of the server's", len(need))


@check(
    "sync.tells_what_the_server_lacks",
    claims="C63",
    rule="A client that has more learns what the server lacks, and hands it in by SUBMISSION.",
    source=_SOURCE,
    who=Who.MEMBER,
    needs=Need.SYNC | Need.OUTBOX,
)
async def _server_lacks(stage: Stage) -> None:
    wire, records = await some(stage, 20)
    more = [stage.record(stage.member, records[0].kind) for _ in range(5)]
    wanted = stage.of(records[0].kind, stage.member.public)
    have, need = await compare(wire, wanted, [*records, *more])
    stage.expect((have, need) == (_ids(more), set()), "the five ids that only the client has", len(have))
    await wire.keep(*more)
    # Another filter of the same records: a server may keep what it made for this one for a little while.
    wanted = Filter((*wanted.elements, Since(records[0].id.timestamp)))
    differ = await compare(wire, wanted, [*records, *more])
    stage.same(differ, (set(), set()), "what differs then")


@check(
    "sync.both_ways",
    claims="C63",
    rule="Two stores that differ both ways find out exactly that.",
    source=_SOURCE,
    who=Who.MEMBER,
    needs=Need.SYNC | Need.OUTBOX,
)
async def _both(stage: Stage) -> None:
    wire, records = await some(stage, 300)
    more = [stage.record(stage.member, records[0].kind) for _ in range(7)]
    ours = [*(each for at, each in enumerate(records) if at % 50), *more]
    have, need = await compare(wire, stage.of(records[0].kind, stage.member.public), ours)
    stage.expect(have == _ids(more), "the seven ids that only the client has", len(have))
    stage.expect(need == _ids(records[::50]), "the six ids that only the server has", len(need))


@check(
    "sync.equal_stores",
    claims="C63",
    rule="Equal stores find no difference.",
    source=_SOURCE,
    who=Who.MEMBER,
    needs=Need.SYNC | Need.OUTBOX,
)
async def _equal(stage: Stage) -> None:
    wire, records = await some(stage, 40)
    got = await compare(wire, stage.of(records[0].kind, stage.member.public), records)
    stage.same(got, (set(), set()), "what differs")


@check(
    "sync.only_what_the_filter_matches",
    claims="C63",
    rule="Only what the filter matches is compared.",
    source=_SOURCE,
    who=Who.MEMBER,
    needs=Need.SYNC | Need.OUTBOX,
)
async def _filtered(stage: Stage) -> None:
    wire, records = await some(stage, 6)
    wanted = Filter.of(authors=[stage.member.public], kinds=[records[0].kind], since=records[4].id.timestamp)
    _, need = await compare(wire, wanted)
    stage.expect(need == _ids(records[4:]), "the ids of the two newest", len(need))


@check(
    "sync.get",
    claims="C63",
    rule="SYNC GET brings the records of 32-byte prefixes, leaves out what is not there, and ends as GET.",
    source=_SOURCE,
    who=Who.MEMBER,
    needs=Need.SYNC | Need.OUTBOX,
)
async def _gets(stage: Stage) -> None:
    wire, records = await some(stage, 12)
    absent = stage.record(stage.member, records[0].kind)
    got = await _get(wire, *(each.data[:_PREFIX] for each in (*records, absent)))
    stage.records_are(got, records, "what came")


@check(
    "sync.shows_nothing_private",
    claims="C27 C63",
    rule="A sync counts only what its link may read: others' private records stay unknown.",
    source=_SOURCE,
    who=Who.MEMBER,
    needs=Need.SYNC | Need.OUTBOX,
)
async def _private(stage: Stage) -> None:
    member, records = await some(stage, 2)
    kinds = [records[0].kind, Kind(records[0].kind.bytes[:7] + bytes((Readers.AUTHOR,)))]
    secret = stage.record(stage.member, kinds[1])
    await member.keep(secret)
    wanted = Filter.of(authors=[stage.member.public], kinds=kinds)
    for wire, seen in (
        (await stage.anonymous(), records),
        (await stage.stranger(), records),
        (member, [*records, secret]),
    ):
        _, need = await compare(wire, wanted)
        stage.expect(need == _ids(seen), f"{len(seen)} ids", len(need))
        shown = await _get(wire, secret.data[:_PREFIX])
        stage.records_are(shown, [each for each in seen if each is secret], "what SYNC GET brings of it")


@check(
    "sync.for_whom_it_is",
    claims="C27 C63",
    rule="Whom a private record notifies finds it by sync.",
    source=_SOURCE,
    who=Who.MEMBER,
    needs=Need.SYNC | Need.OUTBOX,
)
async def _tagged(stage: Stage) -> None:
    friend = stage.fresh_key()
    member, wire = await stage.as_member(), await stage.stranger(friend)
    kind = stage.kind(readers=Readers.AUTHOR_AND_TAGGED)
    letter = stage.record(stage.member, kind, notify=[friend.public])
    await member.keep(letter, stage.record(stage.member, kind))
    _, need = await compare(wire, stage.of(kind, stage.member.public))
    stage.expect(need == _ids([letter]), "the one id that is for him", len(need))


@check(
    "sync.without_what_was_replaced",
    claims="C29 C63",
    rule="What was replaced is not compared.",
    source=_SOURCE,
    who=Who.MEMBER,
    needs=Need.SYNC | Need.OUTBOX,
)
async def _replaced(stage: Stage) -> None:
    wire, kind, nonce = await stage.as_member(), stage.kind(Duplicates.REPLACEABLE), stage.nonce()
    records = [stage.record(stage.member, kind, nonce=nonce) for _ in range(3)]
    for record in records:
        await wire.keep(record)
    _, need = await compare(wire, stage.of(kind, stage.member.public))
    stage.expect(need == _ids(records[2:]), "the id of the newest", len(need))


@check(
    "sync.without_what_was_deleted",
    claims="C32 C63",
    rule="What was deleted is not compared, and SYNC GET does not bring it.",
    source=_SOURCE,
    who=Who.MEMBER,
    needs=Need.SYNC | Need.OUTBOX,
)
async def _deleted(stage: Stage) -> None:
    wire, records = await some(stage, 3)
    gone = records[1]
    await wire.keep(stage.record(stage.member, DELETION, tags=[target(gone.kind, gone.id)]))
    _, need = await compare(wire, stage.of(gone.kind, stage.member.public))
    stage.expect(need == _ids([records[0], records[2]]), "the ids of the two others", len(need))
    stage.same(await _get(wire, gone.data[:_PREFIX]), [], "what SYNC GET brings")


@check(
    "sync.without_from_author",
    claims="C26 C63",
    rule="Records that come on their author's own link only (FROM_AUTHOR) never go by sync.",
    source="edition §3 (FROM_AUTHOR)",
    who=Who.MEMBER,
    needs=Need.SYNC | Need.OUTBOX,
)
async def _from_author(stage: Stage) -> None:
    wire, kind = await stage.as_member(), stage.kind()
    own = stage.record(stage.member, kind, from_author=True)
    plain = stage.record(stage.member, kind)
    await wire.keep(own, plain)
    for reader in (wire, await stage.anonymous()):
        _, need = await compare(reader, stage.of(kind, stage.member.public))
        stage.expect(need == _ids([plain]), "the id of the other record", len(need))


async def _refused(stage: Stage, wanted: bytes, message: bytes) -> None:
    wire = await stage.anonymous()
    _, answer = await _opened(wire, wanted, message)
    stage.same(answer, ResultCode.INVALID, "the result")
    stage.same(await wire.query(stage.of(stage.kind(), stage.fresh_key().public)), [], "the next answer")


@check(
    "sync.bad_message",
    claims="C63",
    rule="A Negentropy message that can't be read gets SYNC ERROR INVALID, and the link goes on.",
    source=_SOURCE,
    needs=Need.SYNC,
)
async def _bad_message(stage: Stage) -> None:
    wanted = stage.of(stage.kind(), stage.fresh_key().public).encode()
    await _refused(stage, wanted, b"\x61\x00\x00\x02\xff\xff\xff\xff\x0f")


@check(
    "sync.bad_filter",
    claims="C39 C63",
    rule="A SYNC OPEN with a filter that is none gets SYNC ERROR INVALID.",
    source=_SOURCE,
    needs=Need.SYNC,
)
async def _bad_filter(stage: Stage) -> None:
    broken = bytes((16, 0)) + bytes(6) + bytes((0x33, 1)) + bytes(6)
    await _refused(stage, broken, _initiator([]).begin())


@check(
    "sync.ids_are_shared_with_queries",
    claims="C42 C63",
    rule="Syncs, queries and subscriptions share their ids: one that is open ends the link.",
    source=_SOURCE,
    needs=Need.SYNC,
)
async def _shared(stage: Stage) -> None:
    wire = await stage.offender()
    wanted = stage.of(stage.kind(), stage.fresh_key().public)
    query_id, _ = await wire.subscribe(wanted)
    wire.send(sync.SyncOpen(query_id, wanted.encode(), _initiator([]).begin()))
    await wire.closing(ResultCode.INVALID)


@check(
    "sync.closed_id_is_free",
    claims="C42 C63",
    rule="After SYNC CLOSE the id can be used again.",
    source=_SOURCE,
    needs=Need.SYNC,
)
async def _free(stage: Stage) -> None:
    wire = await stage.anonymous()
    wanted = stage.of(stage.kind(), stage.fresh_key().public).encode()
    for _ in range(3):
        wire.send(sync.SyncOpen(6, wanted, _initiator([]).begin()))
        if isinstance(await _told(wire, 6), bytes):
            wire.send(sync.SyncClose(6))
