"""Bootstraps of the people served: kept alive for who is offline, paced, read back, never led back."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from tests.client import virtual_time
from tests.dht.samples import loop_ns, no_chance, secret, user_item

from mosaic.core.bootstrap import USER_SALT
from mosaic.core.keys import PublicKey
from mosaic.dht.publication import PublicationState
from mosaic.dht.sequence_store import MemorySequenceStore
from mosaic.dht.settings import DhtSettings
from mosaic.dht.writer import Outcome, Writer
from mosaic.node.kept_items import PACE_S, KeptItems
from mosaic.testing import FakeDht

HOUR = 3_600
PEOPLE = [secret(number).public for number in range(1, 6)]


class Setting:
    """A DHT, a list of people, and who keeps their items."""

    def __init__(self, *people: PublicKey, settings: DhtSettings | None = None) -> None:
        self.dht = FakeDht()
        self.people = list(people)
        self.store = MemorySequenceStore()
        self.times: list[tuple[float, PublicKey]] = []
        self.settings = settings or DhtSettings()
        writer = Writer(self.dht, self.store, loop_ns, no_chance)

        async def keep(key: PublicKey) -> Outcome:
            self.times.append((asyncio.get_running_loop().time(), key))
            return await writer.publish(key, USER_SALT, None)

        self.kept = KeptItems(keep, lambda: self.people, loop_ns, no_chance, settings=lambda: self.settings)

    def states(self) -> dict[PublicKey, PublicationState]:
        return {each.key: each.state for each in self.kept.states()}


@asynccontextmanager
async def running(setting: Setting) -> AsyncIterator[None]:
    task = asyncio.create_task(setting.kept.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@pytest.mark.claim("C19", "C88")
def test_what_somebody_published_is_written_again_every_hour_as_it_was_signed() -> None:
    async def main() -> None:
        setting = Setting(PEOPLE[0])
        setting.dht.put(user_item(1, 7))
        async with running(setting):
            await asyncio.sleep(1)
            assert setting.dht.written == [user_item(1, 7)]
            assert setting.states() == {PEOPLE[0]: PublicationState.PUBLISHED}
            setting.dht.items.clear()  # two hours have passed since its owner was there
            await asyncio.sleep(HOUR)
            assert setting.dht.held(PEOPLE[0], USER_SALT) == user_item(1, 7)
            await asyncio.sleep(10 * HOUR)
        assert 11 <= len(setting.dht.written) <= 13
        (kept,) = setting.kept.states()
        assert (kept.seq, kept.published_ns > 0) == (7, True)

    virtual_time.run(main())


@pytest.mark.claim("C19")
def test_a_newer_item_is_followed_and_an_older_one_never_brought_back() -> None:
    async def main() -> None:
        setting = Setting(PEOPLE[0])
        setting.dht.put(user_item(1, 7))
        async with running(setting):
            await asyncio.sleep(1)
            setting.dht.put(user_item(1, 8))
            await asyncio.sleep(HOUR)
            setting.dht.put(user_item(1, 3))
            await asyncio.sleep(HOUR)
        assert setting.dht.held(PEOPLE[0], USER_SALT) == user_item(1, 8)

    virtual_time.run(main())


@pytest.mark.claim("C88")
def test_a_long_list_is_worked_on_at_an_even_pace() -> None:
    async def main() -> None:
        people = [secret(number).public for number in range(1, 200)]
        setting = Setting(*people)
        for number in range(1, 200):
            setting.dht.put(user_item(number, 1))
        async with running(setting):
            await asyncio.sleep(3 * HOUR)
        moments = [moment for moment, _ in setting.times]
        assert all(later - sooner > 0.99 * PACE_S for sooner, later in itertools.pairwise(moments))
        by_key = {key: [at for at, each in setting.times if each == key] for key in people}
        for times in by_key.values():
            gaps = [later - sooner for sooner, later in itertools.pairwise(times)]
            assert len(times) >= 3
            assert max(gaps) <= HOUR + len(people) * 2 * PACE_S

    virtual_time.run(main())


@pytest.mark.claim("C88")
def test_who_comes_on_the_list_has_his_turn_and_who_goes_has_none() -> None:
    async def main() -> None:
        setting = Setting(PEOPLE[0])
        for number in (1, 2):
            setting.dht.put(user_item(number, 1))
        async with running(setting):
            await asyncio.sleep(60)
            setting.people = [PEOPLE[1]]
            setting.kept.people_changed()
            await asyncio.sleep(5)
            assert setting.states() == {PEOPLE[1]: PublicationState.PUBLISHED}
            done = len(setting.times)
            await asyncio.sleep(2 * HOUR)
        assert {key for _, key in setting.times[done:]} == {PEOPLE[1]}

    virtual_time.run(main())


@pytest.mark.claim("C88")
def test_failures_are_tried_again_sooner_and_people_without_an_item_more_rarely() -> None:
    async def main() -> None:
        setting = Setting(*PEOPLE[:2])
        setting.dht.put(user_item(1, 1))
        async with running(setting):
            await asyncio.sleep(HOUR / 2)
            assert setting.states() == {
                PEOPLE[0]: PublicationState.PUBLISHED,
                PEOPLE[1]: PublicationState.WAITING,
            }
            setting.dht.down = True
            await asyncio.sleep(HOUR)
            assert setting.states()[PEOPLE[0]] is PublicationState.FAILED
            setting.dht.down = False
            await asyncio.sleep(HOUR / 4)
            assert setting.states()[PEOPLE[0]] is PublicationState.PUBLISHED
        assert len([key for _, key in setting.times if key == PEOPLE[1]]) == 1

    virtual_time.run(main())


def test_nothing_is_kept_where_the_dht_is_off_or_the_setting_says_no() -> None:
    async def main() -> None:
        off = KeptItems(None, lambda: PEOPLE, loop_ns, no_chance)
        await off.run()
        assert "off" in off.states()[0].detail
        setting = Setting(*PEOPLE, settings=DhtSettings(keep_served=False))
        async with running(setting):
            setting.kept.people_changed()
            await asyncio.sleep(HOUR) if setting.times else await asyncio.sleep(0)
        assert setting.times == []
        assert setting.kept.states() == []

    virtual_time.run(main())
