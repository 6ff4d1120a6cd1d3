from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.node.conftest import FAST, HERE, OpenNode, do, one, stored

from mosaic.client.refusals import refused
from mosaic.core.bootstrap import ServerUse, Usage, UserBootstrap
from mosaic.core.keys import PublicKey, SecretKey
from mosaic.core.pairing import PairingCode
from mosaic.core.reference import parse
from mosaic.core.schedule_entry import Marker
from mosaic.core.x25519 import X25519Secret
from mosaic.errors import (
    Disconnected,
    HomeExists,
    InvalidText,
    MasterAway,
    PairingFailed,
    PasswordNeeded,
    Undecryptable,
    UsageError,
    WrongPassword,
)
from mosaic.node.home import Home, try_lock
from mosaic.node.master import MasterPlace, Unlocking
from mosaic.node.node import Node
from mosaic.node.pairing import OVER, Pairing, Running
from mosaic.node.pairing_line import lost
from mosaic.wire.result_code import ResultCode


@pytest.fixture
async def phone(tmp_path: Path) -> AsyncIterator[Node]:
    """A home in which nobody lives yet."""
    home = Home(tmp_path / "phone")
    home.make()
    lock = try_lock(home)
    assert lock is not None
    node = await Node.open(home, lock, FAST)
    node.work()
    try:
        yield node
    finally:
        await node.stop()


@pytest.fixture
async def laptop(open_node: OpenNode) -> AsyncIterator[Node]:
    async with open_node("anna") as node:
        node.listen(HERE)
        node.work()
        yield node


async def until(running: Running, *states: str) -> Pairing:
    async with asyncio.timeout(40):
        async for state in running.states():
            if state.state in {*states, *OVER}:
                return state
    raise AssertionError("a pairing ends in a state")


async def offered(node: Node) -> Running:
    return await with_code(await node.pairings.offer(node, node.people.find(None), Unlocking(), working=True))


async def with_code(offer: Running) -> Running:
    async for state in offer.states():
        if state.code or state.state in OVER:
            break
    assert offer.now.code, offer.now
    return offer


Two = tuple[Pairing, Pairing]


async def comparing(laptop: Node, phone: Node) -> tuple[Running, Running]:
    offer = await offered(laptop)
    joining = phone.pairings.join(phone, offer.now.code, "phone")
    there, here = await until(offer, "compare"), await until(joining, "compare")
    assert (there.state, here.state) == ("compare", "compare")
    assert there.number == here.number
    assert (here.other, there.other) == ("anna", "phone")
    assert not there.code
    return offer, joining


async def paired(laptop: Node, phone: Node, *, there: bool = True, here: bool = True) -> Two:
    offer, joining = await comparing(laptop, phone)
    joining.agree(same=here)
    if here:
        offer.agree(same=there)
    return await until(offer, "ready"), await until(joining, "ready")


def devices(node: Node) -> list[PublicKey]:
    schedule = node.records.schedule(node.people.find(None).key)
    assert schedule is not None
    return list(schedule.signing_keys())


@pytest.mark.claim("C1", "C2", "C66")
async def test_a_second_device_gets_everything_and_both_say_that_they_are_ready(
    laptop: Node, phone: Node
) -> None:
    anna, bob = laptop.people.find(None), SecretKey.from_seed(b"b" * 32).public
    await one(laptop, "post", text="before the phone", working=True)
    await one(laptop, "persona_add", label="baking")
    laptop.db.follow(anna.key.bytes, bob.bytes, 1)
    laptop.db.follow_personas(anna.key.bytes, bob.bytes, [b"p" * 32])
    old, new = await paired(laptop, phone)
    assert (old.state, new.state) == ("ready", "ready"), (old, new)
    there = phone.people.find(None)
    assert (there.name, there.key, there.bootstrap) == ("anna", anna.key, anna.bootstrap)
    assert there.device != anna.device
    assert there.device.public in devices(laptop)
    assert phone.people.book.master_place(there.key) is MasterPlace.AWAY
    assert {secret.public for secret in phone.people.encryption_secrets(there)} == {
        secret.public for secret in laptop.people.encryption_secrets(anna)
    }
    assert [each["text"] for each in await do(phone, "feed")] == ["before the phone"]
    assert phone.db.follows(there.key.bytes) == [bob.bytes]
    assert phone.db.personas(there.key.bytes) == {bob.bytes: frozenset([b"p" * 32])}
    assert new.records >= 1
    # What the phone says now is hers for everybody; it goes to the laptop, which is her outbox.
    post = await one(phone, "post", text="from the phone", working=True)
    await stored(laptop, lambda: laptop.records.at(parse(str(post["address"]))))
    assert [each["text"] for each in await do(laptop, "feed")] == ["from the phone", "before the phone"]
    persona = await one(phone, "post", text="rye", persona="baking", working=True)
    assert persona["signer"] != post["signer"]
    labels = {own.label for own in laptop.people.book.keys(anna.key)}
    assert "phone" in labels


@pytest.mark.claim("C2")
@pytest.mark.parametrize("by", ["laptop", "phone"])
async def test_nothing_is_handed_over_when_the_digits_differ(laptop: Node, phone: Node, by: str) -> None:
    before = devices(laptop)
    old, new = await paired(laptop, phone, there=by != "laptop", here=by != "phone")
    assert (old.state, new.state) == ("failed", "failed")
    assert "digits differ" in old.note
    assert "digits differ" in new.note
    assert "new code" in old.hint
    assert devices(laptop) == before
    assert len(phone.people) == 0
    assert phone.db.connection.execute("SELECT count(*) FROM person_key").fetchone() == (0,)


@pytest.mark.claim("C2")
async def test_a_device_that_breaks_off_after_the_handover_is_revoked_and_keeps_nothing(
    laptop: Node, phone: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(*_: object, **__: object) -> bytes:
        raise Undecryptable

    before = devices(laptop)
    monkeypatch.setattr("mosaic.node.pairing_join.opened", unreadable)
    old, new = await paired(laptop, phone)
    assert (old.state, new.state) == ("failed", "failed")
    assert "does not open" in new.note
    assert devices(laptop) == before
    schedule = laptop.records.schedule(laptop.people.find(None).key)
    assert schedule is not None
    assert [entry.marker for entry in schedule.entries].count(Marker.REVOKED_ALL) == 1
    assert len(phone.people) == 0


def test_why_a_pairing_failed_is_told_in_its_own_words_with_what_to_do() -> None:
    # A clock that is off shows as a message that no server takes.
    clock = lost(refused(ResultCode.INVALID, "the server between the devices refused"))
    assert "clock" in clock.hint
    taken = lost(HomeExists("somebody called anna lives here", hint="Take another name."))
    assert (str(taken), taken.hint) == ("somebody called anna lives here", "Take another name.")
    assert "way to the other device broke" in str(lost(Disconnected("the connection ended")))


@pytest.mark.claim("C2")
async def test_a_pairing_waits_for_its_turn_to_change_the_keys(laptop: Node, phone: Node) -> None:
    before = devices(laptop)
    offer, joining = await comparing(laptop, phone)
    turn = laptop.people.turn(laptop.people.find(None).key)
    async with turn, asyncio.timeout(20):
        # Another act is about to publish what it has read.
        joining.agree(same=True)
        offer.agree(same=True)
        while not turn._waiters:  # noqa: ASYNC110 - a lock tells nobody who waits for it
            await asyncio.sleep(0)
        assert devices(laptop) == before
    assert (await until(offer, "ready")).state == "ready"
    assert len(devices(laptop)) == len(before) + 1


@pytest.mark.claim("C2")
async def test_neither_is_ready_when_the_new_device_can_not_encrypt_back(
    laptop: Node, phone: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = devices(laptop)
    monkeypatch.setattr("mosaic.node.pairing_offer.opened", lambda *_, **__: b"something else")
    old, new = await paired(laptop, phone)
    assert (old.state, new.state) == ("failed", "failed")
    assert "something else" in old.note
    assert devices(laptop) == before
    assert len(phone.people) == 0


@pytest.mark.claim("C2")
async def test_a_code_serves_once_and_a_second_device_ends_the_pairing(
    laptop: Node, phone: Node, open_node: OpenNode
) -> None:
    offer = await offered(laptop)
    code = offer.now.code
    phone.pairings.join(phone, code, "phone")
    assert (await until(offer, "compare")).state == "compare"
    async with open_node("thief") as thief:
        thief.work()
        thief.pairings.join(thief, code, "phone")
        assert "somebody else" in (await until(offer)).note
    again = phone.pairings.last
    assert again is not None
    assert (await until(again)).state == "failed"
    assert len(phone.people) == 0


async def test_an_old_code_is_refused_on_the_new_device(laptop: Node, phone: Node) -> None:
    code = PairingCode.parse((await offered(laptop)).now.code)
    old = replace(code, until_ns=phone.clock.now_ns() - 1)
    with pytest.raises(PairingFailed, match="too old"):
        phone.pairings.join(phone, old.text, "phone")
    with pytest.raises(InvalidText):
        phone.pairings.join(phone, "mosaic:nothing", "phone")


@pytest.mark.claim("C2")
async def test_wrong_and_used_codes_lead_nowhere_and_say_so(
    laptop: Node, phone: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mosaic.node.pairing_join.ANSWER_S", 0.2)
    monkeypatch.setattr("mosaic.node.pairing_join.HELLO_AGAIN_S", 0.1)
    offer = await offered(laptop)
    shown = PairingCode.parse(offer.now.code)
    before = devices(laptop)
    for wrong in (
        replace(shown, secret=bytes(16)),
        replace(shown, public=X25519Secret(b"x" * 32).public),
        replace(shown, until_ns=shown.until_ns + 1),
    ):
        ended = await until(phone.pairings.join(phone, wrong.text, "phone"))
        assert ended.state == "failed"
        assert "does not answer" in ended.note
        assert "still showing this code" in ended.note
    assert offer.now.state == "waiting"
    # One that was given up is as good as a wrong one.
    await laptop.pairings.stop()
    ended = await until(phone.pairings.join(phone, shown.text, "phone"))
    assert "does not answer" in ended.note
    assert len(phone.people) == 0
    assert devices(laptop) == before


@pytest.mark.claim("C2")
async def test_a_code_that_has_served_serves_nobody_again(
    laptop: Node, phone: Node, open_node: OpenNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer, joining = await comparing(laptop, phone)
    code = joining._code.text  # type: ignore[attr-defined]
    joining.agree(same=True)
    offer.agree(same=True)
    assert (await until(joining, "ready")).state == "ready"
    assert (await until(offer)).state == "ready"
    monkeypatch.setattr("mosaic.node.pairing_join.ANSWER_S", 0.2)
    monkeypatch.setattr("mosaic.node.pairing_join.HELLO_AGAIN_S", 0.1)
    before = devices(laptop)
    async with open_node("thief") as thief:
        thief.work()
        ended = await until(thief.pairings.join(thief, code, "phone"))
        assert "does not answer" in ended.note
        assert len(thief.people) == 1
    assert devices(laptop) == before


async def test_a_pairing_that_is_given_up_here_ends_there(laptop: Node, phone: Node) -> None:
    _, joining = await comparing(laptop, phone)
    await laptop.pairings.stop()
    there = laptop.pairings.last
    assert there is not None
    assert there.now.state == "failed"
    assert "stopped" in (await until(joining)).note
    # A new one may begin at once.
    assert (await paired(laptop, phone))[1].state == "ready"


async def test_one_pairing_at_a_time(laptop: Node, phone: Node) -> None:
    await offered(laptop)
    with pytest.raises(UsageError, match="under way"):
        await laptop.pairings.offer(laptop, laptop.people.find(None), Unlocking(), working=True)
    with pytest.raises(UsageError, match="no digits"):
        laptop.pairings.agree(same=True)
    with pytest.raises(UsageError, match="no pairing"):
        phone.pairings.agree(same=True)


async def test_who_lives_there_already_is_not_paired(laptop: Node) -> None:
    offer = await offered(laptop)
    code = offer.now.code
    await laptop.pairings.stop()
    with pytest.raises(HomeExists):
        laptop.pairings.join(laptop, code, "phone")


@pytest.mark.claim("C2")
async def test_without_the_master_key_no_code_is_shown(
    laptop: Node, phone: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(laptop.people, "_log_n", 10)
    file = tmp_path / "anna.key"
    await one(laptop, "master_export", path=str(file), new_password="correct horse battery")
    text = file.read_text("utf-8")
    await one(laptop, "master_forget", master=text, password="correct horse battery")
    anna = laptop.people.find(None)
    with pytest.raises(MasterAway) as told:
        await laptop.pairings.offer(laptop, anna, Unlocking(), working=True)
    assert "--master FILE" in told.value.hint
    with pytest.raises(PasswordNeeded):
        await laptop.pairings.offer(laptop, anna, Unlocking(text), working=True)
    with pytest.raises(WrongPassword):
        await laptop.pairings.offer(laptop, anna, Unlocking(text, "wrong"), working=True)
    offer = await laptop.pairings.offer(laptop, anna, Unlocking(text, "correct horse battery"), working=True)
    await with_code(offer)
    joining = phone.pairings.join(phone, offer.now.code, "phone")
    assert (await until(joining, "compare")).state == "compare"
    assert (await until(offer, "compare")).state == "compare"
    joining.agree(same=True)
    offer.agree(same=True)
    assert (await until(joining)).state == "ready"
    assert laptop.people.book.master_place(anna.key) is MasterPlace.AWAY


async def test_where_no_server_is_reached_people_are_told_what_to_do(open_node: OpenNode) -> None:
    async with open_node("anna") as node:
        offer = await node.pairings.offer(node, node.people.find(None), Unlocking(), working=False)
        ended = await until(offer)
        assert "no server" in ended.note
        assert "mosaic serve" in ended.hint


@pytest.mark.claim("C2")
async def test_two_devices_meet_over_a_server_that_both_reach(open_node: OpenNode, phone: Node) -> None:
    async with open_node("anna") as hidden, open_node("hub") as hub:
        url = hub.listen(HERE)
        hub.work()
        anna = hidden.people.find(None)
        hub.rules.served.serve(anna.key)
        key = hub.server_secret.public
        hidden.directory.learn(anna.key, key, url, Usage.OUTBOX | Usage.INBOX)
        own = ServerUse(Usage(7), hidden.server_secret.public)
        bootstrap = UserBootstrap((ServerUse(Usage(7), key), own))
        hidden.use_servers(anna, bootstrap)
        await one(hidden, "post", text="by way of the hub")
        hidden.work()
        await stored(hub, lambda: hub.everything.schedule(anna.key))
        old, new = await paired(hidden, phone)
        assert (old.state, new.state) == ("ready", "ready"), (old, new)
        assert "by way of the hub" in [each["text"] for each in await do(phone, "feed")]
