"""Where a server is: its key, which is its identity, and the URLs that lead to it.

Source: bootstrap.md, url.md.
"""

from __future__ import annotations

from dataclasses import dataclass

from mosaic.core.keys import PublicKey
from mosaic.core.url import ServerUrl


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """One server and the way to it.

    Args:
        key: The key that the server has to prove.
        urls: Its URLs, the preferred first. Empty when only the key is known.
        named: Those of them that the person who runs this client named himself: they are dialled
            even where they lead to a private address.
    """

    key: PublicKey
    urls: tuple[ServerUrl, ...]
    named: frozenset[ServerUrl] = frozenset()

    @classmethod
    def by_hand(cls, key: PublicKey, *urls: ServerUrl) -> ServerAddress:
        """A server whose URLs the person named himself, so that even private addresses are dialled."""
        return cls(key, urls, frozenset(urls))

    def __str__(self) -> str:
        where = str(self.urls[0]) if self.urls else "no known address"
        return f"{self.key.server_text} ({where})"
