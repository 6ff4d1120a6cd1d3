"""A day of reading in a simulated world: no record is fetched twice, and what is beyond records stays small.

The same in full, over TCP and TLS, is `python -m benchmarks data_use`.
"""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path

import pytest
from tests.node.conftest import do
from tests.node.test_reading_servers import played

from mosaic.client.settings import ClientSettings
from mosaic.client.traffic import Purpose
from mosaic.core.bootstrap import USER_SALT, ServerUse, Usage, UserBootstrap
from mosaic.core.dht_item import DhtItem
from mosaic.core.filter import Filter
from mosaic.node.node import Node
from mosaic.policy.submission import Way
from mosaic.testing import Person
from mosaic.testing.simulation.dht import SimulatedDhtNode
from mosaic.testing.simulation.homes import PERSON, SERVER, SimulatedHome
from mosaic.testing.simulation.world import Chance, World

SERVERS = 5
PEOPLE = 30
RECORDS_EACH = 10
OUTBOXES = 3
HOUR_NS = 3_600 * 10**9
# 3 MB for 300 people who write 10 records each.
BYTES_A_RECORD = 1_000


class Day:
    def __init__(self, folder: Path) -> None:
        self.world = World(7, machines=8)
        self.chance = Chance(7, "who writes when")
        self.servers = [
            SimulatedHome(self.world, folder / f"s{n}", f"10.1.0.{n + 1}", SERVER) for n in range(SERVERS)
        ]
        settings = dataclasses.replace(PERSON, client=ClientSettings(private_addresses=True))
        self.reader_home = SimulatedHome(self.world, folder / "r", "10.2.0.1", settings)
        self.people = [Person(f"p{n}") for n in range(PEOPLE)]
        self.late: list[tuple[int, bytes]] = []
        self.written: dict[bytes, int] = {}
        self.came = 0
        self.beyond = 0

    @property
    def reader(self) -> Node:
        return self.reader_home.node

    def uses(self, person: int) -> list[int]:
        return [(person + each) % SERVERS for each in range(OUTBOXES)]

    async def begin(self) -> None:
        keys = [(await server.start(listens=True)).server_secret.public for server in self.servers]
        dht = SimulatedDhtNode(self.world.dht, lambda: True, "everybody", lambda: None)
        for number, person in enumerate(self.people):
            uses = tuple(ServerUse(Usage.OUTBOX, keys[server]) for server in self.uses(number))
            await dht.write(
                DhtItem.sign(person.master, USER_SALT, 1, UserBootstrap(uses).text.encode()), None
            )
            await self.write(number, 3 * HOUR_NS)
        await self.reader_home.start("reader")
        for person in self.people:
            await do(self.reader, "follow", working=True, person=person.key.user_text)

    async def write(self, person: int, ago_ns: int = 0) -> None:
        record = self.people[person].record(self.world.clock.now_ns() - ago_ns).data
        self.written[record[:48]] = len(record)
        self.late += [(server, record) for server in self.uses(person)]
        await self.hand_in()

    async def hand_in(self) -> None:
        """Servers that are there take what is for them."""
        waiting, self.late = self.late, []
        for server, record in waiting:
            if self.servers[server].is_running:
                await self.servers[server].node.server.submit([record], Way.MIRROR)
            else:
                self.late.append((server, record))

    async def hour(self) -> None:
        for _ in range(PEOPLE * RECORDS_EACH // 24):
            await self.write(self.chance.below(PEOPLE))
            await asyncio.sleep(3_600 * 24 / (PEOPLE * RECORDS_EACH))

    def note(self) -> None:
        """Adds up what has passed since the reader's node was started."""
        for purposes in self.reader.pool.passed.by_server().values():
            for purpose, passed in purposes.items():
                if purpose is Purpose.RECORDS:
                    self.came += passed.came
                # Look-ups in the DHT are counted apart, also where servers do them.
                elif purpose is not Purpose.LOOKING_UP:
                    self.beyond += passed.came + passed.went

    def here(self) -> set[bytes]:
        keys = [person.key for person in self.people]
        found = self.reader.everything.newest_first(Filter.of(authors=keys))
        return {record.id.bytes for record in found}


@pytest.mark.slow
@pytest.mark.claim("C82")
@pytest.mark.timeout(600)
def test_in_a_day_with_a_broken_server_and_a_restart_nothing_comes_twice(tmp_path: Path) -> None:
    async def play() -> None:
        day = Day(tmp_path)
        await day.begin()
        for hour in range(24):
            if hour == 8:
                await day.servers[0].stop()
            if hour == 9:
                await day.servers[0].start(listens=True)
                await day.hand_in()
            if hour == 16:
                day.note()
                await day.reader_home.stop()
                await asyncio.sleep(600)
                await day.reader_home.start()
            await day.hour()
        await asyncio.sleep(2 * 3_600)
        day.note()
        assert day.here() == set(day.written)
        assert day.came == sum(day.written.values())
        assert day.beyond <= BYTES_A_RECORD * PEOPLE * RECORDS_EACH
        # So few servers as will do are read.
        groups = day.reader.follower.groups()
        assert len({group.server for group in groups}) <= SERVERS - OUTBOXES + 1
        for home in (day.reader_home, *day.servers):
            await home.stop()

    played(play)
