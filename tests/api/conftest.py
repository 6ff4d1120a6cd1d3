from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.node.conftest import FAST, HERE

from mosaic import Client, Identity, Server
from mosaic.dht.mode import OFF, DhtMode
from mosaic.node.acts import Acts
from mosaic.node.control import ControlServer
from mosaic.node.home import Home, try_lock
from mosaic.node.node import Node


@pytest.fixture(autouse=True)
def no_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOSAIC_KEYRING", "no")


@dataclass(frozen=True)
class World:
    """A node that serves, as `mosaic serve` has it."""

    node: Node

    @property
    def folder(self) -> Path:
        return self.node.home.folder

    @property
    def server(self) -> Server:
        return Server(self.node.server_secret.public.server_text, tuple(str(url) for url in self.node.urls))

    def identity(self, name: str) -> Identity:
        person = self.node.people.find(name)
        return Identity(person.key, person.device)

    def client(self, name: str) -> Client:
        """Without a home, in the name of somebody whom the node serves."""
        return Client(self.identity(name), servers=[self.server], dht="off")

    def at_home(self, name: str) -> Client:
        """By the running node."""
        return Client.home(self.folder, person=name)


@contextlib.asynccontextmanager
async def serving(folder: Path, *people: str, dht: DhtMode = OFF) -> AsyncIterator[World]:
    home = Home(folder)
    if not home.is_there:
        home.make()
    lock = try_lock(home)
    assert lock is not None
    node = await Node.open(home, lock, dataclasses.replace(FAST, dht=dht))
    control = ControlServer(home.socket, Acts(node, working=True).table())
    try:
        node.listen(HERE)
        await control.start()
        node.work()
        for name in people:
            if name not in {person.name for person in node.people}:
                await node.make_person(name)
        yield World(node)
    finally:
        await control.stop()
        await node.stop()


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with serving(tmp_path / "home", "anna", "ben") as world:
        yield world
