"""Mirrors: servers with which this home is kept in step for as long as the node works.

    sync ──> subscribe (down), hand in what is new (up) ──an hour, or a break──> sync again

A server that can't be reached is tried again after waits that grow; the others
go on meanwhile.

Source: edition §4 (sync), §1 (subscriptions).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Sequence
from typing import TYPE_CHECKING, Final

from mosaic.client.backoff import Backoff
from mosaic.client.connection import Connection
from mosaic.client.syncing import Direction, Syncing, SyncProgress
from mosaic.core.filter import Filter
from mosaic.core.filter_element import ReceivedSince
from mosaic.core.record import Record
from mosaic.core.timestamp import Timestamp
from mosaic.errors import MosaicError
from mosaic.node.mirror_settings import MirrorSettings
from mosaic.node.synced import REMEMBERED, HomeRecords, SyncMemory, SyncPlan
from mosaic.store.stretches import Stretches
from mosaic.sync.reconciling import ITEM_BYTES

if TYPE_CHECKING:
    from mosaic.node.node import Node

log = logging.getLogger(__name__)

_OVERLAP_NS: Final = 600 * 1_000_000_000
_AT_ONCE: Final = 256
_MOST_PASSES: Final = 3
_GATHER_S: Final = 0.2
_SLICE_NS: Final = 5_000_000


def plan_of(node: Node, settings: MirrorSettings) -> SyncPlan:
    """What the settings of a mirror mean in a home. Raises UnknownPerson if nobody here has that name."""
    person = node.people.find(settings.person) if settings.person else None
    return SyncPlan(settings.server, person, settings.wanted, Direction(settings.dir))


async def synced(
    node: Node, plan: SyncPlan, connection: Connection, own: HomeRecords | None = None
) -> AsyncGenerator[SyncProgress, None]:
    """Syncs once over a connection and notes when; gives the same progress after each step.

    Args:
        node: The open home.
        plan: Who, what and which way.
        connection: To the server, as the plan says.
        own: What is here, if the caller wants to know later what came.

    Raises:
        PeerError: the server would not, or the connection ended.
        StoreError: the own store failed.
    """
    memory, begun_ns = SyncMemory(node.db), node.clock.now_ns()
    syncing = Syncing(
        connection,
        own or HomeRecords(node, plan),
        plan.wanted,
        plan.direction,
        most_needed=node.settings.server.sync_items,
        received_since_ns=memory.begun_ns(plan),
    )
    try:
        async with contextlib.aclosing(syncing.run()) as steps:
            async for progress in steps:
                yield progress
    except MosaicError as error:
        memory.failed(plan, str(error))
        raise
    memory.finished(plan, begun_ns, node.clock.now_ns())


class Mirror:
    """One server with which this home is kept in step.

    Args:
        node: The open home.
        plan: Who, what and which way.
        again_s: After so many seconds they are compared anew.
    """

    def __init__(self, node: Node, plan: SyncPlan, again_s: float) -> None:
        self._node = node
        self._plan = plan
        self._again_s = again_s
        self._own = HomeRecords(node, plan)
        client = node.settings.client
        self._backoff = Backoff(node.surroundings.entropy, client.retry_first_s, client.retry_most_s)

    async def run(self) -> AsyncGenerator[SyncProgress, None]:
        """Syncs, follows, and begins again, without end; gives the progress of each sync."""
        failures = 0
        while True:
            try:
                async with self._node.pool.connect(
                    self._plan.server, self._plan.secret, own_stream=True
                ) as connection:
                    position, since_ns, came = 0, 0, REMEMBERED
                    for _ in range(_MOST_PASSES):
                        # After so much that nobody can say any more what of it came from there: once more.
                        if came < REMEMBERED:
                            break
                        position, since_ns, came = self._node.store.end, self._node.clock.now_ns(), 0
                        steps = synced(self._node, self._plan, connection, self._own)
                        async with contextlib.aclosing(steps):
                            async for progress in steps:
                                came = progress.received + progress.known
                                yield progress
                    failures = 0
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(self._again_s):
                            await self._follow(connection, position, since_ns)
            except MosaicError as error:
                SyncMemory(self._node.db).failed(self._plan, str(error))
                log.warning("the mirror of %s is behind: %s", self._plan.server.key.server_text, error)
                await asyncio.sleep(self._backoff.seconds(failures))
                failures += 1

    async def _follow(self, connection: Connection, position: int, since_ns: int) -> None:
        """What is new on either side goes to the other, until the connection ends."""
        jobs = []
        if self._plan.direction.down:
            jobs.append(self._down(connection, since_ns))
        if self._plan.direction.up:
            jobs.append(self._up(connection, position))
        tasks = [asyncio.create_task(job) for job in jobs]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _down(self, connection: Connection, since_ns: int) -> None:
        since = ReceivedSince(Timestamp(max(0, since_ns - _OVERLAP_NS)))
        wanted = Filter((*self._plan.wanted.elements, since))
        async with contextlib.aclosing(connection.subscribe(wanted)) as records:
            async for record in records:
                if isinstance(record, Record):
                    await self._own.take([record.data])

    async def _up(self, connection: Connection, position: int) -> None:
        compiled = self._plan.wanted.compiled
        with self._node.changes() as changed:
            while True:
                changed.clear()
                end = self._node.store.end
                scan = self._node.store.follow(compiled, position, before=end)
                async for found in Stretches(scan, _AT_ONCE, _SLICE_NS):
                    await self._hand_in(connection, [where for where, _, _ in found])
                position = end
                await changed.wait()
                await asyncio.sleep(_GATHER_S)

    async def _hand_in(self, connection: Connection, positions: Sequence[int]) -> None:
        records = [one for one in self._own.at(positions) if one[:ITEM_BYTES] not in self._own.came]
        if records:
            # What is refused now is tried again by the next sync.
            await connection.submit_all(records)


class Mirrors:
    """All mirrors of the settings.

    Args:
        node: The open home.
    """

    def __init__(self, node: Node) -> None:
        self._node = node

    async def run(self) -> None:
        """Keeps in step with all of them, as the settings are now, until cancelled."""
        changed = asyncio.Event()
        self._node.live.watch(lambda _: changed.set())
        kept: dict[MirrorSettings, asyncio.Task[None]] = {}
        try:
            while True:
                changed.clear()
                wanted = self._node.settings.mirror
                for settings in [one for one in kept if one not in wanted]:
                    kept.pop(settings).cancel()
                for settings in wanted:
                    if settings not in kept:
                        kept[settings] = asyncio.create_task(self._keep(settings))
                await changed.wait()
        finally:
            for task in kept.values():
                task.cancel()
            await asyncio.gather(*kept.values(), return_exceptions=True)

    async def _keep(self, settings: MirrorSettings) -> None:
        try:
            plan = plan_of(self._node, settings)
        except MosaicError as error:
            log.error("a mirror can't be: %s (%s)", error, error.hint)
            return
        mirror = Mirror(self._node, plan, self._node.settings.mirror_again_s)
        try:
            async with contextlib.aclosing(mirror.run()) as steps:
                async for _ in steps:
                    pass
        except Exception:
            log.exception("the mirror of %s failed; the others go on", plan.server.key.server_text)
