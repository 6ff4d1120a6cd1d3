"""Backups by themselves: when one is due, how many stay, what happens when none can be made."""

from __future__ import annotations

import dataclasses
import logging
import os
import time
from pathlib import Path

import pytest
from tests.node.conftest import OpenNode
from tests.node.test_reload import reload_of

from mosaic.errors import UsageError
from mosaic.node.health import Health
from mosaic.node.node import Node
from mosaic.node.operating import Operating
from mosaic.node.operating_settings import BackupSettings
from mosaic.node.scheduled_backups import ScheduledBackups

DAY = 86_400


def set_backups(node: Node, settings: BackupSettings) -> None:
    node.live.replace(dataclasses.replace(node.settings, backup=settings))


async def test_one_is_made_when_the_newest_is_old_enough_and_the_oldest_go(
    open_node: OpenNode, tmp_path: Path
) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    async with open_node("ana") as node:
        backups = ScheduledBackups(node)
        assert not await backups.look()
        assert backups.age_s() is None
        (tmp_path / "password").write_text("correct horse\nnot this\n")
        set_backups(
            node, BackupSettings(str(folder), every_s=DAY, keep=2, password_file=str(tmp_path / "password"))
        )
        for number in range(3):
            assert await backups.look()
            assert not await backups.look()
            newest = max(folder.iterdir(), key=lambda path: path.stat().st_mtime)
            assert b"private.db" not in newest.read_bytes()
            # As if it had been made a day and more ago.
            old = folder / f"mosaic-2020010{number}-000000.mosaic-backup"
            newest.rename(old)
            os.utime(old, (time.time() - 2 * DAY + number,) * 2)
        assert len(list(folder.iterdir())) == 2
        age_s = backups.age_s()
        assert age_s is not None
        assert DAY < age_s < 3 * DAY


async def test_what_goes_wrong_is_told_once_and_tried_again_later(
    open_node: OpenNode, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    now = time.time()
    async with open_node("ana") as node:
        backups = ScheduledBackups(node, lambda: now)
        set_backups(node, BackupSettings(str(tmp_path / "none"), plain=True))
        with caplog.at_level(logging.ERROR):
            assert not await backups.look()
            assert not await backups.look()
        assert len(caplog.records) == 1
        assert "there is no folder" in caplog.text
        (tmp_path / "none").mkdir()
        assert not await backups.look()
        node.backups = backups
        node.operating = Operating(node, reload_of(node, tmp_path / "mosaic.toml"))
        (warning,) = node.operating.cares()
        assert warning.startswith("No backup could be made: there is no folder")
        assert warning in Health(node).warnings()
        now += 901
        assert await backups.look()
        assert node.operating.cares() == []


async def test_other_settings_are_tried_at_once(open_node: OpenNode, tmp_path: Path) -> None:
    async with open_node("ana") as node:
        backups = ScheduledBackups(node)
        set_backups(node, BackupSettings(str(tmp_path / "none"), plain=True))
        assert not await backups.look()
        set_backups(node, BackupSettings(str(tmp_path), plain=True))
        assert await backups.look()


@pytest.mark.parametrize("text", [None, "", "\nsecond line"])
async def test_without_a_password_there_is_no_backup(
    open_node: OpenNode, tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str | None
) -> None:
    if text is not None:
        (tmp_path / "password").write_text(text)
    async with open_node("ana") as node:
        set_backups(node, BackupSettings(str(tmp_path), password_file=str(tmp_path / "password")))
        with caplog.at_level(logging.ERROR):
            assert not await ScheduledBackups(node).look()
        assert "password" in caplog.text
    assert not [name for name in os.listdir(tmp_path) if name.endswith("backup")]  # noqa: PTH208


def test_settings_without_a_password_say_so() -> None:
    with pytest.raises(UsageError, match="need a password"):
        BackupSettings("/backups")
