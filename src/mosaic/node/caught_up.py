"""What a restored home asks for before it serves again: Deletions that are newer than its backup.

A backup may be older than a Deletion that others know of. Who serves it as it
is brings back what its author has deleted. So before the first listener opens,
the other outboxes of the people served and followed here are asked for
Deletions and key schedules that they received since then; for a minute at
most. Whom nobody could be asked about is told in the log.

Keys that were erased after the backup was made are erased again: `mosaic
restore --erased` took their list from a newer backup.

Source: this project's own design, docs/architecture.md "One home"; edition §4 (Deletion).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mosaic.client.outbox import SERVERS_OF_A_ROLE
from mosaic.core.bootstrap import Usage
from mosaic.core.community_kinds import DELETION, PRIVATE_DELETION
from mosaic.core.filter import Filter
from mosaic.core.keys import PublicKey
from mosaic.core.kinds import KEY_SCHEDULE
from mosaic.core.record import Record
from mosaic.core.timestamp import Timestamp
from mosaic.errors import MosaicError
from mosaic.node.restore import MARK

if TYPE_CHECKING:
    from mosaic.node.node import Node

log = logging.getLogger(__name__)

PATIENCE_S: Final = 60.0
"""How long serving waits for others' answers, seconds."""

MOST: Final = 100_000
"""How many records one server is heard about one person; the newest come first."""

_AT_ONCE: Final = 8
_BATCH: Final = 256
_BATCH_BYTES: Final = 1 << 20
_OVERLAP_NS: Final = 600 * 1_000_000_000


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """What came of it.

    Attributes:
        asked: About how many people somebody could be asked.
        unasked: About whom nobody could.
        records: How many Deletions and key schedules came.
        erased: How many keys were erased again.
    """

    asked: int
    unasked: tuple[PublicKey, ...]
    records: int
    erased: int


async def catch_up(node: Node, patience_s: float = PATIENCE_S) -> CaughtUp | None:
    """Asks others for what was deleted since the home's backup; None if the home was not restored.

    Args:
        node: The open home, before it listens.
        patience_s: How long it may take, seconds.
    """
    mark = node.home.folder / MARK
    try:
        told = json.loads(mark.read_text("ascii"))
        since_ns = int(told["made_ns"]) - _OVERLAP_NS
        erased = [bytes.fromhex(each) for each in told.get("erased", [])]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        log.warning("the home was restored, but %s can't be read; all Deletions are asked for", mark)
        since_ns, erased = 0, []
    for key in erased:
        await node.server.moderation.erase(key, by="restore")
    authors = _authors(node)
    asking = _Asking(node, Timestamp(max(0, since_ns)))
    try:
        async with asyncio.timeout(patience_s):
            await asking.ask(authors)
    except TimeoutError:
        log.warning("not all servers told in %d s what was deleted since the backup", patience_s)
    unasked = tuple(author for author in authors if author not in asking.answered)
    for author in unasked:
        log.warning("nobody could be asked what %s has deleted since the backup", author.user_text)
    log.info("%d Deletions and key schedules came that are newer than the backup", asking.records)
    mark.unlink(missing_ok=True)
    return CaughtUp(len(asking.answered), unasked, asking.records, len(erased))


def _authors(node: Node) -> list[PublicKey]:
    here = [person.key for person in node.people]
    others = [*node.rules.served.keys(), *node.db.all_followed()]
    return list(dict.fromkeys([*here, *(PublicKey(key) for key in others)]))


class _Asking:
    """Asks the outboxes of some people."""

    def __init__(self, node: Node, since: Timestamp) -> None:
        self._node = node
        self._since = since
        self._room = asyncio.Semaphore(_AT_ONCE)
        self.answered: set[PublicKey] = set()
        self.records = 0

    async def ask(self, authors: Iterable[PublicKey]) -> None:
        """Asks about all of them."""
        async with asyncio.TaskGroup() as group:
            for author in authors:
                group.create_task(self._about(author))

    async def _about(self, author: PublicKey) -> None:
        async with self._room:
            own = self._node.server_secret.public
            known = [one.key for one in self._node.directory.servers(author, Usage.OUTBOX)]
            for server in [key for key in known if key != own][:SERVERS_OF_A_ROLE]:
                try:
                    await self._from(server, author)
                except MosaicError as error:
                    log.info("%s can't be asked about %s: %s", server.server_text, author.user_text, error)
                    continue
                self.answered.add(author)

    async def _from(self, server: PublicKey, author: PublicKey) -> None:
        # The schedule decides which Deletions count, so it goes first.
        left = MOST
        async with self._node.reach.server(server) as connection:
            for kinds in ([KEY_SCHEDULE], [DELETION, PRIVATE_DELETION]):
                wanted = Filter.of(authors=[author], kinds=kinds, received_since=self._since)
                async with contextlib.aclosing(connection.query(wanted)) as found:
                    left -= await self._take(found, left)
        if not left:
            log.warning(
                "%s gives more than %d Deletions and key schedules of %s; the newest were taken",
                server.server_text,
                MOST,
                author.user_text,
            )

    async def _take(self, found: AsyncIterable[Record], most: int) -> int:
        """Hands in what comes, a little at a time, as nobody vouches for its end; how many came."""
        came, size, batch = 0, 0, []
        if most:
            async for record in found:
                came += 1
                size += len(record.data)
                batch.append(record.data)
                if len(batch) == _BATCH or size >= _BATCH_BYTES or came == most:
                    await self._hand_in(batch)
                    size, batch = 0, []
                if came == most:
                    break
        await self._hand_in(batch)
        return came

    async def _hand_in(self, batch: list[bytes]) -> None:
        if batch:
            self.records += len(batch)
            await self._node.mirror(batch)
