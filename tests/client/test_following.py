from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator

import pytest
from tests.client.scripted import SERVER_KEY, Wire
from tests.core.makers import MASTER, NOW, post

from mosaic.client.backoff import Backoff
from mosaic.client.connection import Connection
from mosaic.client.following import Event, Following, Heard, Lost
from mosaic.core.filter import Filter
from mosaic.core.filter_element import Exclude, ReceivedSince
from mosaic.core.keys import PublicKey
from mosaic.core.record import Record
from mosaic.core.timestamp import Timestamp
from mosaic.errors import Unreachable

HOUR = 3_600 * 10**9
POSTS = [post(timestamp=NOW - n, payload=b"post %d" % n) for n in range(8)]
ALL = Filter.of(authors=[MASTER.public])


def steady(length: int) -> bytes:
    return bytes(length)


class Journey:
    """A following over a wire that breaks, and what it slept."""

    def __init__(self, wire: Wire, heard_until_ns: int = 0) -> None:
        self.wire = wire
        self.slept: list[float] = []
        self.unreachable = 0
        self.following = Following(
            self.connect,
            ALL,
            now_ns=lambda: wire.now,
            backoff=Backoff(steady, first_s=1, most_s=16),
            heard_until_ns=heard_until_ns,
            sleep=self.sleep,
        )
        self.events: AsyncGenerator[Event, None] = self.following.events()

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    @contextlib.asynccontextmanager
    async def connect(self) -> AsyncIterator[Connection]:
        if self.unreachable:
            self.unreachable -= 1
            raise Unreachable("nobody")
        yield await self.wire.connect()

    async def records(self, count: int) -> list[Record]:
        found: list[Record] = []
        while len(found) < count:
            event = await anext(self.events)
            if isinstance(event, Record):
                found.append(event)
        return found

    async def until(self, kind: type[Event]) -> Event:
        while not isinstance(event := await anext(self.events), kind):
            pass
        return event


async def test_stored_and_live_records_come_once_across_a_break() -> None:
    wire = Wire()
    wire.server.held = [POSTS[7], POSTS[6]]
    journey = Journey(wire)
    assert await journey.records(2) == [POSTS[6], POSTS[7]]
    heard = await journey.until(Heard)
    assert heard == Heard(NOW, PublicKey(SERVER_KEY))
    wire.server.receive(POSTS[5])
    assert await journey.records(1) == [POSTS[5]]
    wire.server.cut()
    lost = await journey.until(Lost)
    assert isinstance(lost, Lost)
    # It came while nobody was connected.
    wire.server.receive(POSTS[4])
    assert await journey.records(1) == [POSTS[4]]
    wire.server.receive(POSTS[3])
    assert await journey.records(1) == [POSTS[3]]
    await journey.events.aclose()


@pytest.mark.claim("C7")
async def test_it_begins_again_shortly_before_what_was_heard() -> None:
    wire = Wire()
    wire.server.held = [POSTS[0]]
    journey = Journey(wire, heard_until_ns=NOW)
    await journey.records(1)
    wire.server.cut()
    await journey.until(Lost)
    await journey.until(Heard)
    first, second = (wanted.elements for wanted in wire.server.asked)
    assert ReceivedSince(Timestamp(NOW - HOUR)) in first
    assert Exclude((POSTS[0].data[:32],)) in second
    await journey.events.aclose()


async def test_all_is_asked_for_when_nothing_was_heard() -> None:
    wire = Wire()
    journey = Journey(wire)
    await journey.until(Heard)
    assert wire.server.asked == [ALL]
    await journey.events.aclose()


async def test_waiting_times_grow_up_to_a_limit_and_begin_again_after_success() -> None:
    wire = Wire()
    journey = Journey(wire)
    journey.unreachable = 7
    lost = [await journey.until(Lost) for _ in range(7)]
    assert [event.wait_s for event in lost if isinstance(event, Lost)] == [0.5, 1, 2, 4, 8, 8, 8]
    await journey.until(Heard)
    wire.server.cut()
    assert isinstance(event := await journey.until(Lost), Lost)
    assert event.wait_s == 0.5
    await journey.events.aclose()
    assert journey.slept == [0.5, 1, 2, 4, 8, 8, 8]


async def test_what_had_lasted_is_tried_again_at_once_but_not_over_and_over() -> None:
    wire = Wire()
    journey = Journey(wire)
    await journey.until(Heard)
    wire.now += 60 * 10**9
    wire.server.cut()
    journey.unreachable = 1
    waits = [await journey.until(Lost) for _ in range(2)]
    await journey.until(Heard)
    wire.server.cut()
    waits.append(await journey.until(Lost))
    assert [event.wait_s for event in waits if isinstance(event, Lost)] == [0.0, 0.5, 0.5]
    await journey.events.aclose()


async def test_a_server_that_repeats_itself_is_heard_once() -> None:
    wire = Wire()
    wire.server.held = [POSTS[0]]
    journey = Journey(wire)
    await journey.until(Heard)
    for record in (POSTS[0], POSTS[1], POSTS[1], POSTS[2]):
        wire.server.receive(record)
    assert await journey.records(2) == [POSTS[1], POSTS[2]]
    await journey.events.aclose()


async def test_closing_it_ends_the_subscription_at_the_server() -> None:
    wire = Wire()
    journey = Journey(wire)
    await journey.until(Heard)
    await journey.events.aclose()
    await (await wire.connect()).ping()
    assert wire.server.subscribed == []


@pytest.mark.parametrize(("failures", "least", "most"), [(0, 0.5, 1), (3, 4, 8), (10_000, 8, 16)])
def test_waiting_times_are_spread(failures: int, least: float, most: float) -> None:
    low = Backoff(steady, first_s=1, most_s=16).seconds(failures)
    high = Backoff(lambda length: b"\xff" * length, first_s=1, most_s=16).seconds(failures)
    assert low == least
    assert most - 0.001 < high < most
