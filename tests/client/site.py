"""One server with one listener of each transport over real sockets, and clients of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.client.scripted import ScriptedServer, settings
from tests.core.makers import MASTER, NOW, post
from tests.transport.authority import Authority

from mosaic.client.address import ServerAddress
from mosaic.client.connection import Connection
from mosaic.client.dial_memory import ProcessMemory
from mosaic.client.link_pool import LinkPool
from mosaic.client.settings import ClientSettings
from mosaic.client.surroundings import Surroundings
from mosaic.core.filter import Filter
from mosaic.core.keys import SecretKey
from mosaic.core.url import Scheme, ServerUrl
from mosaic.transport.sockets import SocketNetwork
from mosaic.transport.transport import HostCertificate, Transport
from mosaic.wire.result_code import ResultCode

SERVER = SecretKey.from_seed(bytes([40]) * 32)
HOST = "host.example"
TRANSPORTS = {Scheme.TCP: Transport.TCP, Scheme.QUIC: Transport.QUIC, Scheme.WEBSOCKET: Transport.WS}


class Site:
    """A server that listens over all transports, and a client."""

    def __init__(self, folder: Path) -> None:
        self.authority = Authority()
        (folder / "authority.pem").write_bytes(self.authority.root)
        self.folder = folder
        self.listener = SocketNetwork(settings(str(folder)))
        self.server = ScriptedServer(self.listener)
        self.server.secret = SERVER
        self.listener.start(self.server.take)
        self.ports = {
            scheme: self.listener.listen(transport, "127.0.0.1", 0, SERVER.reveal())
            for scheme, transport in TRANSPORTS.items()
            if transport is not Transport.WS
        }
        issued = self.authority.issue(HOST)
        names = [HostCertificate(HOST, issued.chain, issued.key)]
        self.ports[Scheme.WEBSOCKET] = self.listener.listen(
            Transport.WS, "127.0.0.1", 0, SERVER.reveal(), names=names
        )
        self.server.authorities = {f"{HOST}:{self.ports[Scheme.WEBSOCKET]}"}
        self.memory = ProcessMemory()
        self.clients: list[tuple[SocketNetwork, LinkPool]] = []
        self.names: dict[str, Sequence[str]] = {HOST: ["127.0.0.1"]}

    def client(
        self, authorities: str = "authority.pem", kind: type[SocketNetwork] = SocketNetwork, **choices: object
    ) -> LinkPool:
        network = kind(settings(str(self.folder)))
        chosen = ClientSettings(
            **{  # type: ignore[arg-type]
                "private_addresses": True,
                "authorities_file": str(self.folder / authorities),
                **choices,
            }
        )
        pool = LinkPool(network, chosen, lambda: NOW, Surroundings(self.memory, self.resolve))
        self.clients.append((network, pool))
        return pool

    async def resolve(self, name: str, port: int) -> Sequence[str]:
        return self.names[name]

    def url(self, scheme: Scheme, host: str = "127.0.0.1") -> ServerUrl:
        return ServerUrl(scheme, host, self.ports[scheme])

    def address(self, *urls: ServerUrl) -> ServerAddress:
        return ServerAddress(SERVER.public, urls)

    async def stop(self) -> None:
        for network, pool in self.clients:
            pool.close()
            await network.stop(0.2)
        await self.listener.stop(0.2)


async def talk(connection: Connection, site: Site) -> None:
    """Something goes there, something comes back."""
    assert connection.server_key == SERVER.public
    assert await connection.submit(post().data) is ResultCode.ACCEPTED
    site.server.held = [post(payload=b"x" * 200_000)]
    wanted = Filter.of(authors=[MASTER.public])
    assert [record async for record in connection.query(wanted)] == site.server.held


def peers(site: Site) -> set[bytes | None]:
    return {session.peer_key for session in site.server.sessions.values()}
