"""Publishing: a record of somebody who lives here goes to the own server and to all others that it concerns.

It is queued for the others first, so that a crash in between loses nothing.
For people of whom no server is known it waits until one is found.

With it go the author's key schedule, without which nobody could tell whose it
is, and the profile, so that strangers see a name. The sender brings both: who
receives a stranger's reply then needs to ask nobody, which would work only as
long as that stranger's server and the DHT do, and would tell him who read it.

Source: bootstrap.md (outboxes, inboxes); edition §3.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from mosaic.client.address import ServerAddress
from mosaic.client.connection import Connection
from mosaic.client.outbox import SERVERS_OF_A_ROLE, destinations, people_concerned
from mosaic.client.queue import Delivery, OutgoingQueue, State
from mosaic.client.refusals import refused
from mosaic.core.bootstrap import Usage
from mosaic.core.filter import Filter
from mosaic.core.keys import PublicKey
from mosaic.core.kinds import KEY_SCHEDULE, PROFILE
from mosaic.core.record import Record
from mosaic.errors import Refused
from mosaic.node.deliveries import Deliveries
from mosaic.node.directory import HomeDirectory
from mosaic.node.people import People, Person
from mosaic.node.proof_of_work import ProofOfWork
from mosaic.node.records import OwnRecords
from mosaic.node.unaddressed import Letter, Unaddressed
from mosaic.social import profiles
from mosaic.wire.result_code import ResultCode

KEY_GONE: Final = (
    "the key that signs on this machine is not in use any more, so nobody takes what you write here"
)
"""What is wrong where this machine's key was revoked or retired."""

NEW_KEY: Final = (
    "`mosaic key list` tells since when. If this machine is to stay yours, give it a new key:"
    " `mosaic key roll --master FILE`."
)
"""What to do about that."""

_REMEMBERED: Final = 4_096


@dataclass(frozen=True, slots=True)
class Published:
    """A record that was published.

    Args:
        record: The record, which the own server has.
        deliveries: How it stands towards other servers.
    """

    record: Record
    deliveries: Sequence[Delivery]


class Publishing:
    """Publishes records.

    Args:
        records: What this home has.
        directory: Who uses which servers.
        queue: What is to be delivered to other servers.
        deliveries: The same on disk.
        unaddressed: What is for people of whom no server is known, on disk.
        own: A connection to the own server that proves a person's device.
        work: Does the work that servers are known to ask for.
        now_ns: The clock.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - what publishing brings together
        self,
        records: OwnRecords,
        directory: HomeDirectory,
        queue: OutgoingQueue,
        deliveries: Deliveries,
        unaddressed: Unaddressed,
        own: Callable[[Person], Awaitable[Connection]],
        work: ProofOfWork,
        now_ns: Callable[[], int],
    ) -> None:
        self._records = records
        self._directory = directory
        self._queue = queue
        self._deliveries = deliveries
        self._unaddressed = unaddressed
        self._own = own
        self._work = work
        self._again: OrderedDict[bytes, Record] = OrderedDict()
        self._now_ns = now_ns

    async def publish(self, person: Person, record: Record, about: Record | None = None) -> Published:
        """Queues a record for other servers and hands it to the own one.

        What is published has another id than `record` if a server that it goes to is known to ask for
        proof of work.

        Args:
            person: Whose it is.
            record: The record.
            about: One that it takes back: it goes wherever that one went.

        Raises:
            Refused: the own server does not take it; nothing stays queued.
        """
        servers = self._destinations(record, about)
        record = await self._work.before(person, record, servers)
        self._queue_for(person.key, record.data, servers)
        for other in self.unreached(record):
            self._unaddressed.add(Letter(record.data, person.key.bytes, other), self._now_ns())
        connection = await self._own(person)
        result = await connection.submit(record.data)
        if not result.is_success:
            self._deliveries.withdraw(record.id.bytes)
            self._unaddressed.withdraw(record.id.bytes)
            raise self._refusal(record, result)
        return Published(record, self._queue.of_record(record.id.bytes))

    async def publish_again(self, person: Person, record: Record, former: Record) -> bool:
        """Publishes a record that was made again; whether no other server has taken the former version.

        Args:
            person: Who wrote it.
            record: The newest version.
            former: The one before, which is delivered to nobody any more.

        Raises:
            Refused: the own server does not take it; the former one stays queued.
        """
        await self.publish(person, record)
        self._deliveries.withdraw(former.id.bytes)
        self._again[former.id.bytes] = record
        while len(self._again) > _REMEMBERED:
            self._again.popitem(last=False)
        return all(one.state is State.REFUSED for one in self._queue.of_record(former.id.bytes))

    def _refusal(self, record: Record, result: ResultCode) -> Refused:
        """Why the own server did not take a record; where a key was taken away, this home knows that."""
        schedule = self._records.schedule(record.author)
        if (
            result is ResultCode.UNAUTHORIZED
            and schedule is not None
            and not schedule.may_sign(record.signer)
        ):
            return Refused(KEY_GONE, result=result, hint=NEW_KEY)
        return refused(result, "the own server refused")

    def made_again(self, record: Record) -> Record | None:
        """What a record was lately made again as, because a server asked for proof of work."""
        return self._again.get(record.id.bytes)

    def _destinations(self, record: Record, about: Record | None) -> list[ServerAddress]:
        """The servers that a record goes to, each once; also those that have the one that it is about."""
        servers = [*destinations(record, self._directory), *self._directory.left(record.author)]
        if about is not None:
            servers += destinations(about, self._directory)
            servers += [delivery.server for delivery in self._queue.of_record(about.id.bytes)]
        return list({server.key: server for server in servers}.values())

    def unreached(self, record: Record) -> list[PublicKey]:
        """Those whom a record concerns and none of whose servers is known."""
        return [
            person
            for person in people_concerned(record, self._directory)
            if not self._directory.lives_here(person) and not self._reached_at(person)
        ]

    def deliver_found(self) -> int:
        """Queues what waits for people of whom a server is known by now; how many records those are."""
        moved = 0
        for person in self._unaddressed.people():
            servers = self._reached_at(person)
            if not servers:
                continue
            for letter in self._unaddressed.of_person(person):
                self._queue_for(PublicKey(letter.sender), letter.record, servers)
                self._unaddressed.remove(letter)
                moved += 1
        return moved

    def introduce(self, person: PublicKey) -> None:
        """Queues the key schedule and profile of somebody who lives here for the servers he uses."""
        servers = [
            server
            for usage in (Usage.OUTBOX, Usage.INBOX)
            for server in self._directory.servers(person, usage)[:SERVERS_OF_A_ROLE]
        ]
        schedule = self._records.schedule_record(person)
        if schedule is not None:
            self._queue_for(person, schedule.data, servers)

    def _reached_at(self, person: PublicKey) -> Sequence[ServerAddress]:
        """Where somebody receives: the inboxes, or the outboxes as long as no inbox is known."""
        for usage in (Usage.INBOX, Usage.OUTBOX):
            servers = self._directory.servers(person, usage)[:SERVERS_OF_A_ROLE]
            if servers:
                return servers
        return ()

    def _queue_for(self, author: PublicKey, record: bytes, servers: Sequence[ServerAddress]) -> None:
        """Queues a record, and what each server needs once to tell whose it is, and his name."""
        if not servers:
            return
        schedule = self._records.schedule_record(author)
        if schedule is not None:
            self._queue.add(schedule.data, author.bytes, servers)
        self._queue.add(record, author.bytes, servers)
        profile = profiles.profile_record(self._records, author)
        if profile is not None:
            self._queue.add(profile.data, author.bytes, servers)

    async def publish_missing(self, people: People) -> None:
        """Publishes what a person must have and a crash right after `make` took away. Raises Refused."""
        for person in people:
            wanted = Filter.of(authors=[person.key], kinds=[KEY_SCHEDULE, PROFILE])
            there = {record.kind for record in self._records.newest_first(wanted)}
            for record in people.basic_records(person):
                if record.kind not in there:
                    await self.publish(person, record)
