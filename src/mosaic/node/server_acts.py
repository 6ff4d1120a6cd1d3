"""Acts that ask one server, the own one or another: get, query, watch, submit, Server Info, blobs.

What they do there is `mosaic.node.remote`; here is which server is asked, as
whom, and whose key schedules judge what it answers.

Source: messages.md; edition §3 (who may sign).
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from mosaic.client.connection import Connection
from mosaic.client.failover import Failover
from mosaic.client.reach import Manner
from mosaic.core.keys import PublicKey
from mosaic.node import remote
from mosaic.node.arguments import Arguments, parse_filter
from mosaic.node.control import Act, Items, JsonObject
from mosaic.node.finder import Finder

if TYPE_CHECKING:
    from mosaic.node.node import Node

# Records that are shown before others have their turn.
_AT_ONCE = 64


class ServerActs:
    """What is asked of a server.

    Args:
        node: The open home.
        finder: Finds what acts are about.
    """

    def __init__(self, node: Node, finder: Finder) -> None:
        self._node = node
        self._finder = finder

    def table(self) -> dict[str, Act]:
        """These acts by their names."""
        return {
            "get": self.get,
            "query": self.query,
            "watch": self.watch,
            "submit": self.submit,
            "server_info": self.server_info,
            "blob_put": self.blob_put,
            "blob_get": self.blob_get,
        }

    def get(self, given: JsonObject) -> Items:
        """Records by `references`; `records` gives each whole, as morecord0."""
        return self._over_connection("get", given)

    def query(self, given: JsonObject) -> Items:
        """Records by a filter (see `arguments.parse_filter`), at most `limit`.

        One's own home is read with its owner's eyes: all of it, by any filter.
        """
        if not Arguments(given).names_another():
            return self._own_query(Arguments(given))
        return self._over_connection("query", given)

    async def _own_query(self, arguments: Arguments) -> Items:
        wanted = parse_filter(arguments, self._node.clock.now())
        records = self._node.everything.newest_first(wanted, arguments.number("limit", 0))
        for count, record in enumerate(records, 1):
            yield remote.shown(record, arguments)
            if not count % _AT_ONCE:
                await asyncio.sleep(0)

    def watch(self, given: JsonObject) -> Items:
        """Records as they come, by a filter; without one, those of followed people and one's own.

        `stored` gives what is there already first.
        """
        arguments = Arguments(given)
        if not arguments.names_another() and not parse_filter(arguments, self._node.clock.now()).elements:
            person = self._node.people.find(arguments.optional_text("as"))
            people = [PublicKey(key) for key in self._node.db.follows(person.key.bytes)]
            given = {**given, "authors": [key.user_text for key in [person.key, *people]]}
        return self._over_connection("watch", given)

    def submit(self, given: JsonObject) -> Items:
        """Hands in `records` (morecord0 or JSON form): to the own server, or the one that is named.

        Where a server asks for work, records of `as` are made again with it, under another id.
        """
        return self._over_connection("submit", given)

    def server_info(self, given: JsonObject) -> Items:
        """What a server says about itself: its Server Info."""
        return self._over_connection("server_info", given)

    def blob_put(self, given: JsonObject) -> Items:
        """Hands in the blob in the file `path`."""
        return self._over_connection("blob_put", given)

    def blob_get(self, given: JsonObject) -> Items:
        """Fetches the blob `hash` into the file `path`."""
        return self._over_connection("blob_get", given)

    async def _over_connection(self, name: str, given: JsonObject) -> Items:
        arguments, now, authority = Arguments(given), self._node.clock.now(), self._finder.authority()
        async with contextlib.AsyncExitStack() as stack:
            several = self._several(arguments) if name in remote.READING else None
            if several is not None:
                items = remote.read(several, authority, name, arguments, now)
            else:
                connection = await stack.enter_async_context(self._connected(arguments))
                work = self._work(arguments)
                items = remote.run(connection, authority, name, arguments, now, work=work)
            await stack.enter_async_context(contextlib.aclosing(items))
            try:
                async for item in items:
                    yield item
            finally:
                await self._finder.remember(authority)

    def _several(self, arguments: Arguments) -> Failover | None:
        """The servers of the person whom the arguments name, if they name nothing but a key."""
        named, name = arguments.key_alone(), arguments.optional_text("as")
        if arguments.server() is not None or named is None:
            return None
        manner = Manner(None if name is None else self._node.people.find(name).device)
        return self._node.reach.any_of(named, manner)

    def _work(self, arguments: Arguments) -> remote.Work | None:
        """Makes records of the person who acts again, if one is named."""
        name = arguments.optional_text("as")
        if name is None:
            return None
        return functools.partial(self._node.work_owed.again, self._node.people.find(name))

    @contextlib.asynccontextmanager
    async def _connected(self, arguments: Arguments) -> AsyncIterator[Connection]:
        """The server that the arguments name, else the own one.

        The own server always sees who asks; another one only when `as` names a person.
        """
        server, named, name = arguments.server(), arguments.key_alone(), arguments.optional_text("as")
        if server is None and named is None:
            person = self._node.people.find(name) if name or self._node.people.first else None
            yield await self._node.own(person)
            return
        manner = Manner(None if name is None else self._node.people.find(name).device)
        node = self._node
        if server is not None:
            link = node.pool.connect(server, manner.secret)
        else:
            assert named is not None
            link = node.reach.key(named, manner)
        async with link as connection:
            yield connection
