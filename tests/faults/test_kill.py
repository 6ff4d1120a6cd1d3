"""A node that is killed in the middle of its work loses nothing that it acknowledged."""

from __future__ import annotations

import asyncio
import random
import signal
from pathlib import Path

import pytest
from tests.loopback.processes import Node

from mosaic.client.address import ServerAddress
from mosaic.client.connection import Connection
from mosaic.client.link_pool import LinkPool
from mosaic.client.settings import ClientSettings
from mosaic.core import builder, kinds, nonce
from mosaic.core.keys import PublicKey
from mosaic.core.kind import Kind
from mosaic.core.record import Record
from mosaic.core.url import ServerUrl
from mosaic.errors import PeerError
from mosaic.node.clock import Clock
from mosaic.node.home import Home, try_lock
from mosaic.node.node import Node as OpenHome
from mosaic.node.people import Person
from mosaic.transport.settings import TransportSettings
from mosaic.transport.sockets import SocketNetwork
from mosaic.wire.limits import SPOOL_PREFIX, frame_limits

NOTE = Kind.from_bytes(bytes.fromhex("000000630002000e"))  # replaceable
ROUNDS = 20
IN_FLIGHT = 64
MOST_A_ROUND = 1_500


async def opened(folder: Path) -> OpenHome:
    home = Home(folder)
    lock = try_lock(home)
    assert lock is not None
    return await OpenHome.open(home, lock)


async def person_of(folder: Path) -> Person:
    node = await opened(folder)
    (person,) = node.people
    await node.stop()
    return person


class Load:
    """Submits a person's records as fast as they are answered, and kills the server in between."""

    def __init__(self, person: Person, seed: int) -> None:
        self.person = person
        self.random = random.Random(seed)
        self.clock = Clock()
        self.sent = 0
        self.acknowledged: list[Record] = []

    def make(self) -> Record:
        self.sent += 1
        now = self.clock.now_ns()
        # Some replace each other, so that the index changes in more than one way.
        replaceable = self.sent % 5 == 0
        return builder.build(
            self.person.device,
            author=self.person.key,
            kind=NOTE if replaceable else kinds.EXAMPLE,
            nonce=nonce.from_string(b"%d" % (self.sent % 3)) if replaceable else nonce.from_time(now),
            timestamp=now,
            payload=b"%d " % self.sent + b"x" * self.random.randrange(0, 600),
        )

    async def run_until(self, connection: Connection, count: int, node: Node) -> None:
        """Submits until `count` records of this round are acknowledged, then kills the process at once."""
        begin = len(self.acknowledged)

        async def worker() -> None:
            while True:
                record = self.make()
                try:
                    result = await connection.submit(record.data)
                except PeerError:
                    return
                assert result.is_success, result
                self.acknowledged.append(record)
                if len(self.acknowledged) - begin >= count and node.process is not None:
                    node.process.send_signal(signal.SIGKILL)

        await asyncio.gather(*(worker() for _ in range(IN_FLIGHT)))


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.claim("C29", "C45")
async def test_every_acknowledged_record_survives_twenty_kills(tmp_path: Path) -> None:
    node = Node(tmp_path / "home", "anna")
    person = await person_of(node.home)
    load = Load(person, seed=7)
    for _ in range(ROUNDS):
        await asyncio.to_thread(node.start)
        network = SocketNetwork(TransportSettings(tuple(frame_limits()), tuple(SPOOL_PREFIX), str(tmp_path)))
        pool = LinkPool(network, ClientSettings(), load.clock.now_ns)
        address = ServerAddress.by_hand(
            PublicKey.parse_server(node.line["server"]), ServerUrl.parse(node.line["tcp"])
        )
        async with pool.connect(address, person.device) as connection:
            # What the former rounds acknowledged is served; of replaceable records the newest.
            latest = [record for record in load.acknowledged[-200:] if record.kind == kinds.EXAMPLE]
            found = await connection.get([record.id for record in latest])
            assert sorted(found) == sorted(latest)
            await load.run_until(connection, load.random.randrange(1, MOST_A_ROUND), node)
        await asyncio.to_thread(node.kill)
        await network.stop(0)

    home = await opened(node.home)
    try:
        assert home.store.verify() == []
        unique = [record for record in load.acknowledged if record.kind == kinds.EXAMPLE]
        assert None not in home.store.contains([record.id.bytes for record in unique])
        for place in {record.address for record in load.acknowledged if record.kind != kinds.EXAMPLE}:
            newest = max(record for record in load.acknowledged if record.address == place)
            # One that was not acknowledged any more may have replaced it.
            (served,) = home.records.at(place)
            assert served >= newest
    finally:
        await home.stop()
    print(f"{len(load.acknowledged)} acknowledged of {load.sent} sent")
    assert "Traceback" not in node.log
