"""Who may sign for whom: schedules that come early, late, again, and that revoke."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mosaic.core import core_tags, vouch
from mosaic.core.community_kinds import DELETION, VOUCH
from mosaic.core.filter import Filter
from mosaic.core.key_schedule import Marker
from mosaic.core.kind import Duplicates, Kind, Readers
from mosaic.core.kinds import KEY_SCHEDULE
from mosaic.core.nonce import FIXED
from mosaic.core.tag import Tag
from mosaic.errors import StoreFull
from mosaic.policy.submission import Way
from mosaic.store.embedded import EmbeddedStore
from mosaic.testing import Person
from mosaic.testing.people import kind_of
from mosaic.wire import client_messages as ask
from mosaic.wire import server_messages as tell
from mosaic.wire.result_code import ResultCode
from tests.server.world import FailingStore, World, running

ANNA = Person("anna")
BEN = Person("ben")
REPLACEABLE = kind_of(duplicates=Duplicates.REPLACEABLE)
PRIVATE = kind_of(readers=Readers.AUTHOR)
ACCEPTED, DUPLICATE = ResultCode.ACCEPTED, ResultCode.DUPLICATE
UNAUTHORIZED = ResultCode.UNAUTHORIZED


async def all_of(world: World, person: Person) -> set[bytes]:
    reader = await world.connect()
    records, _ = await reader.query(Filter.of(authors=[person.key], kinds=[kind_of(), REPLACEABLE]))
    return set(records)


@pytest.mark.claim("C29")
async def test_without_a_schedule_records_replace_each_other_within_one_signer(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        anna = await world.connect()
        phone, tablet = ANNA.device("phone"), ANNA.device("tablet")
        by_phone = [ANNA.record(world.now(n), kind=REPLACEABLE, nonce=FIXED, signer=phone) for n in (0, 2, 1)]
        by_tablet = ANNA.record(world.now(1), kind=REPLACEABLE, nonce=FIXED, signer=tablet)
        assert await anna.submit(by_phone[0], by_tablet, by_phone[1]) == [ACCEPTED] * 3
        assert await anna.submit(by_phone[2]) == [DUPLICATE]
        assert await all_of(world, ANNA) == {by_phone[1].data, by_tablet.data}
        assert await anna.get(by_tablet.address.bytes) == [by_phone[1].data, by_tablet.data]


@pytest.mark.claim("C29")
async def test_with_a_schedule_one_device_replaces_what_another_wrote(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        anna = await world.connect()
        assert await anna.submit(ANNA.schedule(world.now(), ("phone", "tablet"))) == [ACCEPTED]
        by_phone = ANNA.record(world.now(), kind=REPLACEABLE, nonce=FIXED, signer=ANNA.device("phone"))
        by_tablet = ANNA.record(world.now(1), kind=REPLACEABLE, nonce=FIXED, signer=ANNA.device("tablet"))
        by_master = ANNA.record(world.now(2), kind=REPLACEABLE, nonce=FIXED)
        assert await anna.submit(by_phone, by_tablet) == [ACCEPTED, ACCEPTED]
        assert await all_of(world, ANNA) == {by_tablet.data}
        assert await anna.submit(by_master, by_phone) == [ACCEPTED, DUPLICATE]
        assert await all_of(world, ANNA) == {by_master.data}


async def test_a_signer_that_the_schedule_does_not_list_is_not_authorized(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        anna = await world.connect()
        assert await anna.submit(ANNA.schedule(world.now(), ("phone",))) == [ACCEPTED]
        stolen = ANNA.record(world.now(), signer=BEN.device())
        listed = ANNA.record(world.now(), signer=ANNA.device("phone"))
        assert await anna.submit(stolen, listed, ANNA.record(world.now())) == [
            UNAUTHORIZED,
            ACCEPTED,
            ACCEPTED,
        ]


async def test_a_schedule_and_the_records_that_need_it_may_come_together(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        anna = await world.connect()
        assert await anna.submit(ANNA.schedule(world.now(), ("phone",))) == [ACCEPTED]
        results = await anna.submit(
            ANNA.record(world.now(), signer=ANNA.device("tablet")),
            ANNA.schedule(world.now(1), ("phone", "tablet")),
            ANNA.record(world.now(), signer=ANNA.device("tablet")),
            ANNA.schedule(world.now(2), ("tablet",)),
            ANNA.record(world.now(), signer=ANNA.device("phone")),
            ANNA.record(world.now(), signer=ANNA.device("tablet")),
        )
        assert results == [UNAUTHORIZED, ACCEPTED, ACCEPTED, ACCEPTED, UNAUTHORIZED, ACCEPTED]


@pytest.mark.claim("C29")
async def test_when_the_schedule_arrives_false_records_go_and_addresses_are_settled(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        anna = await world.connect()
        phone, tablet, thief = ANNA.device("phone"), ANNA.device("tablet"), BEN.device()

        def note(seconds: int, signer: object, nonce: bytes) -> bytes:
            assert signer in {phone, tablet, thief}
            which = next(key for key in (phone, tablet, thief) if key is signer)
            return ANNA.record(world.now(seconds), kind=REPLACEABLE, nonce=nonce, signer=which).data

        other = b"\x90" + bytes(7)
        kept = ANNA.record(world.now(), signer=phone).data
        false = ANNA.record(world.now(), signer=thief).data
        old, new = note(0, phone, FIXED), note(1, tablet, FIXED)
        hidden, stolen = note(0, phone, other), note(9, thief, other)
        assert await anna.submit(kept, false, old, new, hidden, stolen) == [ACCEPTED] * 6
        assert await all_of(world, ANNA) == {kept, false, old, new, hidden, stolen}
        assert await anna.submit(ANNA.schedule(world.now(), ("phone", "tablet"))) == [ACCEPTED]
        assert await all_of(world, ANNA) == {kept, new, hidden}
        assert world.server.metrics.records_removed == 3
        assert world.store.verify() == []
        # What was only unlisted is not refused for good.
        assert await anna.submit(ANNA.schedule(world.now(1), ("phone", "tablet"))) == [ACCEPTED]
        assert await anna.submit(false) == [UNAUTHORIZED]


@pytest.mark.claim("C6")
async def test_revoked_keys_lose_what_their_revocation_takes(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        anna = await world.connect()
        gone, past, retired = ANNA.device("gone"), ANNA.device("past"), ANNA.device("retired")
        assert await anna.submit(ANNA.schedule(world.now(), ("gone", "past", "retired"))) == [ACCEPTED]
        before = [ANNA.record(world.now(), signer=key).data for key in (gone, past, retired)]
        assert await anna.submit(*before) == [ACCEPTED] * 3
        since = world.clock.advance(seconds=60)
        world.clock.advance(seconds=60)
        # Received too late, though it is dated before the revocation.
        dated_back = ANNA.record(since - 10**9, signer=past).data
        assert await anna.submit(dated_back) == [ACCEPTED]
        revoking = ANNA.schedule(
            world.now(),
            {
                "gone": Marker.REVOKED_ALL,
                "past": Marker.REVOKED_PAST,
                "retired": Marker.OUT_OF_USE,
            },
            since=since,
        )
        assert await anna.submit(revoking) == [ACCEPTED]
        assert await all_of(world, ANNA) == {before[1], before[2]}
        late = [ANNA.record(world.now(), signer=key).data for key in (gone, past, retired)]
        assert await anna.submit(*late) == [UNAUTHORIZED, UNAUTHORIZED, ACCEPTED]
        assert await anna.submit(before[0], before[1]) == [UNAUTHORIZED, DUPLICATE]


async def test_the_newest_schedule_holds_whatever_its_nonce(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        anna = await world.connect()
        other_nonce = b"\xff" + bytes(7)
        newer = ANNA.schedule(world.now(2), ("tablet",), nonce=other_nonce)
        older = ANNA.schedule(world.now(1), ("phone",))
        assert await anna.submit(newer, older) == [ACCEPTED, ACCEPTED]
        assert await anna.submit(
            ANNA.record(world.now(), signer=ANNA.device("phone")),
            ANNA.record(world.now(), signer=ANNA.device("tablet")),
        ) == [UNAUTHORIZED, ACCEPTED]


class Wanted:
    """Remembers whose schedules are asked for."""

    def __init__(self) -> None:
        self.authors: list[bytes] = []

    def wanted(self, author: bytes) -> None:
        self.authors.append(author)


@pytest.mark.claim("C29")
async def test_at_the_fifth_signer_of_an_address_the_schedule_is_fetched_first(tmp_path: Path) -> None:
    source = Wanted()
    async with running(tmp_path, ANNA, schedules=source) as world:
        anna = await world.connect()
        records = [
            ANNA.record(world.now(n), kind=REPLACEABLE, nonce=FIXED, signer=ANNA.device(str(n)))
            for n in range(6)
        ]
        assert [(await anna.submit(record))[0] for record in records[:4]] == [ACCEPTED] * 4
        assert await anna.submit(records[4]) == [ResultCode.TEMPORARY_ERROR]
        assert set(source.authors) == {ANNA.key_bytes}
        again = ANNA.record(world.now(9), kind=REPLACEABLE, nonce=FIXED, signer=ANNA.device("0"))
        assert await anna.submit(again) == [ACCEPTED]
        schedule = ANNA.schedule(world.now(), ("1", "4"))
        assert await world.server.submit([schedule.data], Way.MIRROR) == [ACCEPTED]
        assert await all_of(world, ANNA) == {records[1].data}
        assert await anna.submit(records[4], records[5]) == [ACCEPTED, UNAUTHORIZED]


@pytest.mark.claim("C29")
async def test_the_schedule_is_asked_for_at_the_first_record_of_a_device(tmp_path: Path) -> None:
    source = Wanted()
    async with running(tmp_path, ANNA, schedules=source) as world:
        anna = await world.connect()
        assert await anna.submit(ANNA.record(world.now())) == [ACCEPTED]
        assert source.authors == []
        # What is refused makes the server look for nothing.
        assert await anna.submit(BEN.record(world.now(), signer=BEN.device())) == [UNAUTHORIZED]
        assert source.authors == []
        assert await anna.submit(ANNA.record(world.now(), signer=ANNA.device())) == [ACCEPTED]
        assert source.authors == [ANNA.key_bytes]
        assert await anna.submit(ANNA.schedule(world.now())) == [ACCEPTED]
        assert await anna.submit(ANNA.record(world.now(), signer=ANNA.device())) == [ACCEPTED]
        assert source.authors == [ANNA.key_bytes]


async def test_newer_schedules_of_people_served_are_asked_for_while_they_are_connected(
    tmp_path: Path,
) -> None:
    source = Wanted()
    async with running(tmp_path, ANNA, schedules=source) as world:
        anna = await world.connect()
        secret = ANNA.record(world.now(), kind=PRIVATE)
        assert await anna.submit(secret, ANNA.schedule(world.now())) == [ACCEPTED] * 2
        device = await world.connect(ANNA.device())
        world.server._sessions.look_at_strangers()
        assert source.authors == []
        world.clock.advance(seconds=3601)
        world.server._sessions.look_at_strangers()
        assert source.authors == [ANNA.key_bytes]
        # Meanwhile the rights stay.
        assert (await device.query(Filter.of(authors=[ANNA.key], kinds=[PRIVATE])))[0] == [secret.data]


# --- Vouch -----------------------------------------------------------------------------------------


def revoked(world: World, since: int) -> bytes:
    return ANNA.schedule(world.now(), {"device": Marker.REVOKED_PAST}, since=since).data


@pytest.mark.claim("C6")
async def test_what_the_master_vouches_for_outlives_a_revocation(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        anna = await world.connect()
        early = [ANNA.record(world.now(n), signer=ANNA.device()) for n in range(3)]
        since = world.now(10)
        world.clock.advance(seconds=60)
        assert await anna.submit(ANNA.schedule(world.now()), *early[:2]) == [ACCEPTED] * 3
        late = ANNA.record(since + 1, signer=ANNA.device())
        word = vouch.build(ANNA.master, [early[0].id, early[2].id, late.id], world.now(), nonce=FIXED)
        assert await anna.submit(word) == [ACCEPTED]
        # Both were received after the time of the revocation; one is vouched for.
        assert await anna.submit(revoked(world, since)) == [ACCEPTED]
        assert early[0].data in await all_of(world, ANNA)
        assert early[1].data not in await all_of(world, ANNA)
        # It counts for what comes later as well, but not for what was made after the revocation.
        assert await anna.submit(early[1], early[2], late) == [UNAUTHORIZED, ACCEPTED, UNAUTHORIZED]


@pytest.mark.claim("C6")
async def test_a_vouch_counts_for_what_comes_right_behind_it_and_beside_later_ones(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        anna = await world.connect()
        early = [ANNA.record(world.now(n), signer=ANNA.device()) for n in range(2)]
        since = world.now(10)
        world.clock.advance(seconds=60)
        assert await anna.submit(revoked(world, since)) == [ACCEPTED]
        first = vouch.build(ANNA.master, [early[0].id], world.now(1), nonce=FIXED)
        second = vouch.build(ANNA.master, [early[1].id], world.now(2), nonce=FIXED)
        assert await anna.submit(early[0], first, early[0]) == [UNAUTHORIZED, ACCEPTED, ACCEPTED]
        assert await anna.submit(second, early[1]) == [ACCEPTED, ACCEPTED]
        # Two revocations bring two Vouches: the later one takes nothing back of the former.
        again = ANNA.schedule(world.now(3), {"device": Marker.REVOKED_PAST}, since=since - 1)
        assert await anna.submit(again) == [ACCEPTED]
        assert await anna.submit(*early) == [DUPLICATE, DUPLICATE]


@pytest.mark.claim("C6")
async def test_only_the_master_vouches(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        anna = await world.connect()
        early = ANNA.record(world.now(), signer=ANNA.device())
        since = world.now(10)
        world.clock.advance(seconds=60)
        both = {"device": Marker.REVOKED_PAST, "phone": Marker.ACTIVE_SIGNING_KEY}
        assert await anna.submit(ANNA.schedule(world.now(), both, since=since)) == [ACCEPTED]
        # It is stored, as any record that breaks an application's rule alone, and counts for nothing.
        false = ANNA.record(world.now(), kind=VOUCH, signer=ANNA.device("phone"), payload=early.id.bytes)
        assert await anna.submit(false, early) == [ACCEPTED, UNAUTHORIZED]


async def test_a_vouch_that_is_deleted_counts_no_longer(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        anna = await world.connect()
        early = [ANNA.record(world.now(n), signer=ANNA.device()) for n in range(3)]
        since = world.now(10)
        world.clock.advance(seconds=60)
        word = vouch.build(ANNA.master, [record.id for record in early], world.now(1), nonce=FIXED)
        assert await anna.submit(revoked(world, since), word, early[0]) == [ACCEPTED] * 3
        target = Tag(0x4D01, bytes(4) + word.kind.bytes + word.id.bytes)
        taken_back = ANNA.record(world.now(2), kind=DELETION, tags=[target])
        assert await anna.submit(early[1], taken_back, early[2]) == [ACCEPTED, ACCEPTED, UNAUTHORIZED]


@pytest.mark.claim("C29")
@pytest.mark.parametrize("kind", [REPLACEABLE, kind_of()], ids=["replaceable", "unique"])
async def test_signers_that_come_together_are_counted_together(tmp_path: Path, kind: Kind) -> None:
    source = Wanted()
    async with running(tmp_path, ANNA, schedules=source) as world:
        anna = await world.connect()
        records = [
            ANNA.record(world.now(n), kind=kind, nonce=FIXED, signer=ANNA.device(str(n))) for n in range(6)
        ]
        by_master = ANNA.record(world.now(9), kind=kind, nonce=FIXED)
        results = await anna.submit(*records, by_master)
        assert results == [ACCEPTED] * 4 + [ResultCode.TEMPORARY_ERROR] * 2 + [ACCEPTED]
        assert set(source.authors) == {ANNA.key_bytes}


async def test_a_schedule_is_taken_only_when_its_consequences_are_on_disk(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        anna = await world.connect()
        false = ANNA.record(world.now(), signer=BEN.device())
        assert await anna.submit(false) == [ACCEPTED]
        failing = FailingStore(world.store, remove=[StoreFull()])
        world.server._writer._store = failing  # type: ignore[assignment]
        schedule = ANNA.schedule(world.now())
        assert await anna.submit(schedule) == [ResultCode.TEMPORARY_ERROR]
        assert await anna.get(schedule.id.bytes) == []
        # A crash right here would leave no schedule beside what it forbids; the next try does both.
        assert await anna.submit(schedule) == [ACCEPTED]
        assert await all_of(world, ANNA) == set()


# --- what a connection counts as -------------------------------------------------------------------


@pytest.mark.claim("C2")
async def test_a_device_reads_what_is_for_its_master_until_it_is_revoked(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        anna = await world.connect(ANNA.master)
        device = await world.connect(ANNA.device())
        secret = ANNA.record(world.now(), kind=PRIVATE)
        wanted = Filter.of(authors=[ANNA.key], kinds=[PRIVATE])
        assert await anna.submit(secret) == [ACCEPTED]
        assert await device.query(wanted) == ([], ResultCode.SUCCESS)
        # The open connection gains the right with the schedule, and loses it with the next one.
        assert await anna.submit(ANNA.schedule(world.now())) == [ACCEPTED]
        query_id, stored = await device.subscribe(wanted)
        assert stored == [secret.data]
        live = ANNA.record(world.now(), kind=PRIVATE)
        assert await anna.submit(live) == [ACCEPTED]
        await device.until(lambda: bool(device.inbox))
        assert device.records(query_id) == [live.data]
        revoking = ANNA.schedule(world.now(1), {"device": Marker.REVOKED_ALL}, since=world.now())
        assert await anna.submit(revoking) == [ACCEPTED]
        assert await anna.submit(ANNA.record(world.now(), kind=PRIVATE)) == [ACCEPTED]
        assert await device.query(wanted) == ([], ResultCode.SUCCESS)
        assert device.records(query_id) == []


async def test_the_schedule_of_somebody_who_lives_elsewhere_counts_for_an_hour(tmp_path: Path) -> None:
    source = Wanted()
    async with running(tmp_path, ANNA, schedules=source) as world:
        secret = BEN.record(world.now(), kind=PRIVATE)
        schedule = BEN.schedule(world.now())
        assert await world.server.submit([secret.data, schedule.data], Way.MIRROR) == [ACCEPTED] * 2
        wanted = Filter.of(authors=[BEN.key], kinds=[PRIVATE])
        device = await world.connect(BEN.device())
        assert (await device.query(wanted))[0] == [secret.data]
        world.clock.advance(seconds=3601)
        world.server._sessions.look_at_strangers()
        assert (await device.query(wanted))[0] == []
        assert source.authors == [BEN.key_bytes]
        # Whoever has a device can bring the old schedule as often as he likes.
        assert await device.submit(schedule) == [DUPLICATE]
        assert (await device.query(wanted))[0] == []
        # Another server shows the same schedule as the newest one.
        assert await world.server.submit([schedule.data], Way.MIRROR) == [DUPLICATE]
        assert (await device.query(wanted))[0] == [secret.data]


@pytest.mark.claim("C2")
async def test_schedules_of_strangers_that_tag_somebodys_device_take_no_rights_away(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        anna = await world.connect(ANNA.master)
        assert await anna.submit(ANNA.schedule(world.now())) == [ACCEPTED]
        secret = ANNA.record(world.now(), kind=PRIVATE)
        assert await anna.submit(secret) == [ACCEPTED]
        tag = core_tags.subkey(ANNA.device().public.bytes)
        crowd = [
            Person(f"crowd {n}").record(
                world.now(n + 1), kind=KEY_SCHEDULE, nonce=FIXED, notify=[ANNA.key], tags=[tag]
            )
            for n in range(40)
        ]
        stranger = await world.connect()
        assert await stranger.submit(*crowd) == [ACCEPTED] * 40
        device = await world.connect(ANNA.device())
        assert (await device.query(Filter.of(authors=[ANNA.key], kinds=[PRIVATE])))[0] == [secret.data]


class CountingStore:
    """A store that counts the records that its scans find."""

    def __init__(self, store: EmbeddedStore) -> None:
        self._store = store
        self.found = 0

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    def scan(self, *args: Any, **named: Any) -> Any:
        scan = self._store.scan(*args, **named)

        def records(*wanted: int) -> Any:
            found, finished = scan.records(*wanted)
            self.found += len(found)
            return found, finished

        return SimpleNamespace(records=records)


async def test_who_is_tagged_by_any_number_of_schedules_is_not_looked_for_among_them_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whose a stranger's device is, the newest tell; whose the people's own are, none of them can hide."""
    monkeypatch.setattr("mosaic.server.authority._STRANGERS", 16)
    async with running(tmp_path, ANNA) as world:
        anna = await world.connect(ANNA.master)
        phone = ANNA.device("phone").public
        assert await anna.submit(ANNA.schedule(world.now(), ("phone",))) == [ACCEPTED]
        crowd = [
            Person(f"crowd {n}").record(
                world.now(n + 1),
                kind=KEY_SCHEDULE,
                nonce=FIXED,
                notify=[ANNA.key],
                tags=[core_tags.subkey(phone.bytes)],
            )
            for n in range(80)
        ]
        stranger = await world.connect()
        assert await stranger.submit(*crowd) == [ACCEPTED] * 80
        authority = world.server._authority
        authority._store = counting = CountingStore(world.store)  # type: ignore[assignment]
        assert authority.viewers_of(phone.bytes) == (phone.bytes, ANNA.key_bytes)
        # Each of those that are looked at, and the one that holds for its author.
        assert counting.found <= 16 * 2 + 1
        later = ANNA.schedule(world.now(1), ("tablet",))
        assert await anna.submit(later) == [ACCEPTED]
        assert authority.viewers_of(phone.bytes) == (phone.bytes,)
        tablet = ANNA.device("tablet").public.bytes
        assert authority.viewers_of(tablet) == (tablet, ANNA.key_bytes)
        world.served.discard(ANNA.key_bytes)
        world.served.add(BEN.key_bytes)
        assert await (await world.connect(BEN.master)).submit(BEN.schedule(world.now(2))) == [ACCEPTED]
        ben = BEN.device().public.bytes
        assert authority.viewers_of(ben) == (ben, BEN.key_bytes)


async def test_somebody_who_moves_in_may_write(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        ben = await world.connect(BEN.master)
        assert await ben.submit(BEN.record(world.now())) == [UNAUTHORIZED]
        world.served.add(BEN.key_bytes)
        world.server.people_changed()
        assert await ben.submit(BEN.record(world.now())) == [ACCEPTED]


async def test_a_query_under_way_ends_when_its_rights_are_lost(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        anna = await world.connect(ANNA.master)
        assert await anna.submit(ANNA.schedule(world.now())) == [ACCEPTED]
        device = await world.connect(ANNA.device())
        secrets = [ANNA.record(world.now(), kind=PRIVATE, payload=bytes(50_000)) for _ in range(30)]
        assert await anna.submit(*secrets) == [ACCEPTED] * 30
        device.stop_reading()
        device.send(ask.Query(900, 0, Filter.of(authors=[ANNA.key], kinds=[PRIVATE]).encode()))
        query = ask.Query(901, 0, Filter.of(authors=[ANNA.key]).encode())
        await anna.settled()
        device.send(query)
        revoking = ANNA.schedule(world.now(1), {"device": Marker.REVOKED_ALL}, since=world.now())
        assert await anna.submit(revoking) == [ACCEPTED]
        device.go_on_reading()
        closed = await device.take(tell.QueryClosed, 900)
        assert closed.result is UNAUTHORIZED
        assert len(device.records(900)) < 30
