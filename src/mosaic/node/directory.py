"""Who uses which servers, and where these listen, as far as this home knows: `client.outbox.Directory`.

What somebody published counts. Only where nothing is known of that, or it
leads nowhere, what the home's own people said counts instead, and where they
said nothing either, hints are tried.

Source: bootstrap.md (usage of servers); edition §2 (private addresses only where the owner named them).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from mosaic.client.address import ServerAddress
from mosaic.core.bootstrap import USED_PER_ROLE, Usage, UserBootstrap
from mosaic.core.invite_link import NamedServer
from mosaic.core.keys import PublicKey
from mosaic.core.reference import Id
from mosaic.core.url import ServerUrl
from mosaic.node.bootstraps import Bootstraps
from mosaic.node.clock import Clock
from mosaic.node.deliveries import parse_urls
from mosaic.node.hints import Hints, mentioned
from mosaic.node.moves import Moves
from mosaic.node.private_db import PrivateDb
from mosaic.social.records import Records


class HomeDirectory:
    """Answers from the private database, without asking anybody.

    The home's own server is left out: what is written here reaches it first
    and by another way.

    Args:
        db: The private database.
        bootstraps: What others published.
        records: The records at hand, for who wrote one.
        clock: The clock.
        own_server: The key of this home's server.
        own: The bootstrap of somebody who lives here, None for others.
    """

    def __init__(
        self,
        db: PrivateDb,
        bootstraps: Bootstraps,
        records: Callable[[], Records],
        clock: Clock,
        *,
        own_server: PublicKey,
        own: Callable[[PublicKey], UserBootstrap | None],
    ) -> None:
        self._db = db
        self._bootstraps = bootstraps
        self._records = records
        self._clock = clock
        self._own_server = own_server
        self._own = own
        self._hints = Hints(db)
        self._moves = Moves(db)

    def servers(self, person: PublicKey, usage: Usage) -> Sequence[ServerAddress]:
        """The servers that somebody uses so, the preferred first; without URLs where these are not known."""
        own = self._own(person)
        published = own or self._bootstraps.user(person)
        # Where this home is not reached from outside, others are not told of it, and use one more.
        most = USED_PER_ROLE + (own is not None)
        keys = () if published is None else published.servers(usage, most)
        found = [self.address(key) for key in keys if key != self._own_server][:USED_PER_ROLE]
        if own is not None or any(server.urls for server in found):
            return found
        told = [
            self.address(PublicKey(row.server_key))
            for row in self._db.servers_of(person.bytes)
            if row.usage & usage and row.server_key != self._own_server.bytes
        ]
        told = [server for server in told if server.urls or published is None]
        known = [*told, *(server for server in found if server not in told)]
        if any(server.urls for server in known):
            return known
        return [
            *known,
            *(server for server in self._addresses(self._hints.servers(person)) if server not in known),
        ]

    def hinted(self, person: PublicKey) -> Sequence[ServerAddress]:
        """The servers that may know where somebody is, as others and his own records say."""
        return self._addresses((*self._hints.servers(person), *mentioned(self._records(), person)))

    def _addresses(self, servers: Iterable[PublicKey]) -> list[ServerAddress]:
        return [self.address(key) for key in dict.fromkeys(servers) if key != self._own_server]

    def left(self, person: PublicKey) -> Sequence[ServerAddress]:
        """The servers that somebody of this home has given up, and where others may still look."""
        return [self.address(key) for key in self._moves.kept(person) if key != self._own_server]

    def lives_here(self, person: PublicKey) -> bool:
        """Whether somebody's home is this one."""
        return self._own(person) is not None

    def is_published(self, person: PublicKey) -> bool:
        """Whether it is known what somebody published about his servers."""
        return self._bootstraps.user(person) is not None

    def is_named(self, person: PublicKey) -> bool:
        """Whether the home's own people have said which servers somebody uses, or he lives here."""
        return self.lives_here(person) or bool(self._db.servers_of(person.bytes))

    def address(self, server: PublicKey) -> ServerAddress:
        """Where a server listens: what it published, then what the home's own people said, then hints."""
        published = self._bootstraps.server(server)
        urls = () if published is None else published.urls
        named = parse_urls(self._db.server_urls(server.bytes))
        said = self._hints.urls(server)
        return ServerAddress(server, tuple(dict.fromkeys((*urls, *named, *said))), frozenset(named))

    def author_of(self, record: Id) -> PublicKey | None:
        """Who wrote a record that is at hand, or None."""
        found = self._records().at(record)
        return found[0].author if found else None

    def learn_hint(self, key: PublicKey, server: NamedServer) -> None:
        """Remembers where somebody may be found, as others say (an invite link, for instance)."""
        self._hints.learn(key, server, self._clock.now_ns())

    def learn(self, person: PublicKey, server: PublicKey, url: ServerUrl | None, usage: Usage) -> None:
        """Remembers a server that somebody uses, as one of the home's own people says."""
        urls = [] if url is None else [str(url)]
        self._db.learn_server(person.bytes, server.bytes, usage, urls, self._clock.now_ns())
