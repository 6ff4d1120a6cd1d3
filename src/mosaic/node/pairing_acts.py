"""Acts that pair a second device; at most one pairing is under way on a node.

Source: this project's own design, docs/architecture.md "Keys of people".
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING

from mosaic.core.pairing import PairingCode
from mosaic.core.timestamp import Timestamp
from mosaic.errors import HomeExists, PairingFailed, UsageError
from mosaic.node.arguments import Arguments
from mosaic.node.control import Act, Items, JsonObject
from mosaic.node.finder import Finder
from mosaic.node.master import Unlocking
from mosaic.node.pairing import OVER, Pairing, Running
from mosaic.node.pairing_join import Joining
from mosaic.node.pairing_offer import Offer
from mosaic.node.people import Person
from mosaic.node.shapes import time_fields

if TYPE_CHECKING:
    from mosaic.node.node import Node

_BUSY = "Wait until it is over, or end it there."


class Pairings:
    """The pairing that is under way on a node, or the last one."""

    def __init__(self) -> None:
        self._task: asyncio.Task[None] | None = None
        self.last: Running | None = None
        """The one under way, or the last one."""

    async def offer(self, node: Node, person: Person, unlocking: Unlocking, *, working: bool) -> Running:
        """Shows a code for a new device.

        Raises:
            UsageError: another pairing is under way.
            MasterAway: the master key is not on this machine, and no file was given.
            PasswordNeeded: it is under a password, and none was given.
            WrongPassword: the password does not open it.
        """
        self._check_free()
        offer = Offer(node, person, unlocking, working=working)
        await offer.check()
        return self._begin(offer)

    def join(self, node: Node, code: str, label: str) -> Running:
        """Joins by the code that another device shows.

        Raises:
            UsageError: another pairing is under way.
            InvalidText: this is no code.
            PairingFailed: the code is too old.
            HomeExists: this device itself has shown it.
        """
        self._check_free()
        if isinstance(self.last, Offer) and self.last.shown == code.strip():
            raise HomeExists("this device itself has shown this code", hint="Join by it on the other device.")
        return self._begin(Joining(node, PairingCode.parse(code), label or this_machine()))

    def agree(self, *, same: bool) -> None:
        """A person has compared the digits. Raises UsageError if there are none to compare."""
        if self.last is None:
            raise UsageError("no pairing is under way", hint="`mosaic pair` begins one.")
        self.last.agree(same=same)

    async def stop(self) -> None:
        """Ends what is under way."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _check_free(self) -> None:
        if self.last is not None and self.last.now.state not in OVER:
            raise UsageError("another pairing is under way on this node", hint=_BUSY)

    def _begin(self, running: Running) -> Running:
        self.last = running
        self._task = asyncio.create_task(running.run(), name="pairing")
        return running


class PairingActs:
    """What people do to pair devices.

    Args:
        node: The open home.
        finder: Finds who acts.
        working: Whether the node delivers by itself.
    """

    def __init__(self, node: Node, finder: Finder, *, working: bool) -> None:
        self._node = node
        self._finder = finder
        self._working = working

    def table(self) -> dict[str, Act]:
        """These acts by their names."""
        return {"pair": self.pair, "pair_join": self.join, "pair_agree": self.agree}

    async def pair(self, given: JsonObject) -> Items:
        """Shows a code for a new device, and tells how it goes on until both are ready.

        Raises:
            PairingFailed: it came to nothing.
            MasterAway: the master key is not on this machine, and no file was given.
        """
        arguments, person = self._finder.begin(given)
        offer = await self._node.pairings.offer(
            self._node, person, arguments.unlocking(), working=self._working
        )
        async with contextlib.aclosing(self._told(offer)) as items:
            async for item in items:
                yield item

    async def join(self, given: JsonObject) -> Items:
        """Joins by `code` as `label`, and tells how it goes on until both are ready.

        Raises:
            PairingFailed: it came to nothing.
        """
        arguments = Arguments(given)
        joining = self._node.pairings.join(
            self._node, arguments.text("code"), arguments.optional_text("label") or ""
        )
        async with contextlib.aclosing(self._told(joining)) as items:
            async for item in items:
                yield item

    async def agree(self, given: JsonObject) -> Items:
        """Says whether the digits are the `same` on both devices."""
        self._node.pairings.agree(same=Arguments(given).flag("same"))
        yield {}

    async def _told(self, running: Running) -> Items:
        try:
            async for state in running.states():
                if state.state == "failed":
                    raise PairingFailed(state.note, hint=state.hint)
                yield _object(state)
        finally:
            if running.now.state not in OVER:
                await self._node.pairings.stop()


def this_machine() -> str:
    """What a device is called if nobody says."""
    return socket.gethostname().partition(".")[0] or "new device"


def _object(state: Pairing) -> JsonObject:
    until = {} if not state.until_ns else time_fields(Timestamp(state.until_ns), "until")
    told: JsonObject = {
        "code": state.code,
        "number": state.number,
        "other": state.other,
        "device": state.device,
        "records": state.records,
        "note": state.note,
        "hint": state.hint,
    }
    return {"state": state.state, **{name: each for name, each in told.items() if each}, **until}
