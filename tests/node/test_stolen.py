"""A stolen device, over real TCP: name, followers and old posts stay, the thief's word does not."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.node.conftest import FAST, HERE, OpenNode, do, one, stored

from mosaic.client.reach import Manner
from mosaic.core.filter import Filter
from mosaic.core.keys import PublicKey, SecretKey
from mosaic.core.kinds import MICROBLOG
from mosaic.core.record import Record
from mosaic.core.schedule_entry import ATTESTATION, Entry, Marker
from mosaic.core.timestamp import Timestamp
from mosaic.errors import HomeExists, Refused, Unreachable, WrongPassword
from mosaic.node.home import Home, try_lock
from mosaic.node.node import Node
from mosaic.node.own_schedule import OwnSchedule
from mosaic.social import posts
from mosaic.social.signer import Signer
from mosaic.wire.result_code import ResultCode

PASSWORD = "correct horse battery"
HOUR = 3_600 * 10**9
ACCEPTED, UNAUTHORIZED = ResultCode.ACCEPTED, ResultCode.UNAUTHORIZED


@dataclass
class Place:
    """A server for others, and how it is named to who uses or reads it."""

    node: Node
    url: str

    @property
    def key(self) -> PublicKey:
        return self.node.server_secret.public

    @property
    def used(self) -> dict[str, object]:
        return {"server_key": self.key.server_text, "url": self.url}

    @property
    def read(self) -> dict[str, object]:
        return {"server": self.url, "key": self.key.server_text}


@contextlib.asynccontextmanager
async def outboxes(open_node: OpenNode, *names: str) -> AsyncIterator[list[Place]]:
    async with contextlib.AsyncExitStack() as stack:
        nodes = [await stack.enter_async_context(open_node(name)) for name in names]
        yield [Place(node, str(node.listen(HERE))) for node in nodes]


@contextlib.asynccontextmanager
async def empty_node(folder: Path) -> AsyncIterator[Node]:
    """A home in which nobody lives yet."""
    home = Home(folder)
    home.make()
    lock = try_lock(home)
    assert lock is not None
    node = await Node.open(home, lock, FAST)
    node.people._log_n = 4
    node.work()
    try:
        yield node
    finally:
        await node.stop()


def texts(node: Node, author: PublicKey) -> list[str]:
    found = node.records.newest_first(Filter.of(authors=[author], kinds=[MICROBLOG]))
    return [record.content().decode() for record in found]


async def hand_in(reader: Node, places: list[Place], thief: SecretKey, *records: Record) -> list[ResultCode]:
    """What the thief does with the stolen secret: hands records in everywhere, proving the device's key."""
    results = []
    for place in places:
        async with reader.reach.server(place.key, Manner(thief)) as connection:
            results += await connection.submit_all([record.data for record in records])
    return results


@pytest.mark.claim("C2", "C3", "C4", "C6", "C7", "C8")
async def test_a_stolen_device_is_revoked_from_another_home(open_node: OpenNode, tmp_path: Path) -> None:
    file = tmp_path / "anna.key"
    async with outboxes(open_node, "one", "two") as places, open_node("ben") as ben:
        first, second = places
        async with open_node("anna") as laptop:
            laptop.work()
            laptop.people._log_n = 4
            anna = laptop.people.find(None)
            for place in places:
                await one(place.node, "admin_serve", key=anna.key.user_text)
                await one(laptop, "servers_add", place.used)
            await one(laptop, "master_export", path=str(file), new_password=PASSWORD)
            await one(laptop, "master_forget", master=file.read_text(), password=PASSWORD)
            for text in ("hello", "the day before"):
                posted = await one(laptop, "post", text=text, working=True)
                assert (posted["delivered"], posted["refused"]) == (2, 0)
            stolen = SecretKey.from_seed(anna.device.reveal())
        ben.work()
        for place in places:
            await one(ben, "follow", place.read, working=True, person=anna.key.user_text)
        await stored(ben, lambda: texts(ben, anna.key) == ["the day before", "hello"])

        # The laptop is gone; whoever has it posts as Anna, today and as if it had been last year.
        since = Timestamp(ben.clock.now())
        thief = Signer(anna.key, stolen)
        forged = [
            posts.post(thief, "I lost my money", now=ben.clock.now()),
            posts.post(thief, "I always said so", now=Timestamp(since - 8_760 * HOUR)),
        ]
        assert await hand_in(ben, places, stolen, *forged) == [ACCEPTED] * 4
        await stored(ben, lambda: len(texts(ben, anna.key)) == 4)

        async with empty_node(tmp_path / "new laptop") as home:
            given: dict[str, object] = {"name": "anna", "master": file.read_text()}
            with pytest.raises(WrongPassword):
                await one(home, "join", {**given, **first.used}, password="another one")
            with pytest.raises(Unreachable):
                await one(home, "join", given, password=PASSWORD)
            joined = await one(home, "join", {**given, **first.used}, working=True, password=PASSWORD)
            assert joined["key"] == anna.key.user_text
            with pytest.raises(HomeExists):
                await one(home, "join", {**given, **first.used}, password=PASSWORD, name="anna again")
            await one(home, "servers_add", second.used, working=True)
            unlocked = {"master": file.read_text(), "password": PASSWORD}
            done = await one(
                home,
                "key_revoke",
                unlocked,
                working=True,
                key=stolen.public.user_text,
                since=str(int(since)),
            )
            assert (done["delivered"], done["unread"]) == (2, [])
            # Two posts; and the key of her list, where a server has not yet what took its place.
            assert done["vouched"] in {2, 3}
            assert (done["personas"], done["unknown"]) == ([], [])

            # Every reader drops what the thief wrote at the next contact, and keeps the rest.
            await stored(ben, lambda: texts(ben, anna.key) == ["the day before", "hello"])
            for place in places:
                assert texts(place.node, anna.key) == ["the day before", "hello"]
            again = posts.post(thief, "It is me!", now=ben.clock.now())
            assert await hand_in(ben, places, stolen, again, forged[1]) == [UNAUTHORIZED] * 4

            # Who follows from today on sees the same; the name and the followers are hers as before.
            async with open_node("cara") as cara:
                cara.work()
                await one(cara, "follow", second.read, working=True, person=anna.key.user_text)
                await stored(cara, lambda: texts(cara, anna.key) == ["the day before", "hello"])
                (posted,) = await do(home, "post", text="still me", working=True)
                assert posted["delivered"] == 2
                for reader in (ben, cara):
                    await stored(reader, lambda: texts(reader, anna.key)[0] == "still me")  # noqa: B023
        assert (await do(ben, "following", working=True))[0]["key"] == anna.key.user_text


@pytest.mark.claim("C2", "C6", "C7")
async def test_who_was_away_drops_what_the_thief_signed_at_the_next_contact_with_any_one_outbox(
    open_node: OpenNode,
) -> None:
    async with outboxes(open_node, "one", "two") as places, open_node("anna") as anna:
        anna.work()
        person = anna.people.find(None)
        for place in places:
            await one(place.node, "admin_serve", key=person.key.user_text)
            await one(anna, "servers_add", place.used, working=True)
        await one(anna, "post", text="mine", working=True)
        since, stolen = Timestamp(anna.clock.now()), SecretKey.from_seed(person.device.reveal())
        thief = Signer(person.key, stolen)
        forged = [
            posts.post(thief, "send money", now=anna.clock.now()),
            posts.post(thief, "as ever", now=Timestamp(since - HOUR)),
        ]
        assert await hand_in(anna, places, stolen, *forged) == [ACCEPTED] * 4
        # Each reads at one of the two outboxes alone, and has what the thief wrote when it goes away.
        readers = ("dora", "emil")
        for name, place in zip(readers, places, strict=True):
            async with open_node(name) as reader:
                reader.work()
                await one(reader, "follow", place.read, working=True, person=person.key.user_text)
                await stored(reader, lambda: len(texts(reader, person.key)) == 3)
        done = await one(anna, "key_revoke", working=True, key=stolen.public.user_text, since=str(int(since)))
        assert done["delivered"] == 2
        for name in readers:
            async with open_node(name) as reader:
                assert len(texts(reader, person.key)) == 3
                reader.work()
                await stored(reader, lambda: texts(reader, person.key) == ["mine"])
                (followed,) = await do(reader, "following", working=True)
                assert followed["key"] == person.key.user_text
            # And it stays so.
            async with open_node(name) as reader:
                assert texts(reader, person.key) == ["mine"]


@pytest.mark.claim("C2", "C6", "C8")
async def test_personas_go_with_a_stolen_device_which_has_their_keys(open_node: OpenNode) -> None:
    async with open_node("anna") as anna:
        person = anna.people.find(None)
        with anna.people.master(person) as master:
            known = anna.records.schedule(person.key)
            assert known is not None
            phone = Signer(person.key, SecretKey.from_seed(b"phone" + bytes(27)))
            paper = Signer(person.key, SecretKey.from_seed(b"paper" + bytes(27)))
            entries = [*known.entries, Entry.signing(phone.attestation())]
            await anna.mirror([master.schedule(entries, anna.clock.now()).data])
        await one(anna, "persona_add", label="pen")
        await one(anna, "post", text="by pen", persona="pen")
        pen = anna.people.signer(person, "pen")
        other = await one(anna, "key_add", use="device", attestation=paper.attestation().hex())
        assert other["changed"]
        anna.people.book.drop(person.key, paper.key.bytes)
        done = await one(anna, "key_revoke", key=phone.key.user_text)
        assert (done["revoked"], done["personas"]) == (phone.key.user_text, ["pen"])
        # What this home knows nothing of may have been there as well: its owner is asked.
        assert done["unknown"] == [paper.key.user_text]
        thief = posts.post(pen, "buy my bread", now=anna.clock.now())
        assert await anna.mirror([thief.data]) == [UNAUTHORIZED]
        assert texts(anna, person.key) == ["by pen"]
        # A new one under the same label speaks from now on.
        await one(anna, "persona_add", label="pen")
        assert anna.people.signer(person, "pen").key != pen.key
        await one(anna, "post", text="pen again", persona="pen")
        assert texts(anna, person.key) == ["pen again", "by pen"]
        # Who knows that a device had none keeps them.
        with anna.people.master(person) as master:
            known = anna.records.schedule(person.key)
            assert known is not None
            tablet = Signer(person.key, SecretKey.from_seed(b"tablet" + bytes(26)))
            entries = [*known.entries, Entry.signing(tablet.attestation())]
            await anna.mirror([master.schedule(entries, anna.clock.now()).data])
        done = await one(anna, "key_revoke", key=tablet.key.user_text, keep_personas=True)
        assert done["personas"] == []
        await one(anna, "post", text="pen still", persona="pen")


@pytest.mark.claim("C2", "C6", "C64")
async def test_what_was_vouched_for_moves_to_a_server_that_never_had_it(
    open_node: OpenNode, tmp_path: Path
) -> None:
    async with outboxes(open_node, "later") as (later,), open_node("anna") as anna:
        person = anna.people.find(None)
        device = person.device.public.user_text
        await one(anna, "post", text="early")
        await one(anna, "key_revoke", key=device)
        anna.work()
        await one(later.node, "admin_serve", key=person.key.user_text)
        await one(anna, "servers_add", later.used, working=True)
        # All that she has goes up, papers and Vouches first, as who moves does it.
        mine = Filter.of(authors=[person.key])
        records = sorted(
            anna.records.newest_first(mine), key=lambda one: one.signer_bytes != one.author_bytes
        )
        async with anna.reach.server(later.key, Manner(anna.people.find(None).device)) as connection:
            results = await connection.submit_all([record.data for record in records])
        assert all(result.is_success for result in results)
        assert texts(later.node, person.key) == ["early"]


@pytest.mark.claim("C4")
async def test_two_devices_that_change_the_keys_lose_nothing(open_node: OpenNode, tmp_path: Path) -> None:
    file = tmp_path / "anna.key"
    async with outboxes(open_node, "one") as (place,), open_node("anna") as laptop:
        laptop.people._log_n = 4
        laptop.work()
        anna = laptop.people.find(None)
        await one(place.node, "admin_serve", key=anna.key.user_text)
        await one(laptop, "servers_add", place.used, working=True)
        await one(laptop, "persona_add", label="old", working=True)
        await one(laptop, "master_export", path=str(file), new_password=PASSWORD)
        async with empty_node(tmp_path / "desk") as desk:
            given: dict[str, object] = {"name": "anna", "master": file.read_text(), "keep_master": True}
            await one(desk, "join", {**given, **place.used}, working=True, password=PASSWORD)
            # Neither has heard of the other's edit before it makes its own.
            pen = await one(laptop, "persona_add", label="pen", working=True)
            book = await one(desk, "persona_add", label="book", working=True)
            for key in (pen["persona"], book["persona"]):
                assert str(key) in str((await one(desk, "keys"))["keys"])
            merged = await one(laptop, "key_merge", working=True)
            assert str(book["persona"]) in str(merged["keys"])

            # At the very same time: whoever is overtaken joins both and publishes once more.
            for number in range(3):
                made = await asyncio.gather(
                    one(laptop, "persona_add", label=f"laptop {number}", working=True),
                    one(desk, "persona_add", label=f"desk {number}", working=True),
                )
                held = place.node.records.schedule(anna.key)
                assert held is not None
                for each in made:
                    assert held.may_sign(PublicKey.parse_user(str(each["persona"])))


@pytest.mark.claim("C4")
async def test_two_acts_in_one_home_edit_one_after_the_other(open_node: OpenNode) -> None:
    async with open_node("anna") as anna:
        made = await asyncio.gather(*(one(anna, "persona_add", label=str(number)) for number in range(4)))
        known = str((await one(anna, "keys"))["keys"])
        assert all(str(each["persona"]) in known for each in made)


@pytest.mark.claim("C4")
async def test_what_another_devices_schedule_lacks_is_remembered_and_told(
    open_node: OpenNode, tmp_path: Path
) -> None:
    async with open_node("anna") as anna:
        person = anna.people.find(None)
        before = anna.records.schedule(person.key)
        assert before is not None
        pen = str((await one(anna, "persona_add", label="pen"))["persona"])
        # Another device, which had not heard of it, publishes one that is newer.
        with anna.people.master(person) as master:
            newer = master.schedule(before.entries, anna.clock.now())
        await anna.mirror([newer.data])
        assert anna.records.schedule_record(person.key) == newer
        (told,) = await do(anna, "keys")
        assert "mosaic key merge" in str(told["advice"])
        assert pen in str(told["keys"])
        assert (await one(anna, "key_merge"))["changed"] is True
        held = anna.records.schedule(person.key)
        assert held is not None
        assert held.may_sign(PublicKey.parse_user(pen))
        assert (await one(anna, "key_merge"))["changed"] is False


@pytest.mark.claim("C4")
async def test_a_home_with_the_master_key_joins_again_by_itself(open_node: OpenNode) -> None:
    async with open_node("anna") as anna:
        person, schedules = anna.people.find(None), OwnSchedule(anna, working=False)
        before = anna.records.schedule(person.key)
        assert before is not None
        assert await schedules.join_again(person) is False
        pen = str((await one(anna, "persona_add", label="pen"))["persona"])
        with anna.people.master(person) as master:
            await anna.mirror([master.schedule(before.entries, anna.clock.now()).data])
        assert await schedules.join_again(person) is True
        held = anna.records.schedule(person.key)
        assert held is not None
        assert held.may_sign(PublicKey.parse_user(pen))


@pytest.mark.claim("C4")
async def test_a_running_home_with_the_master_key_joins_what_comes_at_once(open_node: OpenNode) -> None:
    async with outboxes(open_node, "one") as (place,), open_node("anna") as anna:
        anna.work()
        person = anna.people.find(None)
        await one(place.node, "admin_serve", key=person.key.user_text)
        await one(anna, "servers_add", place.used, working=True)
        before = anna.records.schedule(person.key)
        assert before is not None
        pen = PublicKey.parse_user(
            str((await one(anna, "persona_add", label="pen", working=True))["persona"])
        )
        # Long after the looks that follow an edit another device publishes one that lacks it, at the outbox.
        with anna.people.master(person) as master:
            book = Signer(person.key, SecretKey.from_seed(b"book" * 8))
            entries = [*before.entries, Entry.signing(book.attestation())]
            newer = master.schedule(entries, anna.clock.now())
        await place.node.mirror([newer.data])

        def joined() -> bool:
            held = place.node.records.schedule(person.key)
            return held is not None and held.may_sign(pen) and held.may_sign(book.key)

        await stored(place.node, joined)


@pytest.mark.claim("C2", "C6")
async def test_a_home_hears_what_another_one_did_to_its_keys(open_node: OpenNode, tmp_path: Path) -> None:
    async with outboxes(open_node, "one") as (place,), open_node("anna") as laptop:
        anna = laptop.people.find(None)
        await one(place.node, "admin_serve", key=anna.key.user_text)
        await one(laptop, "servers_add", place.used)
        with laptop.people.master(anna) as master:
            known = laptop.records.schedule(anna.key)
            assert known is not None
            gone = [
                entry.marked(Marker.REVOKED_ALL, 1) for entry in known.entries if entry.kind == ATTESTATION
            ]
            revoked = master.schedule(gone, laptop.clock.now())
        await place.node.mirror([revoked.data])
        laptop.work()
        await stored(laptop, lambda: laptop.records.schedule_record(anna.key) == revoked)
        (told,) = await do(laptop, "keys")
        assert "mosaic key roll" in str(told["advice"])
        # What is written there is refused, and both that and the status say why and what to do.
        with pytest.raises(Refused, match="not in use any more") as refused:
            await one(laptop, "post", text="hello?")
        assert "mosaic key roll --master" in refused.value.hint
        assert (await one(laptop, "status"))["keys_gone"] == ["anna"]


@pytest.mark.claim("C4")
async def test_keys_are_not_changed_where_no_outbox_can_be_read(open_node: OpenNode) -> None:
    async with open_node("anna") as anna:
        anna.work()
        nowhere = SecretKey.from_seed(bytes([9]) * 32).public.server_text
        used = {"server_key": nowhere, "url": "mosaictcp://127.0.0.1:1/"}
        await one(anna, "servers_add", used, working=True)
        with pytest.raises(Unreachable) as raised:
            await one(anna, "persona_add", label="pen", working=True)
        assert "--offline" in raised.value.hint
        done = await one(anna, "persona_add", label="pen", working=True, offline=True)
        assert done["unread"] == [nowhere]
        assert done["queued"] == 1
