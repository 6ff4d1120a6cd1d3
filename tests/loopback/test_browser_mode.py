"""Browser mode over real sockets: an authority's certificate, HELLO both ways, and who stands between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.loopback.web_clients import ENTROPY, Middleman, Victim, WebClient, certificate
from tests.server.web_memory import prover
from tests.server.world import SERVER, World, running
from tests.transport.authority import Authority

from mosaic.core.authentication import Authentication, Role
from mosaic.core.filter import Filter
from mosaic.core.keys import SecretKey
from mosaic.core.kind import Readers
from mosaic.protocol.client_upgrade import ClientUpgrade, Upgraded, UpgradeRefused
from mosaic.protocol.events import KeyAccepted, ServerClosing, ServerUnproven
from mosaic.protocol.upgrade import Mode
from mosaic.testing import Person
from mosaic.testing.people import kind_of
from mosaic.transport import SocketNetwork, Target, Transport
from mosaic.transport.events import DIAL_FOREIGN_CERTIFICATE, DIAL_WRONG_KEY
from mosaic.wire import client_messages as ask
from mosaic.wire import server_messages as tell
from mosaic.wire.header import MessageType
from mosaic.wire.result_code import ResultCode

pytestmark = pytest.mark.claim("C43", "C47")

ANNA, MIDDLE = Person("anna"), Person("middle")


@dataclass
class Web:
    """A server's WebSocket listener with a certificate for `localhost`, and who dials it."""

    world: World
    ca: Authority = field(default_factory=Authority)
    dialling: list[SocketNetwork] = field(default_factory=list)
    middlemen: list[Middleman] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.listening = SocketNetwork(self.world.transport)
        self.world.server.attach(self.listening)
        self.port = self.listening.listen(
            Transport.WS,
            "127.0.0.1",
            0,
            SERVER.master.reveal(),
            names=(certificate(self.ca, "localhost"),),
            plain=True,
        )
        self.authority = f"localhost:{self.port}"
        self.world.server.reached_as([self.authority])

    def network(self) -> SocketNetwork:
        network = SocketNetwork(self.world.transport)
        self.dialling.append(network)
        return network

    def client(self, upgrade: ClientUpgrade | None = None, *, ca: Authority | None = None) -> WebClient:
        """A client in browser mode."""
        upgrade = upgrade or ClientUpgrade(self.authority, ENTROPY)
        authorities = (ca or self.ca).root
        target = Target(
            Transport.WS, "localhost", self.port, request=upgrade.request, authorities=authorities
        )
        return WebClient(self.network(), target, upgrade)

    def native(self, server: Person, port: int, key: SecretKey | None = None) -> WebClient:
        """A client in native mode that expects a server's key."""
        upgrade = ClientUpgrade(self.authority, ENTROPY)
        seed = None if key is None else key.reveal()
        target = Target(
            Transport.WS, "localhost", port, server_key=server.key_bytes, seed=seed, request=upgrade.request
        )
        return WebClient(self.network(), target, upgrade)

    def victim(self, authority: str, port: int, upgrade: ClientUpgrade | None = None) -> Victim:
        """Anna's program, which believes to dial an authority and reaches a port."""
        upgrade = upgrade or ClientUpgrade(authority, ENTROPY)
        network = self.network()
        link = network.dial(
            Target(Transport.WS, "localhost", port, request=upgrade.request, authorities=self.ca.root)
        )
        return Victim(network, link, upgrade, ANNA.master)

    def middleman(self, *, rewrite: bool, resign: bool) -> Middleman:
        middleman = Middleman(
            self.world.transport, self.ca, MIDDLE, self.port, rewrite=rewrite, resign=resign
        )
        self.middlemen.append(middleman)
        return middleman


@asynccontextmanager
async def over_websocket(folder: Path) -> AsyncIterator[tuple[World, Web]]:
    async with running(folder, ANNA, prover=prover()) as world:
        web = Web(world)
        try:
            yield world, web
        finally:
            await asyncio.gather(*(each.stop() for each in web.middlemen))
            await asyncio.gather(*(network.stop(0) for network in web.dialling))


# --- as it should be


async def test_hello_by_messages_and_a_proven_key(tmp_path: Path) -> None:
    async with over_websocket(tmp_path) as (world, web):
        client = web.client()
        assert await client.answer() == Upgraded()
        assert client.mode is Mode.BROWSER
        await client.hello()
        record = ANNA.record(world.now(), kind=kind_of(readers=Readers.AUTHOR)).data
        nonce = bytes(range(32))
        client.send(ask.HelloChallenge(nonce, ANNA.key_bytes, web.authority.encode()))
        proof = await client.take(tell.HelloProof)
        signed = Authentication(SERVER.key_bytes, ANNA.key_bytes, nonce, proof.nonce, web.authority)
        assert proof.key == SERVER.key_bytes
        assert signed.verify(Role.SERVER, proof.signature)
        client.send(ask.HelloAuth(ANNA.key_bytes, signed.sign(Role.CLIENT, ANNA.master)))
        await client.take(tell.HelloAck)
        assert await client.submit(record) == [ResultCode.ACCEPTED]
        assert await client.get(record[:48]) == [record]
        stranger = web.client()
        await stranger.answer()
        await stranger.hello()
        assert await stranger.query(Filter.of(authors=[ANNA.key])) == ([], ResultCode.SUCCESS)


async def test_hello_by_headers_and_a_proven_key(tmp_path: Path) -> None:
    async with over_websocket(tmp_path) as (world, web):
        upgrade = ClientUpgrade(
            web.authority,
            ENTROPY,
            applications=(1,),
            server_key=SERVER.key_bytes,
            client_key=ANNA.key_bytes,
        )
        client = web.client(upgrade)
        answer = await client.answer()
        assert isinstance(answer, Upgraded)
        assert answer.to_sign is not None
        client.send(ask.HelloAuth(ANNA.key_bytes, answer.to_sign.sign(Role.CLIENT, ANNA.master)))
        assert (await client.take(tell.HelloAck)).applications == (1,)
        assert await client.submit(ANNA.schedule(world.now())) == [ResultCode.ACCEPTED]


async def test_native_mode_beside_it_on_the_same_port(tmp_path: Path) -> None:
    async with over_websocket(tmp_path) as (world, web):
        client = web.native(SERVER, web.port, ANNA.master)
        assert await client.answer() == Upgraded()
        assert client.mode is Mode.NATIVE
        await client.hello()
        assert await client.submit(ANNA.schedule(world.now())) == [ResultCode.ACCEPTED]


async def test_another_name_is_answered_in_http(tmp_path: Path) -> None:
    async with over_websocket(tmp_path) as (world, web):
        client = web.client(ClientUpgrade("mosaic.example", ENTROPY))
        answer = await client.answer()
        assert isinstance(answer, UpgradeRefused)
        assert answer.status == 403
        reader, writer = await asyncio.open_connection("127.0.0.1", web.port)
        writer.write(f"GET / HTTP/1.1\r\nHost: {web.authority}\r\n\r\n".encode())
        page = await reader.read()
        assert page.startswith(b"HTTP/1.1 426 Upgrade Required\r\n")
        assert page.endswith(
            b"\r\n\r\nThis is a Mosaic server: reach it with a Mosaic client, by WebSocket.\n"
        )
        writer.close()
        await writer.wait_closed()
        assert world.server.metrics.upgrades_refused == 2


# --- a middleman with a certificate for his own name, whom a person was led to


async def refused_by_the_server(web: Web, world: World, middleman: Middleman, server: Person) -> None:
    victim = web.victim(middleman.authority, middleman.port)
    assert await victim.log_in(server, middleman.authority) == ServerClosing(ResultCode.UNAUTHORIZED)
    assert world.server.metrics.keys_proven == 0


async def test_who_passes_everything_on_is_refused_by_the_server(tmp_path: Path) -> None:
    async with over_websocket(tmp_path) as (world, web):
        middleman = web.middleman(rewrite=False, resign=False)
        await refused_by_the_server(web, world, middleman, SERVER)
        assert middleman.passed == [MessageType.HELLO, MessageType.HELLO_CHALLENGE]


async def test_who_says_the_servers_name_is_found_out_by_the_client(tmp_path: Path) -> None:
    async with over_websocket(tmp_path) as (world, web):
        middleman = web.middleman(rewrite=True, resign=False)
        victim = web.victim(middleman.authority, middleman.port)
        event = await victim.log_in(SERVER, middleman.authority)
        assert event == ServerUnproven(SERVER.key_bytes, "the server's signature does not hold")
        assert MessageType.HELLO_AUTH not in middleman.passed
        assert world.server.metrics.keys_proven == 0


async def test_who_proves_his_own_key_is_not_the_server_that_was_expected(tmp_path: Path) -> None:
    async with over_websocket(tmp_path) as (_, web):
        middleman = web.middleman(rewrite=True, resign=True)
        victim = web.victim(middleman.authority, middleman.port)
        event = await victim.log_in(SERVER, middleman.authority)
        assert event == ServerUnproven(
            MIDDLE.key_bytes, "another server answers than the one that was expected"
        )
        assert MessageType.HELLO_AUTH not in middleman.passed


@pytest.mark.parametrize("known", [True, False], ids=["his own user", "any server will do"])
async def test_what_is_proven_to_him_proves_nothing_to_the_server(tmp_path: Path, known: bool) -> None:
    async with over_websocket(tmp_path) as (world, web):
        middleman = web.middleman(rewrite=True, resign=True)
        victim = web.victim(middleman.authority, middleman.port)
        event = await victim.log_in(MIDDLE if known else None, middleman.authority)
        assert event == ServerClosing(ResultCode.UNAUTHORIZED)
        assert middleman.passed[-1] is MessageType.HELLO_AUTH
        assert world.server.metrics.keys_proven == 0


async def test_by_headers_he_is_found_out_before_the_first_frame(tmp_path: Path) -> None:
    async with over_websocket(tmp_path) as (world, web):
        middleman = web.middleman(rewrite=True, resign=False)
        upgrade = ClientUpgrade(
            middleman.authority,
            ENTROPY,
            applications=(1,),
            server_key=SERVER.key_bytes,
            client_key=ANNA.key_bytes,
        )
        victim = web.victim(middleman.authority, middleman.port, upgrade)
        await victim.until(lambda: victim.refused is not None)
        assert victim.refused is not None
        assert victim.refused.unproven
        assert middleman.passed == []
        assert world.server.metrics.keys_proven == 0


# --- a middleman with a certificate for the server's own name


async def test_a_certificate_for_the_very_name_is_not_found_out_in_browser_mode(tmp_path: Path) -> None:
    """The limit of browser mode, which trusts authorities: all that is signed is true, and he reads along."""
    async with over_websocket(tmp_path) as (world, web):
        middleman = web.middleman(rewrite=False, resign=False)
        victim = web.victim(web.authority, middleman.port)
        assert await victim.log_in(SERVER, web.authority) == KeyAccepted(ANNA.key_bytes)
        assert world.server.metrics.keys_proven == 1


async def test_native_mode_finds_him_out(tmp_path: Path) -> None:
    async with over_websocket(tmp_path) as (_, web):
        middleman = web.middleman(rewrite=False, resign=False)
        client = web.native(SERVER, middleman.port, ANNA.master)
        await client.until(lambda: bool(client.failed))
        assert client.failed in {DIAL_WRONG_KEY, DIAL_FOREIGN_CERTIFICATE}


async def test_an_authority_that_nobody_trusts_vouches_for_nothing(tmp_path: Path) -> None:
    async with over_websocket(tmp_path) as (_, web):
        client = web.client(ca=Authority())
        await client.until(lambda: bool(client.failed))
        assert client.upgraded is None
