"""Two ends in one process: the same events and the same bounds as over sockets, without them.

The node's own client reaches the node's own server this way, and tests reach anything.
"""

import asyncio
import os
import secrets
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mosaic._kernel import Blake3
from mosaic.errors import Disconnected, UsageError
from mosaic.transport.events import (
    DIAL_WRONG_KEY,
    LINK_CLOSED,
    LINK_DRAINED,
    LINK_OPENED,
    LINK_REFUSED_LENGTH,
    LINK_SPOOLED,
)
from mosaic.transport.network import Event, Sink
from mosaic.transport.settings import TransportSettings

_HEADER = 8
_RECORD = 0x80
_CHUNK = 65_536
_EVENT_WEIGHT = 64
_SPOOLED_MOST = 4


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
    client = MemoryNetwork(settings, own_key=client_key or b"")
    client._other = server
    return server, client


class MemoryNetwork:
    """One end of `memory_pair`; a `Dialer` (the server's end dials nobody)."""

    def __init__(self, settings: TransportSettings, *, own_key: bytes) -> None:
        self._settings = settings
        self._own_key = own_key
        self._other: MemoryNetwork | None = None
        self._ends: dict[int, _End] = {}
        self._forgotten: list[_End] = []
        self._next = 1
        self._events: list[tuple[_End | None, Event]] = []
        self._bytes = 0
        self._sink: Sink | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._scheduled = False

    # --- the face -------------------------------------------------------------------------------

    def start(self, sink: Sink) -> None:
        """See `Network.start`."""
        if self._loop is not None:
            raise UsageError("The network was started before.", hint="Make a new one.")
        self._loop = asyncio.get_running_loop()
        self._sink = sink
        self._schedule()

    def dial(
        self,
        host: str = "",
        port: int = 0,
        *,
        server_key: bytes | None = None,
        seed: bytes | None = None,
        timeout_ms: int = 10_000,
        raw_key: bool = False,
    ) -> int:
        """Connects to the other end. See `Dialer.dial`; only `server_key` has a meaning here.

        Raises:
            UsageError: this is the server's end.
        """
        del host, port, seed, timeout_ms, raw_key
        if self._other is None:
            raise UsageError("The server's end of a memory pair can't dial.", hint="Dial from the other end.")
        number = self._number()
        if server_key is not None and server_key != self._other._own_key:
            self._report(None, (number, DIAL_WRONG_KEY, self._other._own_key))
            return number
        near = _End(self, number, accepted=False)
        far = _End(self._other, self._other._number(), accepted=True)
        near.peer, far.peer = far, near
        for end in (near, far):
            end.network._ends[end.number] = end
            end.network._report(end, (end.number, LINK_OPENED, end.peer_end.network._own_key))
        return number

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
        """See `Network.send_file`."""
        end = self._ends.get(link)
        if end is None:
            return -1
        descriptor = os.open(path, os.O_RDONLY)
        if os.fstat(descriptor).st_size < offset + length:
            os.close(descriptor)
            raise OSError(f"{path} is shorter than {offset + length} bytes")
        return end.send((head, _FilePart(descriptor, offset, length)))

    def pending(self, link: int) -> int:
        """See `Network.pending`."""
        end = self._ends.get(link)
        return -1 if end is None or end.gone else end.out_bytes

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
        """See `Network.take_spooled`."""
        end = self._ends.get(link)
        if end is None:
            raise Disconnected(f"Link {link} has ended.")
        if not end.spooled:
            raise UsageError(f"Link {link} has no message body that waits in a file.")
        taken = end.spooled.popleft()
        end.peer_end.pump()
        return taken

    def peer_address(self, link: int) -> tuple[str, int]:
        """Always ("memory", 0). See `Network.peer_address`."""
        if link not in self._ends:
            raise Disconnected(f"Link {link} has ended.")
        return ("memory", 0)

    async def stop(self, grace_s: float) -> None:
        """See `Network.stop`."""
        end_time = asyncio.get_running_loop().time() + grace_s
        for end in list(self._ends.values()):
            self.close(end.number)
        while any(not end.gone for end in self._ends.values()):
            if asyncio.get_running_loop().time() >= end_time:
                break
            await asyncio.sleep(0)
        for end in list(self._ends.values()):
            self.abort(end.number)
        self._hand_up()
        self._forget()
        self._forget()

    # --- events ---------------------------------------------------------------------------------

    def _number(self) -> int:
        number, self._next = self._next, self._next + 1
        return number

    def _report(self, end: "_End | None", event: Event) -> None:
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
        self._forget()
        batch, self._events = self._events, []
        self._bytes = 0
        touched: dict[int, _End] = {}
        events: list[Event] = []
        for end, event in batch:
            if end is not None:
                end.inbox_bytes = 0
                touched[end.number] = end
                if event[1] == LINK_CLOSED:
                    self._forgotten.append(end)
                elif end.muted and event[1] not in {LINK_OPENED, LINK_DRAINED}:
                    continue
            events.append(event)
        if events and self._sink is not None:
            self._sink(events)
        # What was taken made room: whoever waited for it goes on.
        for end in touched.values():
            end.peer_end.pump()

    def _forget(self) -> None:
        """Drops ends that were handed out a batch ago, with files that nobody took."""
        ended, self._forgotten = self._forgotten, []
        for end in ended:
            self._ends.pop(end.number, None)
            for path, _, _ in end.spooled:
                Path(path).unlink(missing_ok=True)
            end.spooled.clear()

    @property
    def _has_room(self) -> bool:
        return self._bytes < self._settings.inbox_bytes


@dataclass(slots=True)
class _FilePart:
    """Bytes of an open file that are still to be sent."""

    descriptor: int
    offset: int
    left: int

    def __len__(self) -> int:
        return min(self.left, _CHUNK)

    def read(self) -> bytes:
        """The next bytes, none at the end. Raises OSError."""
        chunk = os.pread(self.descriptor, len(self), self.offset)
        self.offset += len(chunk)
        self.left -= len(chunk)
        return chunk

    def close(self) -> None:
        """Lets go of the file."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


@dataclass(slots=True)
class _Spool:
    """A body on its way to a file."""

    path: Path
    prefix: bytes
    left: int
    length: int = 0
    hasher: Blake3 = field(default_factory=Blake3)

    def write(self, data: bytes) -> None:
        with self.path.open("ab") as file:
            file.write(data)
        self.hasher.update(data)
        self.length += len(data)
        self.left -= len(data)


class _End:
    """One end of one link."""

    def __init__(self, network: MemoryNetwork, number: int, *, accepted: bool) -> None:
        self.network = network
        self.number = number
        self.peer: _End | None = None
        self.inbox_bytes = 0
        self.out_bytes = 0
        self.spooled: deque[tuple[str, bytes, int]] = deque()
        self.muted = self.closing = self.gone = False
        self._accepted = accepted
        self._out: deque[bytes | _FilePart] = deque()
        self._over = False
        self._deaf = False
        self._partial = bytearray()
        self._spool: _Spool | None = None

    @property
    def peer_end(self) -> "_End":
        if self.peer is None:  # both ends are joined before either is used
            raise AssertionError
        return self.peer

    @property
    def _limit(self) -> int:
        return self.network._settings.link_outbox_bytes

    @property
    def is_full(self) -> bool:
        return self.out_bytes >= self._limit

    # --- sending --------------------------------------------------------------------------------

    def send(self, parts: Iterable[bytes | _FilePart]) -> int:
        """Queues parts of whole frames; the bytes now waiting, or -1."""
        if self.out_bytes > 4 * self._limit:
            self.finish("cut: it took too little of what was sent to it", "the connection was cut")
        if self.gone or self.closing:
            _close_files(parts)
            return -1
        for part in parts:
            self._out.append(part)
            self.out_bytes += len(part)
        self._over = self._over or self.out_bytes > self._limit
        self.pump()
        return -1 if self.gone else self.out_bytes

    def pump(self) -> None:
        """Moves what waits to the peer, as far as that may read."""
        while self._out and not self.gone and self.peer_end._may_read:
            part = self._out.popleft()
            self.out_bytes -= len(part)
            if isinstance(part, _FilePart):
                self._pump_file(part)
            else:
                self.peer_end._receive(part)
            if self._over and self.out_bytes < self._limit // 2 and not self.gone:
                self._over = False
                self.network._report(self, (self.number, LINK_DRAINED, b""))
                self.peer_end.pump()
        if self.closing and not self._out and not self.gone:
            self.finish("closed here", "the peer closed the connection")

    def _pump_file(self, part: _FilePart) -> None:
        try:
            chunk = part.read()
        except OSError as error:
            chunk = b""
            reason = f"the connection broke: {error}"
        else:
            reason = "the connection broke: a file became shorter while it was sent"
        if part.left and chunk:
            self._out.appendleft(part)
            self.out_bytes += len(part)
        else:
            part.close()
        if chunk:
            self.peer_end._receive(chunk)
        elif part.left:
            self.finish(reason, "the connection was cut")

    # --- receiving ------------------------------------------------------------------------------

    @property
    def _may_read(self) -> bool:
        if self.muted or self._deaf:
            # What comes is dropped: the peer need not wait.
            return self.muted
        return (
            self.inbox_bytes < self.network._settings.link_inbox_bytes
            and self.network._has_room
            and len(self.spooled) < _SPOOLED_MOST
            and not (self._accepted and self._over)
        )

    def _receive(self, data: bytes) -> None:
        if self.muted or self._deaf:
            return
        if self._spool is None and not self._partial and self._is_whole(data):
            self.network._report(self, (self.number, data[0], data))
            return
        self._partial += data
        try:
            while self._cut_one():
                pass
        except OSError as error:
            self.finish(f"a long message could not be kept: {error}", "the connection was cut")

    def _is_whole(self, data: bytes) -> bool:
        """Whether these are one frame and nothing else: the common case."""
        settings = self.network._settings
        if len(data) < _HEADER or len(data) > settings.frame_limits[data[0]]:
            return False
        spooled = settings.spool_prefix[data[0]] and len(data) > settings.spool_over
        return int.from_bytes(data[4:8], "little") == len(data) and not spooled

    def _cut_one(self) -> bool:
        """Takes one frame, or a part of a body, from the front of what was received."""
        if self._spool is not None:
            return self._cut_body(self._spool)
        if len(self._partial) < _HEADER:
            return False
        settings, kind = self.network._settings, self._partial[0]
        total = int.from_bytes(self._partial[4:8], "little")
        if not _HEADER <= total <= settings.frame_limits[kind]:
            self._deaf = True
            self.network._report(self, (self.number, LINK_REFUSED_LENGTH, bytes(self._partial[:_HEADER])))
            self._partial.clear()
            return False
        prefix = settings.spool_prefix[kind]
        spools = prefix and total > settings.spool_over
        want = prefix if spools else total
        if len(self._partial) < want:
            return False
        head = bytes(self._partial[:want])
        del self._partial[:want]
        if spools:
            path = Path(settings.spool_folder) / f"{secrets.token_hex(16)}.part"
            path.touch(mode=0o600, exist_ok=False)
            self._spool = _Spool(path, head, total - prefix)
        else:
            self.network._report(self, (self.number, kind, head))
        return True

    def _cut_body(self, spool: _Spool) -> bool:
        part = bytes(self._partial[: spool.left])
        del self._partial[: len(part)]
        spool.write(part)
        if spool.left:
            return False
        self._spool = None
        self.spooled.append((str(spool.path), spool.hasher.digest(), spool.length))
        self.network._report(self, (self.number, LINK_SPOOLED, spool.prefix))
        return True

    # --- the end --------------------------------------------------------------------------------

    def finish(self, reason: str, peer_reason: str) -> None:
        """Ends both ends."""
        for end, words in ((self, reason), (self.peer_end, peer_reason)):
            if end.gone:
                continue
            end.gone = True
            if end is not self and (end._partial or end._spool):
                words += " in the middle of a message"
            _close_files(end._out)
            end._out.clear()
            end.out_bytes = 0
            if end._spool is not None:
                end._spool.path.unlink(missing_ok=True)
                end._spool = None
            end.network._report(end, (end.number, LINK_CLOSED, words.encode()))


def _close_files(parts: Iterable[bytes | _FilePart]) -> None:
    for part in parts:
        if isinstance(part, _FilePart):
            part.close()
