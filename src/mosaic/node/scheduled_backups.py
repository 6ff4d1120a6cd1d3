"""Backups that a node makes by itself, as often as its settings say.

When the next one is due is read from the files that are there: a node that was
off for a week makes one when it is back.

Source: this project's own design, docs/architecture.md "Operations".
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mosaic.errors import HomeDamaged, MosaicError
from mosaic.node.backup import SUFFIX, BackupActs
from mosaic.node.operating_settings import BackupSettings

if TYPE_CHECKING:
    from mosaic.node.node import Node

_LOG = logging.getLogger(__name__)
_LOOK_S: Final = 60.0
_AGAIN_S: Final = 900.0
_MAKE_IT: Final = "Make it, or name another in [backup]; it is tried again within a quarter of an hour."


class ScheduledBackups:
    """Makes them.

    Args:
        node: The node at work.
        now_s: The time, seconds since 1970, as files have it.
    """

    def __init__(self, node: Node, now_s: Callable[[], float] = time.time) -> None:
        self._node = node
        self._now_s = now_s
        self._not_before_s = 0.0
        self._tried = BackupSettings()
        self.fault = ""
        """Why the last one could not be made; empty if it could."""

    def age_s(self) -> float | None:
        """How old the newest backup is (seconds); None where none are made or none is there."""
        folder = self._node.settings.backup.folder
        if not folder:
            return None
        try:
            made = [path.stat().st_mtime for path in Path(folder).glob(f"mosaic-*{SUFFIX}")]
        except OSError:
            return None
        return max(0.0, self._now_s() - max(made)) if made else None

    async def run(self) -> None:
        """Looks each minute whether one is due, until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_S)
            await self.look()

    async def look(self) -> bool:
        """Makes a backup if one is due; whether it did. What goes wrong is logged, and tried again later."""
        settings = self._node.settings.backup
        if not settings.folder:
            self.fault = ""
            return False
        if self._now_s() < self._not_before_s and settings == self._tried:
            return False
        age_s = await asyncio.to_thread(self.age_s)
        if age_s is not None and age_s < settings.every_s:
            return False
        self._tried = settings
        try:
            await self._make(settings)
        except MosaicError as error:
            self._not_before_s = self._now_s() + _AGAIN_S
            self.fault = f"{error} ({error.hint})"
            _LOG.error("no backup could be made: %s (%s)", error, error.hint)
            return False
        self.fault = ""
        return True

    async def _make(self, settings: BackupSettings) -> None:
        folder = Path(settings.folder)
        if not await asyncio.to_thread(folder.is_dir):
            raise HomeDamaged(f"there is no folder {folder}", hint=_MAKE_IT)
        password = None if settings.plain else _password(Path(settings.password_file))
        async for item in BackupActs(self._node).make(folder, password, settings.keep):
            if item["done"]:
                _LOG.info("a backup was made: %s, %s bytes", item["path"], item["bytes"])


def _password(file: Path) -> str:
    try:
        password = file.read_text("utf-8").partition("\n")[0].strip()
    except (OSError, UnicodeDecodeError) as error:
        raise HomeDamaged(f"{file} can't be read", hint="Name another file in [backup].") from error
    if not password:
        raise HomeDamaged(f"{file} holds no password", hint="Write one into its first line.")
    return password
