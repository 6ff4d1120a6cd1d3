"""A running node takes new settings, keeps the old ones when they are wrong, names what needs a restart."""

from __future__ import annotations

import asyncio
import os
import threading
from functools import partial
from pathlib import Path

import pytest
from tests.node.conftest import HERE, OpenNode

from mosaic.errors import SettingsInvalid
from mosaic.node.configuration import Loaded, load
from mosaic.node.node import Node
from mosaic.node.reload import Reload
from mosaic.node.service_manager import ServiceManager


def reload_of(node: Node, file: Path) -> Reload:
    given = {"client.retry_first": 0.02, "client.retry_most": 0.1, "node.stop": 1}
    read = partial(load, file, given=given)
    return Reload(node, read, read())


async def test_new_limits_hold_at_once_and_old_ones_where_the_file_is_wrong(
    open_node: OpenNode, tmp_path: Path
) -> None:
    file = tmp_path / "mosaic.toml"
    async with open_node("ana") as node:
        reload = reload_of(node, file)
        file.write_text("[server]\nconnections = 7\nsubscriptions_per_link = 3\n")
        found = await reload.once()
        assert found.taken == ("server.connections", "server.subscriptions_per_link")
        assert node.settings.server.connections == 7
        assert node.server.settings.subscriptions_per_link == 3
        file.write_text("[server]\nconnections = 8\nconections = 9\n")
        with pytest.raises(SettingsInvalid):
            await reload.once()
        assert "did you mean `connections`" in reload.fault
        assert node.server.settings.connections == 7
        file.unlink()
        assert set((await reload.once()).taken) == {"server.connections", "server.subscriptions_per_link"}
        assert reload.fault == ""
        assert node.server.settings.connections == 10_000


async def test_settings_are_read_beside_the_nodes_own_work(open_node: OpenNode, tmp_path: Path) -> None:
    async with open_node("ana") as node:
        reload = reload_of(node, tmp_path / "mosaic.toml")
        read, readers = reload._load, []

        def noted() -> Loaded:
            readers.append(threading.get_ident())
            return read()

        reload._load = noted
        await asyncio.gather(reload.once(), reload.once())
        reload.soon()
        await asyncio.gather(*reload._asked)
        assert len(readers) == 3
        assert threading.get_ident() not in readers


async def test_what_needs_a_restart_stays_and_is_named_each_time(open_node: OpenNode, tmp_path: Path) -> None:
    file = tmp_path / "mosaic.toml"
    async with open_node("ana") as node:
        reload = reload_of(node, file)
        file.write_text('[listen]\ntcp = "127.0.0.1:1"\n[server]\nlookups = 5\n')
        found = await reload.once()
        assert found.restart == ("listen.tcp",)
        assert found.taken == ("server.lookups",)
        assert node.settings.listen.tcp.port == 1320
        again = await reload.once()
        assert (again.taken, again.restart) == ((), ("listen.tcp",))


async def test_names_of_the_server_change_while_it_runs(open_node: OpenNode, tmp_path: Path) -> None:
    file = tmp_path / "mosaic.toml"
    async with open_node("ana") as node:
        node.listen(HERE)
        reload = reload_of(node, file)
        file.write_text('[listen]\npublic = ["mosaictcp://example.org/"]\n')
        await reload.once()
        assert [str(url) for url in node.settings.public] == ["mosaictcp://example.org/"]
        file.write_text('[server]\nauthorities = ["no name"]\nconnections = 5\n')
        await reload.quietly()
        assert reload.fault
        assert node.server.settings.connections != 5
        assert [str(url) for url in node.settings.public] == ["mosaictcp://example.org/"]


async def test_a_changed_file_is_noticed(
    open_node: OpenNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "mosaic.toml"
    looks = 0
    async with open_node("ana") as node:
        reload = reload_of(node, file)

        async def sleep(_seconds: float) -> None:
            nonlocal looks
            looks += 1
            if looks == 2:
                file.write_text("[server]\nconnections = 5\n")
                os.utime(file, ns=(1, looks))
            if looks == 4:
                file.write_text("[server]\nconnections = 6\n")
                os.utime(file, ns=(1, looks))
            if looks == 6:
                raise KeyboardInterrupt

        reads = 0
        once = reload.once

        async def counted() -> object:
            nonlocal reads
            reads += 1
            return await once()

        monkeypatch.setattr(reload, "once", counted)
        monkeypatch.setattr("mosaic.node.reload.asyncio.sleep", sleep)
        with pytest.raises(KeyboardInterrupt):
            await reload.run()
        monkeypatch.undo()
        assert (reads, node.settings.server.connections) == (2, 6)


async def test_who_watches_is_told(open_node: OpenNode, tmp_path: Path) -> None:
    file = tmp_path / "mosaic.toml"
    async with open_node("ana") as node:
        reload = reload_of(node, file)
        told: list[str] = []
        node.live.watch(lambda new: told.append(new.log.level))
        file.write_text('[log]\nlevel = "debug"\n')
        await reload.once()
        assert told == ["debug"]


async def test_the_service_manager_never_waits_for_a_reload_that_failed(
    open_node: OpenNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Manager(ServiceManager):
        def __init__(self) -> None:
            super().__init__({})
            self.said: list[str] = []

        def ready(self, status: str) -> None:
            self.said.append(status)

        def reloading(self) -> None:
            self.said.append("reloading")

    async with open_node("ana") as node:
        reload, manager = reload_of(node, tmp_path / "mosaic.toml"), Manager()
        reload.tell(manager)
        before = node.settings

        def broken(_: object) -> None:
            raise RuntimeError("a rule of the operator's is broken")

        with monkeypatch.context() as patch:
            patch.setattr(node, "reconfigure", broken)
            with pytest.raises(RuntimeError):
                await reload.once()
            assert reload.fault == "a rule of the operator's is broken"
            # For a signal nobody is there to be told: the log is, and the next reload comes all the same.
            await reload.quietly()
        assert manager.said == ["reloading", "Serving; the settings have faults"] * 2
        assert node.settings is before
        await reload.once()
        assert (manager.said[-1], reload.fault) == ("Serving", "")
