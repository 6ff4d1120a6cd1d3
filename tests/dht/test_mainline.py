"""Our node in a real DHT on this machine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from mosaic.core.bootstrap import ServerUse, Usage, UserBootstrap
from mosaic.core.dht_item import SERVER_SALT, USER_SALT, DhtItem
from mosaic.core.keys import SecretKey
from mosaic.dht.mainline import Mainline
from mosaic.dht.mode import OFF
from mosaic.dht.network import NetworkState, WriteOutcome
from mosaic.dht.publication import PublicationState
from mosaic.dht.publisher import Publisher
from mosaic.dht.resolver import Resolver
from mosaic.dht.sequence_store import MemorySequenceStore
from mosaic.errors import DhtBusy, UsageError
from mosaic.testing import DhtTestnet, FakeClock

Enter = Callable[..., Mainline]


def secret(number: int) -> SecretKey:
    return SecretKey.from_seed(number.to_bytes(32, "little"))


def text(number: int) -> bytes:
    return f"U\n7 {secret(1_000 + number).public.server_text}".encode()


async def heard(network: Mainline, key: SecretKey, salt: bytes = USER_SALT) -> list[DhtItem]:
    items: list[DhtItem] = []
    reach = await network.look_up(key.public, salt, items.append)
    assert reach.answered > 0
    return items


@pytest.mark.claim("C14")
async def test_what_one_node_writes_another_reads(enter: Enter) -> None:
    ours, theirs = enter(), enter()
    item = DhtItem.sign(secret(1), USER_SALT, 1, text(1))
    assert await heard(theirs, secret(1)) == []
    assert (await ours.write(item, 0)).outcome is WriteOutcome.STORED
    assert await heard(theirs, secret(1)) == [item]
    assert await heard(theirs, secret(1), SERVER_SALT) == []
    assert theirs.state is NetworkState.WORKING
    assert theirs.nodes > 0


async def test_what_passes_is_counted_for_each_node(enter: Enter) -> None:
    ours, other = enter(), enter()
    await heard(ours, secret(1))
    first = ours.passed
    assert first is not None
    assert first.packets_went > 0
    assert first.packets_came > 0
    # Of a look-up's questions most are answered; each says what it asks for in some hundred bytes.
    assert 50 * first.packets_went < first.went < 1_500 * first.packets_went
    await heard(ours, secret(2))
    second = ours.passed
    assert second is not None
    assert second.went > first.went
    assert second.came > first.came
    assert other.passed is not None
    assert other.passed.went < second.went


@pytest.mark.claim("C14")
async def test_compare_and_swap(enter: Enter) -> None:
    network = enter()

    async def write(seq: int, cas: int | None) -> WriteOutcome:
        return (await network.write(DhtItem.sign(secret(2), USER_SALT, seq, text(seq)), cas)).outcome

    assert await write(5, 0) is WriteOutcome.STORED
    assert await write(6, 0) is WriteOutcome.CAS_FAILED
    assert await write(6, 4) is WriteOutcome.CAS_FAILED
    assert await write(6, 5) is WriteOutcome.STORED
    assert await write(5, None) is WriteOutcome.NOT_MOST_RECENT
    assert [item.seq for item in await heard(network, secret(2))] == [6]


async def test_an_unsigned_item_is_not_taken(enter: Enter) -> None:
    network = enter()
    item = DhtItem(secret(3).public, USER_SALT, 1, text(3), bytes(64))
    assert (await network.write(item, None)).outcome is not WriteOutcome.STORED
    assert await heard(network, secret(3)) == []


async def test_nobody_answers() -> None:
    with DhtTestnet(2) as net:
        mode = net.mode
    told = []
    network = Mainline(mode, changed=lambda: told.append(network.state))
    network.start()
    try:
        reach = await network.look_up(secret(4).public, USER_SALT, lambda _: None)
        assert reach.answered == 0
        assert network.state is NetworkState.UNREACHABLE
        assert told == [NetworkState.UNREACHABLE]
    finally:
        await network.stop()


async def test_who_asks_nothing_learns_that_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mosaic.dht.mainline.ENTRY_S", 0.0)
    with DhtTestnet(1) as net:
        mode = net.mode
    told = asyncio.Event()
    network = Mainline(mode, changed=told.set)
    network.start()
    try:
        async with asyncio.timeout(10):
            await told.wait()
        assert network.state is NetworkState.UNREACHABLE
    finally:
        await network.stop()


async def test_what_is_under_way_ends_with_the_node(enter: Enter) -> None:
    network = enter()
    asking = asyncio.create_task(network.look_up(secret(4).public, USER_SALT, lambda _: None))
    writing = asyncio.create_task(network.write(DhtItem.sign(secret(4), USER_SALT, 1, text(4)), 0))
    await asyncio.sleep(0)
    await network.stop()
    assert (await asking).answered == 0
    assert (await writing).outcome is WriteOutcome.UNREACHABLE


def test_off_has_no_node() -> None:
    with pytest.raises(UsageError):
        Mainline(OFF)


@pytest.mark.claim("C14", "C19")
async def test_publish_and_resolve(enter: Enter) -> None:
    clock = FakeClock()
    publisher = Publisher(enter(), MemorySequenceStore(), clock.now_ns, bytes)
    bootstrap = UserBootstrap((ServerUse(Usage(7), secret(90).public),))
    publisher.set(secret(5), bootstrap)
    publication = await publisher.publish(secret(5).public, USER_SALT)
    assert publication.state is PublicationState.PUBLISHED
    assert publication.seq == 1
    resolver = Resolver(enter(), MemorySequenceStore(), clock.now_ns)
    found = [one async for one in resolver.user(secret(5).public)]
    assert [one.bootstrap for one in found] == [bootstrap]
    cached = resolver.cached_user(secret(5).public)
    assert cached is not None
    assert cached.checked_ns == clock.now_ns()


async def test_many_look_ups_at_once_lose_no_answer_and_do_not_hold_up_the_loop(enter: Enter) -> None:
    ours, theirs = enter(), enter()
    keys = [secret(number) for number in range(100, 220)]
    published = keys[::4]
    items = [DhtItem.sign(key, USER_SALT, 1, text(1)) for key in published]
    outcomes = [(await ours.write(item, 0)).outcome for item in items]
    assert set(outcomes) == {WriteOutcome.STORED}
    resolver = Resolver(theirs, MemorySequenceStore(), FakeClock().now_ns)

    async def found(key: SecretKey) -> bool:
        return bool([one async for one in resolver.user(key.public)])

    turns = 0

    async def turn() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    turning = asyncio.create_task(turn())
    told = await asyncio.gather(*map(found, keys))
    turning.cancel()
    assert [key for key, there in zip(keys, told, strict=True) if there] == published
    assert turns > len(keys)


async def test_more_than_may_be_open_are_refused(enter: Enter) -> None:
    network = enter()
    jobs = [
        asyncio.create_task(network.look_up(secret(number).public, USER_SALT, lambda _: None))
        for number in range(1, 1_101)
    ]
    await asyncio.sleep(0)
    refused = [job for job in jobs if job.done() and isinstance(job.exception(), DhtBusy)]
    assert len(refused) == 1_100 - 1_024
    await network.stop()
    assert {(await job).answered >= 0 for job in jobs if job not in refused} == {True}
