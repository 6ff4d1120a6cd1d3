"""What another device deletes of somebody who lives here, put aside for a while: the device may be stolen.

Servers forget what is deleted, this home too; a thief could so take away all that
somebody ever wrote, before he is noticed. A Deletion by this device, or by the
master key, is the person's own word and leaves nothing. What any other device
deletes lies in the table `put_aside` for thirty days, seen by nobody. When that
device is revoked its Deletion ends, and what it had taken away is back; the own
outboxes get it again when they are compared.

Source: edition §4 (Deletion: what it removed may come again), §3 (Revocation); this project's own design,
docs/architecture.md "Keys of people".
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from mosaic.core import community_tags
from mosaic.core.community_kinds import PRIVATE_DELETION
from mosaic.core.kinds import KEY_SCHEDULE
from mosaic.core.record import Record
from mosaic.errors import MosaicError
from mosaic.policy.submission import Way
from mosaic.store.record_source import RecordSource, StoredRecord

if TYPE_CHECKING:
    from mosaic.node.node import Node

log = logging.getLogger(__name__)

KEPT_NS: Final = 30 * 86_400 * 1_000_000_000
"""How long it may take until a theft is noticed: 30 days."""
MOST_BYTES: Final = 256 << 20
"""So much is put aside; beyond, what was deleted longest ago goes for good."""

_LOOK_S: Final = 3_600.0
_SLICE: Final = 256


class PutAside:
    """Puts aside, and brings back.

    Args:
        node: The open home.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._wake = asyncio.Event()
        self._bytes: int | None = None

    # --- what goes -------------------------------------------------------------------------------------

    def deleting(self, deletion: Record) -> None:
        """A Deletion that counts is about to remove what it names."""
        node = self._node
        person = next((one for one in node.people if one.key.bytes == deletion.author_bytes), None)
        if person is None or deletion.signer in {person.key, person.device.public}:
            return
        now_ns = node.clock.now_ns()
        for target in community_tags.targets(deletion):
            for stored in RecordSource(node.store).get(target.reference):
                if stored.record.author_bytes == deletion.author_bytes or deletion.kind == PRIVATE_DELETION:
                    self._keep(stored, deletion, now_ns)
        self._forget(now_ns)

    def _keep(self, stored: StoredRecord, deletion: Record, now_ns: int) -> None:
        """Keeps what may go; it does no harm if it is something that the Deletion does not cover."""
        record, received_ns = stored.record, stored.received_ns
        self._node.db.connection.execute(
            "INSERT OR IGNORE INTO put_aside VALUES (?, ?, ?, ?, ?, ?)",
            (record.id.bytes, deletion.id.bytes, deletion.author_bytes, received_ns, now_ns, record.data),
        )
        self._bytes = None

    def _forget(self, now_ns: int) -> None:
        """Lets go for good of what lies here for long, or is too much."""
        db = self._node.db.connection
        gone = db.execute("DELETE FROM put_aside WHERE at_ns < ?", (now_ns - KEPT_NS,)).rowcount
        if gone or self._bytes is None:
            (size,) = db.execute("SELECT coalesce(sum(length(record)), 0) FROM put_aside").fetchone()
            while size > MOST_BYTES:
                rows = db.execute(
                    "DELETE FROM put_aside WHERE id IN (SELECT id FROM put_aside ORDER BY at_ns LIMIT ?)"
                    " RETURNING length(record)",
                    (_SLICE,),
                ).fetchall()
                size -= sum(length for (length,) in rows)
            self._bytes = size

    # --- what comes back -------------------------------------------------------------------------------

    def stored(self, _position: int, record: bytes) -> None:
        """A record was stored, at whichever position: perhaps the key schedule that revokes the device."""
        if record[56:64] == KEY_SCHEDULE.bytes and self._node.people.serves(record[64:96]):
            self._wake.set()

    async def run(self) -> None:
        """Brings back what may come back, and forgets what is old, until cancelled."""
        while True:
            self._wake.clear()
            try:
                await self.bring_back()
            except MosaicError as error:
                log.warning("what a revoked device had deleted can't be brought back now: %s", error)
            self._forget(self._node.clock.now_ns())
            try:
                async with asyncio.timeout(_LOOK_S):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def bring_back(self) -> int:
        """Brings back what Deletions took away that count no more; how many records.

        Raises:
            StoreFull: some could not be written.
        """
        node, db = self._node, self._node.db.connection
        deletions = [bytes(one) for (one,) in db.execute("SELECT DISTINCT deletion FROM put_aside")]
        places = node.store.contains(deletions)
        ended = [one for one, place in zip(deletions, places, strict=True) if place is None]
        count = 0
        for deletion in ended:
            rows = db.execute(
                "SELECT id, received_ns, record FROM put_aside WHERE deletion = ?", (deletion,)
            ).fetchall()
            for name, received_ns, record in rows:
                results = await node.server.submit([bytes(record)], Way.MIRROR, received_by_ns=received_ns)
                count += results[0].is_success
                if not results[0].is_server_error:
                    db.execute("DELETE FROM put_aside WHERE id = ?", (name,))
        if count:
            self._bytes = None
            log.info("%d records came back that a revoked device had deleted", count)
            node.outbox_checks.soon()
            node.tell_changed()
        return count
