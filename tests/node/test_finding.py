"""The race of what is known, the DHT and servers for somebody's bootstrap, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from tests.client.internet import Internet, Place
from tests.client.virtual_time import elapsed, run
from tests.core.makers import MASTER, NOW, OTHER

from mosaic.client.address import ServerAddress
from mosaic.client.link_pool import LinkPool
from mosaic.client.own_servers import OwnServers
from mosaic.client.settings import ClientSettings
from mosaic.core.dht_item import USER_SALT, DhtItem
from mosaic.core.keys import SecretKey
from mosaic.core.url import ServerUrl
from mosaic.dht.mode import MAINLINE, OFF
from mosaic.dht.network import Hear, NetworkState, Reach
from mosaic.dht.sequence_store import Known, MemorySequenceStore
from mosaic.dht.settings import DhtSettings
from mosaic.errors import Unreachable
from mosaic.node.clock import Clock
from mosaic.node.finding import HEAD_START_S, Finding
from mosaic.node.in_dht import InDht
from mosaic.node.surroundings import Surroundings
from mosaic.testing import FakeDht
from mosaic.wire.server_messages import DhtItem as Found

SERVERS = [SecretKey.from_seed(bytes([40 + n]) * 32) for n in range(4)]
TEXT = f"U\n7 {SERVERS[3].public.server_text}".encode()
KEY = MASTER.public


def item(seq: int, secret: SecretKey = MASTER, text: bytes = TEXT) -> DhtItem:
    return DhtItem.sign(secret, USER_SALT, seq, text + b"\n" * (seq % 8))


class SlowDht(FakeDht):
    """A node of a DHT whose look-ups end late, as real ones do: they ask all nodes near the key."""

    first_s = 0.0
    rest_s = 0.0
    state = NetworkState.WORKING

    def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def look_up(self, key: Any, salt: bytes, hear: Hear) -> Reach:
        await asyncio.sleep(self.first_s)
        reach = await super().look_up(key, salt, hear)
        await asyncio.sleep(self.rest_s)
        return reach


class World:
    """A home between a DHT and some servers."""

    def __init__(self, servers: int = 2, *, dht: bool = True) -> None:
        self.dht = SlowDht()
        self.store = MemorySequenceStore()
        self.internet = Internet()
        self.places: list[Place] = []
        addresses = []
        for n, secret in enumerate(SERVERS[:servers]):
            self.places.append(self.internet.open(f"9.9.9.{n}", 1320, secret))
            addresses.append(ServerAddress(secret.public, (ServerUrl.parse(f"mosaictcp://9.9.9.{n}:1320"),)))
        self.pool = LinkPool(self.internet, ClientSettings(), self.now_ns)
        clock = Clock(self.now_ns)
        around = Surroundings(clock=clock, dht=lambda *_: self.dht)
        self.in_dht = InDht(MAINLINE if dht else OFF, DhtSettings(), self.store, around, lambda: None)
        self.finding = Finding(
            self.in_dht,
            OwnServers(self.pool, lambda _: [(address, None) for address in addresses]),
            lambda: bool(addresses),
            self.store,
            self.now_ns,
            DhtSettings(),
        )

    def now_ns(self) -> int:
        return NOW + int(elapsed() * 1_000_000_000)

    def published(self, *items: DhtItem) -> None:
        self.dht.put(*items)

    def server_has(self, number: int, found: DhtItem) -> None:
        self.places[number].server.dht[False, KEY.bytes] = Found(found.seq, found.signature, found.value)

    @property
    def asked(self) -> list[int]:
        return [len(place.server.looked_up) for place in self.places]

    @property
    def seq(self) -> int:
        known = self.store.known(KEY, USER_SALT)
        return 0 if known is None else known.item.seq

    async def rest(self) -> None:
        """Lets everything come to its end."""
        await asyncio.sleep(60)

    async def end(self) -> None:
        await self.finding.stop()
        await self.in_dht.stop()
        self.pool.close()
        await asyncio.sleep(1)


def told(story: Coroutine[object, None, None]) -> None:
    run(story)


@pytest.mark.claim("C20")
def test_the_first_answer_of_the_dht_is_enough_and_servers_are_not_asked() -> None:
    async def story() -> None:
        world = World()
        world.dht.first_s, world.dht.rest_s = 0.1, 20.0
        world.published(item(3))
        world.server_has(0, item(4))
        await world.finding.user(KEY)
        assert (world.seq, elapsed() < HEAD_START_S) == (3, True)
        await world.rest()
        assert world.asked == [0, 0]
        await world.end()

    told(story())


@pytest.mark.claim("C20")
def test_a_slow_dht_is_overtaken_by_a_server_and_may_still_bring_something_newer() -> None:
    async def story() -> None:
        world = World()
        world.dht.first_s = 5.0
        world.published(item(5))
        world.server_has(1, item(4))
        await world.finding.user(KEY)
        assert (world.seq, elapsed() < 1.0) == (4, True)
        assert world.finding.found_through(KEY) == SERVERS[1].public
        await world.rest()
        assert world.seq == 5
        assert world.finding.found_through(KEY) is None
        await world.end()

    told(story())


@pytest.mark.claim("C20")
def test_without_a_dht_two_servers_are_asked_and_the_greatest_number_counts() -> None:
    async def story() -> None:
        world = World(dht=False)
        world.server_has(0, item(7))
        world.server_has(1, item(6))
        await world.finding.user(KEY)
        await world.rest()
        assert (world.asked, world.seq) == ([1, 1], 7)
        # What is known is not asked for again within the hour.
        await world.finding.user(KEY)
        assert world.asked == [1, 1]
        await world.end()

    told(story())


@pytest.mark.claim("C15", "C20")
def test_lies_and_old_answers_lead_nobody_back() -> None:
    async def story() -> None:
        world = World(3)
        world.dht.down = True
        world.store.save(Known(item(5), 0))
        world.server_has(0, item(9, OTHER))
        world.server_has(1, item(4))
        world.server_has(2, DhtItem.sign(MASTER, USER_SALT, 5, TEXT + b"\n\n\n\n\n\n"))
        with pytest.raises(Unreachable):
            await world.finding.user(KEY, fresh=True)
        assert world.store.known(KEY, USER_SALT) == Known(item(5), 0)
        assert world.asked == [1, 1, 1]
        await world.end()

    told(story())


def test_what_is_known_is_given_while_nobody_can_be_asked() -> None:
    async def story() -> None:
        world = World(0, dht=False)
        with pytest.raises(Unreachable):
            await world.finding.user(KEY)
        world.store.save(Known(item(2), 0))
        await world.finding.user(KEY)
        assert (world.seq, world.finding.is_possible) == (2, False)
        await world.end()

    told(story())


def test_a_newer_answer_is_what_who_asks_freshly_waits_for() -> None:
    async def story() -> None:
        world = World()
        world.store.save(Known(item(3), NOW))
        world.dht.pause_s = 0.2
        world.published(item(3), item(4))
        await world.finding.user(KEY, fresh=True)
        assert world.seq == 4
        await world.end()

    told(story())


def test_all_who_ask_share_one_look_up_and_one_who_leaves_takes_it_from_nobody() -> None:
    async def story() -> None:
        world = World()
        world.dht.first_s = 1.0
        world.published(item(3))
        leaving, staying = (asyncio.create_task(world.finding.user(KEY)) for _ in range(2))
        await asyncio.sleep(0.5)
        leaving.cancel()
        await staying
        assert (world.seq, world.dht.look_ups, world.asked) == (3, 1, [1, 1])
        await world.end()

    told(story())


def test_nothing_anywhere_is_no_error_where_the_dht_says_so() -> None:
    async def story() -> None:
        world = World()
        await world.finding.user(KEY)
        assert (world.seq, world.asked) == (0, [1, 1])
        await world.end()

    told(story())
