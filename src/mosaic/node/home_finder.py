"""Finds servers by keys for the client: what this home knows, and what the DHT says (`client.ServerFinder`).

Source: bootstrap.md; edition §2.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from mosaic.client.address import ServerAddress
from mosaic.core.bootstrap import Usage
from mosaic.core.keys import PublicKey
from mosaic.errors import MosaicError
from mosaic.node.directory import HomeDirectory
from mosaic.node.seeker import Lookup


class HomeFinder:
    """A `ServerFinder`. A DHT that does not answer leaves what is known.

    Args:
        directory: What is known.
        lookup: Asks the DHT.
    """

    def __init__(self, directory: HomeDirectory, lookup: Lookup) -> None:
        self._directory = directory
        self._lookup = lookup

    async def servers_of(
        self, person: PublicKey, usage: Usage, *, fresh: bool = False
    ) -> Sequence[PublicKey]:
        """The servers that a person uses so, the preferred first; empty when none is known."""
        known = self._directory.servers(person, usage)
        if fresh or not known:
            with contextlib.suppress(MosaicError):
                await self._lookup.user(person, fresh=fresh)
            known = self._directory.servers(person, usage)
        return [server.key for server in known]

    async def address_of(self, server: PublicKey, *, fresh: bool = False) -> ServerAddress:
        """Where a server listens; without URLs when that is not known."""
        known = self._directory.address(server)
        if fresh or not known.urls:
            with contextlib.suppress(MosaicError):
                await self._lookup.server(server, fresh=fresh)
            known = self._directory.address(server)
        return known
