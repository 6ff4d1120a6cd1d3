"""Acts that find people and servers by what their friends pass on: a key.

Source: bootstrap.md, rationale.md (a bare key may be either); human_encodings.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.client.address import ServerAddress
from mosaic.client.named_key import NamedKey
from mosaic.client.server_finder import ServerFinder
from mosaic.core.bootstrap import Usage
from mosaic.errors import Unreachable
from mosaic.node.arguments import Arguments
from mosaic.node.control import Act, Items, JsonObject
from mosaic.node.home_finder import HomeFinder

if TYPE_CHECKING:
    from mosaic.node.node import Node

_USES = {"outboxes": Usage.OUTBOX, "inboxes": Usage.INBOX, "encryption": Usage.ENCRYPTION}


class FindingActs:
    """How people are found.

    Args:
        node: The open home.
    """

    def __init__(self, node: Node) -> None:
        self._node = node

    def table(self) -> dict[str, Act]:
        """These acts by their names."""
        return {"resolve": self.resolve}

    async def resolve(self, given: JsonObject) -> Items:
        """Which servers `key` uses, or where it listens; `fresh` asks also where the answer is known.

        Raises:
            FormatError: it is no key.
            Unreachable: nobody has published anything under it, as far as could be asked.
        """
        arguments = Arguments(given)
        named = NamedKey.parse(arguments.text("key"))
        finder = HomeFinder(self._node.directory, self._node.lookups)
        yield await resolved(finder, named, fresh=arguments.flag("fresh"))


async def resolved(finder: ServerFinder, named: NamedKey, *, fresh: bool = False) -> JsonObject:
    """What a finder says of a key, as an object.

    Args:
        finder: Asked.
        named: The key, and what it may be.
        fresh: Whether to ask although something is known.

    Raises:
        Unreachable: it knows nothing.
    """
    found: JsonObject = {"key": str(named), **{name: [] for name in _USES}, "urls": []}
    anything = False
    if named.person:
        for name, usage in _USES.items():
            keys = await finder.servers_of(named.key, usage, fresh=fresh and usage is Usage.OUTBOX)
            servers = [await finder.address_of(key) for key in keys]
            found[name] = [_server_object(server) for server in servers]
            anything = anything or bool(servers)
    if named.server:
        urls = (await finder.address_of(named.key, fresh=fresh)).urls
        found["urls"] = [str(url) for url in urls]
        anything = anything or bool(urls)
    if not anything:
        raise Unreachable(
            f"nobody has published anything under {named} yet",
            hint="Look again later, or ask its owner for an invite link, which names a server.",
        )
    return found


def _server_object(server: ServerAddress) -> JsonObject:
    return {"key": server.key.server_text, "urls": [str(url) for url in server.urls]}
