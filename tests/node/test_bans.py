"""Bans: kept, numbered, lifted, known again after a restart."""

from __future__ import annotations

import asyncio
import sqlite3
from types import SimpleNamespace

import pytest
from tests.node.conftest import OpenNode, do, one

from mosaic.core.keys import SecretKey
from mosaic.errors import UsageError
from mosaic.node.node import Node
from mosaic.policy.bans import Ban, network
from mosaic.policy.offences import SOURCE, Offence, Offences
from mosaic.policy.rate import around
from mosaic.wire.result_code import ResultCode

EVE = SecretKey.from_seed(b"e" * 32)


@pytest.mark.claim("C60")
async def test_bans_are_kept_with_their_reasons_and_ends(open_node: OpenNode) -> None:
    async with open_node("ana") as node:
        first = await one(node, "admin_ban", what="192.0.2.77/24", reason="spam")
        second = await one(node, "admin_ban", {"as": "ana"}, what=EVE.public.user_text, until="2h")
        assert (first["what"], first["until"], first["by"]) == ("192.0.2.0/24", None, "operator")
        assert (second["what"], second["by"]) == (EVE.public.user_text, "ana")
        assert second["until"]
    async with open_node("ana") as node:
        found = await do(node, "admin_bans")
        assert [(each["number"], each["what"], each["reason"]) for each in found] == [
            (first["number"], "192.0.2.0/24", "spam"),
            (second["number"], EVE.public.user_text, ""),
        ]
        now_ns = node.clock.now_ns()
        refused = node.server.bans.of_address("192.0.2.9", now_ns)
        assert refused is not None
        assert refused.result is ResultCode.IP_PERM_BANNED
        refused = node.server.bans.of_key(EVE.public.bytes, now_ns)
        assert refused is not None
        assert refused.result is ResultCode.PUBKEY_TEMP_BANNED
        await one(node, "admin_unban", what=str(first["number"]))
        await one(node, "admin_unban", what=EVE.public.user_text)
        assert await do(node, "admin_bans") == []
        acts = [each["act"] for each in await do(node, "admin_log")]
        assert acts == ["unban", "unban", "ban", "ban"]
    async with open_node("ana") as node:
        assert len(node.server.bans) == 0


async def test_a_second_ban_of_the_same_takes_the_place_of_the_first(open_node: OpenNode) -> None:
    async with open_node("ana") as node:
        await one(node, "admin_ban", what="192.0.2.1", until="1h")
        await one(node, "admin_ban", what="192.0.2.1", reason="for good")
        (found,) = await do(node, "admin_bans")
        assert (found["reason"], found["until"]) == ("for good", None)


async def test_what_the_server_bans_itself_is_shown_and_can_be_lifted(open_node: OpenNode) -> None:
    async with open_node("ana") as node:
        offences = Offences()
        made = [offences.note("192.0.2.1", Offence.FALSE_SIGNATURE, node.clock.now_ns()) for _ in range(3)][
            -1
        ]
        assert made is not None
        node.server.bans.add(made)
        await one(node, "admin_ban", what="2001:db8::/32")
        operator, own = await do(node, "admin_bans")
        assert operator["what"] == "2001:db8::/32"
        assert (own["number"], own["what"], own["by"]) == (None, "192.0.2.1", "the server")
        await one(node, "admin_unban", what="192.0.2.1")
        assert len(await do(node, "admin_bans")) == 1


def own_ban(now_ns: int, host: str, minutes: float) -> Ban:
    end = now_ns + int(minutes * 60 * 10**9)
    return Ban("ip", network(host)[0], 32, "false signatures", now_ns, end, SOURCE)


async def offend_twice(node: Node, host: str) -> None:
    """What a server does when false signatures come again after a first ban."""
    admission, peer = (
        node.server._admission,
        SimpleNamespace(address=host, around=around(host), favoured=False),
    )
    for _ in range(6):
        admission.offended(peer, Offence.FALSE_SIGNATURE)  # type: ignore[arg-type]


async def test_what_the_server_bans_for_long_holds_over_a_restart(
    open_node: OpenNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_node("ana") as node:
        monkeypatch.setattr(node.server._admission, "_close", lambda *_: None)
        await offend_twice(node, "192.0.2.1")
        (ban,) = node.server.bans
        assert ban.until_ns is not None
        assert ban.until_ns - ban.made_ns == 120 * 10**9
        now_ns = node.clock.now_ns()
        short, lifted, replaced = (own_ban(now_ns, f"192.0.2.{n}", n - 1) for n in (2, 3, 4))
        for each in (short, lifted, replaced):
            node.server.bans.add(each)
            node.server.ban_made(each)
        await one(node, "admin_unban", what="192.0.2.3")
        await one(node, "admin_ban", what="192.0.2.4", reason="mine")
        writing = asyncio.create_task(node.bans.run())
        await asyncio.sleep(0)
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        # The operator's stands, whatever the server says of the same address later.
        node.server.ban_made(replaced)
        node.server.bans.add(replaced)
        node.bans.write()
    async with open_node("ana") as node:
        found = [(each["what"], each["reason"], each["by"]) for each in await do(node, "admin_bans")]
        assert sorted(found) == [
            ("192.0.2.1", "false signatures", "the server"),
            ("192.0.2.4", "mine", "operator"),
        ]
        assert node.server.bans.of_address("192.0.2.1", node.clock.now_ns()) is not None
        await one(node, "admin_unban", what="192.0.2.1")
    async with open_node("ana") as node:
        assert len(await do(node, "admin_bans")) == 1


async def test_a_ban_that_could_not_be_written_is_written_later(
    open_node: OpenNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_bans: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    async with open_node("ana") as node:
        ban = own_ban(node.clock.now_ns(), "192.0.2.1", 10)
        node.server.bans.add(ban)
        node.server.ban_made(ban)
        with monkeypatch.context() as patch:
            patch.setattr(node.bans, "_write", full)
            with pytest.raises(sqlite3.OperationalError):
                node.bans.write()
        node.bans.write()
    async with open_node("ana") as node:
        assert [each["what"] for each in await do(node, "admin_bans")] == ["192.0.2.1"]


async def test_mistakes_are_explained(open_node: OpenNode) -> None:
    async with open_node("ana") as node:
        (person,) = node.people
        for what in ("somebody", "0.0.0.0/0", "::/8", person.key.user_text):
            with pytest.raises(UsageError):
                await one(node, "admin_ban", what=what)
        for what in ("7", "192.0.2.1"):
            with pytest.raises(UsageError):
                await one(node, "admin_unban", what=what)
        assert await do(node, "admin_log") == []
