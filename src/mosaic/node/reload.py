"""New settings for a running node: when the file changes, on SIGHUP, or when somebody asks.

What is wrong keeps all of what held before. What only a restart can change
stays as it is, and is named.

Source: this project's own design, docs/architecture.md "Operations".
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mosaic.errors import MosaicError
from mosaic.node.configuration import Loaded
from mosaic.node.logging_setup import set_up
from mosaic.node.service_manager import ServiceManager

if TYPE_CHECKING:
    from mosaic.node.node import Node

_LOG = logging.getLogger(__name__)
_LOOK_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Changes:
    """What new settings change.

    Args:
        loaded: What holds from now on.
        taken: The settings that are others now, by path.
        restart: Those that stay until the node starts again.
    """

    loaded: Loaded
    taken: tuple[str, ...]
    restart: tuple[str, ...]


def changes(old: Loaded, new: Loaded) -> Changes:
    """Compares what holds with what was read.

    Args:
        old: What holds.
        new: What was read.

    Raises:
        UsageError: what can be taken does not go together with what has to stay.
    """
    differ = [path for path, value in new.values.items() if old.values[path] != value]
    restart = tuple(path for path in differ if not new.entries[path].reload)
    kept = {path: old.values[path] for path in restart}
    loaded = new.with_values({**new.values, **kept}) if kept else new
    return Changes(loaded, tuple(path for path in differ if path not in kept), restart)


class Reload:
    """Reads a node's settings again.

    Args:
        node: Gets what is new.
        load: Reads all places.
        loaded: What holds.
    """

    def __init__(self, node: Node, load: Callable[[], Loaded], loaded: Loaded) -> None:
        self._node = node
        self._load = load
        self.loaded = loaded
        self.fault = ""
        """What was wrong when the settings were last read; empty if nothing was."""
        self._seen = _mark(loaded.file)
        self._manager = ServiceManager({})
        self._turn = asyncio.Lock()
        self._asked: set[asyncio.Task[None]] = set()

    def tell(self, manager: ServiceManager) -> None:
        """Tells the service manager from now on when settings are read."""
        self._manager = manager

    async def once(self) -> Changes:
        """Reads the settings, beside the node's own work, and takes what can be taken.

        Raises:
            SettingsInvalid: something is wrong; everything stays as it was.
            UsageError: the same, for what does not go together.
            InvalidUrl: the same, for a name that is none.
        """
        async with self._turn:
            return await self._once()

    async def _once(self) -> Changes:
        self._seen = _mark(self.loaded.file)
        self._manager.reloading()
        try:
            found = changes(self.loaded, await asyncio.to_thread(self._load))
            self._apply(found.loaded)
        except BaseException as error:
            # Whatever went wrong: the node serves on with what held before, and nobody is to wait for it.
            self.fault = str(error) or type(error).__name__
            self._manager.ready("Serving; the settings have faults")
            raise
        self.fault = ""
        self._manager.ready("Serving")
        # What waits for a restart is compared with next time as well.
        self.loaded = replace(found.loaded, more=self.loaded.more)
        if found.taken:
            _LOG.warning("new settings hold: %s", ", ".join(found.taken))
        if found.restart:
            _LOG.warning("these settings change when the node starts again: %s", ", ".join(found.restart))
        return found

    def _apply(self, loaded: Loaded) -> None:
        settings, before = loaded.settings, self._node.settings
        if settings.log != before.log:
            set_up(settings.log)
        try:
            self._node.reconfigure(settings)
        except Exception:
            if settings.log != before.log:
                set_up(before.log)
            raise

    def soon(self) -> None:
        """Does `quietly` as soon as it may: for a signal."""
        task = asyncio.get_running_loop().create_task(self.quietly(), name="settings asked for")
        self._asked.add(task)
        task.add_done_callback(self._asked.discard)

    async def quietly(self) -> None:
        """As `once`, for nobody who could be told: faults go to the log."""
        try:
            await self.once()
        except MosaicError as error:
            _LOG.error("the settings stay as they were: %s (%s)", error, error.hint)
        except Exception:  # noqa: BLE001 - an operator's own rule may raise anything; the node goes on
            _LOG.exception("the settings could not be read again; they stay as they were")

    async def run(self) -> None:
        """Looks every two seconds whether the file has changed, until cancelled."""
        try:
            while True:
                await asyncio.sleep(_LOOK_S)
                if _mark(self.loaded.file) != self._seen:
                    await self.quietly()
        finally:
            for task in self._asked:
                task.cancel()


def _mark(file: Path | None) -> tuple[int, int, int] | None:
    """By what a changed file is noticed; None if there is none."""
    if file is None:
        return None
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
