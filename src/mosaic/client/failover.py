"""Several servers that may have the same: the next is asked beside one that is slow, and an answer is enough.

A server may be gone, swallow what it is sent, stand still with its link open,
or answer nonsense. Whoever asks need not know which: what fails is followed by
the next server at once, what says nothing is after a little while. Who was too
slow is left to end by itself, so that what is noted of it is true.

Source: bootstrap.md (any of the first three will do); network.md; this project's own design,
docs/architecture.md "A server is judged".
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Generic, Protocol, TypeAlias, TypeVar

from mosaic.client.address import ServerAddress
from mosaic.client.connection import Connection
from mosaic.client.link_pool import LinkPool
from mosaic.client.reputation import Observation, What
from mosaic.client.unreached import of_several
from mosaic.core.filter import Filter
from mosaic.core.keys import PublicKey, SecretKey
from mosaic.core.record import Record
from mosaic.core.reference import Reference
from mosaic.core.url import ServerUrl
from mosaic.errors import PeerError, Unreachable

_T = TypeVar("_T")

Candidates: TypeAlias = Callable[[bool], AsyncGenerator[ServerAddress, None]]
"""Gives servers in the order in which they are asked: those that are known, or (True) looked up freshly."""

Ask: TypeAlias = Callable[[Connection], AsyncGenerator[_T, None]]
"""Asks one server; ends when it has answered, or by PeerError."""

_WAITING: Final = 64
_REMEMBERED: Final = 65_536
# Where others are not known: how long those who say nothing have before it is looked whether they moved.
_FRESH_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Connecting:
    """How to connect.

    Args:
        secret: Whose key is proven to the server; None connects as nobody.
        own_stream: Not to share a connection, where its transport allows that.
    """

    secret: SecretKey | None = None
    own_stream: bool = False


@dataclass(slots=True, eq=False)
class _Attempt:
    """One server that is asked.

    Attributes:
        server: Which; None while that is looked up.
        connection: To it, once there is one.
        has_answered: Whether anything came of it.
        is_slow: Whether another one was asked because of it.
        is_left: Whether nobody waits for it any more.
        task: What asks.
    """

    server: ServerAddress | None = None
    connection: Connection | None = None
    has_answered: bool = False
    is_slow: bool = False
    is_left: bool = False
    task: asyncio.Task[None] | None = None


@dataclass(frozen=True, slots=True)
class _Came(Generic[_T]):
    """Something that a server answered."""

    attempt: _Attempt
    item: _T


@dataclass(frozen=True, slots=True)
class _Ended:
    """A server has answered, or failed."""

    attempt: _Attempt
    error: Exception | None


@dataclass(frozen=True, slots=True)
class _Nobody:
    """There was no server left to be asked."""

    attempt: _Attempt


class Readable(Protocol):
    """A connection, or several servers, as far as records are asked for."""

    async def get(self, references: Sequence[Reference]) -> list[Record]:
        """The records that references name, as far as they are given. Raises PeerError."""

    def query(self, wanted: Filter, limit: int = 0) -> AsyncGenerator[Record, None]:
        """What a filter matches, newest first; at most `limit` records (0 = all). Raises PeerError."""


class Failover:
    """Asks the servers of somebody until one has answered.

    Args:
        pool: Connects to them.
        candidates: Gives them.
        name: Whose they are, for people.
        manner: How to connect.
    """

    def __init__(self, pool: LinkPool, candidates: Candidates, name: str, manner: Connecting) -> None:
        self._pool = pool
        self._candidates = candidates
        self._name = name
        self._manner = manner

    async def get(self, references: Sequence[Reference]) -> list[Record]:
        """The records that references name, as far as any of the servers gives them.

        Raises:
            PeerError: all of them would not, or went away.
        """
        found: dict[bytes, Record] = {}

        async def ask(connection: Connection) -> AsyncGenerator[Record, None]:
            for record in await connection.get(references):
                yield record

        def enough() -> bool:
            named = {name for record in found.values() for name in (record.data[:48], record.data[48:96])}
            return all(reference.bytes in named for reference in references)

        async with contextlib.aclosing(_Contest(self, ask, enough=enough).answers()) as records:
            async for record in records:
                found.setdefault(record.data[:48], record)
        return list(found.values())

    async def query(self, wanted: Filter, limit: int = 0) -> AsyncGenerator[Record, None]:
        """What a filter matches, newest first, each record once. See `Connection.query`.

        A server that has nothing of it is not the last word: the next is asked as well.
        """
        seen: dict[bytes, None] = {}
        given = 0

        def ask(connection: Connection) -> AsyncGenerator[Record, None]:
            return connection.query(wanted, limit)

        contest = _Contest(self, ask, enough=lambda: given > 0)
        async with contextlib.aclosing(contest.answers()) as records:
            async for record in records:
                prefix = record.data[:32]
                if prefix in seen:
                    continue
                seen[prefix] = None
                if len(seen) > _REMEMBERED:
                    del seen[next(iter(seen))]
                given += 1
                yield record
                if given == limit:
                    return

    async def connection(self) -> AsyncGenerator[Connection, None]:
        """One connection, to the server that is reached first; it is given back when this is closed.

        Raises:
            PeerError: no server would, or none answered.
        """
        contest = _Contest(self, _held, enough=lambda: True, alone=True)
        async with contextlib.aclosing(contest.answers()) as found:
            async for connection in found:
                yield connection

    def nobody(self, errors: Sequence[PeerError]) -> PeerError:
        """The error that says why none of them has answered."""
        if errors:
            return of_several(self._name, errors)
        return Unreachable(
            f"nobody has published addresses under {self._name} yet",
            hint="Look again later, or ask its owner for an address of the server"
            " (--server URL --key mosrv0…).",
        )

    @property
    def pool(self) -> LinkPool:
        """Connects to the servers."""
        return self._pool

    @property
    def candidates(self) -> Candidates:
        """Gives the servers."""
        return self._candidates

    @property
    def manner(self) -> Connecting:
        """How to connect."""
        return self._manner


async def _held(connection: Connection) -> AsyncGenerator[Connection, None]:
    """The connection itself, as long as somebody uses it."""
    yield connection
    await asyncio.get_running_loop().create_future()


@dataclass(slots=True)
class _Contest(Generic[_T]):
    """One question to several servers.

    Args:
        failover: Which servers.
        ask: What each is asked.
        enough: Whether what was given so far will do when a server has answered.
        alone: Whether who answers first goes on alone.
    """

    failover: Failover
    ask: Ask[_T]
    enough: Callable[[], bool]
    alone: bool = False
    _arrived: asyncio.Queue[_Came[_T] | _Ended | _Nobody] = field(
        default_factory=lambda: asyncio.Queue(_WAITING)
    )
    _attempts: set[_Attempt] = field(default_factory=set)
    _tried: set[tuple[PublicKey, ServerUrl]] = field(default_factory=set)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _errors: list[PeerError] = field(default_factory=list)
    _servers: AsyncGenerator[ServerAddress, None] | None = None
    _fresh: bool = False
    _more: bool = True
    _answered: bool = False

    async def answers(self) -> AsyncGenerator[_T, None]:
        """What they answer, as it comes.

        Raises:
            PeerError: none of them has answered.
        """
        self._servers = self.failover.candidates(False)  # noqa: FBT003 - those that are known
        winner: _Attempt | None = None
        try:
            self._begin()
            while self._attempts:
                event = await self._next()
                if event is None:
                    self._begin()
                elif isinstance(event, _Came):
                    if self.alone and winner is None:
                        winner, self._more = event.attempt, False
                        await self._leave([one for one in self._attempts if one is not winner])
                    yield event.item
                elif self._is_over(event):
                    return
            if not self._answered:
                raise self.failover.nobody(self._errors)
        finally:
            await self._leave(list(self._attempts))
            await self._servers.aclose()

    async def _next(self) -> _Came[_T] | _Ended | _Nobody | None:
        """What happens next; None when it is time to ask one more."""
        settings = self.failover.pool.settings
        patience_s = None
        if self._more:
            patience_s = _FRESH_S if self._fresh else settings.next_server_s
        try:
            async with asyncio.timeout(patience_s):
                event = await self._arrived.get()
        except TimeoutError:
            for attempt in self._attempts:
                if attempt.server is not None and not attempt.has_answered and not attempt.is_slow:
                    attempt.is_slow = True
                    self.failover.pool.observe(attempt.server.key, Observation(What.SLOW))
            return None
        event.attempt.has_answered = True
        return event

    def _is_over(self, event: _Ended | _Nobody) -> bool:
        """Takes an end, and asks the next one if that does not do."""
        self._attempts.discard(event.attempt)
        if isinstance(event, _Nobody):
            if self._fresh or self._answered:
                self._more = False
            else:
                self._fresh = True
                self._servers = self.failover.candidates(True)  # noqa: FBT003 - looked up freshly
                if not self._attempts:
                    self._begin()
            return False
        if isinstance(event.error, PeerError):
            self._errors.append(event.error)
        elif event.error is not None:
            raise event.error
        else:
            self._answered = True
            if self.enough():
                return True
        if self._more:
            self._begin()
        return False

    def _begin(self) -> None:
        attempt = _Attempt()
        attempt.task = asyncio.create_task(self._try(attempt), name="asking a server")
        self._attempts.add(attempt)

    async def _try(self, attempt: _Attempt) -> None:
        """Asks the next server."""
        async with self._turn:
            attempt.server = await self._candidate()
        if attempt.server is None:
            await self._arrived.put(_Nobody(attempt))
            return
        manner = self.failover.manner
        error: Exception | None = None
        try:
            async with self.failover.pool.connect(
                attempt.server, manner.secret, own_stream=manner.own_stream
            ) as connection:
                attempt.connection = connection
                if attempt.is_left:
                    return
                async with contextlib.aclosing(self.ask(connection)) as items:
                    async for item in items:
                        await self._arrived.put(_Came(attempt, item))
        except Exception as caught:  # noqa: BLE001 - whoever waits for the answer raises it
            error = caught
        if not attempt.is_left:
            await self._arrived.put(_Ended(attempt, error))

    async def _candidate(self) -> ServerAddress | None:
        """The next server, with those of its URLs that were not tried yet."""
        servers = self._servers
        assert servers is not None
        async for server in servers:
            new = tuple(url for url in server.urls if (server.key, url) not in self._tried)
            if new:
                self._tried.update((server.key, url) for url in new)
                return replace(server, urls=new)
        return None

    async def _leave(self, attempts: Sequence[_Attempt]) -> None:
        """Waits for these no more: who is still being dialled is, who says nothing is asked after."""
        pool, ending = self.failover.pool, []
        for attempt in attempts:
            self._attempts.discard(attempt)
            attempt.is_left = True
            task = attempt.task
            if task is None:
                continue
            if attempt.server is not None and attempt.connection is None and not task.done():
                pool.linger(task)
                continue
            task.cancel()
            ending.append(task)
            if attempt.connection is not None and not attempt.has_answered:
                pool.ask_after(attempt.connection)
        await asyncio.gather(*ending, return_exceptions=True)
