"""Who knows which servers serve a person, and where a server listens: declared here, implemented by the node.

Source: bootstrap.md, edition §2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from mosaic.client.address import ServerAddress
from mosaic.core.bootstrap import Usage
from mosaic.core.keys import PublicKey


class ServerFinder(Protocol):
    """Finds servers by keys.

    Gives what is known, or looks it up if nothing is. `fresh` looks again now,
    as far as that is allowed yet; it gives what was known if it finds nothing.
    """

    async def servers_of(
        self, person: PublicKey, usage: Usage, *, fresh: bool = False
    ) -> Sequence[PublicKey]:
        """The servers that a person uses so, the preferred first; empty when none is known."""

    async def address_of(self, server: PublicKey, *, fresh: bool = False) -> ServerAddress:
        """Where a server listens; without URLs when that is not known."""
