"""The links of a client: one connection for each server and identity, dialled when needed.

Who uses a connection takes it from here and gives it back; one that nobody
uses for a while is closed, a quiet one is asked whether it is still there.

Who asks a server something and hears nothing for a while has all links to it
asked after at once: a machine that lost its power tells nobody.

Over QUIC, what lasts long (a subscription) can have a stream of its own, so
that what it brings does not stand before the answers to others.

Source: network.md (clients dial, never servers); edition §2 (the server's key is compared in the handshake).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeAlias

from mosaic.client.address import ServerAddress
from mosaic.client.connection import Connection
from mosaic.client.dialling import Dialler
from mosaic.client.linking import Linker
from mosaic.client.reputation import Observation, What, of_failure
from mosaic.client.settings import ClientSettings
from mosaic.client.surroundings import Surroundings
from mosaic.core.keys import PublicKey, SecretKey
from mosaic.core.url import ServerUrl
from mosaic.errors import Disconnected, MosaicError, PeerError
from mosaic.transport.network import Dialer

_SECOND = 1_000_000_000

_Place: TypeAlias = tuple[bytes, bytes]
_Way: TypeAlias = tuple[_Place, tuple[ServerUrl, ...]]
"""Who is dialled, and where: somebody who knows better by now does not wait for a dial to former places."""

# Attempts that somebody was faster than, and that go on so that their end is known.
_STRAGGLERS: Final = 32
_LOOK_AGAIN_S: Final = 30
# Where somebody looks at one person's posts, few servers are asked: that may be done sooner.
_LOOK_AT_S: Final = 10


@dataclass(slots=True)
class _Dial:
    """One dial under way, and how many wait for it."""

    task: asyncio.Task[Connection]
    waiting: int = 0


class LinkPool:
    """Connections to servers.

    Args:
        dialer: How to connect; the caller stops it.
        settings: Choices of the client.
        now_ns: The clock.
        surroundings: What worked before, who resolves names, where randomness comes from.

    Raises:
        UsageError: the settings name a proxy that is none.
    """

    def __init__(
        self,
        dialer: Dialer,
        settings: ClientSettings,
        now_ns: Callable[[], int],
        surroundings: Surroundings | None = None,
    ) -> None:
        surroundings = surroundings or Surroundings()
        self._linker = Linker(dialer, settings, now_ns, surroundings.entropy, surroundings.traffic)
        self._dialler = Dialler(self._linker, settings, now_ns, surroundings)
        self.passed = surroundings.traffic
        """What has passed over all connections."""
        self._settings = settings
        self._now_ns = now_ns
        self._open: dict[_Place, Connection] = {}
        self._streams: dict[Connection, None] = {}
        self._dials: dict[_Way, _Dial] = {}
        self._stragglers: set[asyncio.Task[None]] = set()
        self._looked_ns = 0
        self._asked: set[Connection] = set()
        self.observe = surroundings.observe
        """Told what is seen of servers."""

    @property
    def settings(self) -> ClientSettings:
        """Choices of the client."""
        return self._settings

    @contextlib.asynccontextmanager
    async def connect(
        self,
        server: ServerAddress,
        secret: SecretKey | None = None,
        *,
        own_stream: bool = False,
        lasting: bool = False,
    ) -> AsyncIterator[Connection]:
        """A connection to a server, shared with whoever else uses it.

        Args:
            server: The key that it has to prove, and its URLs.
            secret: Whose key is proven to it; None connects as nobody.
            own_stream: Over QUIC, not to share it: a stream of its own, if the server allows one more.
            lasting: Whether it is to last: a new one goes over QUIC only where nothing else leads there.

        Raises:
            WrongServerKey: only others answered.
            PeerError: the server answered and would not, or nobody answered (Unreachable). All of them
                say in `tried` which URLs were tried, and why each failed.
        """
        connection = await self._shared(server, secret, lasting=lasting)
        with contextlib.ExitStack() as leaving:
            leaving.enter_context(connection)
            if own_stream and connection.has_streams:
                connection = await self._stream(connection)
                leaving.callback(self._leave, connection)
            yield connection

    async def _shared(self, server: ServerAddress, secret: SecretKey | None, *, lasting: bool) -> Connection:
        """The open connection, or a new one; who comes while it is dialled waits for the same dial."""
        place = (server.key.bytes, secret.public.bytes if secret else b"")
        known = self._open.get(place)
        if known is not None and known.is_open:
            return known
        way = (place, server.urls)
        dial = self._dials.get(way)
        if dial is None:
            dial = self._dials[way] = _Dial(
                asyncio.create_task(self._dial(place, server, secret, lasting=lasting))
            )
            dial.task.add_done_callback(_seen)
        dial.waiting += 1
        try:
            return await asyncio.shield(dial.task)
        except asyncio.CancelledError:
            waiter = asyncio.current_task()
            if waiter is not None and waiter.cancelling():
                raise
            raise Disconnected("the client is closing its connections") from None
        finally:
            dial.waiting -= 1
            if not dial.waiting:
                dial.task.cancel()
                if self._dials.get(way) is dial:
                    del self._dials[way]

    async def _dial(
        self, place: _Place, server: ServerAddress, secret: SecretKey | None, *, lasting: bool
    ) -> Connection:
        begun_ns = self._now_ns()
        try:
            connection = await self._dialler.reach(server, secret, lasting=lasting)
        except PeerError as error:
            if server.urls:  # who is known by no address has not failed
                self._seen_of(server.key, of_failure(error))
            raise
        known = self._open.get(place)
        if known is not None and known.is_open:
            # Another way was faster.
            connection.close()
            return known
        self._watch(connection, server.key)
        self.observe(server.key, Observation(What.REACHED, self._now_ns() - begun_ns))
        self._open[place] = connection
        return connection

    def _watch(self, connection: Connection, server: PublicKey) -> None:
        connection.watch(partial(self._seen_of, server))
        connection.silence.doubt = partial(self.ask_after_all, server)

    def _seen_of(self, server: PublicKey, seen: Observation) -> None:
        self.observe(server, seen)
        if seen.what is What.FAILED:
            # Other links to it may be as dead, without anybody having noticed.
            self.ask_after_all(server)

    def traffic(self, server: PublicKey) -> tuple[int, int]:
        """How many bytes of frames came from a server, and how many went to it, since the pool was made."""
        passed = self.passed.of_server(server)
        return passed.came, passed.went

    async def _stream(self, connection: Connection) -> Connection:
        """A stream beside a connection; the connection itself where there can be none."""
        try:
            stream = await self._linker.stream(connection)
        except MosaicError:
            return connection
        if connection.server_key is not None:
            self._watch(stream, connection.server_key)
        self._streams[stream] = None
        return stream

    def _leave(self, connection: Connection) -> None:
        if connection in self._streams:
            del self._streams[connection]
            connection.close()

    async def maintain(self) -> None:
        """Closes what is idle and asks after what is quiet, until cancelled."""
        pause = min(self._settings.idle_s, self._settings.keep_alive_s) / 2
        while True:
            await asyncio.sleep(pause)
            await self.tend()

    async def tend(self) -> None:
        """The same, once."""
        now = self._now_ns()
        for place, connection in list(self._open.items()):
            if not connection.is_open:
                del self._open[place]
            elif connection.is_idle and now - connection.idle_since_ns > self._settings.idle_s * _SECOND:
                connection.close()
                del self._open[place]
        await self.look(self._settings.keep_alive_s)

    async def look(self, quiet_s: float, servers: Collection[PublicKey] | None = None) -> None:
        """Asks after servers in use that were quiet for so many seconds: somebody waits for news.

        Args:
            quiet_s: How long.
            servers: Which ones (their keys); None asks after all.
        """
        before_ns = self._now_ns() - int(quiet_s * _SECOND)
        quiet = [
            connection
            for connection in self._all()
            if not connection.is_idle
            and connection.last_heard_ns < before_ns
            and (servers is None or connection.server_key in servers)
        ]
        await asyncio.gather(*map(self._ask_after, quiet))

    def somebody_looks(self) -> None:
        """Somebody waits for news: servers that were quiet for some seconds are asked after beside that."""
        now_ns = self._now_ns()
        if now_ns - self._looked_ns < _LOOK_AGAIN_S * _SECOND:
            return
        self._looked_ns = now_ns
        self.linger(asyncio.create_task(self.look(_LOOK_AGAIN_S), name="asking after quiet servers"))

    def somebody_looks_at(self, servers: Collection[PublicKey]) -> None:
        """Somebody waits for news from one of these servers (their keys): as `somebody_looks`."""
        looking = self.look(_LOOK_AT_S, servers)
        self.linger(asyncio.create_task(looking, name="asking after quiet servers"))

    def ask_after(self, connection: Connection) -> None:
        """Asks, beside everything else, whether a server is still there that let somebody wait."""
        if connection.is_open and connection not in self._asked:
            self.linger(asyncio.create_task(self._ask_after(connection), name="asking after a server"))

    def ask_after_all(self, server: PublicKey) -> None:
        """Asks, over each link to a server, whether it is still there."""
        for connection in self._all():
            if connection.server_key == server:
                self.ask_after(connection)

    def _all(self) -> list[Connection]:
        return [one for one in (*self._open.values(), *self._streams) if one.is_open]

    def linger(self, attempt: asyncio.Task[None]) -> None:
        """Lets an attempt end by itself, so that what comes of it is noted; a bounded number at a time."""
        if len(self._stragglers) >= _STRAGGLERS:
            attempt.cancel()
            return
        self._stragglers.add(attempt)
        attempt.add_done_callback(self._straggled)

    def _straggled(self, attempt: asyncio.Task[None]) -> None:
        self._stragglers.discard(attempt)
        _seen(attempt)

    async def _ask_after(self, connection: Connection) -> None:
        if connection in self._asked:
            return
        server, begun_ns = connection.server_key, self._now_ns()
        self._asked.add(connection)
        try:
            await connection.ping(self._settings.silence_s)
        except (MosaicError, TimeoutError):
            # One that sends something else meanwhile is there, however busy it is.
            if not connection.is_open or connection.last_heard_ns > begun_ns:
                return
            gone = Disconnected("the server is no longer there")
            connection.fail(gone)
            if server is not None:
                self._seen_of(server, of_failure(gone))
        else:
            if server is not None:
                self.observe(server, Observation(What.REACHED, self._now_ns() - begun_ns))
        finally:
            self._asked.discard(connection)

    @property
    def connections(self) -> tuple[Connection, ...]:
        """Those that are open now, without single streams."""
        return tuple(self._open.values())

    def close(self) -> None:
        """Closes all connections, and gives up those under way; what is queued is still sent."""
        for dial in self._dials.values():
            dial.task.cancel()
        self._dials.clear()
        for straggler in self._stragglers:
            straggler.cancel()
        for connection in (*self._streams, *self._open.values()):
            connection.close()
        self._streams.clear()
        self._open.clear()


def _seen(dial: asyncio.Task[Connection] | asyncio.Task[None]) -> None:
    """Nobody has to wait for a dial to hear that it failed."""
    if not dial.cancelled():
        dial.exception()
