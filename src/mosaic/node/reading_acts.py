"""Acts of a reader: feeds, walls and threads, and whom a person follows.

Source: tags.md (reply, root), bootstrap.md (outboxes).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mosaic.client.address import ServerAddress
from mosaic.client.named_key import NamedKey
from mosaic.core import reference
from mosaic.core.bootstrap import Usage
from mosaic.core.keys import PublicKey
from mosaic.errors import Refused, UnknownPerson
from mosaic.node import states
from mosaic.node.arguments import Arguments
from mosaic.node.control import Act, Items, JsonObject
from mosaic.node.finder import Finder
from mosaic.node.finding_acts import opened
from mosaic.node.shapes import post_object
from mosaic.social import feeds, profiles, threads
from mosaic.social.feeds import PAGE, Post
from mosaic.social.personas import OnlyPersonas
from mosaic.social.records import Records
from mosaic.wire.result_code import ResultCode

if TYPE_CHECKING:
    from mosaic.node.node import Node


class ReadingActs:
    """What people read, and whom.

    Args:
        node: The open home.
        finder: Finds what acts are about.
        working: Whether the node reads others' outboxes meanwhile.
    """

    def __init__(self, node: Node, finder: Finder, *, working: bool) -> None:
        self._node = node
        self._finder = finder
        self._working = working

    def table(self) -> dict[str, Act]:
        """These acts by their names."""
        return {
            "feed": self.feed,
            "wall": self.wall,
            "thread": self.thread,
            "follow": self.follow,
            "unfollow": self.unfollow,
            "following": self.following,
        }

    def feed(self, given: JsonObject) -> Items:
        """Posts of followed people and one's own: `limit`, `before` (a reference)."""
        arguments, person = self._finder.begin(given)
        self._node.pool.somebody_looks()
        people = [PublicKey(key) for key in self._node.db.follows(person.key.bytes)]
        records = OnlyPersonas(self._node.records, self._node.db.personas(person.key.bytes))
        return self._page([person.key, *people], arguments, records)

    def wall(self, given: JsonObject) -> Items:
        """One person's posts: `person`, `limit`, `before`."""
        arguments = Arguments(given)
        key = self._finder.key(arguments.optional_text("person") or arguments.optional_text("as"))
        self._node.pool.somebody_looks_at(self._node.follower.outboxes().get(key, ()))
        return self._page([key], arguments, self._node.records)

    async def _page(self, authors: Sequence[PublicKey], arguments: Arguments, records: Records) -> Items:
        page = feeds.page(
            records,
            authors,
            limit=max(1, arguments.number("limit", PAGE)),
            before=self._finder.before(arguments),
        )
        for post in page.posts:
            yield self._post_object(post)
        if page.next is not None:
            yield {"next": page.next.text}

    async def thread(self, given: JsonObject) -> Items:
        """A post and the replies below it, oldest first: `reference`. Raises Refused if it is not here."""
        named = reference.parse(Arguments(given).text("reference"))
        posts = threads.thread(self._node.records, named)
        if not posts:
            hint = "Follow its author to read it here, or fetch it with `mosaic get`."
            raise Refused("this post is not here", result=ResultCode.NOT_FOUND, hint=hint)
        for post in posts:
            yield self._post_object(post)

    def _post_object(self, post: Post) -> JsonObject:
        return post_object(post, lambda key: profiles.name_of(self._node.records, key))

    # --- following -----------------------------------------------------------------------------------

    async def follow(self, given: JsonObject) -> Items:
        """Follows `person`, by key or invite link; `server` and `key` are remembered as their outbox.

        With `personas` (their subkeys) only what these sign is in the feed.
        """
        arguments, person = self._finder.begin(given)
        node, named = self._node, opened(arguments.text("person"), self._node.directory)
        server, at = arguments.server(), arguments.key_alone()
        if at is not None:
            server = ServerAddress(at.key, ())
        personas = [PublicKey.parse_user(text).bytes for text in arguments.texts("personas")]
        new = node.follow(person, named, server)
        node.db.follow_personas(person.key.bytes, named.key.bytes, personas)
        node.followed_list.wake()
        key = named.key
        yield {**self._followed_object(key), "new": new, "working": self._working}

    async def unfollow(self, given: JsonObject) -> Items:
        """Stops following `person`. Raises UnknownPerson."""
        arguments, person = self._finder.begin(given)
        key = NamedKey.parse(arguments.text("person")).key
        if not self._node.unfollow(person, key):
            raise UnknownPerson(
                "you don't follow this person", hint="`mosaic following` shows whom you follow."
            )
        yield {"key": key.user_text}

    async def following(self, given: JsonObject) -> Items:
        """Whom a person follows, and how the connections to their servers do."""
        _, person = self._finder.begin(given)
        for key in self._node.db.follows(person.key.bytes):
            followed = self._followed_object(PublicKey(key))
            personas = self._node.db.personas(person.key.bytes).get(key, ())
            yield {**followed, "personas": [PublicKey(each).user_text for each in sorted(personas)]}

    def _followed_object(self, key: PublicKey) -> JsonObject:
        node = self._node
        outboxes = node.follower.state(key)
        history = node.history.progress(key)
        return {
            "key": key.user_text,
            "name": profiles.name_of(node.records, key),
            "state": states.of_person(node, key) if self._working else "not running",
            "old_posts": {
                "records": history.records,
                "done": history.done,
                "standing": states.old_posts(history),
            },
            "outboxes": [
                {
                    "server": server.key.server_text,
                    "urls": [str(url) for url in server.urls],
                    "state": outboxes.get(server.key, "connecting" if self._working else "not running"),
                }
                for server in node.directory.servers(key, Usage.OUTBOX)
            ],
        }
