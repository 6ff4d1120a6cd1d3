"""Whom somebody follows: on the own outboxes, encrypted; from there to other devices, and back by a sheet."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.node.conftest import FAST, HERE, OpenNode, do, one
from tests.node.test_pairing import paired
from tests.node.test_stolen import Place, outboxes

from mosaic.core import encryption, private_list
from mosaic.core.community_kinds import CLIENT_STATE, FOLLOW_PRIVATE
from mosaic.core.filter import Filter
from mosaic.core.keys import PublicKey, SecretKey
from mosaic.core.record import Record
from mosaic.core.schedule_entry import Entry, Marker
from mosaic.core.timestamp import Timestamp
from mosaic.errors import Undecryptable
from mosaic.node import followed_list
from mosaic.node.home import Home, try_lock
from mosaic.node.node import Node
from mosaic.node.person import Person
from mosaic.social.signer import Signer

PASSWORD = "correct horse battery"
BEN, ZOE, KIM = (SecretKey.from_seed(bytes([n]) * 32).public for n in (1, 2, 3))
PEN = SecretKey.from_seed(b"p" * 32).public


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(followed_list, "_PAUSE_S", 0.0)


@contextlib.asynccontextmanager
async def empty(folder: Path) -> AsyncIterator[Node]:
    """A home in which nobody lives yet."""
    home = Home(folder)
    home.make()
    lock = try_lock(home)
    assert lock is not None
    node = await Node.open(home, lock, FAST)
    node.people._log_n = 10
    node.work()
    try:
        yield node
    finally:
        await node.stop()


def person(node: Node) -> Person:
    return node.people.find(None)


def follows(node: Node) -> set[bytes]:
    return set(node.db.follows(person(node).key.bytes))


def entries(node: Node, of: PublicKey | None = None) -> list[Record]:
    author = of or person(node).key
    return list(node.everything.newest_first(Filter.of(authors=[author], kinds=[FOLLOW_PRIVATE])))


async def when(node: Node, holds: object) -> None:
    """Waits until something holds that a record or a follow may change."""
    assert callable(holds)
    with node.changes() as changed:
        async with asyncio.timeout(30):
            while not holds():
                await changed.wait()
                changed.clear()


async def follow(node: Node, *keys: PublicKey, **more: object) -> None:
    for key in keys:
        await one(node, "follow", {"person": key.user_text, **more}, working=True)


async def test_each_follow_is_a_record_that_nobody_else_can_read(open_node: OpenNode) -> None:
    async with open_node("anna") as node:
        node.work()
        await follow(node, BEN, ZOE)
        await when(node, lambda: len(entries(node)) == 2)
        anna = person(node)
        for record in entries(node):
            assert record.signer == anna.device.public
            assert not any(key.bytes in record.data for key in (BEN, ZOE))
            assert len(record.payload) == 8 + 2 * 112 + 256 + 16
            # The server gives it to nobody but her.
            shown = node.records.at(record.address)
            assert [each.id for each in shown] == [record.id]
        nobody = node.everything._source.query(Filter.of(kinds=[FOLLOW_PRIVATE, CLIENT_STATE]), [BEN.bytes])
        assert list(nobody) == []
        # Once published nothing is published again.
        before = [record.id for record in entries(node)]
        await node.followed_list.keep(anna)
        assert [record.id for record in entries(node)] == before


async def test_who_is_followed_no_longer_is_taken_back(open_node: OpenNode) -> None:
    async with open_node("anna") as node:
        await follow(node, BEN, ZOE)
        await node.followed_list.keep(person(node))
        await one(node, "unfollow", person=BEN.user_text)
        await one(node, "follow", person=ZOE.user_text, personas=[PEN.user_text])
        await node.followed_list.keep(person(node))
        assert sorted(len(record.payload) > 0 for record in entries(node)) == [False, True]
        await follow(node, BEN)
        await node.followed_list.keep(person(node))
        assert all(record.payload for record in entries(node))
        assert len(entries(node)) == 2


async def test_nothing_is_published_where_the_setting_is_off(open_node: OpenNode) -> None:
    async with open_node("anna") as node:
        node.reconfigure(dataclasses.replace(node.settings, keep_follows=False))
        await follow(node, BEN)
        await node.followed_list.keep(person(node))
        assert entries(node) == []
        node.reconfigure(dataclasses.replace(node.settings, keep_follows=True))
        await node.followed_list.keep(person(node))
        assert len(entries(node)) == 1


@pytest.mark.claim("C2")
async def test_two_devices_follow_the_same_people(open_node: OpenNode, tmp_path: Path) -> None:
    async with open_node("anna") as laptop, empty(tmp_path / "phone") as phone:
        laptop.listen(HERE)
        laptop.work()
        await follow(laptop, BEN, ZOE)
        await when(laptop, lambda: len(entries(laptop)) == 2)
        assert (await paired(laptop, phone))[1].state == "ready"
        assert follows(phone) == {BEN.bytes, ZOE.bytes}
        # What the phone does goes to the outbox, which is the laptop.
        await follow(phone, KIM, personas=[PEN.user_text])
        await one(phone, "unfollow", person=BEN.user_text, working=True)
        await when(laptop, lambda: follows(laptop) == {ZOE.bytes, KIM.bytes})
        anna = person(laptop).key.bytes
        assert laptop.db.personas(anna) == {KIM.bytes: frozenset([PEN.bytes])}
        # And back again.
        await follow(laptop, BEN)
        await when(phone, lambda: follows(phone) == {BEN.bytes, ZOE.bytes, KIM.bytes})


@pytest.mark.slow
@pytest.mark.claim("C1", "C2")
@pytest.mark.parametrize("master", ["home", "away"])
async def test_a_sheet_brings_back_whom_one_follows(open_node: OpenNode, tmp_path: Path, master: str) -> None:
    async with outboxes(open_node, "hub") as (hub,), empty(tmp_path / "new") as new:
        async with open_node("anna") as node:
            node.people._log_n = 10
            await _use(node, hub)
            sheet = str((await one(node, "recovery_sheet", new_password=PASSWORD))["text"])
            if master == "away":
                await one(node, "master_forget", master=sheet, password=PASSWORD)
            node.work()
            await follow(node, BEN, ZOE)
            await follow(node, KIM, personas=[PEN.user_text])
            await one(node, "unfollow", person=ZOE.user_text, working=True)
            anna = person(node).key
            await when(
                hub.node,
                lambda: (
                    sorted(bool(each.payload) for each in entries(hub.node, anna))
                    in ([True, True], [False, True, True])
                ),
            )
        # The laptop and its server are gone.
        told = await one(new, "recovery_restore", master=sheet, password=PASSWORD, working=True)
        assert told["followed"] == 2
        assert follows(new) == {BEN.bytes, KIM.bytes}
        assert new.db.personas(anna.bytes) == {KIM.bytes: frozenset([PEN.bytes])}
        # All of it is encrypted to the keys of this machine, so that the next device can read it.
        secrets = new.people.encryption_secrets(person(new))
        assert new.followed_list._list_key(person(new), secrets) is not None
        for record in entries(new):
            if record.payload:
                assert encryption.opened_record(record, anna, secrets)
                with pytest.raises(Undecryptable):
                    encryption.opened_record(record, anna, [private_list.recovery_secret(b"x" * 32)])


async def test_a_list_of_another_key_or_of_a_forger_is_not_taken_over(open_node: OpenNode) -> None:
    async with open_node("anna") as node:
        await follow(node, BEN)
        await node.followed_list.keep(person(node))
        anna = person(node)
        key = node.followed_list._list_key(anna, node.people.encryption_secrets(anna))
        assert key is not None
        other = private_list.ListKey(b"o" * 32, key.recovery)
        content = private_list.FollowEntry(ZOE).encode()
        at = (other.nonce(ZOE.bytes), key.nonce(KIM.bytes))
        for nonce in at:
            await node.followed_list._publish(anna, key, FOLLOW_PRIVATE, nonce, content)
        await node.followed_list.keep(anna)
        assert follows(node) == {BEN.bytes}


async def test_without_the_master_key_no_list_begins_and_with_it_one_does(
    open_node: OpenNode, tmp_path: Path
) -> None:
    async with open_node("anna") as node:
        node.people._log_n = 10
        file = tmp_path / "anna.key"
        await one(node, "master_export", path=str(file), new_password=PASSWORD)
        text = file.read_text("utf-8")
        node.people.keep_master(person(node), None)
        await follow(node, BEN)
        await node.followed_list.keep(person(node))
        assert entries(node) == []
        await one(node, "recovery_sheet", master=text, password=PASSWORD, new_password=PASSWORD)
        await node.followed_list.keep(person(node))
        assert len(entries(node)) == 1
        assert [each["key"] for each in await do(node, "following")] == [BEN.user_text]


async def _use(node: Node, hub: Place) -> None:
    hub.node.rules.served.serve(person(node).key)
    await one(node, "servers_add", hub.used, working=True)


@pytest.mark.claim("C8")
async def test_what_a_thief_does_to_the_list_ends_with_his_device(open_node: OpenNode) -> None:
    async with open_node("anna") as node:
        anna = person(node)
        stolen = SecretKey.from_seed(b"s" * 32)
        before = node.records.schedule(anna.key)
        assert before is not None
        listed = Entry.signing(Signer(anna.key, stolen).attestation())
        with node.people.master(anna) as master:
            await node.mirror([master.schedule([*before.entries, listed], node.clock.now()).data])
        await follow(node, BEN, ZOE, KIM)
        await node.followed_list.keep(anna)
        # Whoever has the device takes everybody back, and says of one what he had said before.
        thief = Signer(anna.key, stolen)
        for entry in entries(node):
            at = Timestamp(entry.timestamp + 1)
            false = thief.record(kind=FOLLOW_PRIVATE, nonce=entry.nonce, timestamp=at, payload=b"")
            await node.mirror([false.data])
        await node.followed_list.keep(anna)
        assert follows(node) == set()
        gone = listed.marked(Marker.REVOKED_ALL, 1)
        with node.people.master(anna) as master:
            await node.mirror([master.schedule([*before.entries, gone], node.clock.now()).data])
        await node.followed_list.keep(anna)
        assert follows(node) == {BEN.bytes, ZOE.bytes, KIM.bytes}
        await node.followed_list.keep(anna)
        assert [bool(entry.payload) for entry in entries(node)] == [True] * 3


@pytest.mark.claim("C8")
async def test_what_a_revoked_device_said_of_whom_one_follows_is_said_again(open_node: OpenNode) -> None:
    async with open_node("anna") as node:
        anna = person(node)
        await follow(node, BEN, ZOE)
        await node.followed_list.keep(anna)
        assert len(entries(node)) == 2
        for entry in entries(node):
            (place,) = node.store.contains([entry.id.bytes])
            assert place is not None
            node.store.remove([place])
        assert entries(node) == []
        await node.followed_list.keep(anna)
        assert len(entries(node)) == 2
