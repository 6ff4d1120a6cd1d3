"""The worst that a server can do to somebody is to stop serving him: a ban ends at its own door."""

from __future__ import annotations

import pytest
from tests.node.conftest import OpenNode, do, one

from mosaic.core.keys import PublicKey
from mosaic.core.record import Record
from mosaic.node.node import Node
from mosaic.policy.submission import Way
from mosaic.wire.result_code import ResultCode


@pytest.mark.claim("C58", "C60")
async def test_who_is_banned_at_one_server_goes_on_at_another_with_all_that_is_his(
    open_node: OpenNode,
) -> None:
    async with open_node("hub") as hub, open_node("ana") as ana, open_node("other") as other:
        me = ana.people.find(None).key.user_text
        for server in (hub, other):
            await one(server, "admin_serve", key=me)
        await one(ana, "post", text="one")
        await one(ana, "post", text="two")
        mine = await _records(ana, me)
        assert await _handed_in(hub, mine) == {ResultCode.ACCEPTED}
        before = {str(item["id"]) for item in await do(hub, "query", authors=[me])}

        await one(hub, "admin_ban", what=me, reason="a quarrel")
        await one(ana, "post", text="three")
        new = [item for item in await _records(ana, me) if item not in mine]
        assert await _handed_in(hub, new) == {ResultCode.PUBKEY_PERM_BANNED}

        # Nothing of it was changed: whoever may read it still does, and byte for byte.
        after = {str(item["id"]) for item in await do(hub, "query", authors=[me])}
        assert after == before
        # He moves: another server takes all of it, the old and the new, and asks nobody.
        assert await _handed_in(other, [*mine, *new]) == {ResultCode.ACCEPTED}
        # Who follows him follows the key: no record of theirs names a server.
        assert PublicKey.parse_user(me) == ana.people.find(None).key
        # His own home is his own: there the ban means nothing.
        assert (await one(ana, "post", text="four"))["id"]


async def _records(node: Node, key: str) -> list[str]:
    return [str(item["record"]) for item in await do(node, "query", authors=[key], records=True)]


async def _handed_in(node: Node, texts: list[str]) -> set[ResultCode]:
    records = sorted((Record.parse_text(text) for text in texts), key=lambda each: each.kind.bytes)
    results = await node.server.submit([record.data for record in records], Way.LINK)
    return set(results)
