from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import pytest

from mosaic.client.settings import ClientSettings
from mosaic.node.acts import Acts
from mosaic.node.control import JsonObject
from mosaic.node.home import Home, try_lock
from mosaic.node.listeners import ListenAt
from mosaic.node.node import Node
from mosaic.node.settings import NodeSettings
from mosaic.transport.transport import Transport

FAST = NodeSettings(client=ClientSettings(retry_first_s=0.02, retry_most_s=0.1), stop_s=1.0)

HERE = ListenAt(Transport.TCP, "127.0.0.1", 0)

OpenNode = Callable[[str], contextlib.AbstractAsyncContextManager[Node]]


@pytest.fixture(autouse=True)
def no_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOSAIC_KEYRING", "no")


@pytest.fixture
def open_node(tmp_path: Path) -> OpenNode:
    @contextlib.asynccontextmanager
    async def opened(name: str) -> AsyncIterator[Node]:
        home = Home(tmp_path / name)
        if not home.is_there:
            home.make()
        lock = try_lock(home)
        assert lock is not None
        node = await Node.open(home, lock, FAST)
        try:
            if not len(node.people):
                await node.make_person(name)
            yield node
        finally:
            await node.stop()

    return opened


async def do(
    node: Node,
    act: str,
    more: Mapping[str, object] | None = None,
    *,
    working: bool = False,
    **arguments: object,
) -> list[JsonObject]:
    given: JsonObject = {**arguments, **(more or {})}  # type: ignore[dict-item]
    return [item async for item in Acts(node, working=working).table()[act](given)]


async def one(
    node: Node,
    act: str,
    more: Mapping[str, object] | None = None,
    *,
    working: bool = False,
    **arguments: object,
) -> JsonObject:
    (item,) = await do(node, act, more, working=working, **arguments)
    return item


async def stored(node: Node, look: Callable[[], object]) -> None:
    """Waits until `look` finds what only a record that is stored can change."""
    with node.changes() as changed:
        async with asyncio.timeout(30):
            while not look():
                await changed.wait()
                changed.clear()
