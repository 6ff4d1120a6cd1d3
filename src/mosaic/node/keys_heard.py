"""Hears what other devices did to a person's keys, and does at once what follows from it.

Newer schedules, and keys that are handed over, come by subscription to the own
servers (`node.own_reading`) or from another device directly; they are looked at
as soon as they are stored. Every hour the outboxes are asked as well. What
comes is judged by the own server as anybody's.

Source: keyschedule.md; this project's own design, docs/architecture.md "Keys of people".
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Final

from mosaic.core.bootstrap import Usage
from mosaic.core.community_kinds import KEY_HANDOVER
from mosaic.core.kinds import KEY_SCHEDULE
from mosaic.core.reference import Id
from mosaic.errors import MosaicError
from mosaic.node.key_handing import KeyHanding
from mosaic.node.own_schedule import OwnSchedule
from mosaic.node.people import Person

if TYPE_CHECKING:
    from mosaic.node.node import Node

log = logging.getLogger(__name__)

_KINDS: Final = frozenset({KEY_SCHEDULE.bytes, KEY_HANDOVER.bytes})
_EVERY_S: Final = 3_600.0
# What one edit publishes comes together.
_TOGETHER_S: Final = 0.2


class KeysHeard:
    """What is heard of the keys of who lives here.

    Where the master key lies in the home, what another device's edit lacks is joined at once; else
    `mosaic key list` advises it.

    Args:
        node: The open home.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._schedules = OwnSchedule(node, working=True)
        self._handing = KeyHanding(node)
        self._came = asyncio.Event()
        self._joined: dict[bytes, Id] = {}
        self.count = 0
        """How often something was stored; whoever goes by a schedule looks again when it is another."""

    def note(self, _position: int, record: bytes) -> None:
        """A record was stored; at which position it stands does not matter."""
        if record[56:64] in _KINDS and self._node.people.serves(record[64:96]):
            self.count += 1
            self._came.set()

    async def run(self) -> None:
        """Does what follows, until it is cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            for person in self._node.people:
                if self._node.directory.servers(person.key, Usage.OUTBOX):
                    self._node.schedules.wanted(person.key.bytes)
            self._joined.clear()
            until = loop.time() + _EVERY_S
            while loop.time() < until:
                self._came.clear()
                for person in self._node.people:
                    await self._look(person)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout_at(until):
                        await self._came.wait()
                await asyncio.sleep(_TOGETHER_S)

    async def _look(self, person: Person) -> None:
        """Takes keys that were handed over, and joins a schedule that came, once for each."""
        await self._handing.look(person)
        newest = self._node.records.schedule_record(person.key)
        if newest is None or self._joined.get(person.key.bytes) == newest.id:
            return
        self._joined[person.key.bytes] = newest.id
        try:
            await self._schedules.join_again(person)
        except MosaicError as error:
            log.info("the keys of %s can't be joined now: %s", person.name, error)
