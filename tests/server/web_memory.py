"""Memory links that begin as WebSockets do: with a request that is reported after LINK_OPENED."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from mosaic.core.authentication import Authentication, Role
from mosaic.core.keys import SecretKey
from mosaic.protocol.client_upgrade import ClientUpgrade, Upgraded, UpgradeRefused
from mosaic.protocol.upgrade import Mode
from mosaic.server.identity import Prover
from mosaic.testing import Person
from mosaic.transport import Event, MemoryNetwork, memory_pair
from mosaic.transport.events import LINK_OPENED, LINK_UPGRADE
from mosaic.transport.network import Entrance, Sink
from mosaic.wire import client_messages as ask
from mosaic.wire import server_messages as tell
from tests.server.world import SERVER, Client, World

AUTHORITY = "mosaic.example"
ENTROPY = bytes(range(48))


def prover(server: Person = SERVER) -> Prover:
    """Signs for a server; its random bytes are different each time, and the same in each run."""
    drawn = [0]

    def entropy(length: int) -> bytes:
        drawn[0] += 1
        return drawn[0].to_bytes(4, "big") * (length // 4)

    def sign(authentication: Authentication) -> bytes:
        return authentication.sign(Role.SERVER, server.master)

    return Prover(server.key_bytes, sign, entropy)


class WebMemory:
    """A server's end of a memory pair that reports one request for a WebSocket."""

    def __init__(self, network: MemoryNetwork, mode: Mode, request: bytes) -> None:
        self._network = network
        self._request = bytes((mode,)) + request
        self.answers: list[tuple[bytes, bool]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._network, name)

    def start(self, sink: Sink) -> None:
        def with_requests(events: Sequence[Event]) -> None:
            batch: list[Event] = []
            for event in events:
                batch.append(event)
                if event[1] == LINK_OPENED:
                    batch.append((event[0], LINK_UPGRADE, self._request))
            sink(batch)

        self._network.start(with_requests)

    def answer_upgrade(self, link: int, head: bytes, accepted: bool) -> None:
        self.answers.append((head, accepted))
        if not accepted:
            self._network.close(link)


class Browser:
    """A client in browser mode, or one that TLS has proven a key of."""

    def __init__(self, client: Client, network: WebMemory, upgrade: ClientUpgrade) -> None:
        self.client = client
        self._network = network
        self._upgrade = upgrade

    async def answer(self) -> Upgraded | UpgradeRefused:
        """What the server has said to the request."""
        await self.client.until(lambda: bool(self._network.answers))
        head, accepted = self._network.answers[0]
        answer = self._upgrade.receive(head if accepted else head[: head.index(b"\r\n\r\n") + 4])
        assert accepted is isinstance(answer, Upgraded) or (
            isinstance(answer, UpgradeRefused) and answer.unproven
        )
        return answer

    async def prove(
        self, key: SecretKey | None, *, named: bytes | None = None, authority: str = AUTHORITY
    ) -> Authentication:
        """HELLO CHALLENGE, HELLO PROOF and, with a key, HELLO AUTH; what was signed."""
        nonce = bytes(range(32))
        public = bytes(32) if key is None else key.public.bytes
        self.client.send(ask.HelloChallenge(nonce, named or public, authority.encode()))
        proof = await self.client.take(tell.HelloProof)
        signed = Authentication(proof.key, named or public, nonce, proof.nonce, authority)
        assert signed.verify(Role.SERVER, proof.signature)
        if key is not None:
            mine = Authentication(proof.key, public, nonce, proof.nonce, authority)
            self.client.send(ask.HelloAuth(public, mine.sign(Role.CLIENT, key)))
        return signed

    async def log_in(self, key: SecretKey) -> tell.HelloAck:
        """Proves a key; the server's answer."""
        await self.prove(key)
        return await self.client.take(tell.HelloAck)


def browse(
    world: World,
    mode: Mode = Mode.BROWSER,
    *,
    authority: str = AUTHORITY,
    tls_key: SecretKey | None = None,
    request: bytes | None = None,
    by_headers: bool = False,
    server_key: bytes | None = None,
    client_key: bytes | None = None,
    host: str = "memory",
    forwarded: str = "",
) -> Browser:
    """Somebody who asks for a WebSocket; `forwarded` is for whom a proxy says that it speaks."""
    upgrade = ClientUpgrade(
        authority,
        ENTROPY,
        applications=(0, 1) if by_headers else None,
        server_key=server_key,
        client_key=client_key,
    )
    ours, theirs = memory_pair(
        world.transport,
        server_key=SERVER.key_bytes,
        client_key=None if tls_key is None else tls_key.public.bytes,
    )
    ours.host = host
    asked = upgrade.request if request is None else request
    if forwarded:
        asked = asked.replace(b"\r\n", f"\r\nX-Forwarded-For: {forwarded}\r\n".encode(), 1)
    network = WebMemory(ours, mode, asked)
    world.server.attach(cast("Entrance", network))
    return Browser(Client(theirs), network, upgrade)
