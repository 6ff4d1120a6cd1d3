"""Publishing: a record of somebody who lives here goes to the own server and to all others that it concerns.

It is queued for the others first, so that a crash in between loses nothing.

Source: bootstrap.md (outboxes, inboxes); edition §3.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from mosaic.client.connection import Connection
from mosaic.client.outbox import destinations
from mosaic.client.queue import Delivery, OutgoingQueue
from mosaic.client.refusals import refused
from mosaic.core.filter import Filter
from mosaic.core.kinds import KEY_SCHEDULE, PROFILE
from mosaic.core.record import Record
from mosaic.node.deliveries import Deliveries
from mosaic.node.directory import HomeDirectory
from mosaic.node.people import People, Person
from mosaic.node.records import OwnRecords


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
        own: A connection to the own server that proves a person's device.
    """

    def __init__(
        self,
        records: OwnRecords,
        directory: HomeDirectory,
        queue: OutgoingQueue,
        deliveries: Deliveries,
        own: Callable[[Person], Awaitable[Connection]],
    ) -> None:
        self._records = records
        self._directory = directory
        self._queue = queue
        self._deliveries = deliveries
        self._own = own

    async def publish(self, person: Person, record: Record) -> Published:
        """Queues a record for other servers and hands it to the own one.

        Raises:
            Refused: the own server does not take it; nothing stays queued.
        """
        servers = destinations(record, self._directory)
        schedule = self._records.schedule_record(person.key)
        if servers and schedule is not None:
            # Each server needs it once, to tell whose the record is.
            self._queue.add(schedule.data, person.key.bytes, servers)
        self._queue.add(record.data, person.key.bytes, servers)
        connection = await self._own(person)
        result = await connection.submit(record.data)
        if not result.is_success:
            self._deliveries.withdraw(record.id.bytes)
            raise refused(result, "the own server refused")
        return Published(record, self._queue.of_record(record.id.bytes))

    async def publish_missing(self, people: People) -> None:
        """Publishes what a person must have and a crash right after `make` took away. Raises Refused."""
        for person in people:
            wanted = Filter.of(authors=[person.key], kinds=[KEY_SCHEDULE, PROFILE])
            there = {record.kind for record in self._records.newest_first(wanted)}
            for record in people.basic_records(person):
                if record.kind not in there:
                    await self.publish(person, record)
