"""What a person wrote and was sent, fetched by a device that is new: from whichever servers answer.

Source: edition §4 (sync); this project's own design, docs/architecture.md "Keys of people".
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator, Iterable
from typing import TYPE_CHECKING

from mosaic.client.address import ServerAddress
from mosaic.client.syncing import Direction
from mosaic.core import core_tags
from mosaic.core.bootstrap import Usage
from mosaic.core.filter import Filter
from mosaic.core.keys import PublicKey
from mosaic.errors import MosaicError
from mosaic.node.mirrors import synced
from mosaic.node.people import Person
from mosaic.node.synced import SyncPlan

if TYPE_CHECKING:
    from mosaic.node.node import Node

log = logging.getLogger(__name__)

UNREAD = "your older posts are not here yet: no server of yours could be read"
UNREAD_HINT = "They come when one of them is reached: `mosaic servers list` tells how they do."


async def fetch(node: Node, person: Person, servers: Iterable[PublicKey]) -> AsyncIterator[int]:
    """Fetches it from the servers of somebody who lives here, and tells after each step how much came.

    Gives nothing at all if no server could be read.

    Args:
        node: The open home.
        person: Whose history.
        servers: Servers that may have it, besides those that the person uses.
    """
    found: dict[PublicKey, ServerAddress] = {key: node.directory.address(key) for key in servers}
    for usage in (Usage.OUTBOX, Usage.INBOX):
        found.update({each.key: each for each in node.directory.servers(person.key, usage)})
    received = 0
    for server in found.values():
        if server.key == node.server_secret.public:
            continue
        for wanted in (Filter.of(authors=[person.key]), Filter.of(tags=[core_tags.notify(person.key)])):
            plan, before = SyncPlan(server, person, wanted, Direction.DOWN), received
            try:
                async with (
                    node.pool.connect(server, person.device) as connection,
                    contextlib.aclosing(synced(node, plan, connection)) as steps,
                ):
                    async for progress in steps:
                        received = before + progress.received
                        yield received
                yield received
            except MosaicError as error:
                log.info("older posts can't be had from %s: %s", server.key.server_text, error)
                break
