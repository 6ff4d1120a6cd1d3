"""The operator's bans: kept, numbered, lifted, known again after a restart."""

from __future__ import annotations

import pytest
from tests.node.conftest import OpenNode, do, one

from mosaic.core.keys import SecretKey
from mosaic.errors import UsageError
from mosaic.policy.offences import Offence, Offences
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
