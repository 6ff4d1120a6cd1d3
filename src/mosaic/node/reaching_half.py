"""The half of a node that reaches others: links, look-ups, deliveries, reading whom people follow.

Source: this project's own design, docs/architecture.md "A person acts".
"""

from __future__ import annotations

import abc
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Coroutine, Sequence
from typing import TYPE_CHECKING, Final, cast

from mosaic.client.address import ServerAddress
from mosaic.client.backoff import Backoff
from mosaic.client.connection import Connection
from mosaic.client.link_pool import LinkPool
from mosaic.client.own_servers import OwnServers
from mosaic.client.queue import OutgoingQueue
from mosaic.client.reach import Manner, Reach
from mosaic.client.reputation import Observation, What
from mosaic.client.settings import ClientSettings
from mosaic.client.surroundings import Surroundings as ClientSurroundings
from mosaic.core.bootstrap import Usage, UserBootstrap
from mosaic.core.filter import Filter
from mosaic.core.keys import PublicKey, SecretKey
from mosaic.errors import Unreachable
from mosaic.node.alarms import Alarms
from mosaic.node.asked_servers import AskedServers
from mosaic.node.bootstraps import Bootstraps
from mosaic.node.cache import Cache
from mosaic.node.clock import Clock
from mosaic.node.comparing import Comparing
from mosaic.node.deliveries import Deliveries
from mosaic.node.dialled import Dialled
from mosaic.node.directory import HomeDirectory
from mosaic.node.finding import Finding
from mosaic.node.follower import Follower, Settings
from mosaic.node.history import History, HistoryProgress
from mosaic.node.home_finder import HomeFinder
from mosaic.node.in_dht import InDht
from mosaic.node.kept_blobs import KeptBlobs
from mosaic.node.observed import Observed
from mosaic.node.pairing_acts import Pairings
from mosaic.node.people import People
from mosaic.node.private_db import PrivateDb
from mosaic.node.proof_of_work import ProofOfWork
from mosaic.node.read_records import ReadRecords
from mosaic.node.records import OwnRecords
from mosaic.node.reputations import Reputations
from mosaic.node.rules import Rules
from mosaic.node.schedules import Schedules
from mosaic.node.seeker import Seeker
from mosaic.node.server_checks import ServerChecks
from mosaic.node.settings import NodeSettings
from mosaic.node.surroundings import Surroundings
from mosaic.node.unaddressed import Unaddressed
from mosaic.transport.settings import TransportSettings
from mosaic.wire.result_code import ResultCode

if TYPE_CHECKING:
    from mosaic.node.node import Node

_AT_HAND: Final = 64
"""How many records that are here are looked for at most: a server is told 63, not to send them again."""


class ReachingHalf(Observed, abc.ABC):
    """What `Node` is made of on the client's side; `Node` has the rest."""

    db: PrivateDb
    clock: Clock
    surroundings: Surroundings
    people: People
    rules: Rules
    cache: Cache
    server_checks: ServerChecks
    records: OwnRecords
    everything: OwnRecords
    server_secret: SecretKey
    _transport: TransportSettings

    @property
    @abc.abstractmethod
    def settings(self) -> NodeSettings:
        """The settings that hold now."""

    @abc.abstractmethod
    async def mirror(self, records: Sequence[bytes], received_by_ns: int | None = None) -> list[ResultCode]:
        """Hands in what was read from other servers; see `Node.mirror`."""

    @abc.abstractmethod
    def _dht_changed(self) -> None: ...

    @abc.abstractmethod
    def _judged_anew(self, server: PublicKey) -> None: ...

    @abc.abstractmethod
    def _found(self, key: PublicKey) -> None: ...

    def _client(self, stack: contextlib.AsyncExitStack) -> None:
        self.pairings = Pairings()
        near = self.settings.dht.is_private or self.settings.client.private_addresses
        client = dataclasses.replace(self.settings.client, private_addresses=near)
        around, entropy = self.surroundings, self.surroundings.entropy
        network = around.dialer(self._transport)
        stack.push_async_callback(network.stop, 0.5)
        self.dialled = Dialled(self.db)
        self.reputations = Reputations(self.db, self.clock.now_ns, self._judged_anew)
        stack.callback(self.reputations.write)
        self.alarms = Alarms(self.db, self.clock.now_ns, self.tell_changed)
        given = ClientSurroundings(self.dialled, around.resolve, entropy, self.reputations.noted)
        self.pool = LinkPool(network, client, self.clock.now_ns, given)
        stack.callback(self.pool.close)
        self.bootstraps = Bootstraps(self.db, self._found)
        self.dht = InDht(self.settings.dht, self.settings.lookups, self.bootstraps, around, self._dht_changed)
        stack.push_async_callback(self.dht.stop)
        self.directory = HomeDirectory(
            self.db,
            self.bootstraps,
            lambda: self.records,
            self.clock,
            own_server=self.server_secret.public,
            own=self._own_bootstrap,
        )
        asked = AskedServers(self.people, self.followed, self.directory, self._fails, self.directory.hinted)
        self.lookups = Finding(
            self.dht,
            OwnServers(self.pool, asked),
            asked.any,
            self.bootstraps,
            self.clock.now_ns,
            self.settings.lookups,
        )
        stack.push_async_callback(self.lookups.stop)
        finder = HomeFinder(self.directory, self.lookups)
        self.reach = Reach(self.pool, finder, self.reputations.score)
        self.seeker = Seeker(self.lookups, self.directory, self.clock, entropy, self.tell_changed)
        self.work_owed = ProofOfWork(
            self.people, self.everything, self.directory, self.mirror, client.work_bits, self.clock
        )
        backoff = Backoff(entropy, client.retry_first_s, client.retry_most_s)
        self.deliveries = Deliveries(self.db)
        self.deliveries.forget_old(self.clock.now_ns())
        self.unaddressed = Unaddressed(self.db)
        self.unaddressed.forget_old(self.clock.now_ns())
        self.queue = OutgoingQueue(
            self.deliveries,
            self._connect_as,
            now_ns=self.clock.now_ns,
            backoff=backoff,
            owed=self.work_owed.owed,
            answered=self.server_checks.answered,
            changed=self.tell_changed,
        )
        self.schedules = Schedules(
            finder,
            self.reach,
            self.mirror,
            self.clock.now_ns,
            own=self.server_secret.public,
            served=self.rules.served.is_ours,
        )
        self._reading_half(client, backoff)

    def _reading_half(self, client: ClientSettings, backoff: Backoff) -> None:
        """What reads those who are followed."""
        self.comparing = Comparing(cast("Node", self))
        self.kept_blobs = KeptBlobs(cast("Node", self))
        self.storing = ReadRecords(self.mirror, self.everything.schedule, self.pool.passed.came_twice)
        self.history = History(
            HistoryProgress(self.db),
            self.connect_to,
            self.storing,
            self.everything.prefixes,
            changed=self.tell_changed,
            since_ns=self.cache.wanted_since_ns,
            is_wanted=lambda person: person in self.follower.outboxes(),
        )
        self.follower = Follower(
            self.db,
            self.directory,
            self.pool,
            self.storing,
            self.clock,
            Settings(
                client,
                backoff,
                score=self.reputations.score,
                at_hand=lambda people, since: self.everything.prefixes(
                    Filter.of(authors=people, since=since), _AT_HAND
                ),
                reached=self.seeker.reached,
                lost=self.seeker.lost,
                late=lambda server: self.reputations.noted(server, Observation(What.SLOW)),
                begun=self.history.begun,
                heard=self.history.heard,
                taken_over=self.comparing.soon,
            ),
        )

    def reading_jobs(self) -> tuple[Coroutine[object, None, None], ...]:
        """What goes on by itself while the node reads."""
        return self.history.run(), self.comparing.run(), self.cache.run(), self.kept_blobs.run()

    @contextlib.asynccontextmanager
    async def connect_to(self, server: PublicKey) -> AsyncIterator[Connection]:
        """A connection to a server as nobody, where it is known to be.

        Raises:
            Unreachable: it is not known where it listens, or nobody answers there.
            PeerError: the server would not. See `LinkPool.connect`.
        """
        address = self.directory.address(server)
        if not address.urls:
            raise Unreachable("it is not known yet where this server listens")
        async with self.pool.connect(address) as connection:
            yield connection

    def _own_bootstrap(self, person: PublicKey) -> UserBootstrap | None:
        """What somebody of this home publishes about his servers, None for others."""
        for one in self.people:
            if one.key == person:
                return UserBootstrap.parse(one.bootstrap)
        return None

    def _who_use_others(self) -> list[PublicKey]:
        """Those of this home who use other servers as well: these are looked for when they go elsewhere."""
        uses = (Usage.OUTBOX, Usage.INBOX)
        keys = (person.key for person in self.people)
        return [key for key in keys if any(self.directory.servers(key, usage) for usage in uses)]

    def followed(self) -> list[PublicKey]:
        """Whom anybody in this home follows, and whose accounts are kept."""
        return [PublicKey(key) for key in self.db.all_followed()]

    def _fails(self, server: PublicKey) -> bool:
        return self.seeker.fails(server)

    def _schedule_wanted(self, author: bytes) -> None:
        self.schedules.wanted(author)

    def _everybody(self) -> Sequence[bytes]:
        return [person.key.bytes for person in self.people]

    @contextlib.asynccontextmanager
    async def _connect_as(self, server: ServerAddress, sender: bytes) -> AsyncIterator[Connection]:
        """A connection to another server that proves the device key of a person (master key)."""
        secret = next((person.device for person in self.people if person.key.bytes == sender), None)
        async with contextlib.AsyncExitStack() as stack:
            try:
                connection = await stack.enter_async_context(self.reach.server(server, Manner(secret)))
            except Unreachable:
                self.seeker.lost(server.key)
                raise
            self.seeker.reached(server.key)
            yield connection
