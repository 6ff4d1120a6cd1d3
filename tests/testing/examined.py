"""A server of ours over sockets of this machine, to be examined."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from mosaic.core.dht_item import SERVER_SALT, DhtItem
from mosaic.core.keys import PublicKey, SecretKey
from mosaic.node.clock import Clock
from mosaic.node.operating_settings import RoleSettings
from mosaic.testing import Person
from mosaic.testing.exam import Check, Examinee, Finding, Outcome, chosen, examine
from mosaic.transport import SocketNetwork, Transport
from tests.server import world

MEMBER = Person("member")
SEED = bytes(31) + b"\x2a"
EVERY = RoleSettings(chat=True)
WAITS = "hello.within_ten_seconds"
"""The one check that waits for a time limit of the server's."""


class OwnItem:
    """A DHT that holds the server's own bootstrap and nothing else."""

    async def item(self, key: PublicKey, salt: bytes) -> DhtItem | None:
        secret = SecretKey.from_seed(SEED)
        if (key, salt) != (secret.public, SERVER_SALT):
            return None
        return DhtItem.sign(secret, SERVER_SALT, 4, b"S\nmosaic://example.org/\n")


@asynccontextmanager
async def examined(
    folder: Path, transports: Sequence[Transport] = (Transport.TCP,), *, patience_s: float = 20.0
) -> AsyncIterator[Examinee]:
    """A server that serves MEMBER, and how to reach it."""
    clock = Clock()
    async with world.running(folder, MEMBER, clock=clock, lookups=OwnItem(), roles=EVERY) as running:  # type: ignore[arg-type]
        network = SocketNetwork(running.transport)
        running.server.attach(network)
        addresses = {
            transport: ("127.0.0.1", network.listen(transport, "127.0.0.1", 0, SEED))
            for transport in transports
        }
        yield Examinee(SecretKey.from_seed(SEED).public, addresses, clock.now_ns, patience_s)


async def findings(
    examinee: Examinee, checks: Sequence[Check] | None = None, *, member: bool = True
) -> list[Finding]:
    """What comes of checks; of all quick ones if none are given."""
    wanted = [check for check in chosen(()) if check.name != WAITS] if checks is None else checks
    return [each async for each in examine(examinee, wanted, MEMBER.master if member else None)]


def named(found: Sequence[Finding], *outcomes: Outcome) -> dict[str, str]:
    """The names of the checks with one of these outcomes, each with its detail."""
    return {each.check.name: each.detail for each in found if each.outcome in outcomes}
