"""What this home publishes in the DHT: where its server is, and which servers its people use.

A server that the Internet does not reach (behind NAT, or as an onion site alone)
is left out of its people's bootstraps, and so is a role that it does not have:
who has no other server publishes nothing, rather than leading friends nowhere.

Source: bootstrap.md, network.md (who may be an outbox); always signed by the master key.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from mosaic.core.bootstrap import DhtItem, ServerBootstrap, ServerUse, Usage, UserBootstrap
from mosaic.core.keys import PublicKey, SecretKey
from mosaic.dht.mode import DhtMode
from mosaic.dht.writer import SecretSigner
from mosaic.node.announced import Announcement, announcement
from mosaic.node.in_dht import Told
from mosaic.node.listeners import Listeners
from mosaic.node.own_addresses import own_addresses
from mosaic.node.people import People, Person
from mosaic.node.settings import NodeSettings
from mosaic.policy.roles import Choice


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
            MasterAway: it is not on this machine.
            PasswordNeeded: it is under the person's own password.
            InvalidBootstrap: the text or the number can't be.
        """
        return self.people.bootstrap_item(self.person, salt, seq, value)


def announced(listeners: Listeners, settings: NodeSettings) -> Announcement:
    """Where others reach the own server, by its listeners and what its owner says."""
    return announcement(
        listeners.listening,
        settings.public,
        own_addresses(_hosts(settings.dht)),
        near=settings.dht.is_private,
    )


def suited(where: Announcement, roles: Choice) -> Usage:
    """What people may use the own server for: its roles, and none where the Internet does not reach it.

    Args:
        where: What others are told about where it is.
        roles: Which it has by its settings.
    """
    if all(url.is_onion for url in where.urls):
        return Usage(0)
    usage = Usage.OUTBOX if roles.outbox else Usage(0)
    usage |= Usage.INBOX if roles.inbox else Usage(0)
    return usage | (Usage.ENCRYPTION if roles.encryption else Usage(0))


def to_tell(where: Announcement, server: SecretKey, people: People, roles: Choice) -> Iterator[Told]:
    """The bootstraps to be published: the server's, then each person's."""
    if where.urls:
        yield Told(SecretSigner(server), ServerBootstrap.fitting(where.urls))
    usage = suited(where, roles)
    for person in people:
        bootstrap = fitting(UserBootstrap.parse(person.bootstrap), server.public, usage)
        if bootstrap.outboxes and bootstrap.inboxes:
            yield Told(MasterSigner(people, person), bootstrap)


def fitting(bootstrap: UserBootstrap, server: PublicKey, usage: Usage) -> UserBootstrap:
    """A bootstrap in which one server is used for what it is suited for alone."""
    narrowed = (
        ServerUse(entry.usage & usage, entry.key) if entry.key == server and entry.usage & usage else entry
        for entry in bootstrap.entries
        if entry.key != server or entry.usage & usage
    )
    return UserBootstrap(tuple(narrowed))


def _hosts(mode: DhtMode) -> Iterable[str]:
    """The entry nodes' hosts: who enters there reaches others on the same way."""
    return [node.rpartition(":")[0] for node in mode.entry_nodes]
