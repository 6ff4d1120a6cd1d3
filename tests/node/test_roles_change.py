"""A running server's roles are chosen one by one; where it is reached changes without telling anybody."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.node.conftest import OpenNode, one
from tests.node.test_reload import reload_of

from mosaic.core import builder, kinds, nonce
from mosaic.core.community_kinds import PRIVATE_MESSAGE
from mosaic.core.core_tags import notify
from mosaic.core.keys import PublicKey, SecretKey
from mosaic.core.kind import Kind
from mosaic.core.record import Record
from mosaic.node.announcing import announced
from mosaic.node.listeners import ListenAt
from mosaic.node.node import Node
from mosaic.transport.transport import Transport
from mosaic.wire.result_code import ResultCode

LISTED = SecretKey.from_seed(b"l" * 32)
STRANGER = SecretKey.from_seed(b"s" * 32)
_ROLES = ("outbox", "inbox", "encryption", "chat")


def record(secret: SecretKey, node: Node, kind: Kind, to: PublicKey | None = None) -> bytes:
    now = node.clock.now_ns()
    tags = [] if to is None else [notify(to)]
    made: Record = builder.build(
        secret, kind=kind, nonce=nonce.from_time(now), timestamp=now, tags=tags, payload=b"hello"
    )
    return made.data


async def taken(node: Node) -> set[str]:
    """What the server takes over a connection without a key now."""
    me = node.people.find(None).key
    link = await node.own(None)
    tries = {
        "outbox": record(LISTED, node, kinds.MICROBLOG),
        "inbox": record(STRANGER, node, kinds.MICROBLOG, me),
        "encryption": record(STRANGER, node, PRIVATE_MESSAGE, me),
        "chat": record(STRANGER, node, kinds.CHAT_MESSAGE, me),
    }
    results = await link.submit_all(list(tries.values()))
    return {name for name, result in zip(tries, results, strict=True) if result in {ResultCode.ACCEPTED}}


@pytest.mark.claim("C57", "C90")
@pytest.mark.parametrize(
    ("roles", "expected"),
    [
        ({"outbox"}, {"outbox"}),
        ({"encryption"}, {"encryption", "inbox", "chat"}),
        ({"inbox"}, {"inbox", "encryption", "chat"}),
        ({"chat"}, {"chat"}),
        ({"outbox", "encryption"}, {"outbox", "encryption"}),
        ({"outbox", "inbox", "encryption", "chat"}, {"outbox", "inbox", "encryption", "chat"}),
    ],
)
async def test_each_role_is_taken_up_and_laid_down_while_the_server_runs(
    open_node: OpenNode, tmp_path: Path, roles: set[str], expected: set[str]
) -> None:
    file = tmp_path / "mosaic.toml"
    async with open_node("ana") as node:
        await one(node, "admin_serve", key=LISTED.public.user_text)
        reload = reload_of(node, file)
        file.write_text("[roles]\n" + "".join(f"{role} = {str(role in roles).lower()}\n" for role in _ROLES))
        await reload.once()
        assert await taken(node) == expected
        file.write_text("[roles]\n" + "".join(f"{role} = true\n" for role in _ROLES))
        await reload.once()
        assert await taken(node) == set(_ROLES)


@pytest.mark.claim("C90")
async def test_three_transports_at_once_and_other_addresses_without_a_restart(
    open_node: OpenNode, tmp_path: Path
) -> None:
    file = tmp_path / "mosaic.toml"
    async with open_node("ana") as node:
        for transport in (Transport.TCP, Transport.QUIC, Transport.WS):
            node.listen(ListenAt(transport, "127.0.0.1", 0))
        assert sorted(url.scheme.value for url in node.urls) == ["mosaic", "mosaictcp", "mosaicwss"]
        reload = reload_of(node, file)
        for host in ("one.example", "two.example"):
            file.write_text(f'[listen]\npublic = ["mosaictcp://{host}/"]\n')
            assert (await reload.once()).taken == ("listen.public",)
            told = announced(node.listeners, node.settings)
            assert [str(url) for url in told.urls] == [f"mosaictcp://{host}/"]
