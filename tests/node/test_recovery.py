from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.node.conftest import FAST, HERE, OpenNode, do, one, stored
from tests.node.test_by_key import living, until

from mosaic.core import encrypted_secret_key
from mosaic.core.bootstrap import USER_SALT, UserBootstrap
from mosaic.core.community_kinds import FOLLOW_PRIVATE
from mosaic.core.filter import Filter
from mosaic.core.keys import PublicKey, SecretKey
from mosaic.dht.mode import DhtMode
from mosaic.dht.testnet import DhtTestnet
from mosaic.errors import InvalidSecretKey, PasswordNeeded, UsageError, WrongPassword
from mosaic.node import followed_list, recovery, recovery_due
from mosaic.node.face import Face
from mosaic.node.home import Home, try_lock
from mosaic.node.node import Node

PASSWORD = "correct horse battery"


@pytest.fixture
async def new_machine(tmp_path: Path) -> AsyncIterator[Node]:
    """A home in which nobody lives yet."""
    home = Home(tmp_path / "new")
    home.make()
    lock = try_lock(home)
    assert lock is not None
    node = await Node.open(home, lock, FAST)
    node.work()
    try:
        yield node
    finally:
        await node.stop()


async def advice(node: Node) -> str:
    (item,) = await do(node, "keys")
    return str(item["advice"])


@pytest.mark.claim("C1", "C2")
@pytest.mark.slow
async def test_a_sheet_and_its_password_bring_somebody_back(open_node: OpenNode, new_machine: Node) -> None:
    async with open_node("anna") as node:
        node.listen(HERE)
        node.work()
        anna = node.people.find(None)
        await one(node, "profile", {"set": {"about": "I bake bread."}}, working=True)
        await one(node, "post", text="before the fire", working=True)
        sheet = await one(node, "recovery_sheet", new_password=PASSWORD)
        text = str(sheet["text"])
        assert encrypted_secret_key.log_n_of(str(sheet["sealed"])) == 18
        assert anna.key.user_text in text
        assert "mosec0" not in text
        with pytest.raises(PasswordNeeded):
            await one(new_machine, "recovery_restore", master=text)
        with pytest.raises(WrongPassword):
            await one(new_machine, "recovery_restore", master=text, password="wrong horse battery")
        assert len(new_machine.people) == 0
        told = await one(new_machine, "recovery_restore", master=text, password=PASSWORD, working=True)
        assert told["name"] == "anna"
        assert told["note"] == ""
        back = new_machine.people.find(None)
        assert back.key == anna.key
        assert [each["text"] for each in await do(new_machine, "feed")] == ["before the fire"]
        assert (await one(new_machine, "profile", person="anna"))["about"] == "I bake bread."


@pytest.mark.slow
@pytest.mark.claim("C2")
async def test_a_sheet_typed_from_paper_with_its_broken_lines_does_as_well(
    open_node: OpenNode, new_machine: Node
) -> None:
    async with open_node("anna") as node:
        node.listen(HERE)
        node.work()
        node.people._log_n = 10
        text = str((await one(node, "recovery_sheet", new_password=PASSWORD))["text"])
        lines = [line[at : at + 40] for line in text.splitlines() for at in range(0, len(line) or 1, 40)]
        broken = "\r\n".join(lines)
        assert "mocryptsec0" in broken
        told = await one(new_machine, "recovery_restore", master=broken, password=PASSWORD, working=True)
        assert (told["name"], told["note"]) == ("anna", "")


async def test_what_is_no_sheet_is_refused(new_machine: Node) -> None:
    with pytest.raises(InvalidSecretKey):
        await one(new_machine, "recovery_restore", master="Name: anna\n", password=PASSWORD)


@pytest.mark.claim("C2")
async def test_a_sheet_is_asked_for_after_the_first_post_and_only_until_there_is_one(
    open_node: OpenNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_node("anna") as node:
        monkeypatch.setattr(node.people, "_log_n", 10)
        assert recovery_due.DUE not in await advice(node)
        assert (await one(node, "post", text="first"))["advice"] == recovery_due.DUE
        assert "advice" not in await one(node, "post", text="second")
        assert recovery_due.DUE in await advice(node)
        with pytest.raises(UsageError, match="fewer than"):
            await one(node, "recovery_sheet", new_password="short")
        assert recovery_due.DUE in await advice(node)
        assert (await one(node, "recovery_sheet", new_password="longenough"))["weakness"]
        assert recovery_due.DUE not in await advice(node)


@pytest.mark.claim("C13")
async def test_a_sheet_that_is_put_off_is_asked_for_once_more_a_month_later(
    open_node: OpenNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_node("ben") as node:
        face = Face(node)
        assert face.status().sheet == ""
        assert (await one(node, "post", text="first"))["advice"] == recovery_due.DUE
        assert face.status().sheet == "due"
        assert (await one(node, "recovery_later"))["again"] is True
        assert face.status().sheet == ""
        assert recovery_due.DUE not in await advice(node)
    # And where that month is over:
    monkeypatch.setattr(recovery_due, "AGAIN_NS", 0)
    async with open_node("zoe") as node:
        face = Face(node)
        await one(node, "post", text="first")
        assert (await one(node, "recovery_later"))["again"] is True
        assert face.status().sheet == "due again"
        assert (await one(node, "post", text="second"))["advice"] == recovery_due.DUE
        assert "advice" not in await one(node, "post", text="third")
        assert (await one(node, "recovery_later"))["again"] is False
        assert face.status().sheet == ""


@pytest.mark.claim("C2")
async def test_who_has_the_master_key_elsewhere_is_not_asked(open_node: OpenNode) -> None:
    async with open_node("ben") as node:
        await one(node, "post", text="first")
        node.people.keep_master(node.people.find(None), None)
        assert Face(node).status().sheet == ""


@pytest.mark.slow
@pytest.mark.claim("C1", "C2", "C14")
async def test_a_sheet_leads_back_through_the_dht_when_all_addresses_have_changed(
    open_node: OpenNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    friend = SecretKey.from_seed(b"f" * 32).public
    monkeypatch.setattr(followed_list, "_PAUSE_S", 0.0)
    with DhtTestnet(6) as net:
        entry = net.entry_nodes[0]
        async with living(tmp_path, "hub", entry) as hub, living(tmp_path, "anna", entry) as node:
            node.people._log_n = 10
            anna = node.people.find(None)
            hub.rules.served.serve(anna.key)
            where = {"server_key": hub.server_secret.public.server_text, "url": str(hub.urls[0])}
            await one(node, "servers_add", where, working=True)
            await one(node, "post", text="before the fire", working=True)
            await one(node, "follow", person=friend.user_text, working=True)
            sheet = str((await one(node, "recovery_sheet", new_password=PASSWORD))["text"])
            await stored(hub, lambda: _list_of(hub, anna.key))
            await until(node, lambda: _published(node, anna.key, hub.server_secret.public))
        # The laptop is gone, and the server listens elsewhere; what the sheet says of addresses is of no use.
        link = next(line for line in sheet.splitlines() if line.startswith("mosaic:"))
        sheet = sheet.replace(link, "(the ink has run)")
        async with living(tmp_path, "hub", entry) as hub:
            await until(hub, lambda: hub.dht.state().published_iso)
            async with empty(tmp_path / "new", entry) as new:
                told = await one(new, "recovery_restore", master=sheet, password=PASSWORD, working=True)
                assert (told["name"], told["note"], told["followed"]) == ("anna", "", 1)
                back = new.people.find(None)
                used = UserBootstrap.parse(back.bootstrap).entries
                assert hub.server_secret.public in {each.key for each in used}
                texts = [each["text"] for each in await do(new, "feed")]
                assert texts == ["before the fire"]
                assert [each["key"] for each in await do(new, "following")] == [friend.user_text]


def _list_of(node: Node, author: PublicKey) -> object:
    return list(node.everything.newest_first(Filter.of(authors=[author], kinds=[FOLLOW_PRIVATE])))


def _published(node: Node, person: PublicKey, server: PublicKey) -> bool:
    known = node.bootstraps.known(person, USER_SALT)
    return known is not None and server.server_text.encode() in known.item.value


@contextlib.asynccontextmanager
async def empty(folder: Path, entry: str) -> AsyncIterator[Node]:
    home = Home(folder)
    home.make()
    lock = try_lock(home)
    assert lock is not None
    node = await Node.open(home, lock, replace(FAST, dht=DhtMode.parse(entry)))
    node.work()
    try:
        yield node
    finally:
        await node.stop()


@pytest.mark.parametrize("password", ["aaaaaaaaaaaaaaaaaa", "short one", "12345678901234567890"])
def test_weak_passwords_are_called_weak(password: str) -> None:
    assert recovery.weakness(password)
    assert not recovery.weakness(PASSWORD)
