"""Which servers look into the DHT for the people of this home.

Those that they use themselves come first, and are told who asks. Then come
those of whom they follow, the most shared first, who are not told.

Source: messages.md (DHT LOOKUP), rationale.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Final

from mosaic.client.address import ServerAddress
from mosaic.client.outbox import SERVERS_OF_A_ROLE
from mosaic.client.own_servers import Asked
from mosaic.core.bootstrap import Usage
from mosaic.core.keys import PublicKey
from mosaic.node.directory import HomeDirectory
from mosaic.node.people import Person

# One server alone may be out of date; after two of one's own, others are more likely to know.
_BEFORE_HINTS: Final = 2


class AskedServers:
    """Names them anew each time, from what is known then.

    Where somebody is looked for of whom others say where he may be found, those servers are asked as well.

    Args:
        people: Who lives here.
        followed: Whom they follow.
        directory: Who uses which servers.
        fails: Whether a server is known not to be reached now.
        hinted: Where a key may be found, as others say.
    """

    def __init__(
        self,
        people: Iterable[Person],
        followed: Callable[[], Iterable[PublicKey]],
        directory: HomeDirectory,
        fails: Callable[[PublicKey], bool],
        hinted: Callable[[PublicKey], Sequence[ServerAddress]],
    ) -> None:
        self._people = people
        self._followed = followed
        self._directory = directory
        self._fails = fails
        self._hinted = hinted

    def __call__(self, key: PublicKey | None = None) -> list[Asked]:
        """The servers whose addresses are known, the preferred first, and whose key is proven to each.

        Args:
            key: Who is looked for; None names those that can be asked about anybody.
        """
        own: dict[PublicKey, Asked] = {}
        for person in self._people:
            for server in self._used(person.key):
                own.setdefault(server.key, (server, person.device))
        found = dict(islice(own.items(), _BEFORE_HINTS))
        for server in () if key is None else self._hinted(key):
            if server.urls:
                found.setdefault(server.key, (server, None))
        found = {**found, **own}
        shared: Counter[PublicKey] = Counter()
        addresses: dict[PublicKey, ServerAddress] = {}
        for followed in self._followed():
            for server in self._used(followed):
                shared[server.key] += 1
                addresses[server.key] = server
        for server_key, _ in shared.most_common():
            found.setdefault(server_key, (addresses[server_key], None))
        return [asked for server_key, asked in found.items() if not self._fails(server_key)]

    def any(self) -> bool:
        """Whether there is one."""
        return bool(self())

    def _used(self, person: PublicKey) -> list[ServerAddress]:
        found: dict[PublicKey, ServerAddress] = {}
        for usage in (Usage.OUTBOX, Usage.INBOX):
            for server in self._directory.servers(person, usage)[:SERVERS_OF_A_ROLE]:
                if server.urls:
                    found[server.key] = server
        return list(found.values())
