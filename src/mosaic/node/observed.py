"""Who wants to know that something of the node has changed, and jobs that go on beside each other.

Source: this project's own design, docs/architecture.md "A person acts".
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Iterator

log = logging.getLogger(__name__)


class Observed:
    """What pages and commands that watch are told by."""

    def __init__(self) -> None:
        # In the order in which they came, so that a run can happen again exactly.
        self._changed: dict[asyncio.Event, None] = {}

    def tell_stored(self, _position: int, _record: bytes) -> None:
        """A record was stored; at which position it stands does not matter."""
        self.tell_changed()

    def tell_changed(self) -> None:
        """Wakes who shows records and states: something of them may have changed."""
        for event in list(self._changed):
            event.set()

    @contextlib.contextmanager
    def changes(self) -> Iterator[asyncio.Event]:
        """An event that is set whenever a record was stored or a state changed; clear it before looking."""
        event = asyncio.Event()
        self._changed[event] = None
        try:
            yield event
        finally:
            self._changed.pop(event, None)


async def kept_up(job: Awaitable[None]) -> None:
    """Does a job that never ends by itself. If it fails, the log says so and the others go on."""
    try:
        await job
    except asyncio.CancelledError:
        raise
    except Exception:
        log.exception("a part of the node failed; the node goes on without it")
