"""From a key to a live link: who serves this person, where is this server, and what if nobody answers there.

What is known is tried first, one server of a person after the other. When all
of it fails, the finder looks again, and what it finds newly is tried.

Source: bootstrap.md, rationale.md (a bare key may be either), edition §2.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from mosaic.client.address import ServerAddress
from mosaic.client.connection import Connection
from mosaic.client.link_pool import LinkPool
from mosaic.client.named_key import NamedKey
from mosaic.client.outbox import SERVERS_OF_A_ROLE
from mosaic.client.server_finder import ServerFinder
from mosaic.client.unreached import of_several
from mosaic.core.bootstrap import Usage
from mosaic.core.keys import PublicKey, SecretKey
from mosaic.core.url import ServerUrl
from mosaic.errors import PeerError, Unreachable

_Candidates: TypeAlias = Callable[[bool], AsyncGenerator[ServerAddress, None]]


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
    """

    def __init__(self, pool: LinkPool, finder: ServerFinder) -> None:
        self._pool = pool
        self._finder = finder

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
        named = NamedKey.parse(key) if isinstance(key, str) else key

        async def candidates(fresh: bool) -> AsyncGenerator[ServerAddress, None]:  # noqa: FBT001
            if named.person:
                servers = await self._finder.servers_of(named.key, manner.usage, fresh=fresh)
                for server in servers[:SERVERS_OF_A_ROLE]:
                    yield await self._finder.address_of(server, fresh=fresh)
            if named.server:
                yield await self._finder.address_of(named.key, fresh=fresh)

        async with self._first(candidates, str(named), manner) as connection:
            yield connection

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

        async with self._first(candidates, given.key.server_text, manner) as connection:
            yield connection

    @contextlib.asynccontextmanager
    async def _first(self, candidates: _Candidates, name: str, manner: Manner) -> AsyncIterator[Connection]:
        """A connection to the first candidate that answers; each URL of each is tried once."""
        async with contextlib.AsyncExitStack() as stack:
            yield await self._enter(stack, candidates, name, manner)

    async def _enter(
        self, stack: contextlib.AsyncExitStack, candidates: _Candidates, name: str, manner: Manner
    ) -> Connection:
        tried: set[tuple[PublicKey, ServerUrl]] = set()
        errors: list[PeerError] = []
        for fresh in (False, True):
            async with contextlib.aclosing(candidates(fresh)) as servers:
                async for server in servers:
                    new = tuple(url for url in server.urls if (server.key, url) not in tried)
                    if not new:
                        continue
                    tried.update((server.key, url) for url in new)
                    link = self._pool.connect(
                        replace(server, urls=new), manner.secret, own_stream=manner.own_stream
                    )
                    try:
                        return await stack.enter_async_context(link)
                    except PeerError as error:
                        errors.append(error)
        raise _nobody(name, errors)


def _nobody(name: str, errors: Sequence[PeerError]) -> PeerError:
    if errors:
        return of_several(name, errors)
    return Unreachable(
        f"nobody has published addresses under {name} yet",
        hint="Look again later, or ask its owner for an address of the server (--server URL --key mosrv0…).",
    )
