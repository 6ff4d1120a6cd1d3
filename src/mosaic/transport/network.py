"""The face of every network, whatever carries its bytes.

Source: this project's own design, docs/architecture.md "A record arrives".
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeAlias

from mosaic.transport.transport import HostCertificate, Target, Transport

Event: TypeAlias = tuple[int, int, bytes]
"""(link, what, data): `what` under 256 is a frame's type and `data` the whole frame; else see `events`."""

Sink: TypeAlias = Callable[[Sequence[Event]], None]
"""Takes a batch of events in the order in which they came about."""

GateRow: TypeAlias = tuple[int, int, float, int, int]
"""The bounds of one size of network: (bits of an IPv4 address, bits of an IPv6 address, connections a second,
connections at once after a pause, most open at once); 0 a second or open is no bound."""


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

    def answer_upgrade(self, link: int, head: bytes, accepted: bool) -> None:  # noqa: FBT001
        """Answers LINK_UPGRADE, which comes after LINK_OPENED where the link is a WebSocket.

        Its data is a byte (0 native, 1 browser mode, 2 plain) and the whole HTTP head: a request at the
        server, the response at the client. Nothing is read until it is answered.

        Args:
            link: The link.
            head: The whole response, with its empty line; empty at the client.
            accepted: Whether frames follow; else the link closes once `head` is sent.

        Raises:
            UsageError: the link waits for no such answer.
            Disconnected: the link has ended.
        """
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
            Its path, the BLAKE3-256 of its bytes and their number. The path is
            empty if the disk was full: then nothing was kept.

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


class Entrance(Network, Protocol):
    """A network whose links peers open: it decides by their addresses who may."""

    def set_gate(self, rows: Sequence[GateRow]) -> None:
        """How fast and how many may connect from each size of network, from now on.

        Raises:
            UsageError: a row is none.
        """
        ...

    def set_trusted(self, networks: Sequence[tuple[bytes, int]]) -> None:
        """Whom the gate does not count.

        Args:
            networks: An address of each (4 or 16 bytes), and how many of its bits count.
        """
        ...

    def set_blocked(self, networks: Sequence[tuple[bytes, int]]) -> None:
        """Whose connections are dropped without an answer from now on: as `set_trusted` has them."""
        ...

    def prefer(self, link: int, preferred: bool) -> None:  # noqa: FBT001
        """Whether a link's events are handed up before those of others, which come a few at a time then."""
        ...

    def limit_frames(self, link: int, kind: int, most: int) -> None:
        """The greatest length of one type on one link, for frames that begin from now on.

        Args:
            link: The link.
            kind: The type, a byte.
            most: The length, in bytes.
        """
        ...

    def pending_total(self) -> int:
        """The bytes queued towards all peers."""
        ...

    def heaviest(self, most: int) -> list[tuple[int, int]]:
        """(link, bytes queued towards it) of up to so many links, most bytes first."""
        ...

    def counts(self) -> Mapping[str, int]:
        """What happened since it began: `accepted`, `blocked`, `paced` connections and more, by name."""
        ...


class ListeningNetwork(Entrance, Protocol):
    """An entrance at addresses of this machine."""

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
        """Listens on a host and port (0 picks one) with the key of a 32-byte seed; the port.

        Args:
            transport: Over what.
            host: A name or address of this machine.
            port: The port.
            seed: The secret of the key that the listener proves.
            names: Certificates for browsers, for each host name that they may ask for. WebSocket only.
            plain: Whether peers may come without TLS, through the operator's own proxy. WebSocket only.

        Raises:
            ListenFailed: the address can't be had, or a certificate does not hold.
            InvalidSecretKey: the seed is not one.
            UsageError: names or `plain` for another transport than WebSocket.
        """
        ...


class Dialer(Network, Protocol):
    """A network that can also connect to servers."""

    def dial(self, target: Target) -> int:
        """Begins to connect.

        Returns:
            The link's number. It ends in LINK_OPENED (data: the server's key, nothing in a WebSocket's
            browser mode), DIAL_FAILED (data: the reason in words), DIAL_REFUSED_FORM (words: the server
            broke off the handshake, raw keys may do), DIAL_FOREIGN_CERTIFICATE (words: its certificate
            is not an Ed25519 one, browser mode may do) or DIAL_WRONG_KEY (data: the key that answered).

        Raises:
            UsageError: the target contradicts itself.
        """
        ...

    def open_stream(self, link: int, timeout_ms: int = 10_000) -> int:
        """Opens one more stream of a QUIC connection that was dialled; a link of its own.

        Returns:
            The new link's number. It ends in LINK_OPENED or DIAL_FAILED.

        Raises:
            UsageError: the link is no QUIC stream.
            Disconnected: the link has ended.
        """
        ...
