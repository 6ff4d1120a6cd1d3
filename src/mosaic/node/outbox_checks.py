"""Compares the outboxes of people: does each still have what another one has?

    own outboxes       with what is here        what is lacking is handed in again, and told
    others' outboxes   each with what is here   what one has beyond is fetched; who lacks it is asked again

Outboxes of many people at one server take one comparison. Where nothing
differs it costs some kilobytes: the people's keys and one message each way.

Source: network.md (outboxes); edition §4 (sync); this project's own design, docs/architecture.md
"A server is judged".
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from mosaic.client.comparing import Difference, compare
from mosaic.client.outbox import SERVERS_OF_A_ROLE
from mosaic.client.queue import State
from mosaic.client.reach import Manner
from mosaic.client.reputation import Observation, What
from mosaic.client.syncing import Direction
from mosaic.client.withheld import Suspicions, View, lacking
from mosaic.core.bootstrap import Usage
from mosaic.core.filter import Filter
from mosaic.core.keys import PublicKey
from mosaic.core.record import Record
from mosaic.core.timestamp import Timestamp
from mosaic.errors import MosaicError, PeerError, StoreCrowded
from mosaic.node.alarms import Failing
from mosaic.node.people import Person
from mosaic.node.synced import HomeRecords, SyncPlan

if TYPE_CHECKING:
    from mosaic.client.connection import Connection
    from mosaic.node.node import Node

log = logging.getLogger(__name__)

_SECOND: Final = 1_000_000_000
GRACE_NS: Final = 600 * _SECOND
"""How long (ns) a server may be behind the others."""
_OWN_NS: Final = 30 * 86_400 * _SECOND
_OTHERS_NS: Final = 2 * 86_400 * _SECOND
_PEOPLE: Final = 60
_MOST: Final = 2_000
_BATCH: Final = 256
_ASKED: Final = 64
_FIRST_S: Final = 300.0
_AGAIN_S: Final = 43_200.0
_HANDED_IN_MOST: Final = 5


class OutboxChecks:
    """Compares, now and then.

    Args:
        node: The open home.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._suspicions = Suspicions(GRACE_NS)

    async def run(self) -> None:
        """Compares until cancelled; first when the node has been running for a while."""
        await asyncio.sleep(_FIRST_S)
        while True:
            await self.look()
            # Whoever is behind has caught up by then, or keeps something back.
            await asyncio.sleep(GRACE_NS / _SECOND + 1)
            await self.confirm()
            await asyncio.sleep(_AGAIN_S)

    async def look(self) -> None:
        """Compares all outboxes once."""
        for person in list(self._node.people):
            for server in self._node.directory.servers(person.key, Usage.OUTBOX)[:SERVERS_OF_A_ROLE]:
                await self._own(person, server.key)
        await self._others()

    # --- own outboxes ----------------------------------------------------------------------------------

    async def _own(self, person: Person, server: PublicKey) -> None:
        """One own outbox: what it had taken and lacks now is told, and handed in again."""
        node = self._node
        now_ns = node.clock.now_ns()
        wanted = _window([person.key], now_ns - _OWN_NS, now_ns - GRACE_NS)
        address = node.directory.address(server)
        own = HomeRecords(node, SyncPlan(address, person, wanted, Direction.BOTH))
        try:
            async with node.reach.server(address, Manner(person.device)) as connection:
                found = await self._compared(connection, own, wanted)
                records = [Record(data) for data in await own.read(found.ours[:_MOST])]
                gone, never = self._sorted(records, server)
                gone = await _still_lacking(connection, gone)
        except (PeerError, StoreCrowded) as error:
            log.info("own records can't be compared with %s: %s", server.server_text, error)
            return
        again = [record for record in gone if self._may_go_again(record, server)]
        for record in again:
            node.deliveries.again(record.id.bytes, server.bytes, now_ns)
        for record in never:
            node.queue.add(record.data, person.key.bytes, [address])
        if again:
            node.queue.wake()
        if gone:
            node.reputations.noted(server, Observation(What.WITHHELD, len(gone), _gone_words(len(gone))))
        node.alarms.tell(person.key, server, Failing.WITHHOLDS, _gone_words(len(gone)) if gone else None)

    def _sorted(self, records: Iterable[Record], server: PublicKey) -> tuple[list[Record], list[Record]]:
        """Of what a server lacks: what it once took, and what was never handed in to it."""
        gone, never = [], []
        for record in records:
            state = self._state(record, server)
            if state is None:
                never.append(record)
            elif state is State.DELIVERED:
                gone.append(record)
        return gone, never

    def _state(self, record: Record, server: PublicKey) -> State | None:
        of_it = self._node.deliveries.of_record(record.id.bytes)
        return next((each.state for each in of_it if each.server.key == server), None)

    def _may_go_again(self, record: Record, server: PublicKey) -> bool:
        """Whether it is worth while: a server that drops it each time need not get it for ever."""
        of_it = self._node.deliveries.of_record(record.id.bytes)
        return any(each.server.key == server and each.attempts < _HANDED_IN_MOST for each in of_it)

    # --- others' outboxes ------------------------------------------------------------------------------

    async def _others(self) -> None:
        """The outboxes of people who are followed and have more than one."""
        node = self._node
        now_ns = node.clock.now_ns()
        places: dict[PublicKey, list[PublicKey]] = {}
        for person in map(PublicKey, node.db.all_followed()):
            outboxes = node.directory.servers(person, Usage.OUTBOX)[:SERVERS_OF_A_ROLE]
            for outbox in outboxes if len(outboxes) > 1 else ():
                places.setdefault(outbox.key, []).append(person)
        views: list[View] = []
        for server, people in places.items():
            if node.reputations.failing(server):
                continue
            for start in range(0, len(people), _PEOPLE):
                wanted = _window(people[start : start + _PEOPLE], now_ns - _OTHERS_NS, now_ns - GRACE_NS)
                view = await self._view(server, people[start : start + _PEOPLE], wanted)
                if view is not None:
                    views.append(view)
        here = await self._here(views)
        compared = list(dict.fromkeys(view.server for view in views))
        self._suspicions.seen(lacking(views, here), compared, now_ns)

    async def _view(self, server: PublicKey, people: Sequence[PublicKey], wanted: Filter) -> View | None:
        """What one server has of some people, and what it lacks; what is lacking here comes from there."""
        node = self._node
        address = node.directory.address(server)
        own = HomeRecords(node, SyncPlan(address, None, wanted, Direction.DOWN))
        try:
            async with node.reach.server(address) as connection:
                found = await self._compared(connection, own, wanted)
                await self._fetch(connection, found.theirs[:_MOST])
        except (PeerError, StoreCrowded) as error:
            log.info("%s can't be compared with other outboxes: %s", server.server_text, error)
            return None
        return View(server, frozenset(people), frozenset(found.ours), frozenset(found.theirs[:_MOST]))

    async def _fetch(self, connection: Connection, prefixes: Sequence[bytes]) -> None:
        """Keeps what a server has beyond: somebody else may have kept it back."""
        for start in range(0, len(prefixes), _BATCH):
            batch = [one.data async for one in connection.sync_get(prefixes[start : start + _BATCH])]
            if batch:
                await self._node.mirror(batch)

    async def _here(self, views: Sequence[View]) -> dict[bytes, PublicKey]:
        """The authors of what differed and is here now."""
        differed = sorted({record for view in views for record in view.lacks | view.beyond})[: 4 * _MOST]
        found = await self._read(self._node.server_secret.public, differed) if differed else []
        return {record.data[:32]: record.author for record in found}

    async def confirm(self) -> None:
        """Asks servers by name for what they lacked a while ago: what they don't give they keep back."""
        node = self._node
        for server, prefixes in self._suspicions.due(node.clock.now_ns()).items():
            records = await self._read(server, prefixes[:_ASKED])
            try:
                async with node.reach.server(server) as connection:
                    kept_back = await _still_lacking(connection, records)
            except MosaicError as error:
                log.info("%s can't be asked for what it lacked: %s", server.server_text, error)
                continue
            self._suspicions.settled(server, prefixes)
            if kept_back:
                words = f"it lacks {len(kept_back)} records that other outboxes of their authors have"
                node.reputations.noted(server, Observation(What.WITHHELD, len(kept_back), words))

    async def _read(self, server: PublicKey, prefixes: Sequence[bytes]) -> list[Record]:
        """Those of some records that are here and that everybody may read."""
        plan = SyncPlan(self._node.directory.address(server), None, Filter(()), Direction.DOWN)
        return [Record(data) for data in await HomeRecords(self._node, plan).read(prefixes)]

    async def _compared(self, connection: Connection, own: HomeRecords, wanted: Filter) -> Difference:
        items = await own.gather(wanted)
        return await compare(connection.syncs, items, wanted, self._node.settings.server.sync_items)


async def _still_lacking(connection: Connection, records: Sequence[Record]) -> list[Record]:
    """Those of some records that a server does not give when it is asked for them. Raises PeerError."""
    lacking_now = []
    for start in range(0, len(records), _ASKED):
        some = records[start : start + _ASKED]
        given = {record.id for record in await connection.get([record.id for record in some])}
        lacking_now += [record for record in some if record.id not in given]
    return lacking_now


def _window(people: Sequence[PublicKey], since_ns: int, until_ns: int) -> Filter:
    return Filter.of(authors=people, since=Timestamp(max(0, since_ns)), until=Timestamp(until_ns))


def _gone_words(count: int) -> str:
    what = "one of your records" if count == 1 else f"{count} of your records"
    return f"it has no longer {what} that it had taken"
