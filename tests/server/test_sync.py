"""Sync: what a peer lacks and has beyond ours, what it may not see, and peers that misbehave."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from mosaic.core import deletion
from mosaic.core.core_tags import Target
from mosaic.core.filter import Filter, compile_filter
from mosaic.core.kind import Duplicates, Readers
from mosaic.policy.label import Label
from mosaic.policy.submission import Way
from mosaic.server import sync_service
from mosaic.server.settings import SECOND, ServerSettings
from mosaic.store.embedded import EmbeddedStore, open_store
from mosaic.store.store import Mode, Scan
from mosaic.sync.reconciling import ITEM_BYTES, Initiator, SyncSet, split_ids
from mosaic.testing import Person
from mosaic.testing.people import kind_of
from mosaic.wire import server_messages as tell
from mosaic.wire import sync_messages as sync
from mosaic.wire.codec import Message
from mosaic.wire.result_code import ResultCode
from tests.server.world import Client, running

ANNA, BEN, EVE = Person("anna"), Person("ben"), Person("eve")
ALL = Filter.of()
FIRST = 1
"""A query id of the tests' own."""


def keep(store: EmbeddedStore, records: Sequence[bytes]) -> None:
    times = list(range(1, len(records) + 1))
    store.append(list(records), times, bytes([Mode.KEEP_ALL]) * len(records))


def initiator(store: EmbeddedStore | None = None, wanted: Filter = ALL) -> Initiator:
    items = SyncSet(100_000)
    if store is not None:
        assert items.add(store.scan(compile_filter(wanted.encode())), 10 * SECOND)
    items.seal()
    return Initiator(items, 100_000)


async def told(client: Client, query_id: int = FIRST) -> bytes | ResultCode:
    """The next thing that the server says of a sync."""
    message: Message | None = None

    def came() -> bool:
        nonlocal message
        kinds = (sync.ServerSyncData, sync.SyncError)
        message = next(
            (one for one in client.inbox if isinstance(one, kinds) and one.query_id == query_id), None
        )
        return message is not None

    await client.until(came)
    assert isinstance(message, sync.ServerSyncData | sync.SyncError)
    client.inbox.remove(message)
    return message.message if isinstance(message, sync.ServerSyncData) else message.result


async def compare(
    client: Client, store: EmbeddedStore | None = None, wanted: Filter = ALL, query_id: int = FIRST
) -> tuple[set[bytes], set[bytes]]:
    """The ids (32 bytes each) that only the client's store has, and those that only the server has."""
    ours = initiator(store, wanted)
    client.send(sync.SyncOpen(query_id, wanted.encode(), ours.begin()))
    have: set[bytes] = set()
    need: set[bytes] = set()
    while True:
        message = await told(client, query_id)
        assert isinstance(message, bytes), message
        learned = ours.take(message)
        have |= set(split_ids(learned.ours))
        need |= set(split_ids(learned.theirs))
        if learned.answer is None:
            client.send(sync.SyncClose(query_id))
            return have, need
        client.send(sync.SyncData(query_id, learned.answer))


async def fetch(client: Client, prefixes: Sequence[bytes], query_id: int = 7) -> list[bytes]:
    client.send(sync.SyncGet(query_id, tuple(prefixes)))
    records, result = await client.collect(query_id)
    assert result is ResultCode.SUCCESS
    return records


def prefixes(records: Sequence[bytes]) -> set[bytes]:
    return {record[:ITEM_BYTES] for record in records}


@pytest.mark.claim("C63")
async def test_both_ways(tmp_path: Path) -> None:
    async with running(tmp_path / "server", ANNA, BEN) as world:
        client = await world.connect()
        records = [ANNA.record(world.now(-n)).data for n in range(300)]
        others = [BEN.record(world.now(-n)).data for n in range(20)]
        await client.submit(*records[:250], *others)
        store = open_store(tmp_path / "ours")
        keep(store, records[100:])
        wanted = Filter.of(authors=[ANNA.key])
        have, need = await compare(client, store, wanted)
        assert have == prefixes(records[250:])
        assert need == prefixes(records[:100])
        assert set(await fetch(client, sorted(need))) == set(records[:100])
        await client.submit(*records[250:])
        assert (await compare(client, store, wanted))[0] == set()
        store.close()


@pytest.mark.claim("C63", "C27")
@pytest.mark.parametrize("readers", list(Readers), ids=lambda readers: readers.name.lower())
async def test_nobody_sees_what_he_may_not_read(tmp_path: Path, readers: Readers) -> None:
    viewers = {
        "anonymous": None,
        "stranger": EVE.master,
        "author": ANNA.master,
        "tagged": BEN.master,
    }
    may = {
        Readers.AUTHOR: {"author"},
        Readers.AUTHOR_AND_TAGGED: {"author", "tagged"},
        Readers.EVERYBODY: set(viewers),
    }[readers]
    async with running(tmp_path, ANNA, BEN) as world:
        record = ANNA.record(world.now(), kind=kind_of(readers=readers), notify=[BEN.key]).data
        await world.server.submit([record], Way.OWNER)
        for name, key in viewers.items():
            client = await world.connect(key)
            expected = {record[:ITEM_BYTES]} if name in may else set()
            assert (await compare(client))[1] == expected, name
            assert await fetch(client, [record[:ITEM_BYTES]]) == ([record] if name in may else []), name


@pytest.mark.claim("C63", "C27")
async def test_what_only_its_author_hands_in_is_not_compared(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        anna = await world.connect(ANNA.master)
        assert await anna.submit(ANNA.record(world.now(), from_author=True)) == [ResultCode.ACCEPTED]
        assert await compare(anna) == (set(), set())


@pytest.mark.claim("C63", "C27")
@pytest.mark.parametrize(
    ("label", "sees"),
    [
        (Label.NONE, {"anonymous", "author", "tagged"}),
        (Label.ONLY_TAGGED, {"tagged"}),
        (Label.WITHHELD, set()),
        (Label.HIDDEN, set()),
    ],
    ids=["none", "only tagged", "withheld", "hidden"],
)
async def test_labels_narrow_what_is_compared(tmp_path: Path, label: Label, sees: set[str]) -> None:
    viewers = {"anonymous": None, "author": EVE.master, "tagged": BEN.master}
    async with running(tmp_path, ANNA, BEN) as world:
        record = EVE.record(world.now(), notify=[BEN.key]).data
        world.store.append([record], [1], bytes([Mode.KEEP_ALL]), labels=bytes([label]))
        for name, key in viewers.items():
            client = await world.connect(key)
            expected = {record[:ITEM_BYTES]} if name in sees else set()
            assert (await compare(client))[1] == expected, name


@pytest.mark.claim("C63")
async def test_what_is_no_message_or_no_filter_ends_it(tmp_path: Path) -> None:
    hostile = bytes.fromhex("61 0000 02 908080808080808000")
    async with running(tmp_path, ANNA) as world:
        client = await world.connect()
        await client.submit(ANNA.record(world.now()))
        for message in (hostile, b"\x00", b"\x61\x00", bytes.fromhex("61000003")):
            client.send(sync.SyncOpen(FIRST, ALL.encode(), message))
            assert await told(client) is ResultCode.INVALID
        client.send(sync.SyncOpen(FIRST, bytes.fromhex("1000000000000000 7f01000000000000"), b"\x61"))
        assert await told(client) is ResultCode.INVALID
        # The link and its ids are as good as before.
        assert (await compare(client))[0] == set()


@pytest.mark.claim("C63")
async def test_the_second_message_before_an_answer_ends_it(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        client = await world.connect()
        client.send(sync.SyncOpen(FIRST, ALL.encode(), initiator().begin()), sync.SyncData(FIRST, b"\x61"))
        assert await told(client) is ResultCode.INVALID


@pytest.mark.claim("C63", "C60")
async def test_more_than_may_be_compared_is_too_open(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA, settings=ServerSettings(sync_items=10)) as world:
        client = await world.connect()
        await client.submit(*(ANNA.record(world.now(-n)) for n in range(10)))
        assert len((await compare(client))[1]) == 10
        await client.submit(ANNA.record(world.now()))
        client.send(sync.SyncOpen(FIRST, ALL.encode(), initiator().begin()))
        assert await told(client) is ResultCode.TOO_OPEN


async def test_so_many_at_once_and_no_more(tmp_path: Path) -> None:
    settings = ServerSettings(syncs_per_link=2, syncs=3)
    async with running(tmp_path, settings=settings) as world:
        first, second = await world.connect(), await world.connect()
        for query_id in (1, 2):
            first.send(sync.SyncOpen(query_id, ALL.encode(), initiator().begin()))
            assert isinstance(await told(first, query_id), bytes)
        first.send(sync.SyncOpen(3, ALL.encode(), initiator().begin()))
        assert await told(first, 3) is ResultCode.TOO_FAST
        second.send(sync.SyncOpen(1, ALL.encode(), initiator().begin()))
        assert isinstance(await told(second, 1), bytes)
        second.send(sync.SyncOpen(2, ALL.encode(), initiator().begin()))
        assert await told(second, 2) is ResultCode.TEMPORARY_ERROR
        first.send(sync.SyncClose(1))
        await first.settled()
        second.send(sync.SyncOpen(2, ALL.encode(), initiator().begin()))
        assert isinstance(await told(second, 2), bytes)


async def test_what_lies_too_long_is_ended(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        client = await world.connect()
        client.send(sync.SyncOpen(FIRST, ALL.encode(), initiator().begin()))
        assert isinstance(await told(client), bytes)
        world.clock.advance(seconds=121)
        world.server.tick()
        assert await told(client) is ResultCode.TEMPORARY_ERROR


async def test_a_stranger_s_work_is_bounded_and_that_of_people_here_is_not(tmp_path: Path) -> None:
    settings = ServerSettings(stranger_sync_ms_per_second=1.0, stranger_sync_burst_ms=3)
    async with running(tmp_path, ANNA, settings=settings) as world:
        stranger, anna = await world.connect(), await world.connect(ANNA.master)

        async def often(client: Client) -> list[bytes | ResultCode]:
            answers = []
            for query_id in range(1, 8):
                client.send(sync.SyncOpen(query_id, ALL.encode(), initiator().begin()))
                answers.append(await told(client, query_id))
                client.send(sync.SyncClose(query_id))
            return answers

        assert (await often(stranger))[-1] is ResultCode.TOO_FAST
        assert all(isinstance(answer, bytes) for answer in await often(anna))
        world.clock.advance(seconds=5)
        assert isinstance((await often(stranger))[0], bytes)


async def test_strangers_leave_room_for_the_people_here(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA, settings=ServerSettings(sync_sets=2, syncs=20)) as world:
        stranger, other = await world.connect(), await world.connect(EVE.master)
        anna = await world.connect(ANNA.master)
        filters = [Filter.of(authors=[person.key]) for person in (ANNA, BEN, EVE)]

        async def begin(client: Client, query_id: int, wanted: Filter) -> bytes | ResultCode:
            client.send(sync.SyncOpen(query_id, wanted.encode(), initiator().begin()))
            return await told(client, query_id)

        assert isinstance(await begin(stranger, 1, filters[0]), bytes)
        assert await begin(other, 1, filters[0]) is ResultCode.TEMPORARY_ERROR
        assert isinstance(await begin(anna, 1, filters[0]), bytes)
        # The next one takes the place of the stranger's, which is told so.
        assert isinstance(await begin(anna, 2, filters[1]), bytes)
        assert await told(stranger, 1) is ResultCode.TEMPORARY_ERROR
        # What people here have open is not taken from them.
        last = await world.connect(ANNA.master)
        assert await begin(last, 1, filters[2]) is ResultCode.TEMPORARY_ERROR


async def test_peers_with_equal_rights_share_a_set(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA, settings=ServerSettings(sync_sets=2)) as world:
        clients = [await world.connect() for _ in range(4)]
        for client in clients:
            client.send(sync.SyncOpen(FIRST, ALL.encode(), initiator().begin()))
            assert isinstance(await told(client), bytes)


async def test_a_set_is_made_once_for_all_who_ask_while_nothing_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path, ANNA) as world:
        made = counted(monkeypatch)
        first, second = await world.connect(), await world.connect(EVE.master)
        await first.submit(ANNA.record(world.now()))
        for client in (first, first, second, second):
            assert len((await compare(client))[1]) == 1
        assert len(made) == 2  # one for anonymous ones, one for Eve
        world.clock.advance(seconds=31)
        assert len((await compare(first))[1]) == 1
        assert len(made) == 3


def counted(monkeypatch: pytest.MonkeyPatch) -> list[SyncSet]:
    """Sets that the server makes from now on."""
    made: list[SyncSet] = []

    def make(most: int) -> SyncSet:
        made.append(SyncSet(most))
        return made[-1]

    monkeypatch.setattr(sync_service, "SyncSet", make)
    return made


@pytest.mark.claim("C63")
async def test_what_was_handed_in_replaced_or_deleted_a_moment_ago_counts(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA, BEN) as world:
        client, watching = await world.connect(ANNA.master), await world.connect()
        record = ANNA.record(world.now(-3))
        assert (await compare(watching))[1] == set()
        await client.submit(record)
        assert (await compare(watching))[1] == prefixes([record.data])
        replaceable = kind_of(duplicates=Duplicates.REPLACEABLE)
        older, newest = (
            ANNA.record(world.now(seconds), kind=replaceable, nonce=b"\x80" + bytes(7))
            for seconds in (-2, -1)
        )
        for profile in (older, newest):
            await client.submit(profile)
            assert (await compare(watching))[1] == prefixes([record.data, profile.data])
        takes_back = deletion.build(
            ANNA.master,
            [Target(kind_of(), record.id)],
            world.now(),
            nonce=b"\x80" + bytes(7),
            author=ANNA.key,
        )
        await client.submit(takes_back)
        assert (await compare(watching))[1] == prefixes([newest.data, takes_back.data])


@pytest.mark.claim("C63", "C27")
async def test_what_a_revoked_key_has_signed_is_not_shown_any_more(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        client = await world.connect(ANNA.master)
        await client.submit(ANNA.schedule(world.now(-10), ["phone"]))
        record = ANNA.record(world.now(-5), signer=ANNA.device("phone")).data
        await client.submit(record)
        assert record[:ITEM_BYTES] in (await compare(client))[1]
        await client.submit(ANNA.schedule(world.now(), ["other"]))
        assert record[:ITEM_BYTES] not in (await compare(client))[1]


@pytest.mark.claim("C60")
async def test_of_all_who_ask_while_the_store_changes_each_sees_it_and_two_sets_are_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()
    made: list[SyncSet] = []

    class Held(SyncSet):
        def __init__(self, most: int) -> None:
            super().__init__(most)
            made.append(self)

        def add(self, scan: Scan, max_ns: int) -> bool:
            assert go_on.wait(20)
            return super().add(scan, max_ns)

    monkeypatch.setattr(sync_service, "SyncSet", Held)
    async with running(tmp_path, ANNA) as world:
        clients = [await world.connect() for _ in range(20)]
        comparing, kept = [initiator() for _ in clients], []
        for client, ours in zip(clients, comparing, strict=True):
            client.send(sync.SyncOpen(FIRST, ALL.encode(), ours.begin()))
            await client.settled()  # the server has taken what was sent before
            kept.append(ANNA.record(world.now()).data)
            world.store.append([kept[-1]], [len(kept)], bytes([Mode.KEEP_ALL]))
        go_on.set()
        for number, (client, ours) in enumerate(zip(clients, comparing, strict=True)):
            message = await told(client)
            assert isinstance(message, bytes)
            assert prefixes(kept[:number]) <= set(split_ids(ours.take(message).theirs))
        assert len(made) == 2


async def test_one_who_says_nothing_makes_room_for_others(tmp_path: Path) -> None:
    async with running(tmp_path, settings=ServerSettings(sync_sets=2)) as world:
        lying, asking = await world.connect(), await world.connect(EVE.master)
        lying.send(sync.SyncOpen(FIRST, ALL.encode(), initiator().begin()))
        assert isinstance(await told(lying), bytes)
        asking.send(sync.SyncOpen(1, ALL.encode(), initiator().begin()))
        assert await told(asking, 1) is ResultCode.TEMPORARY_ERROR
        world.clock.advance(seconds=11)
        asking.send(sync.SyncOpen(2, ALL.encode(), initiator().begin()))
        assert isinstance(await told(asking, 2), bytes)
        assert await told(lying) is ResultCode.TEMPORARY_ERROR


@pytest.mark.claim("C27")
async def test_rights_that_are_lost_end_it(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        assert await (await world.connect()).submit(ANNA.schedule(world.now(-10), ["phone"])) == [
            ResultCode.ACCEPTED
        ]
        phone = await world.connect(ANNA.device("phone"))
        phone.send(sync.SyncOpen(FIRST, ALL.encode(), initiator().begin()))
        assert isinstance(await told(phone), bytes)
        await (await world.connect()).submit(ANNA.schedule(world.now(), ["other"]))
        await phone.settled()
        phone.send(sync.SyncData(FIRST, initiator().begin()))
        assert await told(phone) is ResultCode.UNAUTHORIZED


@pytest.mark.claim("C89")
async def test_a_server_that_stops_says_so(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        client = await world.connect()
        world.server._sessions.refuse_new()
        client.send(sync.SyncOpen(FIRST, ALL.encode(), initiator().begin()))
        assert await told(client) is ResultCode.SHUTTING_DOWN


async def test_a_link_that_ends_takes_its_syncs_along(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        client = await world.connect()
        client.send(sync.SyncOpen(FIRST, ALL.encode(), initiator().begin()))
        assert isinstance(await told(client), bytes)
        client.network.close(client.link)
        other = await world.connect()
        await other.settled()
        world.clock.advance(seconds=31)
        world.server.tick()
        syncs = world.server._syncs
        assert len(syncs) == syncs.sets == 0
        assert isinstance(await compare(other), tuple)


async def test_a_peer_that_leaves_while_its_set_is_made_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync_service, "_SLICE_NS", 1)  # so that a set takes many steps
    async with running(tmp_path, ANNA) as world:
        other = await world.connect()
        await other.submit(*(ANNA.record(world.now(-n)) for n in range(100)))
        syncs = world.server._syncs  # what is left over is seen nowhere else
        for closes_link in (True, False):
            client = await world.connect()
            client.send(sync.SyncOpen(FIRST, ALL.encode(), initiator().begin()))
            if closes_link:
                client.network.close(client.link)
            else:
                client.send(sync.SyncClose(FIRST))
            await other.settled()
            await asyncio.sleep(0)
            assert "server: sync set" not in {task.get_name() for task in asyncio.all_tasks()}
            world.clock.advance(seconds=31)
            world.server.tick()
            assert len(syncs) == syncs.sets == 0
        assert len((await compare(other))[1]) == 100


async def test_records_of_a_sync_are_asked_for_like_others(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        client = await world.connect()
        record = ANNA.record(world.now()).data
        await client.submit(record)
        assert await fetch(client, [record[:32], bytes(32), record[:32]]) == [record]
        assert await fetch(client, []) == []
        client.send(sync.SyncGet(5, (record[:32],)))
        assert isinstance(await client.take(tell.Record, 5), tell.Record)
