"""Clients of WebSockets over real sockets, and a middleman between one of them and a server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.server.world import Client
from tests.transport.authority import Authority

from mosaic.core.authentication import Authentication, Role
from mosaic.core.keys import SecretKey
from mosaic.protocol.client_session import ClientSession
from mosaic.protocol.client_upgrade import ENTROPY_LENGTH, ClientUpgrade, Upgraded, UpgradeRefused
from mosaic.protocol.events import ClientEvent, ServerClosing, ServerProven, ServerUnproven
from mosaic.protocol.settings import ClientSessionSettings
from mosaic.protocol.upgrade import Mode
from mosaic.testing import Person
from mosaic.transport import Event, HostCertificate, SocketNetwork, Target, Transport, TransportSettings
from mosaic.transport.events import LINK_CLOSED, LINK_OPENED, LINK_UPGRADE
from mosaic.wire.client_messages import HelloChallenge
from mosaic.wire.codec import decode
from mosaic.wire.header import MessageType
from mosaic.wire.server_messages import HelloProof

ENTROPY = bytes(range(ENTROPY_LENGTH))
NONCE = b"c" * 32
NOW = 7_000_000_000
PATIENCE_S = 20


def certificate(ca: Authority, host: str) -> HostCertificate:
    """What an authority vouches for a host with."""
    issued = ca.issue(host)
    return HostCertificate(host, issued.chain, issued.key)


class WebClient(Client):
    """A client whose link begins with a request for a WebSocket."""

    def __init__(self, network: SocketNetwork, target: Target, upgrade: ClientUpgrade) -> None:
        self.upgrade = upgrade
        self.upgraded: Upgraded | UpgradeRefused | None = None
        self.mode: Mode | None = None
        self.failed = 0
        super().__init__(network, network.dial(target))

    def _take(self, events: Sequence[Event]) -> None:
        for link, what, data in events:
            if what == LINK_UPGRADE:
                self.mode = Mode(data[0])
                self.upgraded = self.upgrade.receive(data[1:])
                self.network.answer_upgrade(link, b"", isinstance(self.upgraded, Upgraded))
            elif what > LINK_UPGRADE or LINK_UPGRADE > what > 260:
                self.failed = what
        super()._take(events)

    async def answer(self) -> Upgraded | UpgradeRefused:
        """What the server has said to the request."""
        await self.until(lambda: self.upgraded is not None or self.closed or bool(self.failed))
        assert self.upgraded is not None, self.failed
        return self.upgraded


@dataclass
class Victim:
    """A person's program in browser mode: the real session over a real socket.

    Attributes:
        events: What its session has said, from HELLO on.
    """

    network: SocketNetwork
    link: int
    upgrade: ClientUpgrade
    key: SecretKey

    def __post_init__(self) -> None:
        self.session = ClientSession(ClientSessionSettings(applications=(1,)), NOW)
        self.events: list[ClientEvent] = []
        self.refused: UpgradeRefused | None = None
        self.closed = False
        self._changed = asyncio.Event()
        self.network.start(self._take)

    def _take(self, batch: Sequence[Event]) -> None:
        for _, what, data in batch:
            if what == LINK_UPGRADE:
                answer = self.upgrade.receive(data[1:])
                if isinstance(answer, UpgradeRefused):
                    self.refused = answer
                    self.network.answer_upgrade(self.link, b"", False)
                else:
                    self.network.answer_upgrade(self.link, b"", True)
                    if answer.version is None:
                        self.network.send(self.link, self.session.hello())
                    else:
                        self.events.append(self.session.upgraded(answer, NOW))
            elif what == LINK_CLOSED:
                self.closed = True
            elif what < LINK_OPENED:
                event = self.session.receive(data, NOW)
                if event is not None:
                    self.events.append(event)
        self._changed.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Waits until something holds that only what comes in can change."""
        async with asyncio.timeout(PATIENCE_S):
            while not holds():
                self._changed.clear()
                if not holds():
                    await self._changed.wait()

    async def log_in(self, server: Person | None, authority: str) -> ClientEvent | None:
        """Asks the server for its proof, and gives its own; the last thing that it hears."""
        await self.until(lambda: bool(self.events) or self.closed)
        expected = None if server is None else server.key_bytes
        self.network.send(
            self.link, self.session.challenge(expected, self.key.public.bytes, authority, NONCE, NOW)
        )
        await self.until(lambda: len(self.events) > 1 or self.closed)
        event = self.events[-1]
        if not isinstance(event, ServerProven) or event.to_sign is None:
            assert isinstance(event, ServerUnproven | ServerClosing)
            return event
        signature = event.to_sign.sign(Role.CLIENT, self.key)
        self.network.send(self.link, self.session.authenticate(signature, NOW))
        await self.until(lambda: len(self.events) > 2 or self.closed)
        return self.events[-1]


class Middleman:
    """Listens with an authority's certificate and passes everything on to the true server, and back.

    Args:
        settings: Of his networks.
        ca: Vouches for his name, and for the server's.
        own: His own key.
        port: Where the true server listens.
        rewrite: Whether he tells the true server its own name where the client has said his.
        resign: Whether he proves his own key where the true server proves its.
    """

    def __init__(
        self,
        settings: TransportSettings,
        ca: Authority,
        own: Person,
        port: int,
        *,
        rewrite: bool,
        resign: bool,
    ) -> None:
        self._ca = ca
        self._own = own
        self._true_port = port
        self._rewrite = rewrite
        self._resign = resign
        self._front = SocketNetwork(settings)
        self._back = SocketNetwork(settings)
        self._victim = 0
        self._true = 0
        self._challenge: HelloChallenge | None = None
        self.passed: list[MessageType] = []
        self._front.start(self._from_client)
        self._back.start(self._from_server)
        self.port = self._front.listen(
            Transport.WS, "127.0.0.1", 0, own.master.reveal(), names=(certificate(ca, "localhost"),)
        )
        self.authority = f"localhost:{self.port}"
        self._true_authority = f"localhost:{port}"

    async def stop(self) -> None:
        await asyncio.gather(self._front.stop(0), self._back.stop(0))

    def _from_client(self, batch: Sequence[Event]) -> None:
        for link, what, data in batch:
            if what == LINK_UPGRADE:
                self._victim = link
                head = data[1:].replace(self.authority.encode(), self._true_authority.encode())
                self._true = self._back.dial(
                    Target(
                        Transport.WS, "localhost", self._true_port, request=head, authorities=self._ca.root
                    )
                )
            elif what < LINK_OPENED:
                self.passed.append(MessageType(data[0]))
                self._back.send(self._true, self._to_server(data))

    def _from_server(self, batch: Sequence[Event]) -> None:
        for link, what, data in batch:
            if what == LINK_UPGRADE:
                self._back.answer_upgrade(link, b"", True)
                self._front.answer_upgrade(self._victim, data[1:], True)
            elif what == LINK_CLOSED:
                self._front.close(self._victim)
            elif what < LINK_OPENED:
                self._front.send(self._victim, self._to_client(data))

    def _to_server(self, data: bytes) -> bytes:
        message = decode(data)
        if isinstance(message, HelloChallenge):
            self._challenge = message
            if self._rewrite:
                return HelloChallenge(message.nonce, message.key, self._true_authority.encode()).encode()
        return data

    def _to_client(self, data: bytes) -> bytes:
        message = decode(data)
        if isinstance(message, HelloProof) and self._resign and self._challenge is not None:
            asked = self._challenge
            own = Authentication(
                self._own.key_bytes, asked.key, asked.nonce, message.nonce, asked.authority.decode()
            )
            return HelloProof(
                own.server_key, own.server_nonce, own.sign(Role.SERVER, self._own.master)
            ).encode()
        return data
