"""Deletions that stick: on every way in, over restarts, rebuilding, compaction; and which of them count."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

import pytest

from mosaic.core import core_tags, deletion
from mosaic.core.community_kinds import DELETION, PRIVATE_MESSAGE, SERVER_ACT
from mosaic.core.core_tags import Target
from mosaic.core.filter import Filter
from mosaic.core.key_schedule import Marker
from mosaic.core.keys import SecretKey
from mosaic.core.kind import Duplicates, Kind
from mosaic.core.kinds import KEY_SCHEDULE, MICROBLOG, PROFILE
from mosaic.core.nonce import FIXED
from mosaic.core.record import Record
from mosaic.core.reference import Reference
from mosaic.policy.submission import Way
from mosaic.testing import Person
from mosaic.testing.people import kind_of
from mosaic.wire.result_code import ResultCode
from tests.server.world import World, running

ANNA = Person("anna")
BEN = Person("ben")
ACCEPTED, DUPLICATE = ResultCode.ACCEPTED, ResultCode.DUPLICATE
UNAUTHORIZED = ResultCode.UNAUTHORIZED
_NONCES = iter(range(1, 1 << 20))


def delete(
    world: World,
    *references: Reference,
    by: Person = ANNA,
    signer: SecretKey | None = None,
    seconds: float = 10,
    private: bool = False,
) -> Record:
    return deletion.build(
        signer or by.master,
        [Target(kind_of(), reference) for reference in references],
        world.now(seconds),
        nonce=(1 << 63 | next(_NONCES)).to_bytes(8, "big"),
        author=by.key,
        private=private,
    )


def rebuild(folder: Path) -> None:
    """Takes the index away, so that it is made again from the log."""
    (index,) = folder.rglob("index")
    shutil.rmtree(index)


async def served(world: World, records: Iterable[Record]) -> list[bool]:
    """Which of them are served, by id and by query alike."""
    reader = await world.connect()
    answers = []
    for record in records:
        by_id = await reader.get(record.id.bytes)
        asked, _ = await reader.query(Filter.of(authors=[record.author], kinds=[record.kind]))
        assert (by_id == [record.data]) == (record.data in asked)
        answers.append(bool(by_id))
    return answers


@pytest.mark.parametrize("kind", [MICROBLOG, PROFILE, DELETION, SERVER_ACT])
async def test_a_deletion_touches_what_it_may_and_nothing_else(tmp_path: Path, kind: Kind) -> None:
    async with running(tmp_path, ANNA) as world:
        anna = await world.connect(ANNA.master)
        record = ANNA.record(world.now(), kind=kind)
        assert await anna.submit(record) == [ACCEPTED]
        takes_back = [delete(world, record.id, record.address, private=private) for private in (False, True)]
        assert await anna.submit(*takes_back) == [ACCEPTED] * 2
        assert await anna.get(record.id.bytes) == ([] if deletion.can_be_deleted(kind) else [record.data])
        assert await anna.submit(record) == [UNAUTHORIZED if deletion.can_be_deleted(kind) else DUPLICATE]
        assert world.store.verify() == []


async def test_what_is_deleted_goes_at_once_and_is_refused_on_every_way_in(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        anna = await world.connect(ANNA.master)
        by_id, by_address, kept = (ANNA.record(world.now(n)) for n in range(3))
        assert await anna.submit(by_id, by_address, kept) == [ACCEPTED] * 3
        takes_back = delete(world, by_id.id, by_address.address)
        assert await anna.submit(takes_back) == [ACCEPTED]
        assert await served(world, [by_id, by_address, kept, takes_back]) == [False, False, True, True]
        assert await anna.submit(by_id, by_address) == [UNAUTHORIZED] * 2
        for way in Way:
            results = await world.server.submit([by_id.data, by_address.data], way)
            assert results == [UNAUTHORIZED] * 2, way
        assert await served(world, [by_id, by_address]) == [False, False]
        assert await anna.submit(takes_back) == [DUPLICATE]
        assert world.store.verify() == []


@pytest.mark.parametrize("rebuilt", [False, True])
async def test_a_deletion_outlives_restart_rebuilding_and_compaction(tmp_path: Path, rebuilt: bool) -> None:
    async with running(tmp_path, ANNA) as world:
        anna = await world.connect(ANNA.master)
        posts = [ANNA.record(world.now(), payload=bytes(300)) for _ in range(5)]
        await anna.submit(*posts)
        await anna.submit(delete(world, *(post.id for post in posts[:4])))
        assert world.store.compact(min_dead_ratio=0.0, roll=True) > 0
        assert await anna.submit(*posts[:4]) == [UNAUTHORIZED] * 4
    if rebuilt:
        rebuild(tmp_path)
    async with running(tmp_path, ANNA) as world:
        anna = await world.connect(ANNA.master)
        assert await anna.submit(*posts) == [UNAUTHORIZED] * 4 + [DUPLICATE]
        assert world.store.verify() == []


async def test_a_deletion_that_comes_first_refuses_what_comes_later(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        anna = await world.connect(ANNA.master)
        early, late = ANNA.record(world.now(0), nonce=FIXED), ANNA.record(world.now(20), nonce=FIXED)
        takes_back = delete(world, early.address)
        assert await anna.submit(takes_back, early, late) == [ACCEPTED, UNAUTHORIZED, ACCEPTED]
        assert await served(world, [early, late]) == [False, True]


async def test_an_address_is_free_again_for_what_is_written_later(tmp_path: Path) -> None:
    kind = kind_of(duplicates=Duplicates.REPLACEABLE)
    async with running(tmp_path, ANNA) as world:
        anna = await world.connect(ANNA.master)
        first, second, third = (ANNA.record(world.now(n), kind=kind, nonce=FIXED) for n in (0, 5, 20))
        await anna.submit(second)
        await anna.submit(delete(world, second.address))
        assert await anna.submit(first, second, third) == [UNAUTHORIZED, UNAUTHORIZED, ACCEPTED]
        assert await anna.get(first.address.bytes) == [third.data]


async def test_nobody_deletes_for_others_and_nobody_deletes_core_records(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA, BEN) as world:
        anna, ben = await world.connect(ANNA.master), await world.connect(BEN.master)
        post, schedule = ANNA.record(world.now()), ANNA.schedule(world.now())
        profile = ANNA.record(world.now(), kind=PROFILE, nonce=FIXED)
        await anna.submit(post, schedule, profile)
        assert await ben.submit(delete(world, post.id, post.address, by=BEN)) == [ACCEPTED]
        takes_back = delete(world, schedule.id, schedule.address, profile.id, profile.address)
        assert await anna.submit(takes_back) == [ACCEPTED]
        assert await anna.submit(delete(world, takes_back.id, takes_back.address, seconds=11)) == [ACCEPTED]
        everything = [post, schedule, profile, takes_back]
        assert schedule.kind == KEY_SCHEDULE
        assert await served(world, everything) == [True] * 4
        assert await anna.submit(*everything) == [DUPLICATE] * 4


async def test_a_deletion_by_a_device_counts_when_the_schedule_lists_it(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        anna = await world.connect()
        phone = ANNA.device("phone")
        post, other = ANNA.record(world.now()), ANNA.record(world.now())
        by_phone = delete(world, post.id, signer=phone)
        by_thief = delete(world, other.id, signer=BEN.device())
        assert await anna.submit(post, other, by_phone, by_thief) == [ACCEPTED] * 4
        assert await served(world, [post, other]) == [True, True]
        assert await anna.submit(ANNA.schedule(world.now(), ("phone",))) == [ACCEPTED]
        assert await served(world, [post, other, by_phone, by_thief]) == [False, True, True, False]
        assert await anna.submit(post, other, by_thief) == [UNAUTHORIZED, DUPLICATE, UNAUTHORIZED]
        # Out of use later lifts nothing.
        retired = ANNA.schedule(world.now(1), {"phone": Marker.OUT_OF_USE}, since=world.now(20))
        assert await anna.submit(retired, post) == [ACCEPTED, UNAUTHORIZED]
        too_late = delete(world, other.id, signer=phone, seconds=30)
        assert await anna.submit(too_late, other) == [ACCEPTED, DUPLICATE]
        assert world.store.verify() == []


@pytest.mark.claim("C29")
async def test_what_a_revoked_key_deleted_may_come_again(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        anna = await world.connect()
        phone = ANNA.device("phone")
        before, after = ANNA.record(world.now()), ANNA.record(world.now())
        await anna.submit(ANNA.schedule(world.now(), ("phone",)), before, after)
        of_before = delete(world, before.id, signer=phone, seconds=-50)
        of_after = delete(world, after.id, signer=phone)
        assert await anna.submit(of_before) == [ACCEPTED]
        world.clock.advance(seconds=100)
        stolen_ns = world.now(-50)
        assert await anna.submit(of_after, before, after) == [ACCEPTED, UNAUTHORIZED, UNAUTHORIZED]
        revoked = ANNA.schedule(world.now(), {"phone": Marker.REVOKED_PAST}, since=stolen_ns)
        assert await anna.submit(revoked) == [ACCEPTED]
        assert await served(world, [of_before, of_after]) == [True, False]
        assert await anna.submit(before, after) == [UNAUTHORIZED, ACCEPTED]
        assert world.store.verify() == []


async def test_the_recipient_deletes_his_copy_of_a_private_message(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA, BEN) as world:
        stranger = Person("made for one message")
        message = stranger.record(world.now(), kind=PRIVATE_MESSAGE, notify=[BEN.key])
        to_both = stranger.record(world.now(), kind=PRIVATE_MESSAGE, notify=[BEN.key, ANNA.key])
        assert core_tags.notify_keys(message) == (BEN.key,)
        ben = await world.connect(BEN.master)
        assert await world.server.submit([message.data, to_both.data], Way.OWNER) == [ACCEPTED] * 2
        assert await ben.get(message.id.bytes, to_both.id.bytes) == [message.data, to_both.data]
        takes_back = delete(world, message.id, to_both.id, by=BEN, private=True)
        assert await ben.submit(takes_back) == [ACCEPTED]
        assert await ben.get(message.id.bytes, to_both.id.bytes) == [to_both.data]
        assert await ben.submit(message) == [UNAUTHORIZED]
        assert await (await world.connect()).get(takes_back.id.bytes) == []
