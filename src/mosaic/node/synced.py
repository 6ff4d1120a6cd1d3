"""What this home brings into a sync with another server, and what it keeps of it.

Both sides compare what the same filter matches and everybody may read. Only with
a person's own servers, and as that person, it is what the person may read: to
others not even the ids of such records are shown. What they have for that
person is fetched all the same.

Source: edition §3 (read access), §4 (sync; author-only records go to the own outboxes).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mosaic.client.address import ServerAddress
from mosaic.client.syncing import Direction, OwnRecords
from mosaic.core.bootstrap import UserBootstrap
from mosaic.core.filter import Filter
from mosaic.core.keys import SecretKey
from mosaic.core.record import FLAG_FROM_AUTHOR
from mosaic.errors import StoreFull
from mosaic.node.people import Person
from mosaic.node.private_db import PrivateDb
from mosaic.policy.access import is_open, may_read
from mosaic.policy.label import Label
from mosaic.policy.submission import Way
from mosaic.sync.reconciling import ITEM_BYTES, SyncSet
from mosaic.wire.result_code import ResultCode

if TYPE_CHECKING:
    from mosaic.node.node import Node

_SLICE_NS: Final = 50_000_000
REMEMBERED: Final = 65_536
"""How many of the records that came from a server are remembered."""
_STAYS: Final = Label.WITHHELD | Label.HIDDEN


@dataclass(frozen=True, slots=True)
class SyncPlan:
    """What is to be synced with whom.

    Args:
        server: The other server.
        person: As whom; None as nobody.
        wanted: Which records.
        direction: Which way.
    """

    server: ServerAddress
    person: Person | None
    wanted: Filter
    direction: Direction

    @property
    def secret(self) -> SecretKey | None:
        """Whose key is proven to the server."""
        return None if self.person is None else self.person.device


@dataclass(frozen=True, slots=True)
class SyncState:
    """How the syncs of one kind with one server do.

    Attributes:
        server: Its key, and as whom.
        way: up, down or both.
        done_ns: When the last one was finished (ns), 0 for never.
        note: What went wrong since, or nothing.
    """

    server: str
    way: str
    done_ns: int
    note: str


class HomeRecords(OwnRecords):
    """The records of this home, for one sync.

    Args:
        node: The open home.
        plan: What is synced.
        trusted: Whether the server is to be one of the person's own: it gets what he may read.

    Attributes:
        came: What came from there last (32 bytes of each id): it need not go back.
    """

    def __init__(self, node: Node, plan: SyncPlan, *, trusted: bool = False) -> None:
        self._node = node
        self.came: dict[bytes, None] = {}
        self._viewers: tuple[bytes, ...] = ()
        person = plan.person
        if person is not None:
            own_servers = UserBootstrap.parse(person.bootstrap).entries
            if trusted or plan.server.key in {entry.key for entry in own_servers}:
                self._viewers = (person.key.bytes, person.device.public.bytes)

    async def gather(self, wanted: Filter) -> SyncSet:
        """A sealed set of what a filter matches, as `OwnRecords`."""
        items = SyncSet(self._node.settings.server.sync_items)
        scan = self._node.store.scan(wanted.compiled, viewers=self._viewers)
        while not await asyncio.to_thread(items.add, scan, _SLICE_NS):
            pass
        await asyncio.to_thread(items.seal)
        return items

    async def read(self, prefixes: Sequence[bytes]) -> list[bytes]:
        """What may go up of the records that are named."""
        return await asyncio.to_thread(self._read, prefixes)

    def _read(self, prefixes: Sequence[bytes]) -> list[bytes]:
        held = [position for position in self._node.store.contains(prefixes) if position is not None]
        return self.at(held)

    def at(self, positions: Sequence[int]) -> list[bytes]:
        """What may go up of the records at these positions of the log."""
        store = self._node.store
        found = zip(store.read(positions), store.labels(positions), strict=True)
        return [record for record, label in found if record is not None and self._may_go(record, label)]

    def _may_go(self, record: bytes, label: int) -> bool:
        if record[136] & FLAG_FROM_AUTHOR or label & _STAYS:
            return False
        # What this home's server says of itself is asked of it: another one does not serve it.
        if record[64:96] == self._node.server_secret.public.bytes:
            return False
        return is_open(record, label) or may_read(record, self._viewers, label)

    async def take(self, records: Sequence[bytes]) -> list[ResultCode]:
        """Hands fetched records to the own server, by whose rules they are judged.

        Raises:
            StoreFull: some could not be written.
        """
        for record in records:
            self.came[record[:ITEM_BYTES]] = None
            if len(self.came) > REMEMBERED:
                del self.came[next(iter(self.came))]
        failures = self._node.server.metrics.write_failures
        results = await self._node.server.submit(records, Way.SYNC)
        failed = self._node.server.metrics.write_failures > failures
        if failed and any(each.is_server_error for each in results):
            raise StoreFull("what another server has could not be written")
        return results


class SyncMemory:
    """When each sync was done last, in the table `mirror`.

    Args:
        db: The private database.
    """

    def __init__(self, db: PrivateDb) -> None:
        self._db = db

    def begun_ns(self, plan: SyncPlan) -> int:
        """When the last one that was finished had begun (ns); 0 if there was none."""
        row = self._db.connection.execute(
            "SELECT received_ns FROM mirror WHERE url = ? AND filter = ? AND way = ?", _place(plan)
        ).fetchone()
        return int(row[0]) if row else 0

    def finished(self, plan: SyncPlan, begun_ns: int, now_ns: int) -> None:
        """One is finished that had begun at `begun_ns` (ns); the time is `now_ns`."""
        self._note(plan, begun_ns, now_ns, "")

    def failed(self, plan: SyncPlan, note: str) -> None:
        """One was broken off; `note` says why."""
        self._note(plan, 0, 0, note)

    def states(self) -> list[SyncState]:
        """How all syncs do that are known."""
        rows = self._db.connection.execute("SELECT url, way, done_ns, note FROM mirror ORDER BY url, way")
        return [
            SyncState(str(with_whom), str(way), int(done), str(note)) for with_whom, way, done, note in rows
        ]

    def _note(self, plan: SyncPlan, begun_ns: int, done_ns: int, note: str) -> None:
        self._db.connection.execute(
            "INSERT INTO mirror (url, filter, way, received_ns, done_ns, note) VALUES (?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (url, filter, way) DO UPDATE SET"
            " received_ns = max(received_ns, excluded.received_ns),"
            " done_ns = max(done_ns, excluded.done_ns), note = excluded.note",
            (*_place(plan), begun_ns, done_ns, note),
        )


def _place(plan: SyncPlan) -> tuple[str, bytes, str]:
    """What tells one sync from another: the server's key (its URLs change), whose eyes, filter, way."""
    who = "" if plan.person is None else f" as {plan.person.key.user_text}"
    return plan.server.key.server_text + who, plan.wanted.encode(), plan.direction.value
