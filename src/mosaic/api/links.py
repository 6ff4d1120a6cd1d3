"""What a client without a home has instead of one: links, look-ups, a queue, and a memory of them.

The same parts as a home's, over a private database in memory: what was found,
what worked and what is still to be delivered is gone with the client.

Source: network.md, bootstrap.md; this project's own design, docs/architecture.md "A program acts".
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import tempfile
from collections.abc import AsyncIterator, Sequence
from typing import Final

from mosaic.api.shelf import Shelf
from mosaic.client.address import ServerAddress
from mosaic.client.authority import Authority
from mosaic.client.backoff import Backoff
from mosaic.client.connection import Connection
from mosaic.client.failover import Readable
from mosaic.client.link_pool import LinkPool
from mosaic.client.named_key import NamedKey
from mosaic.client.own_servers import Asked, OwnServers
from mosaic.client.queue import OutgoingQueue
from mosaic.client.reach import Manner, Reach
from mosaic.client.surroundings import Surroundings as ClientSurroundings
from mosaic.core.bootstrap import ServerUse, Usage, UserBootstrap
from mosaic.core.keys import PublicKey
from mosaic.dht.mode import DhtMode
from mosaic.dht.settings import DhtSettings
from mosaic.errors import PeerError, UsageError
from mosaic.node import configuration
from mosaic.node.arguments import Arguments
from mosaic.node.bootstraps import Bootstraps
from mosaic.node.deliveries import Deliveries
from mosaic.node.dialled import Dialled
from mosaic.node.directory import HomeDirectory
from mosaic.node.finding import Finding
from mosaic.node.home_finder import HomeFinder
from mosaic.node.in_dht import InDht
from mosaic.node.private_db import PrivateDb
from mosaic.node.surroundings import Surroundings
from mosaic.social.signer import Signer
from mosaic.transport.settings import TransportSettings
from mosaic.wire.limits import SPOOL_PREFIX, frame_limits

_ALL_USES: Final = Usage.OUTBOX | Usage.INBOX | Usage.ENCRYPTION
_STOP_S: Final = 0.5


class Links:
    """Reaches others in somebody's name, or as nobody.

    Args:
        signer: Who speaks, None for nobody.
        servers: The servers of who speaks, as the program says; empty = what was published.
        dht: Where servers are looked up.
        surroundings: The world around; this machine by default.

    Raises:
        UsageError: the environment names a proxy that is none.
        SettingsInvalid: it sets what can't be set.
    """

    def __init__(
        self,
        signer: Signer | None,
        servers: Sequence[ServerAddress],
        dht: DhtMode,
        surroundings: Surroundings | None = None,
    ) -> None:
        self._around = surroundings or Surroundings()
        self.signer = signer
        self.servers = tuple(servers)
        self._mode = dht
        self.clock = self._around.clock
        self.authority = Authority(self.clock.now_ns, outboxes=self._outboxes)
        self._stack = contextlib.AsyncExitStack()
        self._own = UserBootstrap(tuple(ServerUse(_ALL_USES, server.key) for server in self.servers))

    async def start(self) -> None:
        """Makes everything; nothing is dialled yet. Raises LocalError."""
        async with contextlib.AsyncExitStack() as stack:
            self.db = PrivateDb(None)
            stack.callback(self.db.close)
            spool = stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
            network = self._around.dialer(
                TransportSettings(
                    frame_limits=tuple(frame_limits()),
                    spool_prefix=tuple(SPOOL_PREFIX),
                    spool_folder=spool,
                )
            )
            stack.push_async_callback(network.stop, _STOP_S)
            given = configuration.load(None, env=os.environ).settings.client
            settings = dataclasses.replace(
                given, private_addresses=given.private_addresses or self._mode.is_private
            )
            self.work_bits = given.work_bits
            around, entropy = self._around, self._around.entropy
            world = ClientSurroundings(Dialled(self.db), around.resolve, entropy)
            self.pool = LinkPool(network, settings, self.clock.now_ns, world)
            stack.callback(self.pool.close)
            bootstraps = Bootstraps(self.db, lambda _: None)
            dht = InDht(self._mode, DhtSettings(), bootstraps, around, lambda: None)
            stack.push_async_callback(dht.stop)
            dht.enter()
            self.directory = self._directory(bootstraps)
            own = OwnServers(self.pool, self._asked)
            now_ns = self.clock.now_ns
            lookups = Finding(dht, own, lambda: bool(self.servers), bootstraps, now_ns, DhtSettings())
            stack.push_async_callback(lookups.stop)
            self.finder = HomeFinder(self.directory, lookups)
            self.reach = Reach(self.pool, self.finder)
            self.backoff = Backoff(entropy, settings.retry_first_s, settings.retry_most_s)
            self.queue = OutgoingQueue(
                Deliveries(self.db), self._connect_as, now_ns=now_ns, backoff=self.backoff
            )
            for job in (self.pool.maintain(), self.queue.run()):
                stack.push_async_callback(_end, asyncio.create_task(job))
            self._stack = stack.pop_all()

    async def stop(self) -> None:
        """Ends everything in order."""
        await self._stack.aclose()

    def _outboxes(self, author: PublicKey) -> set[PublicKey]:
        """The outboxes of somebody, as far as they are known."""
        return {server.key for server in self.directory.servers(author, Usage.OUTBOX)}

    @property
    def me(self) -> tuple[PublicKey, ...]:
        """Who speaks; empty for nobody."""
        return () if self.signer is None else (self.signer.author,)

    @property
    def who(self) -> Signer:
        """Who speaks. Raises UsageError for nobody."""
        if self.signer is None:
            raise UsageError(
                "this client is nobody: it only reads", hint="Give it an identity: Client(Identity.open(…))."
            )
        return self.signer

    @contextlib.asynccontextmanager
    async def at(self, arguments: Arguments) -> AsyncIterator[Connection]:
        """The server that an act names, else one's own.

        Raises:
            PeerError: it would not, or nobody answered.
            UsageError: no server is named, and one has none.
        """
        server, named = arguments.server(), arguments.key_alone()
        if server is not None:
            async with self.pool.connect(server) as connection:
                yield connection
        elif named is not None:
            async with self.reach.key(named) as connection:
                yield connection
        else:
            async with self.own() as connection:
                yield connection

    @contextlib.asynccontextmanager
    async def own(self, usage: Usage = Usage.OUTBOX) -> AsyncIterator[Connection]:
        """One of one's own servers, which is shown who asks.

        Raises:
            PeerError: none would, or nobody answered.
            UsageError: there is none.
        """
        secret = None if self.signer is None else self.signer.secret
        if self.signer is not None:
            async with self.reach.key(
                NamedKey(self.signer.author, server=False), Manner(secret, usage)
            ) as link:
                yield link
            return
        if not self.servers:
            raise UsageError("no server was named", hint="Name one: Client(servers=[…]), or at=…")
        async with self.reach.server(self.servers[0]) as link:
            yield link

    @contextlib.asynccontextmanager
    async def person(self, person: PublicKey, usage: Usage = Usage.OUTBOX) -> AsyncIterator[Connection]:
        """One of somebody's servers; where none is reached, those that the program named.

        Raises:
            PeerError: none would, or nobody answered.
        """
        if self.signer is not None and person == self.signer.author:
            async with self.own(usage) as connection:
                yield connection
            return
        async with contextlib.AsyncExitStack() as stack:
            try:
                named = NamedKey(person, server=False)
                link = await stack.enter_async_context(self.reach.key(named, Manner(usage=usage)))
            except PeerError:
                # What they have of somebody is signed, so that it does not matter who gives it.
                if not self.servers:
                    raise
                link = await stack.enter_async_context(self.reach.server(self.servers[0]))
            yield link

    def reader(self, person: PublicKey, usage: Usage = Usage.OUTBOX) -> Readable:
        """All of somebody's servers, and those that the program named, to be asked as if they were one."""
        named = NamedKey(person, server=False)
        if self.signer is not None and person == self.signer.author:
            return self.reach.any_of(named, Manner(self.signer.secret, usage))
        # What they have of somebody is signed, so that it does not matter who gives it.
        return self.reach.any_of(named, Manner(usage=usage), self.servers)

    def _directory(self, bootstraps: Bootstraps) -> HomeDirectory:
        me = None if self.signer is None else self.signer.author
        for server in self.servers:
            urls = [str(url) for url in server.urls]
            if urls:
                self.db.set_server_urls(server.key.bytes, urls)

        def own(person: PublicKey) -> UserBootstrap | None:
            return self._own if self.servers and person == me else None

        return HomeDirectory(
            self.db,
            bootstraps,
            lambda: Shelf(()),
            self.clock,
            # There is no server of one's own in this process.
            own_server=PublicKey(bytes(32)),
            own=own,
        )

    def _asked(self, key: PublicKey) -> list[Asked]:
        """Servers that are asked about a key: those that the program named, then where it may be found."""
        secret = None if self.signer is None else self.signer.secret
        own: list[Asked] = [(self.directory.address(server.key), secret) for server in self.servers]
        hinted = [server for server in self.directory.hinted(key) if server.urls]
        return [*own, *((server, None) for server in hinted)]

    @contextlib.asynccontextmanager
    async def _connect_as(self, server: ServerAddress, _sender: bytes) -> AsyncIterator[Connection]:
        async with self.reach.server(server, Manner(self.who.secret)) as connection:
            yield connection


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
