"""Feeds and walls: posts of people, newest first, each once.

A post stands where its first version stands and shows its newest one. There
is no other order than time.

Source: edition §4 (edits); filter.md.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from mosaic.core import content
from mosaic.core.community_tags import CommunityTag
from mosaic.core.filter import Filter
from mosaic.core.keys import PublicKey
from mosaic.core.kind import Kind
from mosaic.core.kinds import BLOG_POST, MICROBLOG, REPLY_COMMENT
from mosaic.core.record import Record
from mosaic.core.reference import Address, Id
from mosaic.core.tag import Tag
from mosaic.core.timestamp import Timestamp
from mosaic.errors import InvalidContent
from mosaic.social import posts
from mosaic.social.records import Records

PAGE = 30
"""Posts on one page."""

FEED_KINDS: tuple[Kind, ...] = (MICROBLOG, REPLY_COMMENT, BLOG_POST)
"""What a feed and a wall show."""

# The most keys that one filter element holds (2,040 bytes).
_AUTHORS_IN_A_FILTER = 63


@dataclass(frozen=True, slots=True)
class Post:
    """A post with its history.

    Args:
        versions: All versions at its address, the newest first; never empty.
    """

    versions: tuple[Record, ...]

    @property
    def newest(self) -> Record:
        """The version to be shown."""
        return self.versions[0]

    @property
    def first(self) -> Record:
        """The version that gives the post its place."""
        return self.versions[-1]

    @property
    def address(self) -> Address:
        """The post's living address."""
        return self.newest.address

    @property
    def author(self) -> PublicKey:
        """Who wrote it."""
        return self.newest.author

    @property
    def time(self) -> Timestamp:
        """When it was first posted."""
        return self.first.timestamp

    @property
    def is_edited(self) -> bool:
        """Whether versions differ in more than in the work done for a server."""
        return len({_said(version) for version in self.versions}) > 1

    @property
    def is_reply(self) -> bool:
        """Whether it answers something."""
        return posts.parent_of(self.newest) is not None

    def text(self, name_of: Callable[[PublicKey], str | None] = lambda _: None) -> str:
        """What it says, with mentions shown by name; empty when it can't be read."""
        try:
            parts = content.read(self.newest.content(), self.newest.tags)
        except InvalidContent:
            return ""
        return content.render(parts, name_of)


def _said(version: Record) -> tuple[bytes, tuple[Tag, ...]]:
    """What a version says, without what it cost."""
    return version.payload, tuple(tag for tag in version.tags if tag.type != CommunityTag.WORK)


@dataclass(frozen=True, slots=True)
class Page:
    """Some posts of a feed or wall.

    Args:
        posts: Newest first.
        next: The id to go on before, or None at the end.
    """

    posts: tuple[Post, ...]
    next: Id | None


def page(
    records: Records,
    authors: Iterable[PublicKey],
    *,
    limit: int = PAGE,
    before: Id | None = None,
    kinds: Sequence[Kind] = FEED_KINDS,
) -> Page:
    """One page of what `authors` wrote.

    Args:
        records: Where to read.
        authors: Whose posts; any number.
        limit: Posts on the page, at least 1.
        before: `Page.next` of the page before.
        kinds: What counts as a post.
    """
    found: list[Post] = []
    for record in _newest_first(records, sorted(set(authors)), kinds, before):
        if before is not None and record.id >= before:
            continue
        post = post_at(records, record)
        # A later version is shown where the first one stands.
        if post is None or post.first.id != record.id:
            continue
        if len(found) == limit:
            return Page(tuple(found), found[-1].first.id)
        found.append(post)
    return Page(tuple(found), None)


def post_at(records: Records, record: Record) -> Post | None:
    """The post that a record is a version of, or None when it is gone."""
    versions = [version for version in records.at(record.address) if version.author == record.author]
    versions.sort(key=lambda version: version.id, reverse=True)
    return Post(tuple(versions)) if versions else None


def _newest_first(
    records: Records, authors: Sequence[PublicKey], kinds: Sequence[Kind], before: Id | None
) -> Iterator[Record]:
    """The records of all authors in one stream, newest first by (timestamp, id)."""
    until = None if before is None else before.timestamp
    streams = [
        records.newest_first(
            Filter.of(authors=authors[start : start + _AUTHORS_IN_A_FILTER], kinds=kinds, until=until)
        )
        for start in range(0, len(authors), _AUTHORS_IN_A_FILTER)
    ]
    return heapq.merge(*streams, key=lambda record: record.id, reverse=True)
