"""Browsers at a node: under which names it answers, and which key it proves."""

from __future__ import annotations

import asyncio

import pytest
from tests.node.conftest import OpenNode

from mosaic.core.keys import PublicKey
from mosaic.node.listeners import ListenAt
from mosaic.node.node import Node
from mosaic.protocol.client_upgrade import ClientUpgrade, Upgraded, UpgradeRefused
from mosaic.testing import Person
from mosaic.transport.transport import Transport

ENTROPY = bytes(range(48))


async def request(node: Node, port: int, authority: str, expected: PublicKey) -> Upgraded | UpgradeRefused:
    """Asks for a WebSocket by the node's listener for a proxy, with HELLO and a nonce for the server."""
    upgrade = ClientUpgrade(authority, ENTROPY, applications=(1,), server_key=expected.bytes)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(upgrade.request)
    try:
        return upgrade.receive(await reader.readuntil(b"\r\n\r\n"))
    finally:
        writer.close()
        await writer.wait_closed()


@pytest.mark.claim("C43", "C47")
async def test_a_node_proves_its_servers_key_under_its_own_names(open_node: OpenNode) -> None:
    async with open_node("anna") as node:
        key = node.server_secret.public
        port = node.listen(ListenAt(Transport.WS, "127.0.0.1", 0, plain=True)).port
        for name in ("127.0.0.1", "localhost"):
            assert await request(node, port, f"{name}:{port}", key) == Upgraded(0, (1,))
        for name in (f"evil.example:{port}", "127.0.0.1", f"[::1]:{port}"):
            answer = await request(node, port, name, key)
            assert isinstance(answer, UpgradeRefused)
            assert answer.status == 403
        answer = await request(node, port, f"127.0.0.1:{port}", Person("other").key)
        assert isinstance(answer, UpgradeRefused)
        assert answer.unproven
