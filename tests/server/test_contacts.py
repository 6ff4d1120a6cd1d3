"""Whom people here name as theirs, and what that is worth."""

from __future__ import annotations

from pathlib import Path

import pytest

from mosaic.core import core_tags, deletion, nonce
from mosaic.core.community_kinds import CONTACT, FOLLOW
from mosaic.core.core_tags import Target
from mosaic.core.filter import Filter
from mosaic.core.keys import SecretKey
from mosaic.core.kind import Kind
from mosaic.core.kinds import MICROBLOG
from mosaic.core.record import Record
from mosaic.policy.retention import AuthorClass, Retention, RetentionRule
from mosaic.policy.standing import Standing
from mosaic.testing import Person
from mosaic.wire.result_code import ResultCode
from tests.server.world import World, running

ANNA, BEN, EVE = Person("anna"), Person("ben"), Person("eve")


def entry(
    world: World, by: Person, about: Person, seconds: int = 0, kind: Kind = FOLLOW, payload: bytes = b"x"
) -> Record:
    return by.record(
        world.now(seconds),
        kind=kind,
        nonce=nonce.from_string(about.key_bytes),
        tags=[core_tags.user_mention(about.key, 0)],
        payload=payload,
    )


def signed(world: World, by: Person, about: Person, signer: SecretKey) -> Record:
    return by.record(
        world.now(),
        kind=FOLLOW,
        nonce=nonce.from_string(about.key_bytes),
        tags=[core_tags.user_mention(about.key, 0)],
        payload=b"x",
        signer=signer,
    )


async def read_again(world: World) -> None:
    reading = world.server.contacts.reading
    assert reading is not None
    await reading


async def standing_of(world: World, person: Person) -> Standing:
    await world.server._publisher.drained()
    peers = world.server._sessions._peers.values()
    return next(peer.standing for peer in peers if peer.key == person.master.public.bytes)


@pytest.mark.parametrize("kind", [FOLLOW, CONTACT])
async def test_whom_people_here_name_is_a_contact_until_they_take_it_back(tmp_path: Path, kind: Kind) -> None:
    async with running(tmp_path, ANNA) as world:
        anna = await world.connect(ANNA.master)
        await world.connect(BEN.master)
        assert await standing_of(world, ANNA) is Standing.SERVED
        assert await standing_of(world, BEN) is Standing.STRANGER
        assert await anna.submit(entry(world, ANNA, BEN, kind=kind)) == [ResultCode.ACCEPTED]
        assert await standing_of(world, BEN) is Standing.CONTACT
        assert await anna.submit(entry(world, ANNA, BEN, 1, kind, b"")) == [ResultCode.ACCEPTED]
        assert await standing_of(world, BEN) is Standing.STRANGER


@pytest.mark.parametrize("kind", [FOLLOW, CONTACT])
@pytest.mark.parametrize("named_by", ["address", "id", "id with another kind"])
async def test_whom_a_deletion_takes_back_is_no_contact_any_more(
    tmp_path: Path, kind: Kind, named_by: str
) -> None:
    async with running(tmp_path, ANNA) as world:
        anna = await world.connect(ANNA.master)
        await world.connect(BEN.master)
        await world.connect(EVE.master)
        of_ben, of_eve = entry(world, ANNA, BEN, kind=kind), entry(world, ANNA, EVE, kind=kind)
        assert await anna.submit(of_ben, of_eve) == [ResultCode.ACCEPTED] * 2
        target = Target(
            MICROBLOG if named_by == "id with another kind" else kind,
            of_ben.address if named_by == "address" else of_ben.id,
        )
        taken_back = deletion.build(ANNA.master, [target], world.now(1), nonce=b"\x80" + bytes(7))
        assert await anna.submit(taken_back) == [ResultCode.ACCEPTED]
        await world.server._publisher.drained()
        await read_again(world)
        assert await standing_of(world, BEN) is Standing.STRANGER
        assert await standing_of(world, EVE) is Standing.CONTACT
        assert len(world.server.contacts) == 1


async def settled(world: World) -> None:
    await world.server._publisher.drained()
    await read_again(world)


@pytest.mark.parametrize("how", ["drop", "remove", "retention", "hide"])
async def test_whom_a_moderator_takes_away_is_no_contact_any_more(tmp_path: Path, how: str) -> None:
    async with running(tmp_path, ANNA) as world:
        anna = await world.connect(ANNA.master)
        await world.connect(BEN.master)
        of_ben = entry(world, ANNA, BEN, -10)
        assert await anna.submit(of_ben, entry(world, ANNA, EVE)) == [ResultCode.ACCEPTED] * 2
        assert await standing_of(world, BEN) is Standing.CONTACT
        moderation = world.server.moderation
        if how == "drop":
            await moderation.drop([of_ben.id.bytes])
        elif how == "remove":
            await moderation.remove(Filter.of(timestamps=[of_ben.timestamp]), dry_run=False)
        elif how == "retention":
            rule = RetentionRule(FOLLOW, older_than_ns=5 * 10**9)
            made = Retention(lambda _: AuthorClass.SERVED, world.clock.now_ns, (rule,))
            assert await moderation.retain(made).once() == 1
        else:
            await moderation.hide([of_ben.id.bytes])
        await settled(world)
        assert await standing_of(world, BEN) is Standing.STRANGER
        assert len(world.server.contacts) == 1
        if how == "hide":
            await world.server.contacts.stop()
            world.server.contacts.start()
            await read_again(world)
            assert BEN.key_bytes not in world.server.contacts
            await moderation.show([of_ben.id.bytes])
            await settled(world)
            assert await standing_of(world, BEN) is Standing.CONTACT


async def test_contacts_are_known_again_after_a_restart(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        anna = await world.connect(ANNA.master)
        assert await anna.submit(entry(world, ANNA, BEN)) == [ResultCode.ACCEPTED]
    async with running(tmp_path, ANNA) as world:
        reading = world.server.contacts.reading
        assert reading is not None
        await reading
        assert BEN.key_bytes in world.server.contacts
        assert len(world.server.contacts) == 1


async def test_who_names_himself_or_is_named_by_strangers_or_falsely_is_none(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        anna = await world.connect(ANNA.master)
        by_stranger = EVE.record(
            world.now(),
            kind=FOLLOW,
            nonce=nonce.from_string(EVE.key_bytes),
            notify=[ANNA.key, EVE.key],
            payload=b"x",
        )
        about_another = ANNA.record(
            world.now(), kind=FOLLOW, nonce=nonce.from_string(BEN.key_bytes), notify=[EVE.key], payload=b"x"
        )
        assert await anna.submit(by_stranger, about_another) == [ResultCode.ACCEPTED] * 2
        await world.server._publisher.drained()
        assert len(world.server.contacts) == 0


async def test_whom_the_home_follows_in_private_is_a_contact_too(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        await world.connect(BEN.master)
        world.server.contacts.tell([BEN.key_bytes])
        assert await standing_of(world, BEN) is Standing.CONTACT
        world.server.contacts.tell([EVE.key_bytes])
        assert await standing_of(world, BEN) is Standing.STRANGER
        assert EVE.key_bytes in world.server.contacts


async def test_what_somebody_else_signed_in_a_name_makes_nobody_a_contact(tmp_path: Path) -> None:
    """Before the schedule of Anna is here, nobody can say that Eve's key is not hers."""
    async with running(tmp_path, ANNA) as world:
        eve, ben = await world.connect(EVE.master), await world.connect(BEN.master)
        forged = signed(world, ANNA, EVE, EVE.master)
        by_phone = signed(world, ANNA, BEN, ANNA.device("phone"))
        assert await eve.submit(forged) == [ResultCode.ACCEPTED]
        assert await ben.submit(by_phone) == [ResultCode.ACCEPTED]
        assert await standing_of(world, EVE) is Standing.STRANGER
        assert await standing_of(world, BEN) is Standing.STRANGER
        # The schedule tells whose they are.
        assert await eve.submit(ANNA.schedule(world.now(), ("phone",))) == [ResultCode.ACCEPTED]
        await read_again(world)
        assert await standing_of(world, EVE) is Standing.STRANGER
        assert await standing_of(world, BEN) is Standing.CONTACT


async def test_a_revoked_device_names_nobody_any_more(tmp_path: Path) -> None:
    async with running(tmp_path, ANNA) as world:
        anna = await world.connect(ANNA.master)
        await world.connect(EVE.master)
        schedule, later = ANNA.schedule(world.now(), ("phone",)), ANNA.schedule(world.now(9), ())
        assert await anna.submit(schedule, signed(world, ANNA, EVE, ANNA.device("phone"))) == [
            ResultCode.ACCEPTED,
            ResultCode.ACCEPTED,
        ]
        assert await standing_of(world, EVE) is Standing.CONTACT
        assert await anna.submit(later) == [ResultCode.ACCEPTED]
        await read_again(world)
        assert await standing_of(world, EVE) is Standing.STRANGER
