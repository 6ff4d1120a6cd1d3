"""Simulated links: they take time, keep order, break as machines do, and say what passed."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TypeVar

from mosaic.core.keys import SecretKey
from mosaic.testing.simulation.links import DialingEnd, Links, ListeningEnd
from mosaic.testing.simulation.trace import Trace
from mosaic.testing.simulation.virtual_time import VirtualLoop, run
from mosaic.transport.events import DIAL_FAILED, DIAL_WRONG_KEY, LINK_CLOSED, LINK_OPENED
from mosaic.transport.network import Event
from mosaic.transport.settings import TransportSettings
from mosaic.transport.transport import Target, Transport
from mosaic.wire.limits import frame_limits

_T = TypeVar("_T")
SERVER, CLIENT = SecretKey.from_seed(bytes(31) + b"\x01"), SecretKey.from_seed(bytes(31) + b"\x02")
HERE, THERE = "10.0.0.1", "10.0.0.2"
DELAY_NS = 20_000_000
SETTINGS = TransportSettings(tuple(frame_limits()))


def frame(number: int) -> bytes:
    return bytes((0x81, 0)) + number.to_bytes(2, "little") + (8).to_bytes(4, "little")


class Two:
    """A server and a client, and what each was told, when (in s)."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        self.loop = loop
        self.links = Links(Trace(), lambda: loop.now_ns)
        hosts = [self.links.host(address, DELAY_NS // 2) for address in (HERE, THERE)]
        self.server = ListeningEnd(SETTINGS, self.links, hosts[0])
        self.client = DialingEnd(SETTINGS, self.links, hosts[1])
        self.at_server: list[tuple[float, Event]] = []
        self.at_client: list[tuple[float, Event]] = []
        self.server.start(lambda events: self.note(self.at_server, events))
        self.client.start(lambda events: self.note(self.at_client, events))
        self.port = self.server.listen(Transport.TCP, HERE, 0, SERVER.reveal())

    def note(self, where: list[tuple[float, Event]], events: object) -> None:
        where += [(round(self.loop.time(), 3), event) for event in events]  # type: ignore[attr-defined]

    def dial(self, key: bytes = SERVER.public.bytes, host: str = HERE) -> int:
        return self.client.dial(Target(Transport.TCP, host, self.port, key, CLIENT.reveal()))

    async def open(self) -> int:
        link = self.dial()
        await asyncio.sleep(1)
        return link


def play(story: Coroutine[object, None, _T]) -> _T:
    return run(lambda: story)


def test_a_link_takes_two_round_trips_and_both_keys_are_proven() -> None:
    async def story() -> None:
        two = Two()
        link = await two.open()
        ((at, opened),) = two.at_client
        assert (at, opened) == (0.08, (link, LINK_OPENED, SERVER.public.bytes))
        ((_, (_, what, key)),) = two.at_server
        assert (what, key) == (LINK_OPENED, CLIENT.public.bytes)

    play(story())


def test_frames_arrive_after_the_delay_in_their_order_and_are_counted() -> None:
    async def story() -> None:
        two = Two()
        link = await two.open()
        before = two.links.bytes_sent
        for number in range(50):
            two.client.send(link, frame(number))
        await asyncio.sleep(1)
        arrived = two.at_server[1:]
        assert [event[2] for _, event in arrived] == [frame(number) for number in range(50)]
        assert {at for at, _ in arrived} == {1.02}
        assert two.links.bytes_sent - before == 50 * (8 + 69)

    play(story())


def test_what_was_sent_before_the_end_still_arrives() -> None:
    async def story() -> None:
        two = Two()
        link = await two.open()
        two.client.send(link, frame(1))
        two.client.close(link)
        await asyncio.sleep(1)
        assert [event[1] for _, event in two.at_server[1:]] == [0x81, LINK_CLOSED]

    play(story())


def test_of_a_machine_without_power_nobody_hears_and_dialling_it_takes_all_the_time() -> None:
    async def story() -> None:
        two = Two()
        link = await two.open()
        two.links.cut_off(HERE)
        two.client.send(link, frame(1))
        await asyncio.sleep(100)
        assert len(two.at_client) == len(two.at_server) == 1
        two.dial()
        await asyncio.sleep(100)
        at, (_, what, _) = two.at_client[-1]
        assert (at, what) == (111.0, DIAL_FAILED)

    play(story())


def test_another_key_or_no_listener_is_told_at_once() -> None:
    async def story() -> None:
        two = Two()
        two.dial(key=CLIENT.public.bytes)
        await asyncio.sleep(1)
        assert two.at_client[-1][1][1:] == (DIAL_WRONG_KEY, SERVER.public.bytes)
        await two.server.stop(0)
        two.dial()
        await asyncio.sleep(1)
        assert two.at_client[-1][1][1:] == (DIAL_FAILED, b"connection refused")

    play(story())


def test_a_dial_that_was_given_up_never_comes_about() -> None:
    async def story() -> None:
        two = Two()
        two.client.abort(two.dial())
        await asyncio.sleep(1)
        assert two.at_client == two.at_server == []

    play(story())
