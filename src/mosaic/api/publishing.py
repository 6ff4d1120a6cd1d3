"""Hands in what was signed here, without a home: at all servers that it goes to, until they have it.

Source: bootstrap.md (outboxes, inboxes), reply_comment.md; edition §4 (who gets what).
"""

from __future__ import annotations

import contextlib
from collections import deque
from typing import Final

from mosaic.api.links import Links
from mosaic.client.outbox import SERVERS_OF_A_ROLE, destinations, people_concerned
from mosaic.client.queue import State
from mosaic.client.refusals import refused
from mosaic.core.bootstrap import Usage
from mosaic.core.keys import PublicKey
from mosaic.core.record import Record
from mosaic.core.reference import Reference
from mosaic.errors import MosaicError, Unreachable, UsageError
from mosaic.node.control import JsonObject
from mosaic.node.shapes import deliveries_object, record_object
from mosaic.wire.result_code import ResultCode

_SETTLE_S: Final = 10.0
# Records of one's own whose deliveries can be asked about.
_REMEMBERED: Final = 10_000


class Publishing:
    """What a client without a home publishes.

    Args:
        links: Reaches others.
    """

    def __init__(self, links: Links) -> None:
        self._links = links
        self._published: deque[Record] = deque(maxlen=_REMEMBERED)

    async def publish(self, record: Record, about: Record | None = None) -> JsonObject:
        """Queues a record and waits a little; how it stands then.

        Args:
            record: What is published.
            about: A record that it takes back: it goes wherever that one went.

        Raises:
            Refused: no server takes it.
            Unreachable: none is known where it could go.
        """
        links = self._links
        directory = links.directory
        about = about or record
        for person in (record.author, *people_concerned(about, directory)):
            await self._look_up(person)
        if not directory.servers(record.author, Usage.OUTBOX):
            raise Unreachable(
                "no server is known where you publish",
                hint="Name those you use: Client(identity, servers=[Server.at(url, key)])",
            )
        servers = {one.key: one for each in (record, about) for one in destinations(each, directory)}
        links.queue.add(record.data, links.who.author.bytes, list(servers.values()))
        self._published.append(record)
        await links.queue.settled(record.id.bytes, _SETTLE_S)
        stands = links.queue.of_record(record.id.bytes)
        if all(delivery.state is State.REFUSED for delivery in stands):
            result = stands[0].result
            raise refused(
                ResultCode.GENERAL_ERROR if result is None else ResultCode(result), "every server refused"
            )
        return self._object(record)

    def stands(self, named: Reference) -> JsonObject:
        """How a record that was published here stands towards its servers.

        Raises:
            UsageError: it was not.
        """
        for record in reversed(self._published):
            if named in {record.id, record.address}:
                return self._object(record)
        raise UsageError("this client has not published that", hint="Ask who published it.")

    def _object(self, record: Record) -> JsonObject:
        links = self._links
        unreached = [
            person.user_text
            for person in people_concerned(record, links.directory)
            if not any(links.directory.servers(person, usage) for usage in (Usage.INBOX, Usage.OUTBOX))
        ]
        return {
            **record_object(record),
            **deliveries_object(links.queue.of_record(record.id.bytes)),
            "unreached": list(unreached),
        }

    async def _look_up(self, person: PublicKey) -> None:
        """Finds the servers of somebody, and where they are, as far as that can be found out now."""
        with contextlib.suppress(MosaicError):
            for usage in (Usage.INBOX, Usage.OUTBOX):
                for server in (await self._links.finder.servers_of(person, usage))[:SERVERS_OF_A_ROLE]:
                    await self._links.finder.address_of(server)
