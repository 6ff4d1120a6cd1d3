"""Who uses which servers, as far as this home knows: `client.outbox.Directory`.

Source: bootstrap.md (roles of servers); this project's own design, docs/architecture.md "A person acts".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mosaic.client.address import ServerAddress
from mosaic.core.bootstrap import Usage
from mosaic.core.keys import PublicKey
from mosaic.core.reference import Id
from mosaic.core.url import ServerUrl
from mosaic.node.clock import Clock
from mosaic.node.deliveries import parse_urls
from mosaic.node.private_db import PrivateDb
from mosaic.social.records import Records


class HomeDirectory:
    """Answers from the private database.

    The home's own server is left out: what is written here reaches it first
    and by another way.

    Args:
        db: The private database.
        records: The records at hand, for who wrote one.
        clock: The clock.
        own_server: The key of this home's server.
    """

    def __init__(
        self, db: PrivateDb, records: Callable[[], Records], clock: Clock, own_server: PublicKey
    ) -> None:
        self._db = db
        self._records = records
        self._clock = clock
        self._own_server = own_server

    def servers(self, person: PublicKey, usage: Usage) -> Sequence[ServerAddress]:
        """The servers that somebody uses so, the preferred first."""
        return [
            ServerAddress(PublicKey(row.server_key), parse_urls(row.urls))
            for row in self._db.servers_of(person.bytes)
            if row.usage & usage and row.server_key != self._own_server.bytes
        ]

    def author_of(self, record: Id) -> PublicKey | None:
        """Who wrote a record that is at hand, or None."""
        found = self._records().at(record)
        return found[0].author if found else None

    def learn(self, person: PublicKey, server: PublicKey, url: ServerUrl | None, usage: Usage) -> None:
        """Remembers a server that somebody uses."""
        urls = [] if url is None else [str(url)]
        self._db.learn_server(person.bytes, server.bytes, usage, urls, self._clock.now_ns())
