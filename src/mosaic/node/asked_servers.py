"""Which servers look into the DHT for the people of this home.

Those that they use themselves come first, and are told who asks. Then come
those of whom they follow, the most shared first, who are not told.

Source: messages.md (DHT LOOKUP), rationale.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from mosaic.client.address import ServerAddress
from mosaic.client.outbox import SERVERS_OF_A_ROLE
from mosaic.core.bootstrap import Usage
from mosaic.core.keys import PublicKey, SecretKey
from mosaic.node.directory import HomeDirectory
from mosaic.node.people import Person


class AskedServers:
    """Names them anew each time, from what is known then.

    Args:
        people: Who lives here.
        followed: Whom they follow.
        directory: Who uses which servers.
        fails: Whether a server is known not to be reached now.
    """

    def __init__(
        self,
        people: Iterable[Person],
        followed: Callable[[], Iterable[PublicKey]],
        directory: HomeDirectory,
        fails: Callable[[PublicKey], bool],
    ) -> None:
        self._people = people
        self._followed = followed
        self._directory = directory
        self._fails = fails

    def __call__(self) -> list[tuple[ServerAddress, SecretKey | None]]:
        """The servers whose addresses are known, the preferred first, and whose key is proven to each."""
        found: dict[PublicKey, tuple[ServerAddress, SecretKey | None]] = {}
        for person in self._people:
            for server in self._used(person.key):
                found.setdefault(server.key, (server, person.device))
        shared: Counter[PublicKey] = Counter()
        addresses: dict[PublicKey, ServerAddress] = {}
        for followed in self._followed():
            for server in self._used(followed):
                shared[server.key] += 1
                addresses[server.key] = server
        for key, _ in shared.most_common():
            found.setdefault(key, (addresses[key], None))
        return [asked for key, asked in found.items() if not self._fails(key)]

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
