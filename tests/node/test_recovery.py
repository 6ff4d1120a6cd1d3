from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.node.conftest import FAST, HERE, OpenNode, do, one

from mosaic.core import encrypted_secret_key
from mosaic.errors import InvalidSecretKey, PasswordNeeded, UsageError, WrongPassword
from mosaic.node import recovery, recovery_due
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
    async with open_node("ben") as node:
        await one(node, "post", text="first")
        await one(node, "recovery_later")
        assert recovery_due.DUE not in await advice(node)


@pytest.mark.parametrize("password", ["aaaaaaaaaaaaaaaaaa", "short one", "12345678901234567890"])
def test_weak_passwords_are_called_weak(password: str) -> None:
    assert recovery.weakness(password)
    assert not recovery.weakness(PASSWORD)
