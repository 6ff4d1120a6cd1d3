"""Hands in what was signed here, without a home: at all servers that it goes to, until they have it.

Source: bootstrap.md (outboxes, inboxes), reply_comment.md; edition §4 (who gets what).
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Sequence
from typing import Final

from mosaic.api.links import Links
from mosaic.client.address import ServerAddress
from mosaic.client.outbox import SERVERS_OF_A_ROLE, destinations, people_concerned
from mosaic.client.proof_of_work import asked_by, worked
from mosaic.client.queue import State
from mosaic.client.reach import Manner
from mosaic.client.refusals import refused
from mosaic.core.bootstrap import Usage
from mosaic.core.filter import Filter
from mosaic.core.keys import PublicKey
from mosaic.core.kinds import KEY_SCHEDULE, PROFILE
from mosaic.core.record import Record
from mosaic.core.reference import Reference
from mosaic.errors import MosaicError, PeerError, Unreachable, UsageError
from mosaic.node.control import JsonObject
from mosaic.node.shapes import deliveries_object, record_object
from mosaic.policy.work import work_bits
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
        self._asks: dict[PublicKey, int] = {}
        self._introduced: tuple[Sequence[Record], Sequence[Record]] | None = None

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
        record = await self._with_work(record, list(servers.values()))
        await self._queue(record, list(servers.values()))
        self._published.append(record)
        if record.kind in {KEY_SCHEDULE, PROFILE}:
            self._introduced = None
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

    async def _queue(self, record: Record, servers: Sequence[ServerAddress]) -> None:
        """Queues a record, and for servers of others what tells whose it is, and the name."""
        queue, me = self._links.queue, record.author.bytes
        strangers = [server for server in servers if server not in self._own_servers(record.author)]
        before, after = await self._introduction(record.author) if strangers else ((), ())
        for each in before:
            queue.add(each.data, me, strangers)
        queue.add(record.data, me, servers)
        for each in after:
            queue.add(each.data, me, strangers)

    async def _introduction(self, me: PublicKey) -> tuple[Sequence[Record], Sequence[Record]]:
        """One's key schedule and one's profile, each the newest, as one's own server has them."""
        if self._introduced is None:
            wanted = Filter.of(authors=[me], signers=[me], kinds=[KEY_SCHEDULE, PROFILE])
            try:
                async with (
                    self._links.own() as connection,
                    contextlib.aclosing(connection.query(wanted)) as found,
                ):
                    records = [record async for record in found]
            except PeerError:
                return (), ()
            schedules = [record for record in records if record.kind == KEY_SCHEDULE]
            profiles = [record for record in records if record.kind == PROFILE]
            self._introduced = schedules[:1], profiles[:1]
        return self._introduced

    def _own_servers(self, me: PublicKey) -> list[ServerAddress]:
        directory = self._links.directory
        return [*directory.servers(me, Usage.OUTBOX), *directory.servers(me, Usage.INBOX)]

    async def _with_work(self, record: Record, servers: Sequence[ServerAddress]) -> Record:
        """The record with the work that servers of others ask of strangers, as far as that is done here."""
        own = self._own_servers(record.author)
        asked = [await self._work_of(server) for server in servers if server not in own]
        bits = max((each for each in asked if each <= self._links.work_bits), default=0)
        if work_bits(record.data) >= bits:
            return record
        who = self._links.who
        return await worked(record, who.worked, bits, timestamp=record.timestamp, most=self._links.work_bits)

    async def _work_of(self, server: ServerAddress) -> int:
        """How many bits a server asks of strangers, asked once; 0 where it can't be asked now."""
        if server.key not in self._asks:
            try:
                async with self._links.reach.server(server, Manner(self._links.who.secret)) as connection:
                    _, self._asks[server.key] = await asked_by(connection)
            except PeerError:
                return 0
        return self._asks[server.key]

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
