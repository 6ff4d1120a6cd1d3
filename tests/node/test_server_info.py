"""The server's record about itself: written once, again when a reload changes it, read by everybody."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

import pytest
from tests.node.conftest import FAST, HERE, OpenNode, do, one, stored
from tests.node.test_reload import reload_of

from mosaic.core.community_kinds import SERVER_INFO
from mosaic.core.filter import Filter
from mosaic.errors import Refused
from mosaic.node.node import Node
from mosaic.node.operating_settings import OperatorSettings, RoleSettings, ServingSettings
from mosaic.node.server_info import OwnServerInfo, known, latest, told
from mosaic.policy.limits import Limits, LimitTable
from mosaic.server.settings import ServerSettings

ASKING = ServerSettings(limits=LimitTable(anonymous=Limits(work_bits=12), stranger=Limits(work_bits=9)))


def written(node: Node) -> int:
    """At how many positions of the log there is one that is served."""
    return len(list(node.everything.newest_first(Filter.of(kinds=[SERVER_INFO]))))


async def test_it_says_what_is_set_and_is_written_once(open_node: OpenNode) -> None:
    async with open_node("ana") as node:
        own, key = OwnServerInfo(node), node.server_secret.public
        first = await own.keep()
        assert first is not None
        assert known(node.everything, key) == told(node.settings)
        assert await own.keep() is None
        assert latest(node.everything, key) == first


async def test_a_reload_that_changes_it_writes_it_again_and_no_other(
    open_node: OpenNode, tmp_path: Path
) -> None:
    file = tmp_path / "mosaic.toml"
    async with open_node("ana") as node:
        key, reload = node.server_secret.public, reload_of(node, file)
        node.work()
        await stored(node, lambda: latest(node.everything, key))
        before = latest(node.everything, key)
        file.write_text('[server]\nlookups = 7\n[operator]\nname = "Harbour"\n')
        await reload.once()
        await stored(node, lambda: latest(node.everything, key) != before)
        info = known(node.everything, key)
        assert info is not None
        assert info.name == "Harbour"
        assert written(node) == 1
        file.write_text('[server]\nlookups = 8\n[operator]\nname = "Harbour"\n')
        await reload.once()
        assert await OwnServerInfo(node).keep() is None


async def test_one_that_was_written_while_the_clock_was_ahead_gives_way(
    open_node: OpenNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_node("ana") as node:
        own, key = OwnServerInfo(node), node.server_secret.public
        with monkeypatch.context() as ahead:
            ahead.setattr(node.clock, "_unix_ns", lambda: time.time_ns() + 86_400 * 10**9)
            assert await own.keep() is not None
        operator = OperatorSettings(name="Harbour")
        node.reconfigure(dataclasses.replace(node.settings, operator=operator))
        record = await own.keep()
        assert latest(node.everything, key) == record
        assert known(node.everything, key) == told(node.settings)
        assert await own.keep() is None


def test_who_reads_the_inbox_is_told() -> None:
    for roles, said in (
        (RoleSettings(), "everybody"),
        (RoleSettings(inbox_readers="recipient"), "recipient"),
        (RoleSettings(withhold=True), "approved"),
        (RoleSettings(inbox=False), ""),
    ):
        assert told(dataclasses.replace(FAST, roles=roles)).inbox == said


async def test_anybody_asks_for_it_over_a_link(open_node: OpenNode) -> None:
    async with open_node("ana") as ana, open_node("bo") as bo:
        url = ana.listen(HERE)
        where = {"server": str(url), "key": ana.server_secret.public.server_text}
        with pytest.raises(Refused, match="no Server Info"):
            await do(bo, "server_info", where)
        await OwnServerInfo(ana).keep()
        item = await one(bo, "server_info", where)
        assert item["server"] == where["key"]
        assert item["roles"] == ["outbox", "inbox", "encryption"]
        assert item["serves"] == "home"


def test_work_is_told_by_role_and_not_of_those_who_are_served() -> None:
    settings = dataclasses.replace(FAST, server=ASKING, roles=RoleSettings(chat=True))
    assert told(settings).work == {"inbox": 12, "encryption": 12, "chat": 12}
    alone = dataclasses.replace(settings, roles=RoleSettings(inbox=False, encryption=False))
    assert told(alone).work == {}
    everyone = dataclasses.replace(settings, serves=ServingSettings(who="everyone"))
    assert told(everyone).work["outbox"] == 12
    assert told(FAST).work == {}


def test_the_operator_stands_in_it() -> None:
    operator = OperatorSettings(name="Harbour", contact="harbour@example.org", rules=("Be kind.",))
    settings = dataclasses.replace(FAST, operator=operator)
    info = told(settings)
    assert (info.name, info.contact, info.rules) == ("Harbour", "harbour@example.org", ("Be kind.",))
    assert info.limits["future_s"] == 900
