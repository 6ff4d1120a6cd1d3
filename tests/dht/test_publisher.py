"""Publishing against a DHT in memory, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from mosaic.core.bootstrap import UserBootstrap
from mosaic.core.dht_item import SERVER_SALT, USER_SALT, DhtItem
from mosaic.core.keys import PublicKey
from mosaic.dht.publication import PublicationState
from mosaic.dht.publisher import Publisher
from mosaic.dht.sequence_store import MemorySequenceStore
from mosaic.errors import InvalidBootstrap, MosaicError, Unreachable, UsageError
from mosaic.testing import FakeDht
from tests.client import virtual_time
from tests.dht.samples import loop_ns, no_chance, secret, server, server_item, user, user_item

KEY = secret(1).public
HOUR = 3_600


class Setting:
    """A DHT and devices that share a key, each with a disk of its own."""

    def __init__(self) -> None:
        self.dht = FakeDht()

    def device(self, store: MemorySequenceStore | None = None) -> Publisher:
        return Publisher(self.dht, store or MemorySequenceStore(), loop_ns, no_chance)

    @property
    def stands(self) -> DhtItem | None:
        return self.dht.held(KEY, USER_SALT)


@asynccontextmanager
async def running(publisher: Publisher) -> AsyncIterator[None]:
    task = asyncio.create_task(publisher.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@pytest.mark.claim("C14")
def test_numbers_begin_at_1_and_rise_with_each_change() -> None:
    async def main() -> None:
        setting = Setting()
        device = setting.device()
        for number in (1, 2, 3):
            device.set(secret(1), user(number))
            told = await device.publish(KEY, USER_SALT)
            assert (told.state, told.seq) == (PublicationState.PUBLISHED, number)
            assert setting.stands == user_item(1, number)
            assert told.published_ns == loop_ns()
        assert [item.seq for item in setting.dht.written] == [1, 2, 3]

    virtual_time.run(main())


@pytest.mark.claim("C22")
def test_one_key_publishes_as_user_and_as_server() -> None:
    async def main() -> None:
        setting = Setting()
        device = setting.device()
        device.set(secret(1), user(1))
        device.set(secret(1), server(1))
        for salt in (USER_SALT, SERVER_SALT):
            await device.publish(KEY, salt)
        assert setting.stands == user_item(1, 1)
        assert setting.dht.held(KEY, SERVER_SALT) == server_item(1, 1)
        assert [told.salt for told in device.states()] == [USER_SALT, SERVER_SALT]

    virtual_time.run(main())


@pytest.mark.claim("C18")
def test_a_person_without_outbox_or_inbox_is_not_published() -> None:
    async def main() -> None:
        for usage in "14":
            text = f"U\n{usage} {secret(7).public.server_text}"
            with pytest.raises(InvalidBootstrap):
                Setting().device().set(secret(1), UserBootstrap.parse(text))

    virtual_time.run(main())


@pytest.mark.claim("C19")
def test_it_is_refreshed_within_every_hour_with_the_same_number() -> None:
    async def main() -> None:
        setting = Setting()
        device = setting.device()
        device.set(secret(1), user(1))
        async with running(device):
            for _ in range(5):
                await asyncio.sleep(1)
                # Nodes forget what is two hours old.
                setting.dht.items.clear()
                await asyncio.sleep(HOUR)
                assert setting.stands == user_item(1, 1)
        assert {item.seq for item in setting.dht.written} == {1}

    virtual_time.run(main())


@pytest.mark.claim("C19")
def test_refreshes_of_many_nodes_do_not_come_at_once() -> None:
    async def main() -> None:
        times = []
        for chance in (b"\x00", b"\x80", b"\xff"):
            publisher = Publisher(FakeDht(), MemorySequenceStore(), loop_ns, chance.__mul__)
            publisher.set(secret(1), user(1))
            async with running(publisher):
                await asyncio.sleep(1)
                times.append((publisher.states()[0].next_ns - loop_ns()) / 1_000_000_000)
        assert times == pytest.approx([HOUR - 1, HOUR * 11 / 12 - 1, HOUR * 5 / 6 - 1], abs=20)

    virtual_time.run(main())


@pytest.mark.claim("C19")
def test_a_server_refreshes_for_people_whose_secret_it_has_not() -> None:
    async def main() -> None:
        setting = Setting()
        setting.dht.put(user_item(1, 7))
        device = setting.device()
        device.keep(KEY, USER_SALT)
        async with running(device):
            await asyncio.sleep(1)
            setting.dht.items.clear()
            await asyncio.sleep(HOUR)
            assert setting.stands == user_item(1, 7)
            setting.dht.put(user_item(1, 8))
            await asyncio.sleep(HOUR)
            assert setting.dht.written[-1] == user_item(1, 8)

    virtual_time.run(main())


def test_nothing_to_keep() -> None:
    async def main() -> None:
        device = Setting().device()
        device.keep(KEY, USER_SALT)
        told = await device.publish(KEY, USER_SALT)
        assert (told.state, told.detail) == (PublicationState.WAITING, "nothing is published under this key")

    virtual_time.run(main())


@pytest.mark.claim("C14")
def test_what_another_device_wrote_before_is_read_first() -> None:
    async def main() -> None:
        setting = Setting()
        setting.dht.put(user_item(1, 41))
        device = setting.device()
        device.set(secret(1), user(1))
        assert (await device.publish(KEY, USER_SALT)).seq == 42

    virtual_time.run(main())


def faster(setting: Setting, *items: DhtItem) -> None:
    """Lets another device write these, each in the moment in which ours is about to write."""
    waiting = list(items)

    def strike(_: DhtItem) -> None:
        if waiting:
            setting.dht.put(waiting.pop(0))

    setting.dht.before_write = strike


@pytest.mark.claim("C14")
def test_another_device_was_faster_with_the_same_text() -> None:
    async def main() -> None:
        setting = Setting()
        setting.dht.put(user_item(1, 4))
        faster(setting, user_item(1, 5, 1))
        device = setting.device()
        device.set(secret(1), user(1))
        told = await device.publish(KEY, USER_SALT)
        assert (told.state, told.seq) == (PublicationState.PUBLISHED, 5)
        assert setting.stands == user_item(1, 5, 1)

    virtual_time.run(main())


@pytest.mark.claim("C14")
def test_another_device_was_faster_with_another_text() -> None:
    async def main() -> None:
        setting = Setting()
        setting.dht.put(user_item(1, 4))
        faster(setting, user_item(1, 5, 2))
        device = setting.device()
        device.set(secret(1), user(1))
        told = await device.publish(KEY, USER_SALT)
        assert (told.state, told.seq) == (PublicationState.PUBLISHED, 6)
        assert setting.stands == user_item(1, 6, 1)

    virtual_time.run(main())


def test_who_loses_again_and_again_gives_way_and_says_so() -> None:
    async def main() -> None:
        setting = Setting()
        setting.dht.put(user_item(1, 4))
        faster(setting, *(user_item(1, seq, 2) for seq in range(5, 50)))
        device = setting.device()
        device.set(secret(1), user(1))
        told = await device.publish(KEY, USER_SALT)
        assert told.state is PublicationState.REPLACED
        assert "another device" in told.detail
        assert setting.stands is not None
        assert setting.stands.value == user(2).text.encode()
        # Not even at the next refresh, and not after a restart.
        standing = setting.stands
        setting.dht.before_write = lambda _: None
        assert (await device.publish(KEY, USER_SALT)).state is PublicationState.REPLACED
        assert setting.stands.value == standing.value

    virtual_time.run(main())


@pytest.mark.claim("C14")
def test_two_nodes_that_publish_different_texts_do_not_fight() -> None:
    async def main() -> None:
        setting = Setting()
        devices = [setting.device(), setting.device()]
        for number, device in enumerate(devices):
            device.set(secret(1), user(number))
        async with running(devices[0]), running(devices[1]):
            await asyncio.sleep(10 * HOUR)
            assert setting.stands is not None
            assert setting.stands.seq <= 4
            states = {device.states()[0].state for device in devices}
            assert states == {PublicationState.PUBLISHED, PublicationState.REPLACED}
            # A new wish of the one that gave way holds again.
            loser = next(d for d in devices if d.states()[0].state is PublicationState.REPLACED)
            loser.set(secret(1), user(77))
            await asyncio.sleep(10 * HOUR)
            assert setting.stands.value == user(77).text.encode()
            assert setting.stands.seq <= 6

    virtual_time.run(main())


def test_a_restart_is_no_new_wish_but_a_new_text_is() -> None:
    async def main() -> None:
        setting, disk = Setting(), MemorySequenceStore()
        device = setting.device(disk)
        device.set(secret(1), user(1))
        await device.publish(KEY, USER_SALT)
        setting.dht.put(user_item(1, 2, 2))
        restarted = setting.device(disk)
        restarted.set(secret(1), user(1))
        assert (await restarted.publish(KEY, USER_SALT)).state is PublicationState.REPLACED
        assert setting.stands == user_item(1, 2, 2)
        restarted.set(secret(1), user(1), again=True)
        assert (await restarted.publish(KEY, USER_SALT)).seq == 3
        assert setting.stands == user_item(1, 3, 1)

    virtual_time.run(main())


@pytest.mark.claim("C14")
def test_no_number_is_signed_twice_even_if_the_write_was_lost() -> None:
    async def main() -> None:
        setting, disk = Setting(), MemorySequenceStore()
        device = setting.device(disk)
        device.set(secret(1), user(1))

        def die(_: DhtItem) -> None:
            setting.dht.down = True

        setting.dht.before_write = die
        assert (await device.publish(KEY, USER_SALT)).state is PublicationState.FAILED
        setting.dht.before_write = lambda _: None
        setting.dht.down = False
        restarted = setting.device(disk)
        restarted.set(secret(1), user(2))
        assert (await restarted.publish(KEY, USER_SALT)).seq == 2

    virtual_time.run(main())


def test_a_write_that_cannot_be_read_back_is_not_called_published() -> None:
    async def main() -> None:
        setting = Setting()
        device = setting.device()
        device.set(secret(1), user(1))
        setting.dht.put = lambda *_: None  # type: ignore[method-assign]
        told = await device.publish(KEY, USER_SALT)
        assert told.state is PublicationState.FAILED
        assert told.published_ns == 0

    virtual_time.run(main())


def test_a_dht_that_is_down_is_tried_with_growing_pauses() -> None:
    async def main() -> None:
        setting = Setting()
        setting.dht.down = True
        device = setting.device()
        device.set(secret(1), user(1))
        async with running(device):
            await asyncio.sleep(HOUR)
            assert device.states()[0].state is PublicationState.FAILED
            assert 10 <= setting.dht.look_ups <= 25
            setting.dht.down = False
            device.hurry()
            await asyncio.sleep(1)
            assert device.states()[0].state is PublicationState.PUBLISHED
            device.hurry()
            written = len(setting.dht.written)
            await asyncio.sleep(60)
            assert len(setting.dht.written) == written

    virtual_time.run(main())


def test_a_text_that_changes_meanwhile_follows_at_once() -> None:
    async def main() -> None:
        setting = Setting()
        device = setting.device()
        device.set(secret(1), user(1))
        setting.dht.before_write = lambda _: device.set(secret(1), user(2))
        async with running(device):
            await asyncio.sleep(1)
            assert setting.stands == user_item(1, 2, 2)
            setting.dht.before_write = lambda _: None
            device.set(secret(1), user(3))
            await asyncio.sleep(1)
            assert setting.stands == user_item(1, 3, 3)
            device.remove(KEY, USER_SALT)
            setting.dht.items.clear()
            await asyncio.sleep(2 * HOUR)
            assert not setting.dht.items
            assert device.states() == []

    virtual_time.run(main())


class Locked:
    """A signer whose owner isn't there."""

    public: PublicKey = KEY

    def sign(self, salt: bytes, seq: int, value: bytes) -> DhtItem:
        raise MosaicError("the master key is locked", hint="Unlock it.")


def test_a_key_that_is_locked_is_told_and_what_stands_is_refreshed() -> None:
    async def main() -> None:
        setting = Setting()
        device = setting.device()
        device.set(Locked(), user(1))
        told = await device.publish(KEY, USER_SALT)
        assert (told.state, told.detail) == (
            PublicationState.FAILED,
            "the master key is locked. Unlock it.",
        )
        setting.dht.put(user_item(1, 1, 1))
        assert (await device.publish(KEY, USER_SALT)).state is PublicationState.PUBLISHED

    virtual_time.run(main())


def test_off() -> None:
    async def main() -> None:
        device = Publisher(None, MemorySequenceStore(), loop_ns, no_chance)
        device.set(secret(1), user(1))
        await device.run()
        told = device.states()[0]
        assert told.state is PublicationState.WAITING
        assert "off" in told.detail
        with pytest.raises(Unreachable):
            await device.publish(KEY, USER_SALT)
        with pytest.raises(UsageError):
            await device.publish(secret(2).public, USER_SALT)

    virtual_time.run(main())


def test_changes_are_told() -> None:
    async def main() -> None:
        told: list[PublicationState] = []

        def changed() -> None:
            told.extend(state.state for state in device.states())

        device = Publisher(FakeDht(), MemorySequenceStore(), loop_ns, no_chance, changed=changed)
        device.set(secret(1), user(1))
        await device.publish(KEY, USER_SALT)
        assert told == [PublicationState.WAITING, PublicationState.PUBLISHED]

    virtual_time.run(main())
