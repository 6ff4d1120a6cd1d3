"""What this home publishes in the DHT: where its server is, and which servers its people use.

A server that others can't reach is left out of its people's bootstraps: who
has no other publishes nothing, rather than leading friends nowhere.

Source: bootstrap.md, network.md (who may be an outbox); always signed by the master key.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from mosaic.core.bootstrap import DhtItem, ServerBootstrap, UserBootstrap
from mosaic.core.keys import PublicKey, SecretKey
from mosaic.dht.mode import DhtMode
from mosaic.dht.writer import SecretSigner
from mosaic.node.announced import Announcement, announcement
from mosaic.node.in_dht import Told
from mosaic.node.listeners import Listeners
from mosaic.node.own_addresses import own_addresses
from mosaic.node.people import People, Person
from mosaic.node.settings import NodeSettings


@dataclass(frozen=True, slots=True)
class MasterSigner:
    """Signs with a person's master key, which is opened for each signature and not kept.

    Args:
        people: The people of this home.
        person: Whose bootstrap.
    """

    people: People
    person: Person

    @property
    def public(self) -> PublicKey:
        """The person's key."""
        return self.person.key

    def sign(self, salt: bytes, seq: int, value: bytes) -> DhtItem:
        """A signed item.

        Args:
            salt: `USER_SALT`.
            seq: Its sequence number, 1 and rising.
            value: The text.

        Raises:
            HomeDamaged: the key can't be opened.
            UnknownPerson: the person does not live here any more.
            InvalidBootstrap: the text or the number can't be.
        """
        return DhtItem.sign(self.people.master(self.person), salt, seq, value)


def announced(listeners: Listeners, settings: NodeSettings) -> Announcement:
    """Where others reach the own server, by its listeners and what its owner says."""
    return announcement(
        listeners.listening,
        settings.public,
        own_addresses(_hosts(settings.dht)),
        near=settings.dht.is_private,
    )


def to_tell(where: Announcement, server: SecretKey, people: People) -> Iterator[Told]:
    """The bootstraps to be published: the server's, then each person's."""
    if where.urls:
        yield Told(SecretSigner(server), ServerBootstrap.fitting(where.urls))
    for person in people:
        bootstrap = UserBootstrap.parse(person.bootstrap)
        if not where.urls:
            bootstrap = UserBootstrap(
                tuple(entry for entry in bootstrap.entries if entry.key != server.public)
            )
        if bootstrap.outboxes and bootstrap.inboxes:
            yield Told(MasterSigner(people, person), bootstrap)


def _hosts(mode: DhtMode) -> Iterable[str]:
    """The entry nodes' hosts: who enters there reaches others on the same way."""
    return [node.rpartition(":")[0] for node in mode.entry_nodes]
