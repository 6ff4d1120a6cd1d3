"""A kernel network under test, driven by hand: events are waited for, never slept for."""

import select
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.transport.upgrade import REQUEST, accepting

from mosaic._kernel._rust import LINK_OPENED, LINK_UPGRADE, Net

PATIENCE_S = 20.0
SPOOLED_TYPE = 7
SPOOL_PREFIX = 40
SPOOL_OVER = 1_000
LIMIT = 100_000
SMALL_TYPE = 9
SMALL_LIMIT = 64
NEVER_TYPE = 10

SERVER_SEED = bytes(range(32))
CLIENT_SEED = bytes(range(32, 64))

Event = tuple[int, int, bytes]


def frame_limits() -> list[int]:
    limits = [LIMIT] * 256
    limits[0x80] = 1_048_584
    limits[SMALL_TYPE] = SMALL_LIMIT
    limits[NEVER_TYPE] = 0
    limits[SPOOLED_TYPE] = 50_000_000
    return limits


def spool_prefixes() -> list[int]:
    prefixes = [0] * 256
    prefixes[SPOOLED_TYPE] = SPOOL_PREFIX
    return prefixes


def frame(kind: int, body: bytes = b"") -> bytes:
    return struct.pack("<BxxxI", kind, 8 + len(body)) + body


KNOCK = frame(0x7F, b"knock")


class Station:
    """A `Net` and the events it has reported that nobody has asked for yet."""

    def __init__(self, folder: Path, *, transport: str = "tcp", **settings: Any) -> None:
        self.folder = folder
        self.transport = transport
        self.greetings = 0
        self.half_open = 0
        self.company = [self]
        folder.mkdir(parents=True, exist_ok=True)
        defaults = {
            "frame_limits": frame_limits(),
            "spool_prefix": spool_prefixes(),
            "spool_over": SPOOL_OVER,
        }
        self.net = Net(spool_folder=str(folder), **{**defaults, **settings})
        self.seen: list[Event] = []

    def listen(self, host: str = "127.0.0.1") -> int:
        return self.listen_on(host, 0, SERVER_SEED)

    def listen_on(self, host: str, port: int, seed: bytes) -> int:
        listen = {"tcp": self.net.listen_tcp, "quic": self.net.listen_quic, "ws": self.net.listen_ws}
        return listen[self.transport](host, port, seed)

    def dial(self, port: int, host: str = "127.0.0.1", **options: Any) -> int:
        options = {"server_key": None, "seed": None, **options}
        if self.transport == "tcp":
            return self.net.dial_tcp(host, port, **options)
        if self.transport == "ws":
            self.half_open += 1
            return self.net.dial_ws(host, port, request=REQUEST, **options)
        link = self.net.dial_quic(host, port, **options)
        # A server hears of a stream with its first bytes.
        self.net.send(link, KNOCK)
        return link

    def poll(self) -> list[Event]:
        """The kernel's events but for greetings: knocks, which open a stream, and HTTP, which is answered."""
        events = self.net.poll()
        heard = [event for event in events if not self._is_greeting(event)]
        self.greetings += len(events) - len(heard)
        return heard

    def _is_greeting(self, event: Event) -> bool:
        link, what, data = event
        if self.transport == "ws" and what == LINK_UPGRADE:
            asked = data[1:].startswith(b"GET ")
            self.net.answer_upgrade(link, accepting(data[1:]) if asked else b"", accepted=True)
            self.half_open -= not asked
            return True
        return data == KNOCK

    def until(self, wanted: Callable[[list[Event]], bool]) -> list[Event]:
        """Collects events until `wanted` is content with all that came; takes them all."""
        end = time.monotonic() + PATIENCE_S
        while not wanted(self.seen):
            left = end - time.monotonic()
            if left <= 0:
                raise AssertionError(f"only these events came: {self.seen[:20]!r}")
            # While one of them asks for a WebSocket all have to speak.
            company = self.company if any(each.half_open for each in self.company) else [self]
            select.select([each.net.fileno() for each in company], [], [], left)
            for each in company:
                each.seen += each.poll()
        seen, self.seen = self.seen, []
        return seen

    def take(self, count: int) -> list[Event]:
        """The next `count` events, and no more."""
        seen = self.until(lambda events: len(events) >= count)
        seen, self.seen = seen[:count], seen[count:]
        return seen

    def next(self, what: int | None = None) -> Event:
        """The next event, which must be `what` if that is given."""
        (event,) = self.take(1)
        assert what is None or event[1] == what, event
        return event

    def opened(self) -> tuple[int, bytes]:
        """The next event, which must open a link: its number and the peer's key."""
        link, _, key = self.next(LINK_OPENED)
        return link, key

    def wait_readable(self) -> None:
        ready, _, _ = select.select([self.net.fileno()], [], [], PATIENCE_S)
        assert ready, "the descriptor does not tell of events"

    def is_quiet(self) -> bool:
        """Whether nothing has come that was not taken."""
        self.seen += self.poll()
        return not self.seen


def connect(server: Station, client: Station, **options: Any) -> tuple[int, int]:
    """Listens, dials, and opens both ends: (link at the server, link at the client)."""
    client.dial(server.listen(), **options)
    links = server.opened()[0], client.opened()[0]
    station = client if server.transport == "ws" else server
    while server.transport != "tcp" and station.greetings == 0:
        station.wait_readable()
        station.seen += station.poll()
    return links


def use_own_link(station: Station) -> None:
    """Opens and uses a link of the station's own, so that its thread has had its turns."""
    port = station.net.listen_tcp("127.0.0.1", 0, bytes(32))
    near = station.net.dial_tcp("127.0.0.1", port, server_key=None, seed=None)
    opened = station.until(lambda events: len([e for e in events if e[1] == LINK_OPENED]) == 2)
    (far,) = [link for link, what, _ in opened if what == LINK_OPENED and link != near]
    for _ in range(20):
        station.net.send(near, frame(1))
        station.until(lambda events: (far, 1, frame(1)) in events)
