"""Reading without a home: straight from people's own servers, each record checked.

Source: network.md (outboxes answer everybody), core_tags.md (Root); edition §3 (who may sign), §4 (edits).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Sequence
from typing import Final

from mosaic.api.links import Links
from mosaic.api.shelf import Shelf
from mosaic.client.failover import Readable
from mosaic.client.named_key import NamedKey
from mosaic.core import core_tags, nonce, profile, reference
from mosaic.core.bootstrap import Usage
from mosaic.core.core_tags import Target
from mosaic.core.filter import Filter
from mosaic.core.keys import PublicKey
from mosaic.core.kinds import PROFILE
from mosaic.core.profile import Profile
from mosaic.core.record import Record
from mosaic.core.reference import Address, Id, Reference
from mosaic.errors import InvalidProfile, MosaicError, PeerError, Refused
from mosaic.node import remote
from mosaic.node.arguments import Arguments
from mosaic.node.control import Act, Items, JsonObject
from mosaic.node.finding_acts import opened
from mosaic.node.shapes import post_object
from mosaic.social import feeds, posts, profiles, threads
from mosaic.social.feeds import FEED_KINDS, PAGE, Post
from mosaic.wire.result_code import ResultCode

_AT_ONCE: Final = 8
# A tag of this type has 64 bytes; a filter element holds 2,032 bytes of them.
_TAGS: Final = 31
_NAMES: Final = 4_096
_PROFILE_FIELDS: Final = ("name", "display_name", "about", "website", "lud16", "org", "bot")


class Reading:
    """The acts of a reader.

    Args:
        links: Reaches others.
        followed: Whom who speaks follows.
    """

    def __init__(self, links: Links, followed: dict[PublicKey, NamedKey]) -> None:
        self._links = links
        self._followed = followed
        self._profiles: dict[PublicKey, Profile | None] = {}
        self._room = asyncio.Semaphore(_AT_ONCE)

    def table(self) -> dict[str, Act]:
        """These acts by their names."""
        return {"feed": self.feed, "wall": self.wall, "thread": self.thread}

    async def feed(self, given: JsonObject) -> Items:
        """As the node's act `feed`; who can't be reached is left out."""
        async for item in self._page([*self._links.me, *self._followed], Arguments(given)):
            yield item

    async def wall(self, given: JsonObject) -> Items:
        """As the node's act `wall`. Raises PeerError when none of the person's servers is reached."""
        arguments = Arguments(given)
        person = opened(arguments.text("person"), self._links.directory).key
        async for item in self._page([person], arguments):
            yield item

    async def thread(self, given: JsonObject) -> Items:
        """As the node's act `thread`, read where the root's author publishes and receives.

        Raises:
            Refused: the post is nowhere to be found.
            PeerError: nobody who may have it is reached.
        """
        named = reference.parse(Arguments(given).text("reference"))
        found = await self.find(named)
        root = posts.root_of(found) or Target(found.kind, found.address)
        records = [found]
        if isinstance(root.reference, Address):
            top, _ = await self._at(root.reference)
            tags = [core_tags.root(*root), *(core_tags.root(one.kind, one.id) for one in top)]
            wanted = Filter.of(tags=tags[:_TAGS])
            for usage in (Usage.INBOX, Usage.OUTBOX):
                with contextlib.suppress(PeerError):
                    records += await self._all(self._links.reader(root.reference.author, usage), wanted)
            records += top
        shelf = Shelf(records)
        shown = threads.thread(shelf, found.address)
        for item in await self.shown(shown):
            yield item

    async def profile(self, given: JsonObject) -> Items:
        """As the node's act `profile` that shows one."""
        person = opened(Arguments(given).text("person"), self._links.directory).key
        await self._learn_profile(self._links.reader(person), person)
        shown = self._profiles.get(person)
        fields = {} if shown is None else {name: getattr(shown, name) for name in _PROFILE_FIELDS}
        yield {"key": person.user_text, **fields}

    # --- for the other acts -----------------------------------------------------------------------

    async def find(self, named: Reference) -> Record:
        """The newest record that a reference names, from its author's servers or one's own.

        Raises:
            Refused: it is nowhere to be found.
            PeerError: nobody who may have it was reached.
        """
        found, problem = await self._at(named)
        if problem is not None and not found:
            raise problem
        if not found:
            raise Refused(
                "this record was not found",
                result=ResultCode.NOT_FOUND,
                hint="Name it by its address, which tells whose servers have it.",
            )
        return found[0]

    def profile_of(self, person: PublicKey) -> Profile | None:
        """What is known of a profile."""
        return self._profiles.get(person)

    def forget_profile(self, person: PublicKey) -> None:
        """Somebody's profile has changed: it is fetched again when it is needed."""
        self._profiles.pop(person, None)

    async def learn_names(self, people: Iterable[PublicKey]) -> None:
        """Fetches the profiles that are not here yet; who can't be reached stays without a name."""
        wanted = [person for person in dict.fromkeys(people) if person not in self._profiles]
        await asyncio.gather(*map(self._learn_name, wanted))

    async def post_of(self, record: Record) -> Post:
        """The post that a record is a version of; the record alone where the others can't be had."""
        found, _ = await self._at(record.address) if _is_edited(record) else ([], None)
        versions = [version for version in found if version.author == record.author]
        return Post(tuple(versions) or (record,))

    async def shown(self, found: Sequence[Post]) -> list[JsonObject]:
        """Posts in the form of `shapes.post_object`, with names for who wrote and is mentioned."""
        people = [key for post in found for key in (post.author, *core_tags.mentioned_users(post.newest))]
        await self.learn_names(people[:_NAMES])
        return [post_object(post, self._name) for post in found]

    # --- inside -----------------------------------------------------------------------------------

    def _name(self, person: PublicKey) -> str | None:
        known = self._profiles.get(person)
        return None if known is None else profiles.shortened(known.name)

    async def _page(self, authors: Sequence[PublicKey], arguments: Arguments) -> Items:
        limit = max(1, arguments.number("limit", PAGE))
        text = arguments.optional_text("before")
        before = None if text is None else Id.parse(text)
        alone = len(authors) == 1
        parts = await asyncio.gather(*(self._newest(author, limit, before, must=alone) for author in authors))
        shelf = Shelf(record for records, _ in parts for record in records)
        page = feeds.page(shelf, authors, limit=limit, before=before)
        # Whoever gave as much as was asked for may have more below: what others said there comes later.
        ends = [end for _, end in parts if end is not None]
        shown = [post for post in page.posts if not ends or post.first.id >= max(ends)]
        for item in await self.shown(shown):
            yield item
        if page.next is not None or ends:
            yield {"next": (shown[-1].first.id if shown else max(ends)).text}

    async def _newest(
        self, author: PublicKey, limit: int, before: Id | None, *, must: bool
    ) -> tuple[list[Record], Id | None]:
        """The newest posts of somebody with all their versions, and where they end if there may be more."""
        until = None if before is None else before.timestamp
        wanted = Filter.of(authors=[author], kinds=FEED_KINDS, until=until)
        asked = limit + 1
        try:
            async with self._room:
                source = self._links.reader(author)
                found = await self._all(source, wanted, asked)
                edited = [one.address for one in found if _is_edited(one)]
                versions = await source.get(list(dict.fromkeys(edited))) if edited else []
                accepted = await self._links.authority.accepted(source, versions)
                if author not in self._profiles:
                    await self._learn_profile(source, author)
        except PeerError:
            if must:
                raise
            return [], None
        end = found[-1].id if len(found) >= asked else None
        return [*found, *accepted], end

    async def _at(self, named: Reference) -> tuple[list[Record], PeerError | None]:
        """What a reference names, newest first; and why some were not reached who may have it."""
        problem: PeerError | None = None
        found: list[Record] = []
        if isinstance(named, Address):
            try:
                found = await remote.get(self._links.reader(named.author), self._links.authority, [named])
            except PeerError as error:
                problem = error
        if not found and (self._links.signer is not None or self._links.servers):
            try:
                async with self._links.own() as connection:
                    found = await remote.get(connection, self._links.authority, [named])
            except PeerError as error:
                problem = problem or error
        return sorted(found, key=lambda record: record.id, reverse=True), problem

    async def _all(self, source: Readable, wanted: Filter, limit: int = 0) -> list[Record]:
        answers = remote.query(source, self._links.authority, wanted, limit)
        async with contextlib.aclosing(answers) as records:
            return [record async for record in records]

    async def _learn_name(self, person: PublicKey) -> None:
        with contextlib.suppress(MosaicError):
            async with self._room:
                await self._learn_profile(self._links.reader(person), person)

    async def _learn_profile(self, source: Readable, person: PublicKey) -> None:
        found = None
        for record in await self._all(source, Filter.of(authors=[person], kinds=[PROFILE])):
            with contextlib.suppress(InvalidProfile):
                found = profile.parse(record)
                break
        while len(self._profiles) >= _NAMES:
            del self._profiles[next(iter(self._profiles))]
        self._profiles[person] = found


def _is_edited(record: Record) -> bool:
    """Whether there may be earlier versions: the address is made from the time of the first one."""
    return record.address.nonce != nonce.from_time(record.timestamp)
