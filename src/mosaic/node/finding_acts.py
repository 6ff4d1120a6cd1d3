"""Acts that find people and servers by a key or an invite link, and make such links.

Source: bootstrap.md, rationale.md (a bare key may be either); human_encodings.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mosaic.client.address import ServerAddress
from mosaic.client.named_key import NamedKey
from mosaic.client.server_finder import ServerFinder
from mosaic.core.bootstrap import Usage, UserBootstrap
from mosaic.core.invite_link import MOST_SERVERS, MOST_URLS, InviteLink, NamedServer, is_link
from mosaic.core.keys import PublicKey
from mosaic.errors import Unreachable
from mosaic.node.announcing import announced
from mosaic.node.arguments import Arguments
from mosaic.node.control import Act, Items, JsonObject
from mosaic.node.directory import HomeDirectory
from mosaic.node.home_finder import HomeFinder
from mosaic.node.people import Person

if TYPE_CHECKING:
    from mosaic.node.node import Node

_NO_PLACE = "No address of your servers is in it: who opens it finds them in the DHT, or not at all."

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
        return {"resolve": self.resolve, "invite": self.invite}

    async def invite(self, given: JsonObject) -> Items:
        """A person's invite link, which asks to follow unless `look_only`.

        Raises:
            UnknownPerson: nobody of that name lives here.
        """
        arguments = Arguments(given)
        person = self._node.people.find(arguments.optional_text("as"))
        link = invite_link(self._node, person, follow=not arguments.flag("look_only"))
        yield {
            "link": link.text,
            "key": person.key.user_text,
            "servers": [_named_object(server) for server in link.servers],
            "missing": "" if any(server.urls for server in link.servers) else _NO_PLACE,
        }

    async def resolve(self, given: JsonObject) -> Items:
        """Which servers `key` uses, or where it listens; `fresh` asks also where the answer is known.

        Raises:
            FormatError: it is no key.
            Unreachable: nobody has published anything under it, as far as could be asked.
        """
        arguments = Arguments(given)
        named = opened(arguments.text("key"), self._node.directory)
        yield await resolved(_OwnToo(self._node), named, fresh=arguments.flag("fresh"))


class _OwnToo:
    """A `ServerFinder` that also tells of those who live here, and of this home's server.

    Args:
        node: The open home.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._others = HomeFinder(node.directory, node.lookups)

    async def servers_of(
        self, person: PublicKey, usage: Usage, *, fresh: bool = False
    ) -> Sequence[PublicKey]:
        """The servers that a person uses so, the preferred first; empty when none is known."""
        for one in self._node.people:
            if one.key == person:
                return UserBootstrap.parse(one.bootstrap).servers(usage)
        return await self._others.servers_of(person, usage, fresh=fresh)

    async def address_of(self, server: PublicKey, *, fresh: bool = False) -> ServerAddress:
        """Where a server listens; without URLs when that is not known."""
        if server == self._node.server_secret.public:
            return ServerAddress(server, tuple(self._node.urls))
        return await self._others.address_of(server, fresh=fresh)


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
            hint="Look again later, or ask its owner for an invite link (`mosaic invite`).",
        )
    return found


def opened(text: str, directory: HomeDirectory) -> NamedKey:
    """The key that a text names: a key, or an invite link, whose servers are remembered as places to try.

    Args:
        text: As people pass it on.
        directory: Remembers.

    Raises:
        InvalidText: neither.
        InvalidKey: the bytes are no acceptable key.
    """
    if not is_link(text):
        return NamedKey.parse(text)
    link = InviteLink.parse(text)
    for server in link.servers:
        directory.learn_hint(link.key, server)
    return NamedKey(link.key, person=not link.is_server, server=link.is_server)


def invite_link(node: Node, person: Person, *, follow: bool) -> InviteLink:
    """A person's invite link: the first outboxes, and what strangers may be told about where they are.

    Args:
        node: The open home.
        person: Who invites.
        follow: Whether the link asks to follow.
    """
    own = node.server_secret.public
    near = node.settings.dht.is_private or node.settings.client.private_addresses
    servers = []
    for key in UserBootstrap.parse(person.bootstrap).servers(Usage.OUTBOX)[:MOST_SERVERS]:
        if key == own:
            urls = announced(node.listeners, node.settings).urls
        else:
            urls = tuple(url for url in node.directory.address(key).urls if near or url.is_public)
        servers.append(NamedServer(key, urls[:MOST_URLS]))
    return InviteLink(person.key, tuple(servers), follow=follow)


def _named_object(server: NamedServer) -> JsonObject:
    return {"key": server.key.server_text, "urls": [str(url) for url in server.urls]}


def _server_object(server: ServerAddress) -> JsonObject:
    return {"key": server.key.server_text, "urls": [str(url) for url in server.urls]}
