"""Fetches the blobs that kept records name, from the outboxes of their authors.

What can't be had now is asked for again an hour later. Nothing is fetched while
the disk has little room.

Source: messages.md (BLOB GET); this project's own design, docs/architecture.md "What stays, what goes".
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from mosaic.client.connection import Connection
from mosaic.client.named_key import NamedKey
from mosaic.client.outbox import SERVERS_OF_A_ROLE
from mosaic.core.bootstrap import Usage
from mosaic.core.filter import Filter
from mosaic.core.keys import PublicKey
from mosaic.errors import BlobRefused, MosaicError, Refused
from mosaic.node.kept import What
from mosaic.store.blob_ledger import blobs_named
from mosaic.store.stretches import Stretches

if TYPE_CHECKING:
    from mosaic.node.node import Node

log = logging.getLogger(__name__)

_AT_ONCE: Final = 512
_SLICE_NS: Final = 10_000_000
_GATHER_S: Final = 2.0
_AGAIN_NS: Final = 3_600 * 1_000_000_000
_MOST: Final = 100_000


class KeptBlobs:
    """Fetches what is lacking.

    Args:
        node: The open home.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._read: dict[PublicKey, int] = {}
        self._looked_ns: dict[What, int] = {}
        self._lacking: dict[bytes, tuple[PublicKey, int]] = {}

    def lacking(self, author: PublicKey) -> int:
        """How many blobs of somebody's kept records are not here, as far as that is known."""
        return sum(who == author for who, _ in self._lacking.values())

    async def run(self) -> None:
        """Fetches whenever something has come, until cancelled."""
        with self._node.changes() as changed:
            while True:
                changed.clear()
                try:
                    await self.once()
                except MosaicError as error:
                    log.warning("blobs that are to be kept can't be looked for: %s", error)
                await changed.wait()
                await asyncio.sleep(_GATHER_S)

    async def once(self) -> int:
        """Looks once; how many came. Raises StoreError."""
        kept = self._node.kept
        people = kept.people
        self._read = {person: self._read.get(person, 0) for person in people}
        for person in people:
            await self._look_through(person)
        now_ns = self._node.clock.now_ns()
        for what in (row.what for row in kept.listed()):
            # What stands at an address may be another version later.
            if not isinstance(what, PublicKey) and now_ns >= self._looked_ns.get(what, 0):
                for record in self._node.everything.at(what):
                    self._looked_ns[what] = now_ns + _AGAIN_NS
                    self._note(record.data)
        return await self._fetch()

    async def _look_through(self, person: PublicKey) -> None:
        """Notes what somebody's records name, from where the last look ended."""
        store = self._node.store
        end = store.end
        wanted = Filter.of(authors=[person]).compiled
        scan = store.follow(wanted, self._read[person], before=end)
        async for rows in Stretches(scan, _AT_ONCE, _SLICE_NS):
            for _, _, record in rows:
                self._note(record)
        if len(self._lacking) < _MOST:
            self._read[person] = end

    def _note(self, record: bytes) -> None:
        for blob in blobs_named(record):
            if blob not in self._lacking and len(self._lacking) < _MOST and not self._node.blobs.has(blob):
                self._lacking[blob] = PublicKey(record[64:96]), 0

    async def _fetch(self) -> int:
        now_ns = self._node.clock.now_ns()
        due: dict[PublicKey, list[bytes]] = {}
        for blob, (author, not_before_ns) in self._lacking.items():
            if now_ns >= not_before_ns:
                due.setdefault(author, []).append(blob)
        came = 0
        for author, blobs in due.items():
            came += await self._fetch_of(author, blobs)
        return came

    async def _fetch_of(self, author: PublicKey, blobs: list[bytes]) -> int:
        """Asks the outboxes of an author, one after another, until everything is here."""
        node, came = self._node, 0
        for blob in blobs:
            self._lacking[blob] = author, node.clock.now_ns() + _AGAIN_NS
        for server in self._outboxes(author):
            left = [blob for blob in blobs if not node.blobs.has(blob)]
            if not left or node.cache.is_short():
                break
            try:
                if server is None:
                    async with node.reach.key(NamedKey(author)) as connection:
                        came += await self._take(connection, author, left)
                else:
                    async with node.connect_to(server) as connection:
                        came += await self._take(connection, author, left)
            except MosaicError as error:
                log.info("blobs of %s can't be fetched now: %s", author.user_text, error)
        for blob in blobs:
            if node.blobs.has(blob):
                self._lacking.pop(blob, None)
        return came

    def _outboxes(self, author: PublicKey) -> Iterator[PublicKey | None]:
        """Where an author publishes; None: wherever he is found."""
        known = self._node.directory.servers(author, Usage.OUTBOX)[:SERVERS_OF_A_ROLE]
        yield from (server.key for server in known)
        if not known:
            yield None

    async def _take(self, connection: Connection, author: PublicKey, blobs: list[bytes]) -> int:
        node, came = self._node, 0
        for blob in blobs:
            if node.cache.is_short():
                break
            path = node.home.temporary / f"kept-{blob.hex()}"
            try:
                length = await connection.blobs.get(blob, path, node.blobs.max_bytes)
                await asyncio.to_thread(node.blobs.adopt, path, blob, length, blob)
                await asyncio.to_thread(node.server.blob_book.brought, blob, length, author.bytes)
                came += 1
            except (Refused, BlobRefused):
                continue
            finally:
                path.unlink(missing_ok=True)
        return came
