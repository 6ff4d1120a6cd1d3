"""A network in memory between many nodes: addresses, listeners, links with delay, traffic counted.

Links are those of `mosaic.transport.memory`, with the bounds of sockets. What
is sent takes the delay of its way to arrive, in order. A host can be cut off:
then nothing comes or goes, and its peers notice by silence.

Source: this project's own design, docs/architecture.md "The network test".
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from mosaic.core.keys import SecretKey
from mosaic.errors import Disconnected, ListenFailed
from mosaic.testing.simulation.trace import Trace
from mosaic.transport.events import DIAL_FAILED, DIAL_WRONG_KEY, LINK_CLOSED, LINK_OPENED
from mosaic.transport.memory import MemoryNetwork
from mosaic.transport.memory_end import MemoryEnd, close_files
from mosaic.transport.settings import TransportSettings
from mosaic.transport.transport import HostCertificate, Target, Transport

_FIRST_PORT = 1_320
_HANDSHAKE_BYTES = 2_400
"""About what TCP and TLS 1.3 with two certificates exchange before the first frame, both ways."""
_PACKET_BYTES = 69
"""About what IP, TCP and TLS put around a message: 40 + 29."""

_Place = tuple[str, str, int]
"""Transport, host and port."""


@dataclass(slots=True)
class Host:
    """A machine of the simulated network.

    Args:
        address: Its address.
        delay_ns: How long a packet takes from there to the middle of the network.
    """

    address: str
    delay_ns: int
    is_up: bool = True
    sent: int = 0
    """Bytes that have left it, with those around messages."""
    received: int = 0
    """Bytes that have come to it, alike."""
    frames: Counter[int] = field(default_factory=Counter)
    """Frames that have left it, by their type."""


class Links:
    """All links between all hosts.

    Args:
        trace: Is told of everything.
        now_ns: The time, ns.
    """

    def __init__(self, trace: Trace, now_ns: Callable[[], int]) -> None:
        self.trace = trace
        self.now_ns = now_ns
        self.hosts: dict[str, Host] = {}
        self.listeners: dict[_Place, tuple[ListeningEnd, bytes]] = {}
        self.ends: dict[str, list[LinkEnd]] = {}

    def host(self, address: str, delay_ns: int) -> Host:
        """A new machine, or the one that has this address."""
        if address not in self.hosts:
            self.hosts[address] = Host(address, delay_ns)
            self.ends[address] = []
        return self.hosts[address]

    @property
    def bytes_sent(self) -> int:
        """What all hosts have sent."""
        return sum(host.sent for host in self.hosts.values())

    def cut_off(self, address: str) -> None:
        """The machine's cable is pulled: nothing comes or goes, and nobody is told."""
        self.hosts[address].is_up = False
        for end in self.ends[address]:
            end.silence()
            end.far.silence()
        self.ends[address].clear()

    def connect_again(self, address: str) -> None:
        """The cable is put in again; what was sent meanwhile is lost."""
        self.hosts[address].is_up = True

    def delay_ns(self, one: str, other: str) -> int:
        """How long a packet takes between two hosts, ns."""
        return self.hosts[one].delay_ns + self.hosts[other].delay_ns


class LinkEnd(MemoryEnd):
    """One end of a link that takes time."""

    links: Links
    host: str
    _gone_silent = False

    def begin(self, links: Links, host: str) -> None:
        """Says where it is; before it is used."""
        self.links, self.host = links, host
        self._flight: deque[tuple[bytes, str | None]] = deque()
        links.ends[host].append(self)

    @property
    def far(self) -> LinkEnd:
        """The other end."""
        assert isinstance(self.peer, LinkEnd)
        return self.peer

    def silence(self) -> None:
        """Nothing arrives here any more, and nobody says so."""
        self._gone_silent = True
        self._flight.clear()

    def receive(self, data: bytes) -> None:
        """Takes bytes that were sent now: they arrive after the delay."""
        links, sender = self.links, self.far.host
        from_host, to_host = links.hosts[sender], links.hosts[self.host]
        from_host.sent += len(data) + _PACKET_BYTES
        from_host.frames[data[0]] += 1
        if self._gone_silent:
            return
        to_host.received += len(data) + _PACKET_BYTES
        self._on_its_way(data, None)

    def _on_its_way(self, data: bytes, ended: str | None) -> None:
        self._flight.append((data, ended))
        delay_ns = self.links.delay_ns(self.host, self.far.host)
        asyncio.get_running_loop().call_later(delay_ns / 1e9, self._arrive)

    def _arrive(self) -> None:
        """The oldest that is under way is here: all have the same delay, so each timer brings one."""
        if not self._flight:
            return
        data, ended = self._flight.popleft()
        where = f"{self.far.host}>{self.host}#{self.number}"
        self.links.trace.note(self.links.now_ns(), where, "end" if ended is not None else "data", data)
        if ended is not None:
            self._end(ended)
        elif not self.gone:
            super().receive(data)

    def finish(self, reason: str, peer_reason: str) -> None:
        """Ends this end now and the other when it hears of it."""
        if self.gone:
            return
        self._end(reason)
        if not self.far.gone and not self.far._gone_silent:  # noqa: SLF001 - the other half of the same link
            self.far._on_its_way(b"", peer_reason)  # noqa: SLF001

    def _end(self, words: str) -> None:
        if self.gone:
            return
        self.gone = True
        ends = self.links.ends[self.host]
        if self in ends:
            ends.remove(self)
        close_files(self.out)
        self.out.clear()
        self.out_bytes = 0
        if self.spool is not None:
            self.spool.path.unlink(missing_ok=True)
            self.spool = None
        self.report(self, (self.number, LINK_CLOSED, words.encode()))


class _HostNetwork(MemoryNetwork):
    """What both sides have in common: the host where they are."""

    def __init__(self, settings: TransportSettings, links: Links, host: Host) -> None:
        super().__init__(settings, own_key=b"")
        self.links = links
        self.at = host

    def make_end(self, *, accepted: bool) -> LinkEnd:
        """See `MemoryNetwork.make_end`."""
        number, self._next = self._next, self._next + 1
        end = LinkEnd(self._settings, number, accepted=accepted, report=self._report, has_room=self._has_room)
        end.begin(self.links, self.at.address)
        self._ends[number] = end
        return end

    def peer_address(self, link: int) -> tuple[str, int]:
        """See `Network.peer_address`. Raises Disconnected."""
        end = self._ends.get(link)
        if not isinstance(end, LinkEnd):
            raise Disconnected(f"Link {link} has ended.")
        return (end.far.host, 1_024 + end.far.number % 60_000)

    def opened(self, end: LinkEnd, key: bytes) -> None:
        """Reports that a link is there."""
        self._report(end, (end.number, LINK_OPENED, key))


class ListeningEnd(_HostNetwork):
    """The network on which a simulated server listens; a `ListeningNetwork`."""

    def __init__(self, settings: TransportSettings, links: Links, host: Host) -> None:
        super().__init__(settings, links, host)
        self._places: list[_Place] = []

    def listen(
        self,
        transport: Transport,
        host: str,
        port: int,
        seed: bytes,
        *,
        names: Sequence[HostCertificate] = (),
        plain: bool = False,
    ) -> int:
        """See `ListeningNetwork.listen`. Raises ListenFailed where another listens, or on a foreign host."""
        del names, plain
        if host != self.at.address:
            raise ListenFailed(f"{host} is no address of this host", hint=f"Listen on {self.at.address}.")
        if not port:
            port = _FIRST_PORT
            while (transport.value, host, port) in self.links.listeners:
                port += 1
        place = (transport.value, host, port)
        if place in self.links.listeners:
            raise ListenFailed(f"somebody listens on {host}:{port} already", hint="Choose another port.")
        self.links.listeners[place] = (self, SecretKey.from_seed(seed).public.bytes)
        self._places.append(place)
        return port

    async def stop(self, grace_s: float) -> None:
        """See `Network.stop`."""
        for place in self._places:
            self.links.listeners.pop(place, None)
        self._places.clear()
        await super().stop(grace_s)


class DialingEnd(_HostNetwork):
    """The network with which a simulated client dials; a `Dialer`."""

    def __init__(self, settings: TransportSettings, links: Links, host: Host) -> None:
        super().__init__(settings, links, host)
        self._dialling: dict[int, asyncio.TimerHandle] = {}

    def dial(self, target: Target) -> int:
        """See `Dialer.dial`: takes two round trips, as TCP and TLS do."""
        number, self._next = self._next, self._next + 1
        self.links.trace.note(self.links.now_ns(), f"{self.at.address}>{target.host}:{target.port}", "dial")
        other = self.links.hosts.get(target.host)
        silent = other is None or not other.is_up or not self.at.is_up
        wait_s = target.timeout_ms / 1_000
        if other is not None and not silent:
            wait_s = 4 * self.links.delay_ns(self.at.address, target.host) / 1e9
        self.at.sent += _HANDSHAKE_BYTES // 2
        loop = asyncio.get_running_loop()
        self._dialling[number] = loop.call_later(wait_s, self._answered, number, target, silent)
        return number

    def _answered(self, number: int, target: Target, silent: bool) -> None:  # noqa: FBT001
        del self._dialling[number]
        found = self.links.listeners.get((target.transport.value, target.host, target.port))
        other = self.links.hosts.get(target.host)
        if silent or other is None or not other.is_up or not self.at.is_up:
            self._report(None, (number, DIAL_FAILED, b"no answer in time"))
            return
        if found is None:
            self._report(None, (number, DIAL_FAILED, b"connection refused"))
            return
        other.sent += _HANDSHAKE_BYTES // 2
        network, key = found
        if target.server_key not in {None, key}:
            self._report(None, (number, DIAL_WRONG_KEY, key))
            return
        near = LinkEnd(self._settings, number, accepted=False, report=self._report, has_room=self._has_room)
        near.begin(self.links, self.at.address)
        self._ends[number] = near
        far = network.make_end(accepted=True)
        near.peer, far.peer = far, near
        self.opened(near, key)
        seed = target.seed
        network.opened(far, b"" if seed is None else SecretKey.from_seed(seed).public.bytes)

    def abort(self, link: int) -> None:
        """See `Network.abort`."""
        timer = self._dialling.pop(link, None)
        if timer is not None:
            timer.cancel()
            return
        super().abort(link)

    def close(self, link: int) -> None:
        """See `Network.close`."""
        if link in self._dialling:
            self.abort(link)
        else:
            super().close(link)

    async def stop(self, grace_s: float) -> None:
        """See `Network.stop`."""
        for link in list(self._dialling):
            self.abort(link)
        await super().stop(grace_s)
