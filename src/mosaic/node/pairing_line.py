"""What two devices speak over while they are paired: ephemeral records on servers of the person.

Nothing of it is ever on a disk. The device that is in use listens at the own server and at a few
others that the person uses; the new one goes to the first of them that it reaches.

Source: edition §3 (ephemeral records, read access); this project's own design, docs/architecture.md
"Keys of people".
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

from mosaic.client.address import ServerAddress
from mosaic.client.answers import CaughtUp
from mosaic.client.connection import Connection
from mosaic.client.reach import Manner
from mosaic.client.refusals import refused
from mosaic.core import core_tags, nonce
from mosaic.core.bootstrap import Usage
from mosaic.core.community_kinds import PAIRING
from mosaic.core.filter import Filter
from mosaic.core.invite_link import MOST_SERVERS, MOST_URLS, NamedServer
from mosaic.core.keys import PublicKey, SecretKey
from mosaic.core.record import Record
from mosaic.core.timestamp import Timestamp
from mosaic.core.url import ServerUrl
from mosaic.errors import MosaicError, PairingFailed, PeerError, Refused, Unreachable
from mosaic.node.announced import announcement
from mosaic.node.own_addresses import own_addresses
from mosaic.node.people import Person
from mosaic.social.signer import Signer

if TYPE_CHECKING:
    from mosaic.node.node import Node

log = logging.getLogger(__name__)

READY_S: Final = 5.0
"""How long another server may take until one listens there, seconds."""
_AGAIN_S: Final = 1.0
_BACK_NS: Final = 900_000_000_000
_WAITING: Final = 256

_Connecting: TypeAlias = Callable[[], contextlib.AbstractAsyncContextManager[Connection]]

_NOWHERE = (
    "Let this node listen in your network (`mosaic serve`, or `mosaic run`), or use one more server"
    " (`mosaic servers add`); then show a new code."
)


@dataclass(frozen=True, slots=True)
class Heard:
    """A message that came.

    Args:
        record: The record that holds it.
        connection: Over which it came, and an answer goes.
    """

    record: Record
    connection: Connection


@dataclass(slots=True)
class Line:
    """Listening at several servers at once.

    Attributes:
        heard: What came, the oldest first.
        servers: Where one listens, as others are told.
    """

    heard: asyncio.Queue[Heard] = field(default_factory=lambda: asyncio.Queue(_WAITING))
    servers: list[NamedServer] = field(default_factory=list)


def _wanted(node: Node, reader: PublicKey) -> Filter:
    since = Timestamp(max(0, node.clock.now_ns() - _BACK_NS))
    return Filter.of(kinds=[PAIRING], tags=[core_tags.notify(reader)], since=since)


async def say(node: Node, connection: Connection, signer: Signer, to: PublicKey, payload: bytes) -> None:
    """Says something to the other device.

    Args:
        node: The open home.
        connection: Over which.
        signer: Who says it.
        to: Who reads it.
        payload: The message.

    Raises:
        Refused: the server does not take it.
        PeerError: the connection ended.
    """
    record = signer.record(
        kind=PAIRING,
        nonce=nonce.random(node.surroundings.entropy(nonce.NONCE_LENGTH)),
        timestamp=node.clock.now(),
        tags=[core_tags.notify(to)],
        payload=payload,
    )
    result = await connection.submit(record.data)
    if not result.is_success:
        raise refused(result, "the server between the devices refused")


async def _hear(
    node: Node, connecting: _Connecting, reader: PublicKey, line: Line, ready: asyncio.Future[None]
) -> None:
    """Listens at one server until cancelled; a connection that breaks is made again."""
    while True:
        try:
            async with connecting() as connection:
                items = connection.subscribe(_wanted(node, reader))
                async with contextlib.aclosing(items):
                    async for item in items:
                        if isinstance(item, CaughtUp):
                            _set(ready)
                        elif line.heard.full():
                            log.info("more comes for a pairing than anybody could need: it is dropped")
                        else:
                            line.heard.put_nowait(Heard(item, connection))
        except MosaicError as error:
            log.info("a server between two devices: %s", error)
        await asyncio.sleep(_AGAIN_S)


def _set(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


@contextlib.asynccontextmanager
async def listening(node: Node, person: Person) -> AsyncIterator[Line]:
    """Listens for a new device at the own server and at others that the person uses.

    Raises:
        PairingFailed: there is none that both devices could reach.
    """
    line = Line()
    async with _tasks() as begin:
        waits: list[tuple[NamedServer, asyncio.Future[None]]] = []
        own = NamedServer(node.server_secret.public, tuple(own_urls(node)))
        for server, connecting in [(own, _own(node, person)), *_others(node, person)]:
            ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            begin(_hear(node, connecting, person.key, line, ready))
            waits.append((server, ready))
        await asyncio.wait([ready for _, ready in waits], timeout=READY_S)
        line.servers = [server for server, ready in waits if ready.done() and server.urls][:MOST_SERVERS]
        if not line.servers:
            raise PairingFailed(
                "there is no server over which a new device could reach this one", hint=_NOWHERE
            )
        yield line


@contextlib.asynccontextmanager
async def calling(
    node: Node, servers: Sequence[NamedServer], speaker: SecretKey
) -> AsyncIterator[tuple[Line, Connection]]:
    """Goes to the first of some servers that answers, as a key of the moment, and listens there.

    Raises:
        PairingFailed: none of them can be reached.
    """
    line, reasons = Line(), []
    for server in servers:
        address = ServerAddress.by_hand(server.key, *server.urls)
        async with contextlib.AsyncExitStack() as stack:
            try:
                link = node.reach.server(address, Manner(speaker))
                connection = await stack.enter_async_context(link)
            except MosaicError as error:
                reasons.append(str(error))
                continue

            @contextlib.asynccontextmanager
            async def again(address: ServerAddress = address) -> AsyncIterator[Connection]:
                async with node.reach.server(address, Manner(speaker)) as found:
                    yield found

            begin = await stack.enter_async_context(_tasks())
            ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            begin(_hear(node, again, speaker.public, line, ready))
            await asyncio.wait([ready], timeout=READY_S)
            line.servers = [server]
            yield line, connection
            return
    raise PairingFailed(
        f"none of the servers that the code names can be reached ({'; '.join(reasons) or 'it names none'})",
        hint="Bring both devices into the same network, and show a new code.",
    )


def own_urls(node: Node) -> list[ServerUrl]:
    """Where devices near this one reach its server, those in the same network first."""
    told = announcement(node.listeners.listening, node.settings.public, own_addresses(), near=True).urls
    near = announcement(node.listeners.listening, (), own_addresses(), near=True).urls
    found = dict.fromkeys((*near, *told))
    return sorted(found, key=lambda url: (url.is_public, _is_this_machine(url)))[:MOST_URLS]


def _is_this_machine(url: ServerUrl) -> bool:
    return url.host.startswith("127.") or url.host in {"[::1]", "::1"}


def _own(node: Node, person: Person) -> _Connecting:
    @contextlib.asynccontextmanager
    async def connecting() -> AsyncIterator[Connection]:
        yield await node.own(person)

    return connecting


def _others(node: Node, person: Person) -> list[tuple[NamedServer, _Connecting]]:
    """The other servers of the person that take what strangers write to him."""
    found: dict[PublicKey, ServerAddress] = {}
    for usage in (Usage.INBOX, Usage.ENCRYPTION):
        for server in node.directory.servers(person.key, usage):
            if server.urls:
                found.setdefault(server.key, server)

    def connecting(server: ServerAddress) -> _Connecting:
        return lambda: node.reach.server(server, Manner(person.device))

    return [
        (NamedServer(server.key, server.urls[:MOST_URLS]), connecting(server))
        for server in list(found.values())[: MOST_SERVERS - 1]
    ]


@contextlib.asynccontextmanager
async def _tasks() -> AsyncIterator[Callable[..., None]]:
    """Jobs that end when it is left."""
    running: list[asyncio.Task[None]] = []
    try:
        yield lambda job: running.append(asyncio.create_task(job))
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def lost(error: MosaicError) -> PairingFailed:
    """What an error means for a pairing; what to do about it is said where the error says so."""
    if isinstance(error, PairingFailed):
        return error
    if isinstance(error, Unreachable):
        return PairingFailed("the way to the other device broke: it can't be reached any more")
    if isinstance(error, Refused):
        return PairingFailed(str(error), hint=error.hint)
    if isinstance(error, PeerError):
        return PairingFailed(f"the way to the other device broke: {error}")
    return PairingFailed(str(error), hint=error.hint)
