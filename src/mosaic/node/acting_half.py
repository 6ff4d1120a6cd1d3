"""The half of a node that does what people ask of it: publish, follow, use other devices and servers.

Source: this project's own design, docs/architecture.md "A person acts".
"""

from __future__ import annotations

import abc
from collections.abc import Sequence

from mosaic.client.address import ServerAddress
from mosaic.client.connection import Connection
from mosaic.client.named_key import NamedKey
from mosaic.core.bootstrap import Usage, UserBootstrap
from mosaic.core.keys import PublicKey, SecretKey
from mosaic.core.record import Record
from mosaic.errors import StoreFull
from mosaic.node.followed_list import FollowedList
from mosaic.node.own_server import OwnServer
from mosaic.node.people import Person
from mosaic.node.publishing import Published, Publishing
from mosaic.node.reaching_half import ReachingHalf
from mosaic.policy.submission import Way
from mosaic.server.server import Server
from mosaic.wire.result_code import ResultCode


class ActingHalf(ReachingHalf):
    """What `Node` is made of where people act; `Node` has the rest."""

    server: Server
    followed_list: FollowedList
    _own_server: OwnServer
    _publishing: Publishing

    @abc.abstractmethod
    def announce(self) -> None:
        """Publishes where the own server is, and which servers the people of this home use."""

    @abc.abstractmethod
    def look_again(self) -> None:
        """Looks for, reads and delivers to those who are followed or written to by now, if it works."""

    async def own(self, person: Person | None) -> Connection:
        """A connection to the own server, as any client has one; proves the person's device key."""
        return await self._own_server.connection(person.device if person else None)

    async def make_person(self, name: str) -> Person:
        """Makes a person and publishes key schedule and profile. Raises HomeExists or InvalidProfile."""
        person, records = self.people.make(name, self.server_secret.public)
        self.server.people_changed()
        for record in records:
            await self.publish(person, record)
        self.announce()
        return person

    def came(self, person: Person) -> None:
        """Somebody came to live here who had lived elsewhere: the own server serves him from now on."""
        self._publishing.introduce(person.key)
        self.announce()
        self.tell_changed()

    def use_device(self, person: Person, device: SecretKey) -> Person:
        """Lets another device key, which the key schedule lists, sign on this machine from now on."""
        new = self.people.use_device(person, device)
        self.server.people_changed()
        self.tell_changed()
        return new

    def use_servers(self, person: Person, bootstrap: UserBootstrap) -> None:
        """Lets a person use these servers: they get the key schedule and profile, friends find them."""
        self.people.use_servers(person, bootstrap)
        self._publishing.introduce(person.key)
        self.announce()
        self.tell_changed()

    def follow(self, person: Person, named: NamedKey, server: ServerAddress | None) -> bool:
        """Follows somebody; whether that is new.

        Args:
            person: Who follows.
            named: Whom; a key that may be a server's is looked for as one, too.
            server: An outbox of theirs, if one was named.
        """
        if server is not None:
            self.directory.learn(named.key, server.key, next(iter(server.urls), None), Usage.OUTBOX)
        elif named.server:
            self.directory.learn(named.key, named.key, None, Usage.OUTBOX)
        new = self.db.follow(person.key.bytes, named.key.bytes, self.clock.now_ns())
        self.followed_list.wake()
        self.look_again()
        if new and self.history.progress(named.key).done:
            # Who was followed once: what went since then comes again.
            self.comparing.from_the_beginning(named.key)
        return new

    def unfollow(self, person: Person, key: PublicKey) -> bool:
        """Stops following somebody; whether that person was followed."""
        was = self.db.unfollow(person.key.bytes, key.bytes)
        self.followed_list.wake()
        self.look_again()
        return was

    async def publish(self, person: Person, record: Record, about: Record | None = None) -> Published:
        """Hands a record to the own server and queues it for all others that it goes to.

        Args:
            person: Whose it is.
            record: The record.
            about: One that it takes back: it goes wherever that one went.

        Raises:
            Refused: the own server does not take it.
        """
        published = await self._publishing.publish(person, record, about)
        if self.unreached(record):
            self.look_again()
        return published

    async def _publish_again(self, person: Person, record: Record, former: Record) -> None:
        """Publishes a record that was made again with work in it, in place of the former version."""
        if await self._publishing.publish_again(person, record, former):
            # Nobody else has the one without work: it would only look like an edit.
            await self.server.moderation.drop([former.id.bytes])

    def made_again(self, record: Record) -> Record | None:
        """What a record was lately made again as, because a server asked for proof of work."""
        return self._publishing.made_again(record)

    def unreached(self, record: Record) -> list[PublicKey]:
        """Those whom a record concerns and none of whose servers is known."""
        return self._publishing.unreached(record)

    async def mirror(self, records: Sequence[bytes], received_by_ns: int | None = None) -> list[ResultCode]:
        """Hands in what was read from other servers; what became of each.

        Args:
            records: Whole records.
            received_by_ns: By when an outbox of their author says that it received them (ns), if it does.

        Raises:
            StoreFull: some could not be written.
        """
        failures = self.server.metrics.write_failures
        results = await self.server.submit(records, Way.MIRROR, received_by_ns=received_by_ns)
        if self.server.metrics.write_failures > failures and any(each.is_server_error for each in results):
            raise StoreFull("what was read from other servers could not be written")
        return results
