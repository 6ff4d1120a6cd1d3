"""Reads a person's own servers: what others left in his inboxes, and what his other devices wrote.

    fetch what is there and not here (sync) ──> subscribe ──an hour, or a break──> fetch again

One task for each person and server, also for a server that was given up and is
kept for a while. What this device wrote itself is not read back.

Source: network.md (inbox, outbox, encryption); edition §4 (sync), §1 (subscriptions).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Final

from mosaic.client.backoff import Backoff
from mosaic.client.connection import Connection
from mosaic.client.reach import Manner
from mosaic.core.bootstrap import USED_PER_ROLE, Usage, UserBootstrap
from mosaic.core.filter import Filter
from mosaic.core.filter_element import ReceivedSince
from mosaic.core.key_schedule import KeySchedule
from mosaic.core.keys import PublicKey
from mosaic.core.record import Record
from mosaic.core.schedule_entry import ATTESTATION, Algorithm
from mosaic.core.timestamp import Timestamp
from mosaic.errors import MosaicError, PeerError
from mosaic.node.own_copy import OwnCopy, sent_to
from mosaic.node.people import Person

if TYPE_CHECKING:
    from mosaic.node.node import Node

log = logging.getLogger(__name__)

_SECOND: Final = 1_000_000_000
_OVERLAP_NS: Final = 60 * _SECOND
_LOOK_S: Final = 1.0
_RECEIVES: Final = Usage.INBOX | Usage.ENCRYPTION
_MOST_SIGNERS: Final = 60

Place = tuple[PublicKey, PublicKey]
Signers = tuple[PublicKey, ...]


class OwnReading:
    """Reads the servers of all people of a home.

    Args:
        node: The open home.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._known: dict[PublicKey, tuple[tuple[int, PublicKey], Signers]] = {}
        client = node.settings.client
        self._backoff = Backoff(node.surroundings.entropy, client.retry_first_s, client.retry_most_s)

    def places(self) -> dict[Place, Usage]:
        """Which servers are read, by person and server, and what for."""
        own = self._node.server_secret.public
        found: dict[Place, Usage] = {}
        for person in self._node.people:
            bootstrap = UserBootstrap.parse(person.bootstrap)
            for usage in Usage:
                # The own node is one more, where others are not told of it.
                for server in bootstrap.servers(usage, USED_PER_ROLE + 1):
                    place = (person.key, server)
                    found[place] = found.get(place, Usage(0)) | usage
            for move in self._node.moving.moves.under_way(person.key):
                if move.old is not None and move.is_swapped:
                    found.setdefault((person.key, move.old), move.uses)
        return {place: usage for place, usage in found.items() if place[1] != own}

    async def run(self) -> None:
        """Reads all of them, as they are now, until cancelled."""
        reading: dict[tuple[Place, Usage, Signers], asyncio.Task[None]] = {}
        try:
            with self._node.changes() as changed:
                while True:
                    changed.clear()
                    wanted = [(place, uses, self._signers(place[0])) for place, uses in self.places().items()]
                    for what in [one for one in reading if one not in wanted]:
                        reading.pop(what).cancel()
                    for what in wanted:
                        if what not in reading:
                            reading[what] = asyncio.create_task(self._read(*what), name="own reading")
                    await changed.wait()
                    await asyncio.sleep(_LOOK_S)
        finally:
            for task in reading.values():
                task.cancel()
            await asyncio.gather(*reading.values(), return_exceptions=True)

    def _signers(self, key: PublicKey) -> Signers:
        """Whose records of a person are followed: those of other devices, and of the master key."""
        device = self._node.people.find(key.user_text).device.public
        now, known = (self._node.keys_heard.count, device), self._known.get(key)
        if known is not None and known[0] == now:
            return known[1]
        schedule = self._node.everything.schedule(key)
        others = [] if schedule is None else _signers(schedule)
        found = (key, *[signer for signer in others if signer != device][:_MOST_SIGNERS])
        self._known[key] = now, found
        return found

    async def _read(self, place: Place, uses: Usage, signers: Signers) -> None:
        failures = 0
        while True:
            key, server = place
            try:
                await self._read_once(self._node.people.find(key.user_text), server, uses, signers)
                failures = 0
            except MosaicError as error:
                if isinstance(error, PeerError):
                    self._node.seeker.lost(server)
                log.info("%s can't be read for %s: %s", server.server_text, key.user_text, error)
            except Exception:
                log.exception("reading from %s failed; it is tried again", server.server_text)
            await asyncio.sleep(self._backoff.seconds(failures))
            failures += 1

    async def _read_once(self, person: Person, server: PublicKey, uses: Usage, signers: Signers) -> None:
        """Fetches, then follows for as long as a mirror does before it compares again."""
        since_ns = self._node.clock.now_ns() - _OVERLAP_NS
        steps = OwnCopy(self._node, person, server).fetch(uses)
        async with contextlib.aclosing(steps):
            async for _ in steps:
                pass
        self._node.seeker.reached(server)
        since = ReceivedSince(Timestamp(max(0, since_ns)))
        wanted = [Filter((*one.elements, since)) for one in _live(person, uses, signers)]
        manner = Manner(person.device, own_stream=True)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._node.settings.mirror_again_s):
                if not wanted:
                    await asyncio.Event().wait()
                async with self._node.reach.server(server, manner) as connection:
                    await self._follow(connection, wanted)

    async def _follow(self, connection: Connection, wanted: list[Filter]) -> None:
        tasks = [asyncio.create_task(self._take(connection, one)) for one in wanted]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _take(self, connection: Connection, wanted: Filter) -> None:
        async with contextlib.aclosing(connection.subscribe(wanted)) as records:
            async for record in records:
                if isinstance(record, Record):
                    await self._node.mirror([record.data])


def _live(person: Person, uses: Usage, signers: Signers) -> list[Filter]:
    """What is followed: what is sent to the person, and what other keys of his sign."""
    found = [sent_to(person.key)] if uses & _RECEIVES else []
    if uses & Usage.OUTBOX:
        found.append(Filter.of(authors=[person.key], signers=signers))
    return found


def _signers(schedule: KeySchedule) -> list[PublicKey]:
    """The keys that may sign for somebody, without the master key."""
    return [
        PublicKey(entry.subkey)
        for entry in schedule.entries
        if entry.kind == ATTESTATION
        and entry.algorithm is Algorithm.CURVE_25519
        and schedule.may_sign(PublicKey(entry.subkey))
    ]
