"""What a server does each second and each minute.

Source: this project's own design, docs/architecture.md "Abuse".
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable

_LOG = logging.getLogger(__name__)
_TICK_S = 1.0
_TICKS_A_MINUTE = 60


class Ticks:
    """A clock that strikes while the server runs.

    Args:
        second: Called once a second.
        minute: Called once a minute, after `second`.
    """

    def __init__(self, second: Callable[[], None], minute: Callable[[], None]) -> None:
        self._second = second
        self._minute = minute
        self._ticker: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to strike."""
        self._ticker = asyncio.create_task(self._tick_on(), name="server: tick")

    async def stop(self) -> None:
        """Strikes no more."""
        if self._ticker is not None:
            self._ticker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._ticker

    async def _tick_on(self) -> None:
        ticks = 0
        while True:
            await asyncio.sleep(_TICK_S)
            ticks += 1
            try:
                self._second()
                if ticks % _TICKS_A_MINUTE == 0:
                    self._minute()
            except Exception:  # noqa: BLE001 - the next tick gets its chance
                _LOG.exception("a tick failed")
