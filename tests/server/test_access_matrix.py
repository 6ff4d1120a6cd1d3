"""Who reads what, on every path on which a record can leave: made from the table in docs/behavior.md.

Each path gives, for each viewer, the kinds of access of which it sees a record;
that must be what the page says. Whoever adds a place that reads the store has
to say here which path it is.
"""

from __future__ import annotations

import ast
from collections.abc import Awaitable, Callable
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Final

import pytest

from mosaic.core.filter import Filter
from mosaic.core.keys import SecretKey
from mosaic.core.reference import Id
from mosaic.core.tag import Tag
from mosaic.node.records import OwnRecords
from mosaic.node.synced import HomeRecords
from mosaic.store.record_source import RecordSource
from mosaic.testing.people import kind_of
from mosaic.wire import client_messages as ask
from mosaic.wire import server_messages as tell
from mosaic.wire import sync_messages as sync
from mosaic.wire.result_code import ResultCode
from tests.server.access_world import (
    ACCESS,
    ANNA,
    MATRIX,
    OF_MATRIX,
    SHARED,
    VIEWERS,
    AccessWorld,
    access_world,
    author_of,
    expected,
    kind_with,
    tag_of,
)
from tests.server.test_sync import compare
from tests.server.world import Client

SOURCES: Final = Path(__file__).resolve().parents[2] / "src" / "mosaic"
COMES_LIVE: Final = tuple(access for access in ACCESS if access not in {"hidden", "deleted"})
"""The others are open when they come; what is done to them later is not to be seen from then on."""

FILLER: Final = Tag(0x7002, b"filler")
RESTS: Final = tuple(access for access in ACCESS if access != "hidden")
"""What does not move to another place of the log."""
Seen = set[str]
Path_ = Callable[[AccessWorld, str, str], Awaitable[bool]]
"""Whether a viewer sees the record of a kind of access."""


async def get_by_id(here: AccessWorld, viewer: str, access: str) -> bool:
    client, record = await here.viewer(viewer, access), here.records[access]
    return await client.get(record[:48]) == [record]


async def get_by_address(here: AccessWorld, viewer: str, access: str) -> bool:
    client, record = await here.viewer(viewer, access), here.records[access]
    return await client.get(record[48:96]) == [record]


async def query(here: AccessWorld, viewer: str, access: str) -> bool:
    client, record = await here.viewer(viewer, access), here.records[access]
    return record in (await client.query(OF_MATRIX))[0]


async def count_by_limit(here: AccessWorld, viewer: str, access: str) -> bool:
    """With a limit of one, what may not be read must not take the place of what may."""
    client, record = await here.viewer(viewer, access), here.records[access]
    older = here.older.get(access)
    if older is None:
        older = ANNA.record(here.world.now(-60), kind=kind_of(), tags=[tag_of(access)]).data
        here.older[access] = older
        await here.submit(older)
    found, result = await client.query(Filter.of(tags=[tag_of(access)]), limit=1)
    assert result is ResultCode.SUCCESS
    assert found in ([record], [older])
    return found == [record]


async def stored_part(here: AccessWorld, viewer: str, access: str) -> bool:
    client, record = await here.viewer(viewer, access), here.records[access]
    return record in (await client.subscribe(OF_MATRIX))[1]


async def sync_set(here: AccessWorld, viewer: str, access: str) -> bool:
    client, record = await here.viewer(viewer, access), here.records[access]
    _, theirs = await compare(client, wanted=OF_MATRIX)
    return record[:32] in theirs


async def sync_get(here: AccessWorld, viewer: str, access: str) -> bool:
    client, record = await here.viewer(viewer, access), here.records[access]
    client.send(sync.SyncGet(77, (record[:32],)))
    return record in (await client.collect(77))[0]


async def export_as_a_person(here: AccessWorld, viewer: str, access: str) -> bool:
    source = RecordSource(here.world.store)
    found = source.follow(OF_MATRIX, 0, here.viewers_of(viewer, access))
    return here.records[access] in [stored.record.data for stored in found]


async def page(here: AccessWorld, viewer: str, access: str) -> bool:
    """What the page, feeds and threads of a home show, read with the keys of who lives there."""
    records = OwnRecords(RecordSource(here.world.store), lambda: here.viewers_of(viewer, access))
    record = here.records[access]
    by_filter = record in [one.data for one in records.newest_first(OF_MATRIX)]
    assert by_filter == (record in [one.data for one in records.at(Id(record[:48]))])
    return by_filter


PATHS: Final[dict[str, Path_]] = {
    "get by id": get_by_id,
    "get by address": get_by_address,
    "query": query,
    "what the limit counts": count_by_limit,
    "stored part": stored_part,
    "sync get": sync_get,
    "export as a person": export_as_a_person,
    "page": page,
}


def seen_by(found: dict[str, Seen]) -> dict[str, Seen]:
    return {viewer: found.get(viewer, set()) for viewer in VIEWERS}


@pytest.mark.claim("C27", "C44", "C54", "C55", "C56", "C57")
@pytest.mark.parametrize("path", PATHS)
async def test_a_stored_record_is_seen_by_those_alone_whom_the_page_names(tmp_path: Path, path: str) -> None:
    async with access_world(tmp_path) as here:
        await here.fill()
        found: dict[str, Seen] = {}
        for viewer in VIEWERS:
            for access in ACCESS:
                if await PATHS[path](here, viewer, access):
                    found.setdefault(viewer, set()).add(access)
        assert seen_by(found) == {viewer: expected(viewer) for viewer in VIEWERS}


@pytest.mark.claim("C56", "C63")
async def test_sync_counts_what_the_peer_could_get_without_what_is_held_back(tmp_path: Path) -> None:
    async with access_world(tmp_path) as here:
        await here.fill()
        for viewer in VIEWERS:
            found = {access for access in ACCESS if await sync_set(here, viewer, access)}
            assert found == expected(viewer) - {"withheld"}, viewer


@pytest.mark.claim("C44", "C56")
@pytest.mark.parametrize("ephemeral", [False, True], ids=["stored", "ephemeral"])
async def test_what_comes_live_reaches_those_alone_whom_the_page_names(
    tmp_path: Path, ephemeral: bool
) -> None:
    async with access_world(tmp_path) as here:
        clients: dict[tuple[str, str], tuple[Client, int]] = {}
        for access in COMES_LIVE:
            for viewer in VIEWERS:
                client = await here.viewer(viewer, access)
                wanted = Filter.of(tags=[tag_of(access)])
                clients[viewer, access] = (client, (await client.subscribe(wanted))[0])
        for access in COMES_LIVE:
            here.records[access] = here.record(access, ephemeral=ephemeral)
            await here.submit(here.records[access])
        found: dict[str, Seen] = {}
        for (viewer, access), (client, query_id) in clients.items():
            await client.settled()
            records = client.records(query_id)
            assert records in ([], [here.records[access]])
            if records:
                found.setdefault(viewer, set()).add(access)
            assert client.inbox == []
        assert seen_by(found) == {viewer: expected(viewer, COMES_LIVE) for viewer in VIEWERS}


@pytest.mark.claim("C44", "C56")
@pytest.mark.parametrize("held", [False, True], ids=["read again", "held"])
@pytest.mark.parametrize("hides", [False, True], ids=["", "hidden meanwhile"])
async def test_who_fell_behind_reads_no_more_than_others(tmp_path: Path, held: bool, hides: bool) -> None:
    """What waits for a slow reader is judged when it goes out: what was hidden meanwhile does not.

    Who reads while something moves to another place of the log may be cut, since nobody could say what he
    has got of it.
    """
    async with access_world(tmp_path) as here:
        filler = [ANNA.record(here.world.now(), payload=bytes(50_000), tags=[FILLER]).data for _ in range(60)]
        if held:
            # Older records are still on their way when the others come.
            await here.submit(*filler)
        clients: dict[tuple[str, str], Client] = {}
        for author, viewer in product(("author only", "encryption"), VIEWERS):
            client = clients[viewer, author_of(author).name] = await here.viewer(viewer, author)
            if held:
                client.stop_reading()
            client.send(ask.Subscribe(1, 0, Filter.of(tags=[SHARED, FILLER]).encode()))
        other = await here.world.connect()
        for client in clients.values():
            if held:
                await other.settled()
            else:
                await client.take(tell.LocallyComplete)
                client.stop_reading()
        if not held:
            await here.submit(*filler)
        assert not _live(here)
        await here.fill(RESTS)
        assert not _live(here)
        if hides:
            await here.fill(["hidden"])
        for client in clients.values():
            client.go_on_reading()
        await here.submit(ANNA.record(here.world.now(), tags=[FILLER]).data)
        found: dict[str, Seen] = {}
        for client in clients.values():
            await client.until(lambda: _count(client) > len(filler) or _was_cut(client))  # noqa: B023
            await client.settled()
            assert hides or not _was_cut(client)
            assert here.records.get("hidden", b"") not in _records(client)
        for access, viewer in product(() if hides else RESTS, VIEWERS):
            client = clients[viewer, author_of(access).name]
            if here.records[access] in _records(client):
                found.setdefault(viewer, set()).add(access)
        assert hides or seen_by(found) == {viewer: expected(viewer, RESTS) for viewer in VIEWERS}


def _live(here: AccessWorld) -> list[int]:
    """The subscriptions to which new records go at once."""
    return [each.number for each in here.world.server._subscriptions._open.values() if each.live]


def _records(client: Client) -> list[bytes]:
    return [each.record for each in client.inbox if isinstance(each, tell.Record)]


def _count(client: Client) -> int:
    return len(_records(client))


def _was_cut(client: Client) -> bool:
    return any(isinstance(each, tell.QueryClosed) for each in client.inbox)


@pytest.mark.claim("C44", "C56")
async def test_nobody_learns_from_no_consumers_who_is_there(tmp_path: Path) -> None:
    """Only for what everybody may read does the answer depend on who is subscribed."""
    async with access_world(tmp_path) as here:
        answers: dict[str, set[ResultCode]] = {}
        for somebody_is_there in (False, True):
            if somebody_is_there:
                for viewer in VIEWERS:
                    client = await here.viewer(viewer, "author and tagged")
                    await client.subscribe(OF_MATRIX)
            for access in COMES_LIVE:
                writer = await here.world.connect(author_of(access).master)
                answer = await writer.submit(here.record(access, ephemeral=True))
                answers.setdefault(access, set()).update(answer)
        assert answers.pop("everybody") == {ResultCode.NO_CONSUMERS, ResultCode.ACCEPTED}
        assert all(codes == {ResultCode.ACCEPTED} for codes in answers.values()), answers


@pytest.mark.claim("C56", "C63")
@pytest.mark.parametrize("own", [False, True], ids=["another's server", "own server"])
async def test_what_goes_up_to_another_server_is_what_its_owner_may_read(tmp_path: Path, own: bool) -> None:
    async with access_world(tmp_path) as here:
        await here.fill()
        for viewer in VIEWERS:
            found: Seen = set()
            for access in ACCESS:
                home = HomeRecords.__new__(HomeRecords)
                # All that it takes of a node: the store, and which server is its own.
                node = SimpleNamespace(store=here.world.store, server_secret=SecretKey.from_seed(bytes(32)))
                home._node = node  # type: ignore[assignment]
                home._viewers = tuple(here.viewers_of(viewer, access) or ()) if own else ()
                if here.records[access] in home._read([here.records[access][:32]]):
                    found.add(access)
            wanted = expected(viewer) - {"withheld"} if own else {"everybody"}
            assert found == wanted, viewer


def test_every_kind_of_access_and_every_viewer_of_the_page_is_looked_at() -> None:
    assert VIEWERS == (
        "anonymous",
        "stranger",
        "author",
        "author's subkey",
        "revoked subkey",
        "tagged person",
        "served person",
    )
    assert [access for access, row in MATRIX.items() if all(row.values())] == ["everybody"]
    assert len({kind_with(access) for access in ACCESS}) == len(ACCESS)


# --- every place that reads ------------------------------------------------------------------------

READS: Final = frozenset(
    {
        "scan", "lookup", "follow", "read", "labelled", "tally", "snapshot", "query", "get", "listen",
        "listen_changes", "newest_first", "at",
    }
)  # fmt: skip
"""What gives records out: of a store, of a `RecordSource`, of the publisher."""

HOLDERS: Final = frozenset({"store", "source", "publisher", "server", "everything", "embedded"})
"""Whom it is called on, by the last name, without the underscore before it."""

MAKES: Final = frozenset({"RecordSource", "OwnRecords"})

PLACES: Final[dict[str, str]] = {
    # what links ask
    "server/questions.py Questions.ask: store.scan": "query, what the limit counts",
    "server/questions.py Questions.get: store.lookup": "get by id, get by address, sync get",
    "server/subscriptions.py Subscriptions.open: store.scan": "stored part",
    "server/subscriptions.py Subscriptions._go_on: store.follow": "behind",
    "server/subscriptions.py Subscriptions._hand_out: store.read": "behind",
    "server/sync_service.py SyncService._fill: store.scan": "sync set",
    # what the node and its people read
    "node/exchange_acts.py _Export._found: source.follow": "export as a person",
    "node/mirrors.py Mirror._up: store.follow": "up",
    "node/synced.py HomeRecords.gather: store.scan": "sync set",
    "node/synced.py HomeRecords.at: store.read": "up",
    "node/own_copy.py OwnCopy._positions: store.follow": "up",
    "node/own_copy.py OwnCopy._papers: everything.newest_first": "up",
    "node/records.py OwnRecords.newest_first: source.query": "page",
    "node/records.py OwnRecords.at: source.get": "page",
    "node/records.py OwnRecords.schedule_record: source.query": "page",
    "node/server_acts.py ServerActs._own_query: everything.newest_first": "the owner's eyes",
    "node/admin_acts.py AdminActs.reports: everything.newest_first": "the owner's eyes",
    "node/moderation_acts.py ModerationActs._check_droppable: store.lookup": "the owner's eyes",
    "node/server_log.py ServerLog._newest_first: everything.newest_first": "the owner's eyes",
    "node/moderation_acts.py ModerationActs.erase: store.tally": "the owner's eyes",
    "node/moderation_acts.py ModerationActs._sums: store.tally": "the owner's eyes",
    "node/moderation_acts.py ModerationActs._ids: everything.at": "the owner's eyes",
    "node/node.py Node._start: RecordSource": "page; the owner's eyes",
    "node/node.py Node._start: OwnRecords": "page; the owner's eyes",
    "node/exchange_acts.py ExchangeActs._export: RecordSource": "export as a person",
    "node/archive.py Archive.__init__: RecordSource": "page",
    "node/archive.py Archive.__init__: OwnRecords": "page",
    "node/keep_acts.py KeepActs._object: everything.at": "the owner's eyes",
    "node/keep_acts.py KeepActs._object: store.tally": "the owner's eyes",
    "node/key_list.py KeyList._used: everything.newest_first": "the owner's eyes",
    # what never leaves
    "node/backup.py _frozen: store.snapshot": "within: a backup, for its owner alone",
    "node/home_steps.py settle: store.scan": "within: Deletions that count from now on",
    "node/home_steps.py _schedule_of: store.scan": "within: who may delete",
    "node/exchange_acts.py _name_of: source.read": "within: the beginning of a file that is imported",
    "server/server.py Server.__init__: publisher.listen": "within: contacts",
    "server/server.py Server.listen_changes: publisher.listen": "within: whoever listens stands below",
    "node/node.py Node._start: server.listen_changes": "within: wakes the page and counts kinds",
    "server/acquaintance.py has_stored.stored: store.scan": "within: whether anything is there",
    "server/authority.py Authority._read_vouches: store.scan": "within: who may sign",
    "server/authority.py Authority._read: store.scan": "within: who may sign",
    "server/authority.py Authority._authors_that_tag: store.scan": "within: who may sign",
    "node/records.py OwnRecords.prefixes: source.query": "within: what need not be given again",
    "node/own_copy.py OwnCopy._who_wrote: store.scan": "within: whose key schedules are lacking",
    "node/own_copy.py OwnCopy._newest: RecordSource": "within: what a server is asked for",
    "node/own_copy.py OwnCopy._blobs: store.read": "within: which blobs are named",
    "node/outbox_checks.py OutboxChecks._ask_for_taken: everything.at": "within: what a server is asked for",
    "node/outbox_checks.py OutboxChecks._tell: everything.at": "within: how much a server lacks",
    "node/outbox_checks.py OutboxChecks._newest: everything.newest_first": "within: what it is asked for",
    "node/followed_list.py FollowedList._list_key: everything.at": "within: what opens one's own list",
    "node/followed_list.py FollowedList._entries: everything.newest_first": "within: whom one follows",
    "node/followed_list.py FollowedList._publish: everything.at": "within: what time an entry has to have",
    "node/kept_blobs.py KeptBlobs.once: everything.at": "within: which blobs are named",
    "node/kept_blobs.py KeptBlobs._look_through: store.follow": "within: which blobs are named",
    "node/key_handing.py KeyHanding.tell: everything.newest_first": "within: whether it was told",
    "node/key_handing.py KeyHanding._recipients: everything.newest_first": "within: to whom keys are sealed",
    "node/key_handing.py KeyHanding.take: everything.newest_first": "within: keys sealed to this device",
    "node/put_aside.py PutAside.deleting: RecordSource": "within: what another device of one's own deletes",
    "node/own_schedule.py OwnSchedule.received: RecordSource": "within: ids alone, which a Vouch tells",
    "node/own_schedule.py OwnSchedule.signed: RecordSource": "within: how many there are",
    "server/contacts.py Contacts._read_all: store.scan": "within: who is a contact",
    "server/contacts.py Contacts._read_author: store.scan": "within: who is a contact",
    "server/schedule_change.py settle: store.scan": "within: what a schedule removes",
    "server/deletion.py settle_deletions: store.scan": "within: which Deletions count by now",
    "server/moderation.py Moderation._labelled.read: store.labelled": "the owner's eyes",
    "server/moderation.py Moderation._labelled.read: store.read": "the owner's eyes",
    "server/moderation.py Moderation._relabel.work: store.lookup": "within: what becomes of a label",
    "server/moderation.py Moderation.drop: store.lookup": "within: what is removed",
    "server/moderation.py Moderation.erase: store.scan": "within: what is removed",
    "server/moderation.py Moderation._remove_all: store.scan": "within: what is removed",
    "server/cache_work.py CacheWork.sizes: store.scan": "within: how much there is",
    "server/cache_work.py CacheWork.evict: store.scan": "within: what is no longer kept",
    "server/retention_work.py RetentionWork._apply: store.scan": "within: what is no longer kept",
}
"""Each place that reads, and the path that it is: of PATHS, of a test above, or why nothing leaves there."""

ABOVE: Final = frozenset({"behind", "sync set", "up"})


def places() -> dict[str, str]:
    """Every call in the rooms that serve which gives records out, with its line."""
    found: dict[str, str] = {}
    for room in ("server", "node", "sync", "web"):
        for file in sorted((SOURCES / room).rglob("*.py")):
            name = str(file.relative_to(SOURCES))
            for scope, call in _calls(ast.parse(file.read_text(encoding="utf-8")), []):
                what = _reads(call)
                if what:
                    found[f"{name} {'.'.join(scope)}: {what}"] = f"{name}:{call.lineno}"
    return found


def _calls(node: ast.AST, scope: list[str]) -> list[tuple[list[str], ast.Call]]:
    found: list[tuple[list[str], ast.Call]] = []
    for child in ast.iter_child_nodes(node):
        named = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        inner = [*scope, child.name] if named else scope  # type: ignore[attr-defined]
        if isinstance(child, ast.Call):
            found.append((scope, child))
        found += _calls(child, inner)
    return found


def _reads(call: ast.Call) -> str:
    if isinstance(call.func, ast.Name):
        return call.func.id if call.func.id in MAKES else ""
    if not isinstance(call.func, ast.Attribute) or call.func.attr not in READS:
        return ""
    holder = ast.unparse(call.func.value).rsplit(".", 1)[-1].lstrip("_")
    return f"{holder}.{call.func.attr}" if holder in HOLDERS else ""


def test_every_place_that_reads_the_store_has_its_path() -> None:
    found = places()
    new = {place: line for place, line in found.items() if place not in PLACES}
    assert not new, f"say in PLACES which path each of these is, and let PATHS look at it: {new}"
    assert not set(PLACES) - set(found), "these are gone"


def test_every_path_is_looked_at_somewhere() -> None:
    leaving = [paths for paths in PLACES.values() if not paths.startswith("within")]
    named = {part.strip() for paths in leaving for part in paths.replace(";", ",").split(",")}
    assert named == set(PATHS) | ABOVE | {"the owner's eyes"}
