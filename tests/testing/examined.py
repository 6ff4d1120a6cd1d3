"""A server of ours over sockets of this machine, to be examined."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from mosaic.core import server_info
from mosaic.core.dht_item import SERVER_SALT, DhtItem
from mosaic.core.keys import PublicKey
from mosaic.core.server_info import ServerInfo
from mosaic.core.web_authority import authority_of
from mosaic.node.clock import Clock
from mosaic.node.operating_settings import RoleSettings
from mosaic.node.server_info import told
from mosaic.node.settings import NodeSettings
from mosaic.policy.submission import Way
from mosaic.policy.withhold import always
from mosaic.server.settings import ServerSettings
from mosaic.testing import Person
from mosaic.testing.exam import Check, Examinee, Finding, Outcome, chosen, examine
from mosaic.transport import SocketNetwork, Transport
from tests.loopback.web_clients import certificate
from tests.server import world
from tests.server.web_memory import prover
from tests.transport.authority import Authority

MEMBER = Person("member")
SERVER = world.SERVER
SEED = SERVER.master.reveal()
EVERY = RoleSettings(chat=True)
NAME = "localhost"
WAITS = "hello.within_ten_seconds"
"""The one check that waits for a time limit of the server's."""


class OwnItem:
    """A DHT that holds the server's own bootstrap and nothing else."""

    async def item(self, key: PublicKey, salt: bytes) -> DhtItem | None:
        secret = SERVER.master
        if (key, salt) != (secret.public, SERVER_SALT):
            return None
        return DhtItem.sign(secret, SERVER_SALT, 4, b"S\nmosaic://example.org/\n")


@asynccontextmanager
async def examined(
    folder: Path,
    transports: Sequence[Transport] = (Transport.TCP,),
    *,
    patience_s: float = 20.0,
    roles: RoleSettings = EVERY,
    settings: ServerSettings | None = None,
) -> AsyncIterator[Examinee]:
    """A server that serves MEMBER and says what it is, and how to reach it; its WebSocket by a name."""
    clock = Clock()
    async with world.running(
        folder,
        MEMBER,
        clock=clock,  # type: ignore[arg-type]
        lookups=OwnItem(),
        roles=roles,
        withhold=(lambda _: always) if roles.withhold else None,
        prover=prover(SERVER),
        settings=settings,
    ) as running:
        network = SocketNetwork(running.transport)
        running.server.attach(network)
        names = (certificate(Authority(), NAME),)
        addresses = {
            transport: (
                NAME if transport is Transport.WS else "127.0.0.1",
                network.listen(
                    transport, "127.0.0.1", 0, SEED, names=names if transport is Transport.WS else ()
                ),
            )
            for transport in transports
        }
        running.server.reached_as(
            authority_of(*where) for transport, where in addresses.items() if transport is Transport.WS
        )
        said = told(NodeSettings(roles=roles, server=running.server.settings))
        await say(running, said, clock.now_ns())
        yield Examinee(SERVER.key, addresses, clock.now_ns, patience_s)


async def say(running: world.World, said: ServerInfo, now_ns: int) -> None:
    """Lets the server say about itself what a node's server says."""
    record = server_info.build(SERVER.master, said, now_ns)
    await running.server.submit([record.data], Way.OWNER, (SERVER.key_bytes,))


async def findings(
    examinee: Examinee, checks: Sequence[Check] | None = None, *, member: bool = True
) -> list[Finding]:
    """What comes of checks; of all quick ones if none are given."""
    wanted = [check for check in chosen(()) if check.name != WAITS] if checks is None else checks
    return [each async for each in examine(examinee, wanted, MEMBER.master if member else None)]


def named(found: Sequence[Finding], *outcomes: Outcome) -> dict[str, str]:
    """The names of the checks with one of these outcomes, each with its detail."""
    return {each.check.name: each.detail for each in found if each.outcome in outcomes}
