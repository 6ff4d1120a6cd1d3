"""A second way to find people: own servers look into the DHT for us.

For where the DHT itself can't be reached, as behind a proxy or from a network
without UDP. One server that finds nothing, or something old, proves nothing:
then the next one is asked.

Source: messages.md (DHT LOOKUP), rationale.md; edition §4.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import NamedTuple

from mosaic.client.address import ServerAddress
from mosaic.client.link_pool import LinkPool
from mosaic.core.dht_item import DhtItem
from mosaic.core.keys import PublicKey, SecretKey
from mosaic.errors import MosaicError

log = logging.getLogger(__name__)

_ASKED = 3


class Answer(NamedTuple):
    """What a server found.

    Args:
        item: What the key has signed.
        server: Who gave it.
    """

    item: DhtItem
    server: PublicKey


class OwnServers:
    """Looks up bootstraps by servers that a person uses.

    Args:
        pool: Connects to them.
        servers: Which they are, the preferred first, and whose key is proven to each (None: nobody's).
    """

    def __init__(
        self, pool: LinkPool, servers: Callable[[], Sequence[tuple[ServerAddress, SecretKey | None]]]
    ) -> None:
        self._pool = pool
        self._servers = servers

    async def look_up(self, key: PublicKey, salt: bytes, least_seq: int = 1) -> Answer | None:
        """The bootstrap that a key has signed, or None if no server has one.

        Args:
            key: Whose bootstrap.
            salt: `USER_SALT` or `SERVER_SALT`.
            least_seq: The least sequence number that satisfies; below it the next server is asked, too.
        """
        best: Answer | None = None
        for server, secret in list(self._servers())[:_ASKED]:
            try:
                async with self._pool.connect(server, secret) as connection:
                    found = await connection.look_up(key, salt)
            except MosaicError as error:
                log.info("%s can't be asked for a bootstrap: %s", server.key.server_text, error)
                continue
            if found is not None and (best is None or found.seq > best.item.seq):
                best = Answer(found, server.key)
            if best is not None and best.item.seq >= least_seq:
                break
        return best
