from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import coincurve
import pytest
from tests.node.conftest import OpenNode, do, one

from mosaic.core import encrypted_secret_key, key_schedule, vouch
from mosaic.core.community_kinds import VOUCH
from mosaic.core.filter import Filter
from mosaic.core.key_schedule import Entry, Standing
from mosaic.core.keys import PublicKey, SecretKey
from mosaic.core.kinds import PROFILE
from mosaic.core.reference import Id
from mosaic.errors import (
    InvalidKeySchedule,
    InvalidSecretKey,
    LocalError,
    MasterAway,
    PasswordNeeded,
    UnknownKey,
    UsageError,
    WrongPassword,
)
from mosaic.node.key_book import Use
from mosaic.node.node import Node
from mosaic.social.signer import Signer

PASSWORD = "correct horse battery"


async def keys(node: Node) -> list[dict[str, Any]]:
    (item,) = await do(node, "keys")
    found = item["keys"]
    assert isinstance(found, list)
    return found  # type: ignore[return-value]


async def advice(node: Node) -> str:
    (item,) = await do(node, "keys")
    return str(item["advice"])


def standing(node: Node, key: str) -> Standing:
    schedule = node.records.schedule(node.people.find(None).key)
    assert schedule is not None
    return schedule.standing(PublicKey.parse_user(key))


@pytest.mark.claim("C2", "C4", "C66")
async def test_new_people_have_a_device_and_a_key_to_encrypt_to(open_node: OpenNode) -> None:
    async with open_node("anna") as node:
        person = node.people.find(None)
        schedule = node.records.schedule(person.key)
        assert schedule is not None
        (box,) = schedule.encryption_keys()
        assert [secret.public for secret in node.people.encryption_secrets(person)] == [box]
        assert [(each["use"], each["state"], each["here"]) for each in await keys(node)] == [
            ("device", "active", True),
            ("encryption", "active", True),
        ]
        record = node.records.schedule_record(person.key)
        assert node.people.basic_records(person)[0] == record


async def test_old_homes_make_the_same_records_again_and_get_a_key_to_encrypt_to(open_node: OpenNode) -> None:
    async with open_node("anna") as node:
        # As a home was before there were books of keys.
        node.db.connection.execute("DELETE FROM person_key")
        node.db.connection.execute("DELETE FROM person_schedule")
        person = node.people.find(None)
        schedule, profile = node.people.basic_records(person)
        assert key_schedule.parse(schedule).signing_keys() == (person.device.public,)
        assert key_schedule.parse(schedule).encryption_keys() == ()
        assert (schedule, profile) == tuple(node.people.basic_records(person))
        stored = next(node.records.newest_first(Filter.of(authors=[person.key], kinds=[PROFILE])))
        assert profile == stored
        assert "only other devices" in await advice(node)
        await one(node, "key_roll", what="encryption")
        assert "only other devices" not in await advice(node)


@pytest.mark.claim("C3", "C66")
async def test_the_next_act_with_the_master_key_adds_a_key_to_encrypt_to(open_node: OpenNode) -> None:
    async with open_node("anna") as node:
        person = node.people.find(None)
        node.db.connection.execute("DELETE FROM person_key")
        with node.people.master(person) as master:
            old = Entry.signing(person.signer.attestation())
            schedule = master.schedule([old], node.clock.now())
        await node.mirror([schedule.data])
        node.db.connection.execute("DELETE FROM person_schedule")
        assert "Nobody can encrypt" in await advice(node)
        await one(node, "profile", {"set": {"about": "bread"}})
        assert "Nobody can encrypt" not in await advice(node)
        found = node.records.schedule(person.key)
        assert found is not None
        assert found.encryption_keys() == tuple(s.public for s in node.people.encryption_secrets(person))


@pytest.mark.claim("C2", "C8")
async def test_a_device_key_rolls_over_and_what_it_signed_stays(open_node: OpenNode) -> None:
    async with open_node("anna") as node:
        before = node.people.find(None)
        post = await one(node, "post", text="by the old key")
        done = await one(node, "key_roll")
        after = node.people.find(None)
        assert done["device"] == after.device.public.user_text != before.device.public.user_text
        assert standing(node, before.device.public.user_text) is Standing.OUT_OF_USE
        assert standing(node, after.device.public.user_text) is Standing.ACTIVE
        assert (await one(node, "post", text="by the new one"))["signer"] == after.device.public.user_text
        assert [each["text"] for each in await do(node, "feed")] == ["by the new one", "by the old key"]
        assert (await do(node, "thread", reference=post["address"]))[0]["text"] == "by the old key"
    async with open_node("anna") as node:
        assert node.people.find(None).device == after.device
        assert node.people.basic_records(node.people.find(None))[0] == node.records.schedule_record(after.key)


async def test_a_home_that_ended_right_after_a_roll_uses_the_new_key(
    open_node: OpenNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_node("anna") as node:

        def crash(*_: object) -> None:
            raise RuntimeError("the machine went off")

        with monkeypatch.context() as patch:
            patch.setattr(node, "use_device", crash)
            with pytest.raises(RuntimeError):
                await one(node, "key_roll")
    async with open_node("anna") as node:
        device = node.people.find(None).device.public.user_text
        assert standing(node, device) is Standing.ACTIVE
        assert (await one(node, "post", text="on"))["signer"] == device


@pytest.mark.claim("C66")
async def test_encryption_keys_roll_over_and_old_messages_stay_readable(open_node: OpenNode) -> None:
    async with open_node("anna") as node:
        person = node.people.find(None)
        old = node.people.encryption_secrets(person)
        await one(node, "key_roll", what="encryption")
        await one(node, "key_add", use="encryption", label="second")
        schedule = node.records.schedule(person.key)
        assert schedule is not None
        secrets = node.people.encryption_secrets(person)
        assert {secret.public for secret in secrets} == {old[0].public, *schedule.encryption_keys()}
        assert len(schedule.encryption_keys()) == 2
        assert old[0].public not in schedule.encryption_keys()


@pytest.mark.claim("C8")
async def test_a_persona_speaks_for_the_person(open_node: OpenNode) -> None:
    async with open_node("anna") as node:
        done = await one(node, "persona_add", label="baking")
        post = await one(node, "post", text="Rye needs time.", persona="baking")
        assert post["signer"] == done["persona"] != node.people.find(None).device.public.user_text
        assert post["author"] == node.people.find(None).key.user_text
        with pytest.raises(UnknownKey):
            await one(node, "post", text="x", persona="nobody")
        with pytest.raises(UsageError):
            await one(node, "persona_add", label="baking")


@pytest.mark.claim("C8", "C53")
async def test_a_nostr_key_is_attested_and_its_secret_not_kept(open_node: OpenNode, tmp_path: Path) -> None:
    nsec = "nsec1vl029mgpspedva04g90vltkh6fvh240zqtv9k0t9af8935ke9laqsnlfe5"
    async with open_node("anna") as node:
        done = await one(node, "nostr_add", secret=nsec)
        secret = coincurve.PrivateKey(
            bytes.fromhex("67dea2ed018072d675f5415ecfaed7d2597555e202d85b3d65ea4e58d2d92ffa")
        )
        public = secret.public_key.format()[1:]
        assert done["nostr"] == public.hex()
        schedule = node.records.schedule(node.people.find(None).key)
        assert schedule is not None
        assert schedule.nostr_keys() == (public,)
        for wrong in (nsec[:-1] + "4", nsec[:-1], "nsec1", "00" * 32, "zz", nsec.upper()[:5] + nsec[5:]):
            with pytest.raises(InvalidSecretKey) as raised:
                await one(node, "nostr_add", secret=wrong)
            assert len(wrong) < 8 or wrong not in str(raised.value)
    for file in (tmp_path / "anna").rglob("*"):
        assert not file.is_file() or secret.secret not in file.read_bytes()


@pytest.mark.claim("C2", "C6")
async def test_a_revoked_key_keeps_what_was_here_before(open_node: OpenNode) -> None:
    async with open_node("anna") as node:
        await one(node, "persona_add", label="stolen")
        before = await one(node, "post", text="mine", persona="stolen")
        with pytest.raises(UsageError):
            await one(node, "key_revoke", key="stolen", all=True, since="2h")
        with pytest.raises(UsageError):
            await one(node, "key_revoke", key="stolen", since="2100-01-01T00:00Z")
        done = await one(node, "key_revoke", key="stolen")
        assert (done["vouched"], done["invalid"]) == (1, 0)
        assert standing(node, str(done["revoked"])) is Standing.REVOKED_PAST
        assert [each["text"] for each in await do(node, "feed")] == ["mine"]
        (record,) = node.records.newest_first(Filter.of(kinds=[VOUCH]))
        assert [each.hex() for each in vouch.parse(record)] == [Id.parse(str(before["id"])).bytes.hex()]


@pytest.mark.claim("C2", "C6")
async def test_a_key_is_revoked_since_a_time_or_altogether(open_node: OpenNode) -> None:
    async with open_node("anna") as node:
        await one(node, "persona_add", label="one")
        await one(node, "post", text="early", persona="one")
        since = str(node.clock.now_ns())
        await one(node, "post", text="late", persona="one")
        done = await one(node, "key_revoke", key="one", since=since)
        assert (done["vouched"], done["invalid"]) == (1, 1)
        assert [each["text"] for each in await do(node, "feed")] == ["early"]
        done = await one(node, "key_revoke", key="one", all=True)
        assert (done["vouched"], done["invalid"]) == (0, 1)
        assert await do(node, "feed") == []


@pytest.mark.claim("C66")
async def test_who_has_a_revoked_device_reads_nothing_new(open_node: OpenNode) -> None:
    async with open_node("anna") as node:
        person = node.people.find(None)
        (old,) = node.people.encryption_secrets(person)
        await one(node, "persona_add", label="a")
        await one(node, "persona_add", label="b")
        await one(node, "key_revoke", key="a", keep_encryption=True)
        schedule = node.records.schedule(person.key)
        assert schedule is not None
        assert schedule.encryption_keys() == (old.public,)
        await one(node, "key_revoke", key="b")
        schedule = node.records.schedule(person.key)
        assert schedule is not None
        assert old.public not in schedule.encryption_keys()
        assert len(schedule.encryption_keys()) == 1


@pytest.mark.claim("C2")
async def test_this_machines_own_key_is_revoked_and_a_new_one_signs(open_node: OpenNode) -> None:
    async with open_node("anna") as node:
        mine = node.people.find(None).device.public.user_text
        await one(node, "post", text="before")
        with pytest.raises(UsageError):
            await one(node, "key_retire", key=mine)
        done = await one(node, "key_revoke", key=mine)
        assert (done["revoked"], done["vouched"]) == (mine, 1)
        assert (await one(node, "post", text="after"))["signer"] == done["device"] != mine
        assert [each["text"] for each in await do(node, "feed")] == ["after", "before"]


async def test_keys_are_named_by_label_text_or_how_it_begins(open_node: OpenNode) -> None:
    async with open_node("anna") as node:
        (device, box) = await keys(node)
        await one(node, "persona_add", label="pen")
        for unknown in ("nobody", "mopub0", "mopub0yyy", device["key"][:8], "moryyyyy"):
            with pytest.raises(UnknownKey):
                await one(node, "key_retire", key=unknown)
        await one(node, "key_retire", key=box["key"][:12])
        await one(node, "key_retire", key="pen")
        states = [each["state"] for each in await keys(node)]
        # Nobody is left without a key to encrypt to.
        assert states == ["active", "out of use", "out of use", "active"]
        with pytest.raises(UsageError):
            await one(node, "key_revoke", key=box["key"])


async def test_a_device_is_added_by_its_own_attestation_only(open_node: OpenNode) -> None:
    async with open_node("anna") as node:
        person = node.people.find(None)
        tablet = SecretKey.from_seed(bytes([5]) * 32)
        good = Signer(person.key, tablet).attestation().hex()
        done = await one(node, "key_add", use="device", label="tablet", attestation=good)
        assert ["device", "tablet", False] in [[k["use"], k["label"], k["here"]] for k in await keys(node)]
        assert standing(node, tablet.public.user_text) is Standing.ACTIVE
        assert done["changed"] is True
        again = await one(node, "key_add", use="device", label="tablet", attestation=good)
        assert again["changed"] is False
        other = Signer(tablet.public, tablet).attestation().hex()
        for wrong in (None, "zz", "00", other, good[:-2] + f"{int(good[-2:], 16) ^ 1:02x}"):
            with pytest.raises((UsageError, InvalidKeySchedule)):
                await one(node, "key_add", use="device", attestation=wrong)


@pytest.mark.claim("C2", "C3", "C11", "C13")
async def test_the_master_key_leaves_the_machine_and_comes_back(open_node: OpenNode, tmp_path: Path) -> None:
    file = tmp_path / "anna.key"
    async with open_node("anna") as node:
        node.people._log_n = 4
        person = node.people.find(None)
        secret = node.people.master(person).secret()
        assert "master key lies on this machine" in await advice(node)
        with pytest.raises(UsageError):
            await one(node, "master_export", path=str(file), new_password="short")
        done = await one(node, "master_export", path=str(file), new_password=PASSWORD)
        assert done["verified"] is True
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        with pytest.raises(LocalError):
            await one(node, "master_export", path=str(file), new_password=PASSWORD)
        text = file.read_text()
        with pytest.raises(UsageError):
            await one(node, "master_forget", password=PASSWORD)
        with pytest.raises(WrongPassword):
            await one(node, "master_forget", master=text, password="another one")
        with pytest.raises(InvalidSecretKey):
            await one(node, "master_forget", master="nothing", password=PASSWORD)
        sealed = node.people.book.sealed_master(person.key)
        assert (await one(node, "master_forget", master=text, password=PASSWORD))["master"] == "away"
        for path in (tmp_path / "anna").rglob("private.db*"):
            assert sealed.encode() not in path.read_bytes()
        assert "master key lies" not in await advice(node)
        with pytest.raises(MasterAway):
            await one(node, "persona_add", label="a")
        with pytest.raises(MasterAway):
            await one(node, "profile", set={"about": "bread"})
        with pytest.raises(PasswordNeeded):
            await one(node, "persona_add", label="a", master=text)
        await one(node, "post", text="posts need no master key")
        await one(node, "persona_add", label="a", master=text, password=PASSWORD)
        await one(node, "profile", {"set": {"about": "bread"}}, master=text, password=PASSWORD)
    async with open_node("anna") as node:
        person = node.people.find(None)
        assert (await one(node, "profile"))["about"] == "bread"
        assert (await one(node, "master_import", master=text, password=PASSWORD))["master"] == "home"
        assert node.people.master(person).secret() == secret


@pytest.mark.claim("C11")
async def test_the_master_key_stays_under_a_password_of_ones_own(open_node: OpenNode) -> None:
    async with open_node("anna") as node:
        node.people._log_n = 4
        person = node.people.find(None)
        assert (await one(node, "master_lock", new_password=PASSWORD))["master"] == "password"
        sealed = node.people.book.sealed_master(person.key)
        assert encrypted_secret_key.decrypt(sealed, PASSWORD).public == person.key
    async with open_node("anna") as node:
        with pytest.raises(PasswordNeeded):
            await one(node, "key_roll")
        with pytest.raises(WrongPassword):
            await one(node, "key_roll", password="wrong one")
        await one(node, "key_roll", password=PASSWORD)


async def test_another_persons_file_is_told_apart(open_node: OpenNode, tmp_path: Path) -> None:
    async with open_node("anna") as node:
        node.people._log_n = 4
        await node.make_person("ben")
        await one(node, "master_export", {"as": "ben"}, path=str(tmp_path / "b"), new_password=PASSWORD)
        with pytest.raises(InvalidSecretKey, match="another person"):
            await one(node, "key_roll", master=(tmp_path / "b").read_text(), password=PASSWORD)


async def test_an_open_master_key_is_erased_after_its_act(open_node: OpenNode) -> None:
    async with open_node("anna") as node:
        with node.people.master(node.people.find(None)) as master:
            assert "hidden" in repr(master)
        with pytest.raises(InvalidSecretKey):
            master.secret()


def test_uses_of_keys_are_those_of_the_database() -> None:
    assert {use.value for use in Use} == {"device", "persona", "encryption", "nostr"}


@pytest.mark.claim("C8")
async def test_a_reader_follows_one_persona_of_a_person(open_node: OpenNode) -> None:
    async with open_node("anna") as node:
        await node.make_person("ben")
        anna = node.people.find("anna").key.user_text
        pen = str((await one(node, "persona_add", label="pen"))["persona"])
        await one(node, "post", text="by hand")
        await one(node, "post", text="by pen", persona="pen")

        async def feed() -> list[object]:
            return [each["text"] for each in await do(node, "feed", {"as": "ben"})]

        await one(node, "follow", {"as": "ben"}, person=anna, personas=[pen])
        assert await feed() == ["by pen"]
        (followed,) = await do(node, "following", {"as": "ben"})
        assert followed["personas"] == [pen]
        assert [each["text"] for each in await do(node, "wall", person=anna)] == ["by pen", "by hand"]
        await one(node, "follow", {"as": "ben"}, person=anna)
        assert await feed() == ["by pen", "by hand"]
        await one(node, "follow", {"as": "ben"}, person=anna, personas=[pen])
        await one(node, "unfollow", {"as": "ben"}, person=anna)
        await one(node, "follow", {"as": "ben"}, person=anna)
        assert await feed() == ["by pen", "by hand"]
