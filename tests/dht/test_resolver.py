"""Resolving against a DHT in memory, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from mosaic.core.bootstrap import ServerBootstrap, UserBootstrap
from mosaic.core.dht_item import SERVER_SALT, USER_SALT, DhtItem
from mosaic.dht.resolver import Found, LookUp, Resolver
from mosaic.dht.sequence_store import MemorySequenceStore
from mosaic.dht.settings import DhtSettings
from mosaic.errors import DhtBusy
from mosaic.testing import FakeDht
from tests.client import virtual_time
from tests.client.virtual_time import elapsed
from tests.dht.samples import loop_ns, secret, server, server_item, user, user_item

KEY = secret(1).public
HOUR = 3_600


def make(
    dht: FakeDht | None, disk: MemorySequenceStore | None = None, settings: DhtSettings | None = None
) -> Resolver:
    return Resolver(dht, disk or MemorySequenceStore(), loop_ns, settings)


async def seqs(answers: AsyncIterator[Found[UserBootstrap] | Found[ServerBootstrap]]) -> list[int]:
    return [found.seq async for found in answers]


@pytest.mark.claim("C14")
def test_the_first_answer_at_once_then_better_ones_until_all_have_answered() -> None:
    async def main() -> None:
        dht = FakeDht()
        dht.pause_s = 1.0
        dht.put(user_item(1, 3), user_item(1, 2), user_item(1, 5), user_item(1, 4))
        resolver = make(dht)
        told = [
            (round(elapsed()), found.seq, found.bootstrap, found.checked_ns)
            async for found in resolver.user(KEY)
        ]
        assert told == [(1, 3, user(3), 0), (3, 5, user(5), 0)]
        assert round(elapsed()) == 5
        cached = resolver.cached_user(KEY)
        assert cached is not None
        assert (cached.seq, cached.checked_ns) == (5, loop_ns())
        assert resolver.last_look_up(KEY, USER_SALT).ended is LookUp.FOUND

    virtual_time.run(main())


@pytest.mark.claim("C22")
def test_a_bare_key_is_looked_up_as_user_and_as_server() -> None:
    async def main() -> None:
        dht = FakeDht()
        dht.put(user_item(1, 3))
        dht.put(server_item(1, 8))
        dht.put(server_item(2, 4))
        resolver = make(dht)
        both = {found.item.salt: found.bootstrap async for found in resolver.either(KEY)}
        assert both == {USER_SALT: user(3), SERVER_SALT: server(8)}
        assert await seqs(resolver.either(secret(2).public)) == [4]
        assert await seqs(resolver.either(secret(3).public)) == []
        assert resolver.cached_user(secret(2).public) is None
        assert [found.bootstrap async for found in resolver.server(KEY)] == [server(8)]

    virtual_time.run(main())


def test_who_hears_one_of_both_and_goes_stops_nothing() -> None:
    async def main() -> None:
        dht = FakeDht()
        dht.pause_s = 1.0
        dht.put(user_item(1, 3))
        dht.put(server_item(1, 8))
        resolver = make(dht)
        async for _ in resolver.either(KEY):
            break
        await asyncio.sleep(5)
        assert resolver.last_look_up(KEY, SERVER_SALT).ended is LookUp.FOUND
        assert resolver.last_look_up(KEY, USER_SALT).ended is LookUp.FOUND

    virtual_time.run(main())


@pytest.mark.claim("C19")
def test_an_answer_is_kept_for_an_hour_then_checked_again_in_the_background() -> None:
    async def main() -> None:
        dht = FakeDht()
        dht.put(user_item(1, 1))
        resolver = make(dht)
        assert await seqs(resolver.user(KEY)) == [1]
        dht.put(user_item(1, 2))
        for _ in range(3):
            await asyncio.sleep(HOUR / 4)
            assert await seqs(resolver.user(KEY)) == [1]
        assert dht.look_ups == 1
        await asyncio.sleep(HOUR / 4 + 1)
        dht.pause_s = 2.0
        async for found in resolver.user(KEY):
            # What is known comes without waiting; who is content with it leaves.
            assert (found.seq, dht.look_ups) == (1, 1)
            break
        async for found in resolver.user(KEY):
            assert found.seq == 1
            break
        await asyncio.sleep(0)
        assert dht.look_ups == 2
        await asyncio.sleep(10)
        assert await seqs(resolver.user(KEY)) == [2]
        assert dht.look_ups == 2

    virtual_time.run(main())


def test_that_nobody_has_published_is_believed_for_a_minute() -> None:
    async def main() -> None:
        dht = FakeDht()
        resolver = make(dht)
        for _ in range(10):
            assert await seqs(resolver.user(KEY)) == []
        assert dht.look_ups == 1
        told = resolver.last_look_up(KEY, USER_SALT)
        assert (told.ended, told.at_ns) == (LookUp.NOTHING, loop_ns())
        dht.put(user_item(1, 1))
        await asyncio.sleep(61)
        assert await seqs(resolver.user(KEY)) == [1]

    virtual_time.run(main())


@pytest.mark.claim("C19")
def test_a_server_that_moved_is_found_within_ten_seconds_of_its_republish() -> None:
    async def main() -> None:
        for moved_at in range(1, 200, 7):
            dht = FakeDht()
            dht.pause_s = 1.0
            dht.put(server_item(1, 1))
            resolver = make(dht)
            assert await seqs(resolver.server(KEY)) == [1]
            gone_at = elapsed()

            async def follow(resolver: Resolver = resolver) -> float:
                while True:
                    async for found in resolver.server(KEY, fresh=True):
                        if found.seq == 2:
                            return elapsed()

            following = asyncio.create_task(follow())
            await asyncio.sleep(moved_at)
            dht.put(server_item(1, 2))
            assert await following - gone_at - moved_at < 8
            # One look-up each five seconds, however often somebody asks.
            assert dht.look_ups <= 6 + moved_at / 5

    virtual_time.run(main())


def test_asking_freshly_in_a_loop_costs_few_look_ups() -> None:
    async def main() -> None:
        dht = FakeDht()
        resolver = make(dht)

        async def ask_on_and_on() -> None:
            while elapsed() < 10 * HOUR:
                await seqs(resolver.user(KEY, fresh=True))
                await asyncio.sleep(0.5)

        await asyncio.gather(*(ask_on_and_on() for _ in range(3)))
        # A minute of quick ones, an hour of slower ones, then every five minutes.
        assert dht.look_ups < 300
        assert resolver.last_look_up(KEY, USER_SALT).next_ns > loop_ns()

    virtual_time.run(main())


@pytest.mark.claim("C14")
def test_older_numbers_and_other_texts_under_the_same_one_are_ignored() -> None:
    async def main() -> None:
        dht = FakeDht()
        disk = MemorySequenceStore()
        dht.put(user_item(1, 5))
        assert await seqs(make(dht, disk).user(KEY)) == [5]
        for lie in (user_item(1, 4), user_item(1, 5, 77), user_item(1, 0)):
            dht.put(lie)
            # A restart changes nothing.
            restarted = make(dht, disk)
            assert await seqs(restarted.user(KEY, fresh=True)) == [5]
            cached = restarted.cached_user(KEY)
            assert cached is not None
            assert cached.bootstrap == user(5)

    virtual_time.run(main())


@pytest.mark.parametrize(
    "value",
    [
        b"", b"\xff\xfe", b"U\xff", b"X\n", b"u\n", b"S\nmosaic://198.51.100.1/", b"U\r\n", b"\nU",
        "Ü".encode(),
    ],
    ids=repr,
)  # fmt: skip
def test_a_text_that_is_no_user_bootstrap_is_no_answer(value: bytes) -> None:
    async def main() -> None:
        dht = FakeDht()
        dht.put(DhtItem.sign(secret(1), USER_SALT, 9, value))
        disk = MemorySequenceStore()
        assert await seqs(make(dht, disk).user(KEY)) == []
        assert disk.known(KEY, USER_SALT) is None
        dht.put(user_item(1, 1))
        assert await seqs(make(dht, disk).user(KEY)) == [1]

    virtual_time.run(main())


@pytest.mark.claim("C14")
def test_answers_survive_a_restart_and_a_dht_that_is_down() -> None:
    async def main() -> None:
        dht, disk = FakeDht(), MemorySequenceStore()
        dht.put(user_item(1, 5))
        await seqs(make(dht, disk).user(KEY))
        checked_ns = loop_ns()
        dht.down = True
        await asyncio.sleep(100 * HOUR)
        restarted = make(dht, disk)
        assert await seqs(restarted.user(KEY)) == [5]
        assert restarted.last_look_up(KEY, USER_SALT).ended is LookUp.UNREACHABLE
        cached = restarted.cached_user(KEY)
        assert cached is not None
        assert cached.checked_ns == checked_ns
        assert await seqs(restarted.user(secret(2).public)) == []
        assert restarted.last_look_up(secret(2).public, USER_SALT).ended is LookUp.UNREACHABLE
        # What has left the DHT is still known, and known to be checked.
        dht.down = False
        dht.items.clear()
        await asyncio.sleep(10)
        assert await seqs(restarted.user(KEY)) == [5]
        cached = restarted.cached_user(KEY)
        assert cached is not None
        assert cached.checked_ns == loop_ns()

    virtual_time.run(main())


def test_off_gives_what_is_known() -> None:
    async def main() -> None:
        dht, disk = FakeDht(), MemorySequenceStore()
        dht.put(user_item(1, 5))
        await seqs(make(dht, disk).user(KEY))
        off = make(None, disk)
        await asyncio.sleep(2 * HOUR)
        assert await seqs(off.user(KEY, fresh=True)) == [5]
        assert await seqs(off.either(secret(2).public)) == []
        assert off.last_look_up(KEY, USER_SALT).ended is LookUp.NONE
        await off.stop()

    virtual_time.run(main())


def test_what_a_server_found_counts_if_it_is_signed_and_newer() -> None:
    async def main() -> None:
        resolver = make(None)
        good = user_item(1, 5)
        assert not resolver.learn(DhtItem(KEY, USER_SALT, 9, good.value, good.signature))
        assert resolver.learn(good)
        assert not resolver.learn(good)
        assert not resolver.learn(user_item(1, 4))
        assert await seqs(resolver.user(KEY)) == [5]

    virtual_time.run(main())


def test_all_who_ask_share_one_look_up() -> None:
    async def main() -> None:
        dht = FakeDht()
        dht.pause_s = 1.0
        dht.put(user_item(1, 1), user_item(1, 2))
        resolver = make(dht)
        told = await asyncio.gather(*(seqs(resolver.user(KEY)) for _ in range(20)))
        assert told == [[1, 2]] * 20
        assert dht.look_ups == 1

    virtual_time.run(main())


def test_a_thousand_look_ups_at_once_wait_for_their_turn_and_more_are_refused() -> None:
    async def main() -> None:
        dht = FakeDht()
        dht.pause_s = 2.0
        settings = DhtSettings(at_a_time=16, most_waiting=1_000, most_remembered=500)
        resolver = make(dht, settings=settings)
        keys = [secret(number).public for number in range(1_200)]
        await asyncio.gather(*(seqs(resolver.user(key)) for key in keys))
        assert (dht.look_ups, dht.most_under_way) == (1_000, 16)
        assert resolver.last_look_up(keys[-1], USER_SALT).ended is LookUp.BUSY
        # The memory is bounded as well.
        assert len(resolver._entries) <= 501
        assert await seqs(resolver.user(secret(5_000).public)) == []

    virtual_time.run(main())


def test_a_dht_that_is_busy_is_asked_again() -> None:
    class Busy(FakeDht):
        busy = True

        async def look_up(self, *arguments: object) -> object:  # type: ignore[override]
            if self.busy:
                raise DhtBusy
            return await super().look_up(*arguments)  # type: ignore[arg-type]

    async def main() -> None:
        dht = Busy()
        dht.put(user_item(1, 1))
        resolver = make(dht)
        assert await seqs(resolver.user(KEY)) == []
        assert resolver.last_look_up(KEY, USER_SALT).ended is LookUp.BUSY
        dht.busy = False
        await asyncio.sleep(1)
        assert await seqs(resolver.user(KEY)) == [1]

    virtual_time.run(main())


def test_stopping_ends_what_is_under_way() -> None:
    async def main() -> None:
        dht = FakeDht()
        dht.pause_s = 1_000.0
        resolver = make(dht)
        asking = asyncio.create_task(seqs(resolver.user(KEY)))
        await asyncio.sleep(1)
        await resolver.stop()
        assert await asking == []
        assert dht.under_way == 0

    virtual_time.run(main())
