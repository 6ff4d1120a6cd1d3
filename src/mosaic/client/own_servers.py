"""A second way to find people: servers look into the DHT for us.

For where the DHT itself can't be reached, as behind a proxy or from a network
without UDP. Two servers are asked at a time: one that finds nothing, or
something old, proves nothing. What comes is signed by the key in question, so
that it does not matter whether a server can be trusted.

Source: messages.md (DHT LOOKUP), rationale.md; edition §4.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from typing import Final, NamedTuple, TypeAlias

from mosaic.client.address import ServerAddress
from mosaic.client.link_pool import LinkPool
from mosaic.core.dht_item import DhtItem
from mosaic.core.keys import PublicKey, SecretKey
from mosaic.errors import MosaicError

log = logging.getLogger(__name__)

Asked: TypeAlias = tuple[ServerAddress, SecretKey | None]
"""A server, and whose key is proven to it (None: nobody's)."""

_AT_ONCE: Final = 2
_MOST: Final = 4
# Servers that say nothing for so long don't hold up the others.
_SILENT_S: Final = 0.5


class Answer(NamedTuple):
    """What a server found.

    Args:
        item: What the key has signed.
        server: Who gave it.
    """

    item: DhtItem
    server: PublicKey


class OwnServers:
    """Looks up bootstraps by servers that a person uses, or that may know.

    Args:
        pool: Connects to them.
        servers: Which they are for a key, the preferred first.
    """

    def __init__(self, pool: LinkPool, servers: Callable[[PublicKey], Sequence[Asked]]) -> None:
        self._pool = pool
        self._servers = servers

    def any(self, key: PublicKey) -> bool:
        """Whether there is one that could be asked about a key."""
        return bool(self._servers(key))

    async def answers(self, key: PublicKey, salt: bytes) -> AsyncGenerator[Answer, None]:
        """The bootstraps that a key has signed, as servers give them: of two servers, if so many have any.

        Args:
            key: Whose bootstrap.
            salt: `USER_SALT` or `SERVER_SALT`.
        """
        left = iter(list(self._servers(key))[:_MOST])
        arrived: asyncio.Queue[Answer | None] = asyncio.Queue()
        asking: set[asyncio.Task[None]] = set()

        def ask_more() -> None:
            task = asyncio.create_task(self._ask(left, key, salt, arrived), name="asking servers")
            asking.add(task)
            task.add_done_callback(asking.discard)

        try:
            for _ in range(_AT_ONCE):
                ask_more()
            under_way, begun, heard = _AT_ONCE, _AT_ONCE, 0
            while under_way and heard < _AT_ONCE:
                patience_s = _SILENT_S if not heard and begun < _MOST else None
                try:
                    async with asyncio.timeout(patience_s):
                        answer = await arrived.get()
                except TimeoutError:
                    ask_more()
                    under_way, begun = under_way + 1, begun + 1
                    continue
                under_way -= 1
                if answer is not None:
                    heard += 1
                    yield answer
        finally:
            for task in asking:
                task.cancel()
            await asyncio.gather(*asking, return_exceptions=True)

    async def _ask(
        self,
        left: Iterator[Asked],
        key: PublicKey,
        salt: bytes,
        arrived: asyncio.Queue[Answer | None],
    ) -> None:
        """Asks one server after the other until one has an answer."""
        for server, secret in left:
            try:
                async with self._pool.connect(server, secret) as connection:
                    found = await connection.look_up(key, salt)
            except MosaicError as error:
                log.info("%s can't be asked for a bootstrap: %s", server.key.server_text, error)
                continue
            if found is not None:
                arrived.put_nowait(Answer(found, server.key))
                return
        arrived.put_nowait(None)
