"""What a serving process has in hand beside its node: reading settings again, and going.

Source: this project's own design, docs/architecture.md "Operations".
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from mosaic.node.host_port import NOWHERE
from mosaic.node.reload import Reload

if TYPE_CHECKING:
    from mosaic.node.node import Node


class OwnPage(Protocol):
    """Where the page of the home's people is; what opens it is for their eyes only."""

    @property
    def address(self) -> str:
        """Its whole address, with what opens it; empty if there is no page."""

    def once(self) -> str:
        """An address that opens it in one browser."""


class Operating:
    """A node at work, as its operator sees it.

    Args:
        node: The node.
        reload: Reads its settings again.
    """

    def __init__(self, node: Node, reload: Reload) -> None:
        self.node = node
        self.reload = reload
        self.begun_ns = node.clock.now_ns()
        """Since when it is at work, ns."""
        self.stop = asyncio.Event()
        """Set when the node is to stop."""
        self.metrics = NOWHERE
        """Where its numbers are told."""
        self.page: OwnPage | None = None
        """Where its people's page is, once it is there."""
        self.drain_s: float | None = None
        """How long peers may take to read their last answers, if somebody has said so (seconds)."""

    @property
    def draining(self) -> bool:
        """Whether nothing new is taken any more."""
        return self.stop.is_set()

    def cares(self) -> list[str]:
        """What should be looked after, while the node does its work; a sentence each."""
        settings, backup = self.reload.fault, self.node.backups.fault
        return [
            *([f"The settings are wrong: {settings}"] if settings else []),
            *([f"No backup could be made: {backup}"] if backup else []),
        ]

    def drain(self, drain_s: float | None = None) -> None:
        """Begins to go: nothing new is taken, what has come is answered, then the node stops.

        Args:
            drain_s: How long peers may take to read their last answers (seconds); None = as set.
        """
        self.drain_s = drain_s
        self.stop.set()
