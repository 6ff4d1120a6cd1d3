"""The node: everything of one open home, started and stopped in order.

Whoever holds the home's lock has one of these: the process that serves, or a
command that found the home free. Both have the same parts; the serving one
also listens, delivers and follows.

    private.db → keys → store, blobs → server ← memory links ← client

Source: this project's own design, docs/architecture.md "A person acts".
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import replace

from mosaic.client.address import ServerAddress
from mosaic.client.backoff import Backoff
from mosaic.client.connection import Connection
from mosaic.client.link_pool import LinkPool
from mosaic.client.queue import OutgoingQueue
from mosaic.core.record import Record
from mosaic.core.url import ServerUrl
from mosaic.errors import StoreFull
from mosaic.node.clock import Clock
from mosaic.node.deliveries import Deliveries
from mosaic.node.directory import HomeDirectory
from mosaic.node.entropy import entropy
from mosaic.node.follower import Follower, Settings
from mosaic.node.home import Home, HomeLock
from mosaic.node.home_keys import home_password, server_prover, server_secret
from mosaic.node.listeners import Listeners
from mosaic.node.own_server import OwnServer
from mosaic.node.people import People, Person, Vault
from mosaic.node.private_db import PrivateDb
from mosaic.node.publishing import Published, Publishing
from mosaic.node.records import OwnRecords
from mosaic.node.schedules import Schedules
from mosaic.node.settings import NodeSettings
from mosaic.node.upkeep import Upkeep
from mosaic.policy.submission import Way
from mosaic.server.server import Server
from mosaic.store.blobs import BlobStore
from mosaic.store.embedded import EmbeddedStore, open_store
from mosaic.store.record_source import RecordSource
from mosaic.transport.settings import TransportSettings
from mosaic.transport.sockets import SocketNetwork
from mosaic.wire.limits import SPOOL_PREFIX, frame_limits
from mosaic.wire.result_code import ResultCode

log = logging.getLogger(__name__)


class Node:
    """An open home. Made by `open`, ended by `stop`."""

    def __init__(self, home: Home, lock: HomeLock, settings: NodeSettings, db: PrivateDb) -> None:
        self.home = home
        self.settings = settings
        self.db = db
        self.clock = Clock()
        self._lock = lock
        self._stack = contextlib.AsyncExitStack()
        self._tasks: list[asyncio.Task[None]] = []
        self._changed: set[asyncio.Event] = set()
        vault = Vault(home_password(home, db), entropy)
        self.server_secret = server_secret(db, vault)
        self.people = People(db, vault, self.clock, entropy)

    # --- opening ---------------------------------------------------------------------------------

    @classmethod
    async def open(
        cls,
        home: Home,
        lock: HomeLock,
        settings: NodeSettings | None = None,
        *,
        progress: Callable[[int, int], None] | None = None,
    ) -> Node:
        """Opens a home.

        Args:
            home: The home; its layout's version was checked.
            lock: Its lock; the node releases it when it stops.
            settings: Choices.
            progress: Told (bytes done, bytes in all) while the index is made again.

        Raises:
            LocalError: something of the home can't be opened; the lock is released.
        """
        settings = settings or NodeSettings()
        try:
            home.empty_temporary()
            db = PrivateDb(home.private_db)
        except BaseException:
            lock.release()
            raise
        try:
            node = cls(home, lock, settings, db)
            await node._start(progress)
        except BaseException:
            db.close()
            lock.release()
            raise
        return node

    async def _start(self, progress: Callable[[int, int], None] | None) -> None:
        async with contextlib.AsyncExitStack() as stack:
            store = await asyncio.to_thread(open_store, self.home.folder, progress=progress)
            stack.callback(store.close)
            self.store: EmbeddedStore = store
            self.records = OwnRecords(RecordSource(store), self._everybody, self._schedule_wanted)
            self.everything = OwnRecords(RecordSource(store), lambda: None, self._schedule_wanted)
            self._client(stack)
            self.blobs = BlobStore(self.home.blobs, max_bytes=self.settings.server.blob_limit)
            self.server = Server(
                store,
                self.blobs,
                self.settings.server,
                now_ns=self.clock.now_ns,
                served=self.people.serves,
                schedules=self.schedules,
                prover=server_prover(self.server_secret),
            )
            await self.server.start()
            stack.push_async_callback(self.server.stop, self.settings.stop_s)
            self.server.listen_changes(self._tell_changed)
            self.listeners = Listeners(self.server, self._transport(), self.server_secret)
            self._own_server = OwnServer(
                self.server,
                self.server_secret.public,
                self._transport(),
                self.settings.client,
                self.clock.now_ns,
            )
            self._publishing = Publishing(self.records, self.directory, self.queue, self.deliveries, self.own)
            await self._publishing.publish_missing(self.people)
            self._stack = stack.pop_all()

    def _client(self, stack: contextlib.AsyncExitStack) -> None:
        client = self.settings.client
        network = SocketNetwork(self._transport())
        stack.push_async_callback(network.stop, 0.5)
        # All addresses that this home knows were named by its people.
        own = replace(client, private_addresses=True)
        self.pool = LinkPool(network, own, self.clock.now_ns)
        stack.callback(self.pool.close)
        self.directory = HomeDirectory(self.db, lambda: self.records, self.clock, self.server_secret.public)
        backoff = Backoff(entropy, client.retry_first_s, client.retry_most_s)
        self.deliveries = Deliveries(self.db)
        self.deliveries.forget_old(self.clock.now_ns())
        self.queue = OutgoingQueue(
            self.deliveries, self._connect_as, now_ns=self.clock.now_ns, backoff=backoff
        )
        self.schedules = Schedules(self.directory, self.pool, self.mirror, self.clock.now_ns)
        self.follower = Follower(
            self.db,
            self.directory,
            self.pool,
            self.mirror,
            self.clock,
            Settings(client, backoff, self.everything.schedule),
        )

    def _transport(self) -> TransportSettings:
        server = self.settings.server
        return TransportSettings(
            frame_limits=tuple(frame_limits(server.record_limit, server.blob_limit)),
            spool_prefix=tuple(SPOOL_PREFIX),
            spool_folder=str(self.home.temporary),
        )

    def _schedule_wanted(self, author: bytes) -> None:
        self.schedules.wanted(author)

    def _everybody(self) -> Sequence[bytes]:
        return [person.key.bytes for person in self.people]

    # --- working ---------------------------------------------------------------------------------

    def work(self) -> None:
        """Begins to deliver what is queued and to read whom people follow, until `stop`."""
        self.deliveries.retry_now(self.clock.now_ns())
        self.follower.update()
        upkeep = Upkeep(self.store, self.settings.upkeep_s)
        for job in (self.queue.run(), self.pool.maintain(), self.schedules.run(), upkeep.run()):
            self._tasks.append(asyncio.create_task(self._kept_up(job)))

    async def _kept_up(self, job: Awaitable[None]) -> None:
        try:
            await job
        except asyncio.CancelledError:
            raise
        except Exception:
            log.exception("a part of the node failed; the node goes on without it")

    async def listen(self, host: str, port: int) -> ServerUrl:
        """Listens for other people's clients over TCP; port 0 picks one. Raises ListenFailed."""
        return self.listeners.tcp(host, port)

    @property
    def urls(self) -> list[ServerUrl]:
        """Where the server is reached."""
        return self.listeners.urls

    async def stop(self) -> None:
        """Stops everything in order: what is acknowledged is on disk, the store is marked clean."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        await self.follower.stop()
        self._own_server.close()
        try:
            await self._stack.aclose()
        finally:
            self.db.close()
            self._lock.release()

    # --- what people do --------------------------------------------------------------------------

    async def own(self, person: Person | None) -> Connection:
        """A connection to the own server, as any client has one; proves the person's device key."""
        return await self._own_server.connection(person.device if person else None)

    @contextlib.asynccontextmanager
    async def _connect_as(self, server: ServerAddress, sender: bytes) -> AsyncIterator[Connection]:
        """A connection to another server that proves the device key of a person (master key)."""
        secret = next((person.device for person in self.people if person.key.bytes == sender), None)
        async with self.pool.connect(server, secret) as connection:
            yield connection

    async def make_person(self, name: str) -> Person:
        """Makes a person and publishes key schedule and profile. Raises HomeExists or InvalidProfile."""
        person, records = self.people.make(name, self.server_secret.public)
        self.server.people_changed()
        for record in records:
            await self.publish(person, record)
        return person

    async def publish(self, person: Person, record: Record) -> Published:
        """Hands a record to the own server and queues it for all others that it goes to.

        Raises:
            Refused: the own server does not take it.
        """
        return await self._publishing.publish(person, record)

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

    # --- who wants to know -----------------------------------------------------------------------

    def _tell_changed(self, _position: int, _record: bytes) -> None:
        for event in self._changed:
            event.set()

    @contextlib.contextmanager
    def changes(self) -> Iterator[asyncio.Event]:
        """An event that is set whenever a record was stored; clear it before looking."""
        event = asyncio.Event()
        self._changed.add(event)
        try:
            yield event
        finally:
            self._changed.discard(event)
