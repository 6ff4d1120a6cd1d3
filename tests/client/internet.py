"""Hosts and ports in memory, with servers of every habit; dials take virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.client.scripted import ScriptedServer, settings

from mosaic.core.keys import SecretKey
from mosaic.errors import UsageError
from mosaic.transport.events import (
    DIAL_FAILED,
    DIAL_FOREIGN_CERTIFICATE,
    DIAL_REFUSED_FORM,
    DIAL_WRONG_KEY,
    LINK_CLOSED,
    LINK_OPENED,
    LINK_UPGRADE,
)
from mosaic.transport.memory import MemoryNetwork, memory_pair
from mosaic.transport.network import Event, Sink
from mosaic.transport.transport import Target, Transport


@dataclass
class Place:
    """What is behind one transport, address and port."""

    server: ScriptedServer
    far: MemoryNetwork
    key: bytes
    delay_s: float = 0.01
    forms: frozenset[str] = frozenset({"certificate", "raw_key"})
    silent: bool = False
    links: dict[int, int] = field(default_factory=dict)
    streams: int = 16
    web: dict[int, Target] = field(default_factory=dict)


class Internet:
    """A `Dialer` that reaches the places of a test."""

    def __init__(self) -> None:
        self.places: dict[tuple[Transport, str, int], Place] = {}
        self.targets: list[Target] = []
        self.accepted: list[int] = []
        self._links: dict[int, Place] = {}
        self._ended: set[int] = set()
        self._next = 1
        self._sink: Sink | None = None

    def open(
        self, host: str, port: int, secret: SecretKey, transport: Transport = Transport.TCP, **habits: object
    ) -> Place:
        """A server that listens there."""
        near, far = memory_pair(settings(), server_key=secret.public.bytes)
        server = ScriptedServer(near)
        server.secret = secret
        server.authorities = {f"{host}:{port}", f"server.example:{port}"}
        server.start()
        place = Place(server, far, secret.public.bytes, **habits)  # type: ignore[arg-type]
        far.start(lambda batch: self._translate(place, batch))
        self.places[transport, host, port] = place
        return place

    def start(self, sink: Sink) -> None:
        self._sink = sink

    @property
    def live(self) -> int:
        """How many links there are, dials under way included."""
        return len(self._links)

    def dialled(self) -> list[tuple[str, int]]:
        return [(target.host, target.port) for target in self.targets]

    # --- Dialer

    def dial(self, target: Target) -> int:
        self.targets.append(target)
        number, self._next = self._next, self._next + 1
        place = self.places.get((target.transport, target.host, target.port))
        loop = asyncio.get_running_loop()
        if place is None:
            loop.call_later(0.001, self._report, (number, DIAL_FAILED, b"connection refused"))
            return number
        self._links[number] = place
        if place.silent:
            late = (number, DIAL_FAILED, b"no answer within %d ms" % target.timeout_ms)
            loop.call_later(target.timeout_ms / 1_000, self._fail, late)
        else:
            loop.call_later(place.delay_s, self._answer, place, number, target)
        return number

    def open_stream(self, link: int, timeout_ms: int = 10_000) -> int:
        place = self._links[link]
        if self.targets and len(place.links) >= place.streams:
            raise UsageError("no more streams")
        number, self._next = self._next, self._next + 1
        self._links[number] = place
        place.links[place.far.dial(Target.in_memory(place.key))] = number
        return number

    def _answer(self, place: Place, number: int, target: Target) -> None:
        if number not in self._links:
            return
        form = "raw_key" if target.raw_key else "certificate" if target.authorities is None else "browser"
        if form not in place.forms:
            foreign = "browser" in place.forms
            self._fail((number, DIAL_FOREIGN_CERTIFICATE if foreign else DIAL_REFUSED_FORM, b"an alert"))
        elif target.server_key not in {None, place.key}:
            self._fail((number, DIAL_WRONG_KEY, place.key))
        else:
            inner = place.far.dial(Target.in_memory(place.key))
            place.links[inner] = number
            if target.transport is Transport.WS:
                place.web[inner] = target
                asyncio.get_running_loop().call_later(0.001, self._upgrade, place, number, target)

    def _upgrade(self, place: Place, number: int, target: Target) -> None:
        """The request goes to the newest link of the server, the answer comes back."""
        mode = b"\0" if target.authorities is None else b"\1"

        def answer(_link: int, head: bytes, _accepted: bool) -> None:
            self._report((number, LINK_UPGRADE, mode + head))

        place.server.answer_upgrade = answer
        link = list(place.server.sessions)[-1]
        place.server.take([(link, LINK_UPGRADE, mode + target.request)])

    def _fail(self, event: Event) -> None:
        if self._links.pop(event[0], None) is not None:
            self._report(event)

    def _translate(self, place: Place, batch: Sequence[Event]) -> None:
        for link, what, data in batch:
            number = place.links[link]
            unproven = what == LINK_OPENED and link in place.web and place.web[link].authorities is not None
            if what == LINK_CLOSED:
                self._links.pop(number, None)
            self._report((number, what, b"" if unproven else data))

    def _report(self, event: Event) -> None:
        if self._sink is not None:
            self._sink([event])

    def _inner(self, link: int) -> tuple[MemoryNetwork | None, int]:
        place = self._links.get(link)
        if place is None:
            return None, 0
        inner = next((near for near, number in place.links.items() if number == link), None)
        return (None, 0) if inner is None else (place.far, inner)

    def send(self, link: int, data: bytes) -> int:
        network, inner = self._inner(link)
        return -1 if network is None else network.send(inner, data)

    def pending(self, link: int) -> int:
        network, inner = self._inner(link)
        return -1 if network is None else network.pending(inner)

    def close(self, link: int) -> None:
        network, inner = self._inner(link)
        if network is not None:
            network.close(inner)

    def abort(self, link: int) -> None:
        network, inner = self._inner(link)
        if network is not None:
            network.abort(inner)
        elif self._links.pop(link, None) is not None:
            # A dial under way is given up.
            asyncio.get_running_loop().call_soon(self._report, (link, DIAL_FAILED, b"given up here"))

    def send_file(self, link: int, head: bytes, path: str, offset: int, length: int) -> int:
        network, inner = self._inner(link)
        return -1 if network is None else network.send_file(inner, head, path, offset, length)

    def take_spooled(self, link: int) -> tuple[str, bytes, int]:
        raise NotImplementedError

    def deliver(self, record: bytes, targets: Sequence[tuple[int, int]]) -> list[int]:
        raise NotImplementedError

    def answer_upgrade(self, link: int, head: bytes, accepted: bool) -> None:
        assert head == b""
        self.accepted.append(link)

    def peer_address(self, link: int) -> tuple[str, int]:
        return ("memory", 0)

    def pause(self) -> None:
        raise NotImplementedError

    def resume(self) -> None:
        raise NotImplementedError

    async def stop(self, grace_s: float) -> None:
        for place in self.places.values():
            await place.far.stop(0)
            await place.server.network.stop(0)
