"""The face of every network, whatever carries its bytes."""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

Event: TypeAlias = tuple[int, int, bytes]
"""(link, what, data): `what` under 256 is a frame's type and `data` the whole frame; else see `events`."""

Sink: TypeAlias = Callable[[Sequence[Event]], None]
"""Takes a batch of events in the order in which they came about."""


class Network(Protocol):
    """Links to peers. All calls belong to the thread of the event loop; none blocks.

    A link has a number that is never used again. Its first event is
    LINK_OPENED (data: the peer's proven key of 32 bytes, or nothing if it is
    anonymous), its last LINK_CLOSED. Queues are bounded in bytes: who sends
    more than the limit is told by LINK_DRAINED when half of it has left, and
    a peer that does not read its answers is not read from either.
    """

    def start(self, sink: Sink) -> None:
        """Begins to hand batches of events to `sink`, on the running event loop.

        Raises:
            RuntimeError: there is no running event loop.
            UsageError: it was started before.
        """
        ...

    def pause(self) -> None:
        """Hands up no more batches for now; what comes waits in the bounded queues, then in the peers'."""
        ...

    def resume(self) -> None:
        """Hands up batches again."""
        ...

    def send(self, link: int, data: bytes) -> int:
        """Queues whole frames (one or several, joined).

        Returns:
            The bytes now waiting, or -1 if the link is gone. Over four times
            the limit the link is cut, unless a single frame is to blame.
        """
        ...

    def deliver(self, record: bytes, targets: Sequence[tuple[int, int]]) -> list[int]:
        """Queues a RECORD frame for each (link, query id), the record's bytes shared.

        Returns:
            The indexes of the targets whose queue was full or whose link is
            gone: for those nothing was queued.
        """
        ...

    def send_file(self, link: int, head: bytes, path: str, offset: int, length: int) -> int:
        """Queues `head` and then `length` bytes of a file from `offset` on, read as the peer takes them.

        Returns:
            The bytes now waiting (a file counts for 64 KiB at most), or -1 if the link is gone.

        Raises:
            OSError: the file can't be read or is shorter; nothing was queued.
        """
        ...

    def pending(self, link: int) -> int:
        """The bytes queued towards a link, -1 if it is gone."""
        ...

    def close(self, link: int) -> None:
        """Sends what is queued, then closes. Frames that still come from it are dropped."""
        ...

    def abort(self, link: int) -> None:
        """Drops the link at once, with what is queued."""
        ...

    def take_spooled(self, link: int) -> tuple[str, bytes, int]:
        """Takes over the file of the oldest LINK_SPOOLED event not yet taken.

        To be called while the batch with that event is handled or later, at
        the latest in the batch with the link's LINK_CLOSED: then it is removed.

        Returns:
            Its path, the BLAKE3-256 of its bytes and their number.

        Raises:
            UsageError: no file waits.
            Disconnected: the link has ended.
        """
        ...

    def peer_address(self, link: int) -> tuple[str, int]:
        """The peer's host and port.

        Raises:
            Disconnected: the link has ended, or is not connected yet.
        """
        ...

    async def stop(self, grace_s: float) -> None:
        """Stops listening, lets queues drain for at most `grace_s` seconds, ends all links.

        Their ends are reported.
        """
        ...


class Dialer(Network, Protocol):
    """A network that can also connect to servers."""

    def dial(
        self,
        host: str,
        port: int,
        *,
        server_key: bytes | None,
        seed: bytes | None,
        timeout_ms: int = 10_000,
        raw_key: bool = False,
    ) -> int:
        """Begins to connect.

        Args:
            host: A name or address.
            port: The port.
            server_key: The key (32 bytes) that must answer. It is compared before our own goes out.
            seed: Our own secret (32 bytes), or None to stay anonymous.
            timeout_ms: For name, connection and handshake together.
            raw_key: Whether both sides show raw public keys instead of certificates.

        Returns:
            The link's number. It ends in LINK_OPENED (data: the server's key), DIAL_FAILED (data: the
            reason in words) or DIAL_WRONG_KEY (data: the key that answered).
        """
        ...
