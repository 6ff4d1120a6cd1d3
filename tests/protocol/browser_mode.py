"""A client and a server on one WebSocket, where TLS proves no key."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.protocol.upgrades import AUTHORITY, CLIENT, ENTROPY, SERVER, SETTINGS, accepted

from mosaic.core.authentication import Authentication, Role
from mosaic.protocol.authentication import (
    ServerAuthentication,
    ServerIdentity,
)
from mosaic.protocol.client_session import ClientSession
from mosaic.protocol.client_upgrade import ClientUpgrade
from mosaic.protocol.events import (
    ClientEvent,
    Finished,
    HelloAccepted,
    HelloDone,
    ProofAsked,
    ServerEvent,
    ServerProven,
)
from mosaic.protocol.server_session import ServerSession
from mosaic.protocol.settings import ClientSessionSettings
from mosaic.testing import Person
from mosaic.wire.result_code import ResultCode
from mosaic.wire.server_messages import Closing

NOW = 5_000_000_000_000
NONCE = b"c" * 32


@dataclass
class Line:
    """A client and a server on one WebSocket, HELLO said by messages."""

    server_of: Person = SERVER
    authorities: frozenset[str] = frozenset({AUTHORITY, "mosaic.example"})
    entropy: bytes = ENTROPY[:32]
    now: int = NOW
    server: ServerSession = field(init=False)
    client: ClientSession = field(init=False)

    def __post_init__(self) -> None:
        settings = ClientSessionSettings(applications=(1,))
        self.server = ServerSession(SETTINGS, None, self.now)
        self.client = ClientSession(settings, self.now)
        upgrade, _ = accepted(ClientUpgrade(AUTHORITY, ENTROPY).request)
        identity = ServerIdentity(self.server_of.key_bytes, self.authorities)
        assert self.server.upgraded(upgrade, ServerAuthentication(identity, self.entropy), self.now) is None
        assert isinstance(self.ask(self.client.hello()), HelloDone)
        assert self.told() == [HelloAccepted(0, (1,))]

    def ask(self, frame: bytes) -> ServerEvent | None:
        """What the server makes of a frame; it proves its key when it is asked to."""
        event = self.server.receive(frame, self.now)
        if isinstance(event, ProofAsked):
            signature = event.authentication.sign(Role.SERVER, self.server_of.master)
            self.server.outgoing.append(self.server.proof(event.authentication, signature))
        return event

    def told(self) -> list[ClientEvent | None]:
        """What the client makes of what the server has sent."""
        return [self.client.receive(frame, self.now) for frame in self.server.take_outgoing()]

    def challenge(self, client_key: bytes | None = CLIENT.key_bytes, authority: str = AUTHORITY) -> bytes:
        return self.client.challenge(SERVER.key_bytes, client_key, authority, NONCE, self.now)

    def proven(self) -> Authentication:
        """What the client is to sign, after the server has proven its key."""
        assert isinstance(self.ask(self.challenge()), ProofAsked)
        (event,) = self.told()
        assert isinstance(event, ServerProven)
        assert event.key == SERVER.key_bytes
        assert event.to_sign is not None
        return event.to_sign

    def auth(self, person: Person = CLIENT) -> bytes:
        """The HELLO AUTH of the client that the server is waiting for."""
        return self.client.authenticate(self.proven().sign(Role.CLIENT, person.master), self.now)


def assert_refused(line: Line, frame: bytes, result: ResultCode, words: str) -> None:
    event = line.ask(frame)
    assert isinstance(event, Finished), event
    assert event.result is result
    assert words in event.reason
    assert line.server.take_outgoing() == [Closing(result).encode()]
    assert line.server.is_closed
    assert line.server.peer_key is None
