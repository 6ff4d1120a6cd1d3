"""From a key to a live link: who serves this person, where is this server, and what if nobody answers there.

What is known is tried first, one server of a person after the other, the next
beside one that is slow. When all of it fails, the finder looks again, and what
it finds newly is tried.

Source: bootstrap.md, rationale.md (a bare key may be either), edition §2.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from mosaic.client.address import ServerAddress
from mosaic.client.connection import Connection
from mosaic.client.failover import Candidates, Connecting, Failover
from mosaic.client.link_pool import LinkPool
from mosaic.client.named_key import NamedKey
from mosaic.client.outbox import SERVERS_OF_A_ROLE
from mosaic.client.reputation import ranked
from mosaic.client.server_finder import ServerFinder
from mosaic.core.bootstrap import Usage
from mosaic.core.keys import PublicKey, SecretKey


@dataclass(frozen=True, slots=True)
class Manner:
    """How to connect.

    Args:
        secret: Whose key is proven to the server; None connects as nobody.
        usage: Which of a person's servers will do.
        own_stream: Not to share a connection, where its transport allows that.
    """

    secret: SecretKey | None = None
    usage: Usage = Usage.OUTBOX
    own_stream: bool = False


PLAIN: Final = Manner()
"""As nobody, to an outbox, over a shared connection."""


class Reach:
    """Connects by key alone.

    Args:
        pool: Connects to addresses.
        finder: Finds the addresses.
        score: How well each server does, 0 to 1: those that do badly are tried last.
    """

    def __init__(
        self, pool: LinkPool, finder: ServerFinder, score: Callable[[PublicKey], float] = lambda _: 1.0
    ) -> None:
        self._pool = pool
        self._finder = finder
        self._score = score

    @contextlib.asynccontextmanager
    async def key(self, key: NamedKey | str, manner: Manner = PLAIN) -> AsyncIterator[Connection]:
        """A connection to one of a person's servers, or to a server: whatever the key is.

        Args:
            key: `mopub0…`, `mosrv0…` or a bare key, which is looked up as both.
            manner: How to connect.

        Raises:
            FormatError: the text is no key.
            WrongServerKey: only others answered.
            PeerError: no server would, or none answered (Unreachable). See `LinkPool.connect`.
        """
        async with contextlib.aclosing(self.any_of(key, manner).connection()) as found:
            async for connection in found:
                yield connection
                return

    def any_of(
        self, key: NamedKey | str, manner: Manner = PLAIN, others: Sequence[ServerAddress] = ()
    ) -> Failover:
        """The same servers, to be asked as if they were one: the next one answers where one does not.

        Args:
            key: See `key`.
            manner: How to connect.
            others: Servers that may have the same; they are asked last.

        Raises:
            FormatError: the text is no key.
        """
        named = NamedKey.parse(key) if isinstance(key, str) else key

        async def candidates(fresh: bool) -> AsyncGenerator[ServerAddress, None]:  # noqa: FBT001
            if named.person:
                servers = await self._finder.servers_of(named.key, manner.usage, fresh=fresh)
                for server in ranked(servers[:SERVERS_OF_A_ROLE], self._score):
                    yield await self._finder.address_of(server, fresh=fresh)
            if named.server:
                yield await self._finder.address_of(named.key, fresh=fresh)
            for other in others:
                yield other

        return self._failover(candidates, str(named), manner)

    @contextlib.asynccontextmanager
    async def server(
        self, server: ServerAddress | PublicKey, manner: Manner = PLAIN
    ) -> AsyncIterator[Connection]:
        """A connection to a server, at the addresses given or at others that the finder knows.

        Raises:
            WrongServerKey: only others answered.
            PeerError: it would not, or nobody answered (Unreachable). See `LinkPool.connect`.
        """
        given = ServerAddress(server, ()) if isinstance(server, PublicKey) else server

        async def candidates(fresh: bool) -> AsyncGenerator[ServerAddress, None]:  # noqa: FBT001
            found = await self._finder.address_of(given.key, fresh=fresh)
            yield ServerAddress(
                given.key, tuple(dict.fromkeys(found.urls + given.urls)), found.named | given.named
            )

        failover = self._failover(candidates, given.key.server_text, manner)
        async with contextlib.aclosing(failover.connection()) as found:
            async for connection in found:
                yield connection
                return

    def _failover(self, candidates: Candidates, name: str, manner: Manner) -> Failover:
        return Failover(self._pool, candidates, name, Connecting(manner.secret, manner.own_stream))
