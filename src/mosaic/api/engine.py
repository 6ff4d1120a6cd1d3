"""What a client runs on: acts by name, as commands ask for them.

Source: this project's own design, docs/architecture.md "A program acts".
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol

from mosaic.errors import UsageError
from mosaic.node.control import JsonObject


class Engine(Protocol):
    """Does what is asked for; `start` and `stop` are called once each, in this order."""

    async def start(self) -> str:
        """Gets ready; the key of who acts (`mopub0…`), empty for nobody. Raises MosaicError."""

    async def stop(self) -> None:
        """Ends everything in order."""

    def ask(self, act: str, arguments: JsonObject) -> AsyncGenerator[JsonObject, None]:
        """Runs one act of `mosaic.node.acts` and gives its objects as they come. Raises MosaicError."""


class NotOpen:
    """The engine of a client that is not open: there is nothing to be had of it."""

    async def start(self) -> str:
        """Does nothing."""
        return ""

    async def stop(self) -> None:
        """Does nothing."""

    def ask(self, act: str, arguments: JsonObject) -> AsyncGenerator[JsonObject, None]:  # noqa: ARG002
        """Raises UsageError."""
        raise UsageError("the client is not open", hint="Use it inside `async with client:`.")
