"""One end of a link in memory: cuts what comes, queues what goes, with the bounds of a socket's link.

Source: this project's own design, docs/architecture.md "A person acts".
"""

import os
import secrets
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

from mosaic._kernel import _rust
from mosaic.transport.events import LINK_CLOSED, LINK_DRAINED, LINK_REFUSED_LENGTH, LINK_SPOOLED
from mosaic.transport.network import Event
from mosaic.transport.settings import TransportSettings

_HEADER = 8
_CHUNK = 65_536
_SPOOLED_MOST = 4

Report: TypeAlias = "Callable[[MemoryEnd, Event], None]"
HasRoom: TypeAlias = Callable[[], bool]


@dataclass(slots=True)
class FilePart:
    """Bytes of an open file that are still to be sent.

    Args:
        descriptor: The open file; -1 once it is closed.
        offset: Where the next byte stands.
        left: How many bytes are still to be read.
    """

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
class Spool:
    """A body on its way to a file.

    Args:
        path: The file.
        prefix: The first bytes of the frame, which stay out of the file.
        left: How many bytes are still to come.
        length: How many bytes have come.
        hasher: Of what has come.
    """

    path: Path
    prefix: bytes
    left: int
    length: int = 0
    hasher: _rust.Blake3 = field(default_factory=_rust.Blake3)

    def write(self, data: bytes) -> None:
        """Appends the next bytes of the body."""
        with self.path.open("ab") as file:
            file.write(data)
        self.hasher.update(data)
        self.length += len(data)
        self.left -= len(data)


_NO_LIMIT: Final = 1 << 32
"""More than a header can say."""


class MemoryEnd:
    """One end of one link.

    Args:
        settings: Limits of frames and queues.
        number: The link's number on this side.
        accepted: Whether the peer has dialled us.
        report: Takes each event of this end.
        has_room: Whether the queue of events of all links has room.
    """

    def __init__(
        self, settings: TransportSettings, number: int, *, accepted: bool, report: Report, has_room: HasRoom
    ) -> None:
        self.number = number
        self.report = report
        self._settings = settings
        self._has_room = has_room
        self.peer: MemoryEnd | None = None
        self.inbox_bytes = 0
        self.out_bytes = 0
        self.spooled: deque[tuple[str, bytes, int]] = deque()
        self.own_limits: dict[int, int] = {}
        self.muted = self.closing = self.gone = False
        self._accepted = accepted
        self.out: deque[bytes | FilePart] = deque()
        self._over = False
        self._deaf = False
        self.partial = bytearray()
        self.spool: Spool | None = None

    @property
    def peer_end(self) -> "MemoryEnd":
        """The other end."""
        if self.peer is None:  # both ends are joined before either is used
            raise AssertionError
        return self.peer

    @property
    def _limit(self) -> int:
        return self._settings.link_outbox_bytes

    @property
    def is_full(self) -> bool:
        """Whether nothing more should be queued now."""
        return self.out_bytes >= self._limit

    @property
    def pending(self) -> int:
        """The bytes that wait, -1 if the link is gone."""
        return -1 if self.gone else self.out_bytes

    @property
    def is_inside(self) -> bool:
        """Whether what came ends inside of a frame."""
        return bool(self.partial) or self.spool is not None

    # --- sending --------------------------------------------------------------------------------

    def send(self, parts: Iterable[bytes | FilePart]) -> int:
        """Queues parts of whole frames; the bytes now waiting, or -1."""
        if self.out_bytes > 4 * self._limit and self.out_bytes - self._longest() > 4 * self._limit:
            self.finish("cut: it took too little of what was sent to it", "the connection was cut")
        if self.gone or self.closing:
            close_files(parts)
            return -1
        for part in parts:
            self.out.append(part)
            self.out_bytes += len(part)
        self._over = self._over or self.out_bytes > self._limit
        self.pump()
        return self.pending

    def _longest(self) -> int:
        """The length of the longest part that alone is more than the limit."""
        return max((len(part) for part in self.out if len(part) > self._limit), default=0)

    def pump(self) -> None:
        """Moves what waits to the peer, as far as that may read."""
        while self.out and not self.gone and self.peer_end.may_read:
            part = self.out.popleft()
            self.out_bytes -= len(part)
            if isinstance(part, FilePart):
                self._pump_file(part)
            else:
                self.peer_end.receive(part)
            if self._over and self.out_bytes < self._limit // 2 and not self.gone:
                self._over = False
                self.report(self, (self.number, LINK_DRAINED, b""))
                self.peer_end.pump()
        if self.closing and not self.out and not self.gone:
            self.finish("closed here", "the peer closed the connection")

    def _pump_file(self, part: FilePart) -> None:
        try:
            chunk = part.read()
        except OSError as error:
            chunk = b""
            reason = f"the connection broke: {error}"
        else:
            reason = "the connection broke: a file became shorter while it was sent"
        if part.left and chunk:
            self.out.appendleft(part)
            self.out_bytes += len(part)
        else:
            part.close()
        if chunk:
            self.peer_end.receive(chunk)
        elif part.left:
            self.finish(reason, "the connection was cut")

    # --- receiving ------------------------------------------------------------------------------

    @property
    def may_read(self) -> bool:
        """Whether the peer may move more bytes here."""
        if self.muted or self._deaf:
            # What comes is dropped: the peer need not wait.
            return self.muted
        return (
            self.inbox_bytes < self._settings.link_inbox_bytes
            and self._has_room()
            and len(self.spooled) < _SPOOLED_MOST
            and not (self._accepted and self._over)
        )

    def receive(self, data: bytes) -> None:
        """Cuts the next bytes of the stream."""
        if self.muted or self._deaf:
            return
        if self.spool is None and not self.partial and self._is_whole(data):
            self.report(self, (self.number, data[0], data))
            return
        self.partial += data
        try:
            while self._cut_one():
                pass
        except OSError as error:
            self.finish(f"a long message could not be kept: {error}", "the connection was cut")

    def _is_whole(self, data: bytes) -> bool:
        """Whether these are one frame and nothing else: the common case."""
        settings = self._settings
        if len(data) < _HEADER or len(data) > self._longest_of(data[0]):
            return False
        spooled = settings.spool_prefix[data[0]] and len(data) > settings.spool_over
        return int.from_bytes(data[4:8], "little") == len(data) and not spooled

    def _longest_of(self, kind: int) -> int:
        """The greatest length of a type on this link."""
        return min(self._settings.frame_limits[kind], self.own_limits.get(kind, _NO_LIMIT))

    def _cut_one(self) -> bool:
        """Takes one frame, or a part of a body, from the front of what was received."""
        if self.spool is not None:
            return self._cut_body(self.spool)
        if len(self.partial) < _HEADER:
            return False
        settings, kind = self._settings, self.partial[0]
        total = int.from_bytes(self.partial[4:8], "little")
        if not _HEADER <= total <= self._longest_of(kind):
            self._deaf = True
            self.report(self, (self.number, LINK_REFUSED_LENGTH, bytes(self.partial[:_HEADER])))
            self.partial.clear()
            return False
        prefix = settings.spool_prefix[kind]
        spools = prefix and total > settings.spool_over
        want = prefix if spools else total
        if len(self.partial) < want:
            return False
        head = bytes(self.partial[:want])
        del self.partial[:want]
        if spools:
            path = Path(settings.spool_folder) / f"{secrets.token_hex(16)}.part"
            path.touch(mode=0o600, exist_ok=False)
            self.spool = Spool(path, head, total - prefix)
        else:
            self.report(self, (self.number, kind, head))
        return True

    def _cut_body(self, spool: Spool) -> bool:
        part = bytes(self.partial[: spool.left])
        del self.partial[: len(part)]
        spool.write(part)
        if spool.left:
            return False
        self.spool = None
        self.spooled.append((str(spool.path), spool.hasher.digest(), spool.length))
        self.report(self, (self.number, LINK_SPOOLED, spool.prefix))
        return True

    # --- the end --------------------------------------------------------------------------------

    def finish(self, reason: str, peer_reason: str) -> None:
        """Ends both ends."""
        for end, words in ((self, reason), (self.peer_end, peer_reason)):
            if end.gone:
                continue
            end.gone = True
            middle = " in the middle of a message" if end is not self and end.is_inside else ""
            close_files(end.out)
            end.out.clear()
            end.out_bytes = 0
            if end.spool is not None:
                end.spool.path.unlink(missing_ok=True)
                end.spool = None
            end.report(end, (end.number, LINK_CLOSED, (words + middle).encode()))


def close_files(parts: Iterable[bytes | FilePart]) -> None:
    """Lets go of the files among what will not be sent."""
    for part in parts:
        if isinstance(part, FilePart):
            part.close()
