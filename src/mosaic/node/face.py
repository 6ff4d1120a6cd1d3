"""The node as its page sees it: texts ready to be read, keys and references in their human form.

The page acts for the first person of the home.

Source: this project's own design, docs/architecture.md "A person acts".
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mosaic.client.address import ServerAddress
from mosaic.client.named_key import NamedKey
from mosaic.core import reference
from mosaic.core.bootstrap import Usage
from mosaic.core.keys import PublicKey
from mosaic.core.record import Record
from mosaic.core.reference import Address, Id
from mosaic.core.url import ServerUrl
from mosaic.errors import Refused, UnknownPerson, UsageError
from mosaic.node import my_servers, recovery_due, sent, states
from mosaic.node.finding_acts import invite_link, opened
from mosaic.node.key_list import is_gone
from mosaic.node.keys_face import KeysFace
from mosaic.node.my_servers import MyServer, Trouble
from mosaic.node.service import Service, describe
from mosaic.node.states import DHT_OFF, DhtState, ServerState
from mosaic.node.storage_face import StorageFace
from mosaic.social import feeds, posts, profiles, threads
from mosaic.social.feeds import Page, Post
from mosaic.social.personas import OnlyPersonas
from mosaic.social.records import Records
from mosaic.wire.result_code import ResultCode

if TYPE_CHECKING:
    from mosaic.node.node import Node
    from mosaic.node.people import Person

__all__ = [
    "DhtState",
    "Entry",
    "Face",
    "FollowedPerson",
    "MyServer",
    "ServerState",
    "Status",
    "Trouble",
]


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
    sent: str = field(default="")
    """Of one's own: in words how far it has come to other servers; empty if it goes to none."""
    reached: str = field(default="")
    """The same as `node.sent.Reached`: `all`, `some`, `refused` or an empty text."""


@dataclass(frozen=True, slots=True)
class FollowedPerson:
    """Somebody whose posts this node reads."""

    key: str
    name: str
    servers: Sequence[str]
    """URLs of the outboxes that are read."""
    state: str
    """In words: `connected`, `connecting`, or why not."""
    old_posts: str = field(default="")
    """In words how far what they wrote before they were followed is here; empty if nothing is known of it."""


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
    servers: Sequence[ServerState] = field(default=())
    """The own server first, then those that are read."""
    dht: DhtState = field(default=DHT_OFF)
    """How the DHT does, through which people find each other's servers."""
    share: str = field(default="")
    """What to give to friends, who can follow by it alone: mopub0 (the same as `key`)."""
    invite: str = field(default="")
    """The same as a link that also says where to look first."""
    troubles: Sequence[Trouble] = field(default=())
    """What is wrong with servers of who lives here."""
    sheet: str = field(default="")
    """Whether to ask for a recovery sheet: `due`, `due again` (for the last time), or an empty text."""
    key_gone: bool = field(default=False)
    """Whether the key that signs on this machine was revoked or retired."""


class Face:
    """What the page may ask and do.

    Args:
        node: The running node.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self.keys = KeysFace(node)
        """Keys and devices."""
        self.storage = StorageFace(node)
        """What is on this machine."""

    def service(self) -> Service:
        """What people are told about the server."""
        return describe(self._node)

    def status(self) -> Status:
        """Who and how."""
        node, person = self._node, self._node.people.first
        return Status(
            name=person.name if person else "",
            key=person.key.user_text if person else "",
            server=node.server_secret.public.server_text,
            addresses=[str(url) for url in node.urls],
            waiting=node.queue.waiting,
            servers=states.servers(node),
            dht=states.dht(node),
            troubles=my_servers.troubles(node),
            share=person.key.user_text if person else "",
            invite=invite_link(node, person, follow=True).text if person else "",
            sheet=self._sheet(person) if person else "",
            key_gone=person is not None and is_gone(node, person),
        )

    def my_servers(self) -> Sequence[MyServer]:
        """How the servers do that the person of the page uses; none while nobody lives here."""
        first = self._node.people.first
        return [] if first is None else my_servers.of_person(self._node, first)

    async def check_servers(self) -> None:
        """Asks all of them now whether they are there. Raises UnknownPerson."""
        await self._node.server_checks.check_now(self._person())

    async def begin(self, name: str) -> Status:
        """Makes the first person of this home. Raises UsageError when there is one."""
        if self._node.people.first is not None:
            raise UsageError("somebody lives in this home already", hint="Open the page's start again.")
        await self._node.make_person(name)
        return self.status()

    async def feed(self, *, before: str = "", limit: int = 30) -> Sequence[Entry]:
        """Posts of followed people and one's own, newest first, at most `limit` of them.

        `before` is the reference of the last post that was seen.

        Raises:
            UnknownPerson: nobody lives here yet.
        """
        person = self._person()
        self._node.pool.somebody_looks()
        followed = [PublicKey(key) for key in self._node.db.follows(person.key.bytes)]
        records = OnlyPersonas(self._node.records, self._node.db.personas(person.key.bytes))
        return self._entries(self._page([person.key, *followed], before, limit, records))

    async def wall(self, person: str, *, before: str = "", limit: int = 30) -> Sequence[Entry]:
        """One person's posts, newest first, at most `limit` of them; `before` as in `feed`."""
        author = PublicKey.parse_user(person)
        self._node.pool.somebody_looks_at(self._node.follower.outboxes().get(author, ()))
        return self._entries(self._page([author], before, limit, self._node.records))

    async def thread(self, reference: str) -> Sequence[Entry]:
        """A post and the replies below it, its root first."""
        return [self._entry(post) for post in threads.thread(self._node.records, _parse(reference))]

    async def entry(self, reference: str) -> Entry | None:
        """The post at a reference, or None as long as it has not come here. Raises FormatError."""
        found = self._node.records.at(_parse(reference))
        post = feeds.post_at(self._node.records, found[0]) if found else None
        return None if post is None else self._entry(post)

    async def post(self, text: str) -> Entry:
        """Publishes a post of one's own. Raises UnknownPerson, or Refused by the own server."""
        person = self._person()
        return await self._publish(person, posts.post(person.signer, text, now=self._node.clock.now()))

    async def reply(self, reference: str, text: str) -> Entry:
        """Publishes a reply.

        Raises:
            UnknownPerson: nobody lives here yet.
            InvalidText: this is no reference.
            Refused: what it answers is not here, or the own server does not take it.
        """
        person = self._person()
        found = self._node.records.at(_parse(reference))
        if not found:
            raise Refused("this post is not here any more", result=ResultCode.NOT_FOUND)
        return await self._publish(
            person, posts.reply(person.signer, found[0], text, now=self._node.clock.now())
        )

    async def follow(self, person: str, *, server: str = "", server_key: str = "") -> FollowedPerson:
        """Reads a person's posts from now on, by key or invite link; a server that is given is an outbox.

        Raises:
            UnknownPerson: nobody lives here yet.
            FormatError: a key, link or URL is none.
        """
        named = opened(person, self._node.directory)
        told = None
        if server or server_key:
            told = ServerAddress(PublicKey.parse_server(server_key), (ServerUrl.parse(server),))
        self._node.follow(self._person(), named, told)
        return self._followed(named.key)

    async def unfollow(self, person: str) -> None:
        """Stops reading them.

        Raises:
            InvalidText: that is no key.
            InvalidKey: that is no acceptable key.
            UnknownPerson: nobody lives here yet.
        """
        self._node.unfollow(self._person(), NamedKey.parse(person).key)

    def people(self) -> Sequence[FollowedPerson]:
        """Whom this node follows."""
        first = self._node.people.first
        if first is None:
            return []
        return [self._followed(PublicKey(key)) for key in self._node.db.follows(first.key.bytes)]

    async def changes(self) -> AsyncIterator[None]:
        """One item whenever something that the page shows may have changed."""
        with self._node.changes() as changed:
            while True:
                await changed.wait()
                changed.clear()
                yield None

    # --- inside ------------------------------------------------------------------------------------

    def _sheet(self, person: Person) -> str:
        if not recovery_due.is_due(self._node, person):
            return ""
        return "due again" if recovery_due.is_last(self._node, person) else "due"

    def _person(self) -> Person:
        first = self._node.people.first
        if first is None:
            raise UnknownPerson(
                "nobody lives in this home yet", hint="Give yourself a name on the start page."
            )
        return first

    def _page(self, authors: Sequence[PublicKey], before: str, limit: int, records: Records) -> Page:
        return feeds.page(records, authors, limit=limit, before=self._place(before))

    def _place(self, before: str) -> Id | None:
        """Where a page ends, by the reference of its last post."""
        if not before:
            return None
        named = _parse(before)
        if isinstance(named, Id):
            return named
        found = self._node.records.at(named)
        post = feeds.post_at(self._node.records, found[0]) if found else None
        return None if post is None else post.first.id

    async def _publish(self, person: Person, record: Record) -> Entry:
        published = await self._node.publish(person, record)
        return self._entry(Post((published.record,)))

    def _entries(self, page: Page) -> list[Entry]:
        return [self._entry(post) for post in page.posts]

    def _entry(self, post: Post) -> Entry:
        parent = posts.parent_of(post.newest)
        mine = self._node.people.serves(post.author.bytes)
        deliveries = self._node.queue.of_record(post.newest.id.bytes) if mine else []
        unreached = len(self._node.unreached(post.newest)) if mine else 0
        return Entry(
            reference=post.address.text,
            author=post.author.user_text,
            author_name=self._name(post.author) or "",
            text=post.text(self._name),
            time_iso=post.time.iso(3),
            edited=post.is_edited,
            answers="" if parent is None else parent.reference.text,
            mine=mine,
            sent=sent.words(deliveries, self._node.clock.time_of_day, unreached),
            reached=sent.reached(deliveries, unreached),
        )

    def _name(self, key: PublicKey) -> str | None:
        return profiles.name_of(self._node.records, key)

    def _followed(self, key: PublicKey) -> FollowedPerson:
        servers = self._node.directory.servers(key, Usage.OUTBOX)
        return FollowedPerson(
            key=key.user_text,
            name=self._name(key) or "",
            servers=[str(url) for server in servers for url in server.urls],
            state=states.of_person(self._node, key),
            old_posts=states.old_posts(self._node.history.progress(key)),
        )


def _parse(text: str) -> Id | Address:
    return reference.parse(text)
