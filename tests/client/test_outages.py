"""Who is left alone for now: for longer with each failure, and never at a new address."""

from __future__ import annotations

from mosaic.client.backoff import Backoff
from mosaic.client.outages import Outages
from mosaic.core.keys import SecretKey
from mosaic.core.url import ServerUrl

SECOND = 10**9
SERVER = SecretKey.from_seed(bytes([1]) * 32).public
HERE = (ServerUrl.parse("mosaictcp://127.0.0.1:1320"),)
THERE = (ServerUrl.parse("mosaictcp://127.0.0.1:1321"),)


class World:
    def __init__(self) -> None:
        self.now = 10**18
        # Half of each time is drawn; nothing of it here.
        self.outages = Outages(lambda: self.now, Backoff(bytes, first_s=2, most_s=64))

    def lasts(self, seconds: float) -> bool:
        now, self.now = self.now, self.now + int(seconds * SECOND)
        try:
            return self.outages.lasts(SERVER, HERE)
        finally:
            self.now = now


def test_a_server_that_fails_again_is_left_alone_for_longer() -> None:
    world = World()
    assert not world.lasts(0)
    for seconds in (1, 2, 4, 8, 16, 32, 32):
        world.outages.failed(SERVER, HERE)
        # Others who noticed the same say so as well.
        world.outages.failed(SERVER, HERE)
        assert world.lasts(seconds - 0.1)
        assert not world.lasts(seconds)
        world.now += seconds * SECOND
    assert world.outages.doubts(SERVER, HERE)
    world.outages.reached(SERVER)
    assert not world.outages.doubts(SERVER, HERE)


def test_at_another_address_it_is_tried_at_once() -> None:
    world = World()
    world.outages.failed(SERVER, HERE)
    assert not world.outages.lasts(SERVER, THERE)
    assert not world.outages.doubts(SERVER, THERE)
    # There it fails as well, which is another failure.
    world.outages.failed(SERVER, THERE)
    assert world.outages.lasts(SERVER, THERE)


def test_who_is_late_is_asked_again_after_a_minute_and_forgotten_after_an_hour() -> None:
    world = World()
    world.outages.late(SERVER, HERE)
    assert world.lasts(59)
    assert not world.lasts(60)
    assert world.outages.doubts(SERVER, HERE)
    world.now += 2 * 3_600 * SECOND
    assert not world.outages.doubts(SERVER, HERE)


def test_a_clock_that_was_set_back_keeps_no_server_away() -> None:
    world = World()
    world.outages.failed(SERVER, HERE)
    world.now -= 86_400 * SECOND
    assert not world.outages.lasts(SERVER, HERE)
