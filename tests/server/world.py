"""A server over memory links, with clients that speak the wire by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

from mosaic.core.filter import Filter
from mosaic.core.keys import SecretKey
from mosaic.core.record import Record
from mosaic.errors import StoreError
from mosaic.node.operating_settings import RoleSettings
from mosaic.policy.admission import AdmissionHook
from mosaic.policy.introductions import Introductions
from mosaic.policy.roles import roles_of
from mosaic.policy.verdict import Hook
from mosaic.policy.whole import Policy, policy_of
from mosaic.policy.withhold import Withhold
from mosaic.server.acquaintance import has_stored
from mosaic.server.authority import ScheduleSource
from mosaic.server.identity import Prover
from mosaic.server.lookups import Lookups
from mosaic.server.screening import Screener
from mosaic.server.server import Server
from mosaic.server.settings import ServerSettings
from mosaic.store.blobs import BlobStore
from mosaic.store.embedded import EmbeddedStore, open_store
from mosaic.testing import FakeClock, Person
from mosaic.transport import Event, MemoryNetwork, SocketNetwork, Target, TransportSettings, memory_pair
from mosaic.transport.events import LINK_CLOSED, LINK_OPENED, LINK_REFUSED_LENGTH, LINK_SPOOLED
from mosaic.wire import client_messages as ask
from mosaic.wire import server_messages as tell
from mosaic.wire.codec import Message, decode
from mosaic.wire.limits import SPOOL_PREFIX, frame_limits
from mosaic.wire.result_code import ResultCode

SERVER = Person("server")
SERVER_KEY = SERVER.key_bytes
PATIENCE_S = 20
_Message = TypeVar("_Message")


class Client:
    """A peer of the server: what it got stands in `inbox`, decoded, until `take` removes it."""

    def __init__(self, network: MemoryNetwork | SocketNetwork, link: int | None = None) -> None:
        self.network = network
        self.inbox: list[Message] = []
        self.closed = False
        self.refused: list[bytes] = []
        self._changed = asyncio.Event()
        self._reading = True
        network.start(self._take)
        self.link = network.dial(Target.in_memory()) if link is None else link
        self._query = 1_000

    def _take(self, events: Sequence[Event]) -> None:
        for link, what, data in events:
            if what == LINK_CLOSED:
                self.closed = True
            elif what == LINK_REFUSED_LENGTH:
                self.refused.append(data)
            elif what == LINK_SPOOLED:
                path = Path(self.network.take_spooled(link)[0])
                self.inbox.append(decode(data + path.read_bytes()))
                path.unlink()
            elif what < LINK_OPENED:
                self.inbox.append(decode(data))
        self._changed.set()

    def stop_reading(self) -> None:
        """What comes from now on fills the queues."""
        self.network.pause()

    def go_on_reading(self) -> None:
        self.network.resume()

    def send(self, *messages: Message | bytes) -> None:
        frames = [each if isinstance(each, bytes) else each.encode() for each in messages]
        self.network.send(self.link, b"".join(frames))

    async def until(self, holds: Callable[[], bool]) -> None:
        """Waits until something holds that only what comes in can change."""
        async with asyncio.timeout(PATIENCE_S):
            while not holds():
                self._changed.clear()
                if not holds():
                    await self._changed.wait()

    async def take(self, kind: type[_Message], query_id: int | None = None) -> _Message:
        """The oldest message of a class (of a query), waited for and removed."""

        def matching() -> list[Message]:
            return [
                message
                for message in self.inbox
                if isinstance(message, kind) and query_id in {None, getattr(message, "query_id", None)}
            ]

        await self.until(lambda: bool(matching()))
        message = matching()[0]
        self.inbox.remove(message)
        assert isinstance(message, kind)
        return message

    async def hello(self) -> None:
        self.send(ask.Hello(0, (0, 1)))
        await self.take(tell.HelloAck)

    async def submit(self, *records: Record | bytes) -> list[ResultCode]:
        """Submits records together; the results in their order."""
        data = [record if isinstance(record, bytes) else record.data for record in records]
        self.send(*(ask.Submission(each) for each in data))
        results = []
        for each in data:
            answer = await self.take(tell.SubmissionResult)
            assert answer.prefix == each[:32]
            results.append(answer.result)
        return results

    def _next(self) -> int:
        self._query += 1
        return self._query

    async def collect(self, query_id: int) -> tuple[list[bytes], ResultCode]:
        """All records of a query that ends, and how it ended."""
        closed = await self.take(tell.QueryClosed, query_id)
        return self.records(query_id), closed.result

    async def query(self, wanted: Filter, limit: int = 0) -> tuple[list[bytes], ResultCode]:
        query_id = self._next()
        self.send(ask.Query(query_id, limit, wanted.encode()))
        return await self.collect(query_id)

    async def get(self, *references: bytes) -> list[bytes]:
        query_id = self._next()
        self.send(ask.Get(query_id, references))
        records, result = await self.collect(query_id)
        assert result is ResultCode.SUCCESS
        return records

    async def subscribe(self, wanted: Filter, limit: int = 0) -> tuple[int, list[bytes]]:
        """Opens a subscription: its id, and the stored records that came before LOCALLY COMPLETE."""
        query_id = self._next()
        self.send(ask.Subscribe(query_id, limit, wanted.encode()))
        await self.take(tell.LocallyComplete, query_id)
        return query_id, self.records(query_id)

    def records(self, query_id: int) -> list[bytes]:
        """The records of a query that have come so far, removed."""
        found: list[bytes] = []
        rest: list[Message] = []
        for message in self.inbox:
            if isinstance(message, tell.Record) and message.query_id == query_id:
                found.append(message.record)
            else:
                rest.append(message)
        self.inbox = rest
        return found

    async def settled(self) -> None:
        """Waits until the server has answered everything that was sent before, in every queue."""
        self.send(ask.Hello(0))
        await self.take(tell.HelloAck)


class FailingStore:
    """A store whose next writes or removals fail."""

    def __init__(
        self, store: EmbeddedStore, *, append: Sequence[StoreError] = (), remove: Sequence[StoreError] = ()
    ) -> None:
        self._store = store
        self._failures = {"append": list(append), "remove": list(remove)}

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    def append(self, *args: object, **named: object) -> object:
        self._fail("append")
        return self._store.append(*args, **named)  # type: ignore[arg-type]

    def remove(self, *args: object) -> object:
        self._fail("remove")
        return self._store.remove(*args)  # type: ignore[arg-type]

    def _fail(self, name: str) -> None:
        if self._failures[name]:
            raise self._failures[name].pop(0)


class World:
    """A server, its clock, and those who connect to it."""

    def __init__(self, folder: Path, clock: FakeClock) -> None:
        self.folder = folder
        self.clock = clock
        self.served: set[bytes] = set()
        self.server: Server
        self.store: EmbeddedStore
        self.transport = TransportSettings(
            frame_limits=tuple(frame_limits()),
            spool_prefix=tuple(SPOOL_PREFIX),
            spool_folder=str(folder),
        )

    def now(self, seconds: float = 0) -> int:
        """The clock's time and so many seconds, ns."""
        return self.clock.now_ns() + int(seconds * 1_000_000_000)

    async def connect(
        self, key: SecretKey | None = None, *, greet: bool = True, host: str = "memory"
    ) -> Client:
        """A client that has proven a key (or none) and said HELLO, from some address."""
        ours, theirs = memory_pair(
            self.transport, server_key=SERVER_KEY, client_key=None if key is None else key.public.bytes
        )
        ours.host = host
        self.server.attach(ours)
        client = Client(theirs)
        if greet:
            await client.hello()
        return client


@asynccontextmanager
async def running(
    folder: Path,
    *people: Person,
    settings: ServerSettings | None = None,
    hooks: Sequence[Hook] | None = None,
    roles: RoleSettings | None = None,
    withhold: Callable[[World], Withhold] | None = None,
    admission: Sequence[AdmissionHook] = (),
    schedules: ScheduleSource | None = None,
    prover: Prover | None = None,
    lookups: Lookups | None = None,
    screener: Screener | None = None,
    clock: FakeClock | None = None,
) -> AsyncIterator[World]:
    """A running server on which these people live."""
    world = World(folder, clock or FakeClock())
    world.served = {person.key_bytes for person in people}
    world.store = open_store(folder / "store")
    served = world.served.__contains__
    policy = None if hooks is None else Policy(tuple(hooks), ())
    if roles is not None:
        introductions = Introductions(has_stored(world.store), world.clock.now_ns)
        held = None if withhold is None else withhold(world)
        policy = policy_of(roles_of(roles, served, introductions, held), served)
    world.server = Server(
        world.store,
        BlobStore(folder / "blobs"),
        settings or ServerSettings(),
        now_ns=world.clock.now_ns,
        served=served,
        people=lambda: world.served,
        policy=policy,
        admission=admission,
        schedules=schedules,
        prover=prover,
        lookups=lookups,
        screener=screener,
    )
    await world.server.start()
    try:
        yield world
    finally:
        await world.server.stop(0)
