"""Acts about the servers that a person uses: which ones, for what, one more, one less.

Source: bootstrap.md (user bootstraps, limits); always signed by the master key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.core.bootstrap import ServerUse, Usage, UserBootstrap
from mosaic.core.keys import PublicKey
from mosaic.core.url import ServerUrl
from mosaic.errors import UsageError
from mosaic.node import my_servers
from mosaic.node.control import Act, Items, JsonObject
from mosaic.node.finder import Finder
from mosaic.node.moving_acts import usage_of, uses_of
from mosaic.node.people import Person
from mosaic.node.shapes import my_server_object

if TYPE_CHECKING:
    from mosaic.node.node import Node

_EVERYTHING = Usage.OUTBOX | Usage.INBOX | Usage.ENCRYPTION


class BootstrapActs:
    """Which servers a person uses.

    Args:
        node: The open home.
        finder: Finds who acts.
    """

    def __init__(self, node: Node, finder: Finder) -> None:
        self._node = node
        self._finder = finder

    def table(self) -> dict[str, Act]:
        """These acts by their names."""
        return {
            "servers": self.servers,
            "servers_health": self.servers_health,
            "servers_check": self.servers_check,
            "servers_add": self.servers_add,
            "servers_remove": self.servers_remove,
        }

    async def servers(self, given: JsonObject) -> Items:
        """The servers of a person, the preferred first."""
        _, person = self._finder.begin(given)
        for entry in UserBootstrap.parse(person.bootstrap).entries:
            yield self._object(entry)

    async def servers_health(self, given: JsonObject) -> Items:
        """How the servers of a person do, the preferred first, and what is wrong with them."""
        _, person = self._finder.begin(given)
        for server in my_servers.of_person(self._node, person):
            yield my_server_object(server)

    async def servers_check(self, given: JsonObject) -> Items:
        """The same, when each was asked just now whether it is there."""
        _, person = self._finder.begin(given)
        await self._node.server_checks.check_now(person)
        async for item in self.servers_health(given):
            yield item

    async def servers_add(self, given: JsonObject) -> Items:
        """Uses `server_key` for `uses` (outbox, inbox, encryption; else all), reached at `url` if given.

        A server that is used already is used so from now on, at its place. A
        code of its operator's, `invitation`, is brought there first.

        Raises:
            Refused: the server does not take the invitation; nothing has changed.
            PeerError: it is not reached; nothing has changed.
            UsageError: there is no such use.
            FormatError: the key or the URL is none.
            InvalidBootstrap: the person would have no outbox or no inbox, or too many servers.
        """
        arguments, person = self._finder.begin(given)
        entry = ServerUse(
            usage_of(arguments.texts("uses")) or _EVERYTHING,
            PublicKey.parse_server(arguments.text("server_key")),
        )
        before = UserBootstrap.parse(person.bootstrap).entries
        known = any(one.key == entry.key for one in before)
        after = tuple(entry if one.key == entry.key else one for one in before)
        url = arguments.optional_text("url")
        if url is not None:
            self._node.directory.learn(person.key, entry.key, ServerUrl.parse(url), entry.usage)
        code = arguments.optional_text("invitation")
        if code is not None:
            await self._node.moving.bring(person, entry.key, code, arguments.unlocking())
        self._change(person, after if known else (*before, entry))
        yield self._object(entry)

    async def servers_remove(self, given: JsonObject) -> Items:
        """Uses `server_key` no more.

        Raises:
            UsageError: it is not used.
            InvalidBootstrap: the person would have no outbox or no inbox left.
        """
        arguments, person = self._finder.begin(given)
        key = PublicKey.parse_server(arguments.text("server_key"))
        before = UserBootstrap.parse(person.bootstrap).entries
        left = tuple(entry for entry in before if entry.key != key)
        if left == before:
            raise UsageError("this server is not used", hint="`mosaic servers` shows those that are.")
        self._change(person, left)
        yield {"key": key.server_text}

    def _change(self, person: Person, entries: tuple[ServerUse, ...]) -> None:
        bootstrap = UserBootstrap(entries)
        bootstrap.publishable()
        self._node.use_servers(person, bootstrap)

    def _object(self, entry: ServerUse) -> JsonObject:
        node = self._node
        mine = entry.key == node.server_secret.public
        urls = node.urls if mine else node.directory.address(entry.key).urls
        return {
            "key": entry.key.server_text,
            "uses": list(uses_of(entry.usage)),
            "mine": mine,
            "urls": [str(url) for url in urls],
        }
