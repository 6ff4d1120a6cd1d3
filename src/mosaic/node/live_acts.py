"""Acts that tell what is said as it is said: the live feed, and what mentions somebody.

Both give `{"live": true}` when everything from then on is sure to come, then
posts in the form of `shapes.post_object`, each version once.

Source: messages.md (SUBSCRIBE), core_tags.md (Notify Public Key).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from typing import TYPE_CHECKING, Final

from mosaic.core import core_tags
from mosaic.core.filter import Filter
from mosaic.core.keys import PublicKey
from mosaic.core.record import Record
from mosaic.node import remote
from mosaic.node.arguments import parse_time
from mosaic.node.control import Act, Items, JsonObject
from mosaic.node.finder import Finder
from mosaic.node.people import Person
from mosaic.node.shapes import post_object
from mosaic.social import feeds, profiles
from mosaic.social.feeds import FEED_KINDS
from mosaic.social.personas import OnlyPersonas

if TYPE_CHECKING:
    from mosaic.node.node import Node

_NAME_S: Final = 1.0


class LiveActs:
    """What people hear as it comes.

    Args:
        node: The open home.
        finder: Finds who asks.
    """

    def __init__(self, node: Node, finder: Finder) -> None:
        self._node = node
        self._finder = finder

    def table(self) -> dict[str, Act]:
        """These acts by their names."""
        return {"live": self.live, "mentions": self.mentions}

    def live(self, given: JsonObject) -> Items:
        """What those whom the person follows by then say, and the person's own posts, as they come."""
        _, person = self._finder.begin(given)

        def heard(record: Record) -> bool:
            author, db = record.author_bytes, self._node.db
            if author == person.key.bytes:
                return True
            read = OnlyPersonas(self._node.records, db.personas(person.key.bytes))
            return author in db.follows(person.key.bytes) and bool(read.at(record.id))

        return self._posts(person, Filter.of(kinds=FEED_KINDS), heard, stored=False)

    def mentions(self, given: JsonObject) -> Items:
        """Posts of others that notify the person: replies and mentions.

        `since` (a time of receipt) gives those first that came from then on, oldest first.
        """
        arguments, person = self._finder.begin(given)
        text = arguments.optional_text("since")
        since = None if text is None else parse_time(text, self._node.clock.now())
        wanted = Filter.of(kinds=FEED_KINDS, tags=[core_tags.notify(person.key)], received_since=since)
        return self._posts(
            person, wanted, lambda record: record.author != person.key, stored=since is not None
        )

    async def _posts(
        self, person: Person, wanted: Filter, heard: Callable[[Record], bool], *, stored: bool
    ) -> Items:
        connection, authority = await self._node.own(person), self._finder.authority()
        watching = remote.watch(connection, authority, [wanted], stored=stored)
        introducing = _Introducing(self._node)
        async with contextlib.aclosing(in_order(watching)) as items:
            async for item in items:
                if not isinstance(item, Record):
                    yield item
                elif heard(item) and (post := feeds.post_at(self._node.records, item)) is not None:
                    await introducing.wait(item.author)
                    yield post_object(post, lambda key: profiles.name_of(self._node.records, key))


class _Introducing:
    """Waits a moment for the name of a stranger: his profile comes right behind his first record.

    Not for two of them one after the other: many who have no name must not hold up everybody else.

    Args:
        node: The open home.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._not_before_s = 0.0

    async def wait(self, author: PublicKey) -> None:
        """Waits until a person's name is known, a second at most."""
        loop = asyncio.get_running_loop()
        if loop.time() < self._not_before_s:
            return
        try:
            with self._node.changes() as changed:
                async with asyncio.timeout(_NAME_S):
                    while profiles.name_of(self._node.records, author) is None:
                        await changed.wait()
                        changed.clear()
        except TimeoutError:
            self._not_before_s = loop.time() + _NAME_S


async def in_order(
    items: AsyncGenerator[Record | JsonObject, None],
) -> AsyncGenerator[Record | JsonObject, None]:
    """What `remote.watch` gives, with what was stored in the order of time instead of newest first."""
    stored: list[Record] | None = []
    async with contextlib.aclosing(items) as given:
        async for item in given:
            if stored is None:
                yield item
            elif isinstance(item, Record):
                stored.append(item)
            else:
                for record in reversed(stored):
                    yield record
                stored = None
                yield item
