"""What the page needs of the node, as one small protocol.

The node implements it; the page knows nothing else of it. Texts come ready
to read, keys and references in their human form, times as ISO 8601.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Entry:
    """One post as a reader sees it: the newest version of what stands at its address."""

    reference: str
    """moref0 of its address: stays the same when the post is edited."""
    author: str
    """mopub0 of its author."""
    author_name: str
    """The name in the author's profile, or an empty text while none is known."""
    text: str
    time_iso: str
    """When its first version was made."""
    edited: bool
    answers: str
    """moref0 of what it replies to, or an empty text."""
    mine: bool


@dataclass(frozen=True, slots=True)
class FollowedPerson:
    """Somebody whose posts this node reads."""

    key: str
    name: str
    servers: Sequence[str]
    """URLs of the outboxes that are read."""
    state: str
    """In words: `connected`, `connecting`, or why not."""


@dataclass(frozen=True, slots=True)
class Status:
    """Who the page belongs to and how the node does."""

    name: str
    """Empty as long as nobody lives in this home."""
    key: str
    server: str
    addresses: Sequence[str]
    waiting: int
    """Deliveries that wait in the outgoing queue."""


class NodeFace(Protocol):
    """The node, seen from the page. Every method may raise MosaicError."""

    def status(self) -> Status:
        """Who and how."""

    async def begin(self, name: str) -> Status:
        """Makes the first person of this home."""

    async def feed(self, *, before: str = "", limit: int = 30) -> Sequence[Entry]:
        """Posts of followed people and one's own, newest first; `before`: reference of the last seen."""

    async def wall(self, person: str, *, before: str = "", limit: int = 30) -> Sequence[Entry]:
        """One person's posts, newest first."""

    async def thread(self, reference: str) -> Sequence[Entry]:
        """A post and the replies below it, oldest first."""

    async def post(self, text: str) -> Entry:
        """Publishes a post of one's own."""

    async def reply(self, reference: str, text: str) -> Entry:
        """Publishes a reply."""

    async def follow(self, person: str, *, server: str, server_key: str) -> FollowedPerson:
        """Reads a person's posts from now on, from the server given as their outbox."""

    async def unfollow(self, person: str) -> None:
        """Stops reading them."""

    def people(self) -> Sequence[FollowedPerson]:
        """Whom this node follows."""

    def changes(self) -> AsyncIterator[None]:
        """One item whenever something that the page shows may have changed; several changes may make one."""
