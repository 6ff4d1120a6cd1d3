"""Two ends in one process: the same events and the same bounds as over sockets, without them.

The node's own client reaches the node's own server this way, and tests reach anything.

Source: this project's own design, docs/architecture.md "A person acts".
"""

import asyncio
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from mosaic.errors import Disconnected, UsageError
from mosaic.transport.events import DIAL_WRONG_KEY, LINK_CLOSED, LINK_DRAINED, LINK_OPENED
from mosaic.transport.memory_end import FilePart, MemoryEnd
from mosaic.transport.network import Event, GateRow, Sink
from mosaic.transport.settings import TransportSettings
from mosaic.transport.transport import Target

_HEADER = 8
_RECORD = 0x80
_EVENT_WEIGHT = 64


def memory_pair(
    settings: TransportSettings, *, server_key: bytes, client_key: bytes | None = None
) -> "tuple[MemoryNetwork, MemoryNetwork]":
    """A server's and a client's end. The client dials as often as it likes.

    Args:
        settings: Limits of frames and queues, of both ends.
        server_key: The key (32 bytes) that the client sees.
        client_key: The key that the server sees, or None for an anonymous client.
    """
    server = MemoryNetwork(settings, own_key=server_key)
    return server, MemoryNetwork(settings, own_key=client_key or b"", server=server)


class MemoryNetwork:
    """One end of `memory_pair`; a `Dialer` (the server's end dials nobody)."""

    def __init__(
        self, settings: TransportSettings, *, own_key: bytes, server: "MemoryNetwork | None" = None
    ) -> None:
        self.own_key = own_key
        self._settings = settings
        self._other = server
        self.host = "memory"
        """Where peers say that they are."""
        self._ends: dict[int, MemoryEnd] = {}
        self._forgotten: list[MemoryEnd] = []
        self._next = 1
        self._events: list[tuple[MemoryEnd | None, Event]] = []
        self._bytes = 0
        self._sink: Sink | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._scheduled = False
        self._paused = False

    # --- the face -------------------------------------------------------------------------------

    def start(self, sink: Sink) -> None:
        """See `Network.start`. Raises UsageError the second time."""
        if self._loop is not None:
            raise UsageError("The network was started before.", hint="Make a new one.")
        self._loop = asyncio.get_running_loop()
        self._sink = sink
        self._schedule()

    def dial(self, target: Target) -> int:
        """Connects to the other end. See `Dialer.dial`; only `target.server_key` has a meaning here.

        Raises:
            UsageError: this is the server's end.
        """
        if self._other is None:
            raise UsageError("The server's end of a memory pair can't dial.", hint="Dial from the other end.")
        if target.server_key not in {None, self._other.own_key}:
            number, self._next = self._next, self._next + 1
            self._report(None, (number, DIAL_WRONG_KEY, self._other.own_key))
            return number
        near, far = self.make_end(accepted=False), self._other.make_end(accepted=True)
        near.peer, far.peer = far, near
        near.report(near, (near.number, LINK_OPENED, self._other.own_key))
        far.report(far, (far.number, LINK_OPENED, self.own_key))
        return near.number

    def open_stream(self, link: int, timeout_ms: int = 10_000) -> int:
        """Always refused. See `Dialer.open_stream`."""
        del timeout_ms
        raise UsageError(f"Link {link} is not a stream of a QUIC connection.", hint="Dial once more.")

    def answer_upgrade(self, link: int, head: bytes, accepted: bool) -> None:  # noqa: FBT001
        """Always refused. See `Network.answer_upgrade`."""
        del head, accepted
        raise UsageError(f"Link {link} is not a WebSocket.")

    def make_end(self, *, accepted: bool) -> MemoryEnd:
        """A new end of a link on this side, still without its peer."""
        number, self._next = self._next, self._next + 1
        end = MemoryEnd(
            self._settings, number, accepted=accepted, report=self._report, has_room=self._has_room
        )
        self._ends[number] = end
        return end

    def pause(self) -> None:
        """See `Network.pause`."""
        self._paused = True

    def resume(self) -> None:
        """See `Network.resume`."""
        self._paused = False
        self._schedule()

    def send(self, link: int, data: bytes) -> int:
        """See `Network.send`."""
        end = self._ends.get(link)
        return -1 if end is None else end.send((data,))

    def deliver(self, record: bytes, targets: Sequence[tuple[int, int]]) -> list[int]:
        """See `Network.deliver`."""
        total = (len(record) + _HEADER).to_bytes(4, "little")
        refused = []
        for index, (link, query_id) in enumerate(targets):
            end = self._ends.get(link)
            head = bytes((_RECORD, 0)) + query_id.to_bytes(2, "little") + total
            if end is None or end.is_full or end.send((head, record)) < 0:
                refused.append(index)
        return refused

    def send_file(self, link: int, head: bytes, path: str, offset: int, length: int) -> int:
        """See `Network.send_file`; bytes. Raises OSError if the file is missing or too short."""
        end = self._ends.get(link)
        if end is None:
            return -1
        descriptor = os.open(path, os.O_RDONLY)
        if os.fstat(descriptor).st_size < offset + length:
            os.close(descriptor)
            raise OSError(f"{path} is shorter than {offset + length} bytes")
        return end.send((head, FilePart(descriptor, offset, length)))

    def pending(self, link: int) -> int:
        """See `Network.pending`."""
        end = self._ends.get(link)
        return -1 if end is None else end.pending

    def set_gate(self, rows: Sequence[GateRow]) -> None:
        """Nobody is counted: all are here. See `Entrance.set_gate`."""
        del rows

    def set_trusted(self, networks: Sequence[tuple[bytes, int]]) -> None:
        """Nobody is counted. See `Entrance.set_gate`."""
        del networks

    def set_blocked(self, networks: Sequence[tuple[bytes, int]]) -> None:
        """Nobody has an address. See `Entrance.set_blocked`."""
        del networks

    def prefer(self, link: int, preferred: bool) -> None:  # noqa: FBT001
        """Events keep the order in which they came about. See `Entrance.prefer`."""
        del link, preferred

    def limit_frames(self, link: int, kind: int, most: int) -> None:
        """See `Entrance.limit_frames`. `most` is bytes."""
        end = self._ends.get(link)
        if end is not None:
            end.own_limits[kind] = most

    def pending_total(self) -> int:
        """See `Entrance.pending_total`."""
        return sum(end.pending for end in self._ends.values() if not end.gone)

    def heaviest(self, most: int) -> list[tuple[int, int]]:
        """See `Entrance.heaviest`."""
        waiting = [(number, end.pending) for number, end in self._ends.items() if not end.gone]
        return sorted((each for each in waiting if each[1]), key=lambda each: (-each[1], each[0]))[:most]

    def counts(self) -> Mapping[str, int]:
        """See `Entrance.counts`."""
        return {}

    def close(self, link: int) -> None:
        """See `Network.close`."""
        end = self._ends.get(link)
        if end is not None and not end.gone:
            end.muted = end.closing = True
            end.pump()

    def abort(self, link: int) -> None:
        """See `Network.abort`."""
        end = self._ends.get(link)
        if end is not None and not end.gone:
            end.muted = True
            end.finish("dropped here", "the connection was cut")

    def take_spooled(self, link: int) -> tuple[str, bytes, int]:
        """See `Network.take_spooled`. Raises Disconnected or UsageError."""
        end = self._ends.get(link)
        if end is None:
            raise Disconnected(f"Link {link} has ended.")
        if not end.spooled:
            raise UsageError(f"Link {link} has no message body that waits in a file.")
        taken = end.spooled.popleft()
        end.peer_end.pump()
        return taken

    def peer_address(self, link: int) -> tuple[str, int]:
        """`host` and port 0. See `Network.peer_address`. Raises Disconnected."""
        if link not in self._ends:
            raise Disconnected(f"Link {link} has ended.")
        return (self.host, 0)

    async def stop(self, grace_s: float) -> None:
        """See `Network.stop`."""
        end_time = asyncio.get_running_loop().time() + grace_s
        self.resume()
        for end in list(self._ends.values()):
            self.close(end.number)
        while any(not end.gone for end in self._ends.values()):
            if asyncio.get_running_loop().time() >= end_time:
                break
            await asyncio.sleep(0.001)
        for end in list(self._ends.values()):
            self.abort(end.number)
        self._hand_up()
        self._forget()
        self._forget()

    # --- events ---------------------------------------------------------------------------------

    def _report(self, end: MemoryEnd | None, event: Event) -> None:
        self._events.append((end, event))
        weight = len(event[2]) + _EVENT_WEIGHT
        self._bytes += weight
        if end is not None:
            end.inbox_bytes += weight
        self._schedule()

    def _schedule(self) -> None:
        if self._loop is not None and self._events and not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._hand_up)

    def _hand_up(self) -> None:
        self._scheduled = False
        if self._paused:
            return
        self._forget()
        batch, self._events = self._events, []
        self._bytes = 0
        events: list[Event] = []
        for end, event in batch:
            if end is not None:
                end.inbox_bytes = 0
                if event[1] == LINK_CLOSED:
                    self._forgotten.append(end)
                elif end.muted and event[1] not in {LINK_OPENED, LINK_DRAINED}:
                    continue
            events.append(event)
        if events and self._sink is not None:
            self._sink(events)
        # What was taken made room: whoever waited for it goes on.
        for end in list(self._ends.values()):
            end.peer_end.pump()

    def _forget(self) -> None:
        """Drops ends that were handed out a batch ago, with files that nobody took."""
        ended, self._forgotten = self._forgotten, []
        for end in ended:
            self._ends.pop(end.number, None)
            for path, _, _ in end.spooled:
                Path(path).unlink(missing_ok=True)
            end.spooled.clear()

    def _has_room(self) -> bool:
        return self._bytes < self._settings.inbox_bytes
