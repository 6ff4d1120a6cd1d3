"""TCP, QUIC and WebSocket on the event loop: the kernel moves the bytes, a descriptor tells of batches.

Source: edition §2 (keys, certificates), RFC 7250 (raw public keys), RFC 6455 (WebSocket).
"""

import asyncio
from collections.abc import Mapping, Sequence

from mosaic._kernel import _rust
from mosaic.errors import UsageError
from mosaic.transport.network import GateRow, Sink
from mosaic.transport.settings import TransportSettings
from mosaic.transport.transport import HostCertificate, Target, Transport


class SocketNetwork:
    """Listens for and dials peers over all transports; a `Dialer`.

    Every listener speaks X.509 and raw public keys on one port, TLS 1.3 (and
    1.2, where everybody is anonymous). A key is the identity: certificates
    sign themselves, their names and dates mean nothing.

    Args:
        settings: Limits of frames and queues.

    Raises:
        UsageError: the settings contradict themselves.
    """

    def __init__(self, settings: TransportSettings) -> None:
        self._net = _rust.Net(
            frame_limits=settings.frame_limits,
            spool_prefix=settings.spool_prefix,
            spool_folder=settings.spool_folder,
            spool_over=settings.spool_over,
            inbox_bytes=settings.inbox_bytes,
            link_inbox_bytes=settings.link_inbox_bytes,
            link_outbox_bytes=settings.link_outbox_bytes,
            handshake_ms=settings.handshake_ms,
            workers=settings.workers,
            quic_keep_alive_ms=settings.quic_keep_alive_ms,
            quic_idle_ms=settings.quic_idle_ms,
        )
        self._sink: Sink | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopped = False

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
        """Listens on a host and port (0 picks one) with the key of a 32-byte seed.

        Args:
            transport: Over what.
            host: A name or address of this machine.
            port: The port.
            seed: The secret of the key that the listener proves.
            names: Certificates for browsers, for each host name that they may ask for. WebSocket only.
            plain: Whether peers may come without TLS, through the operator's own proxy. WebSocket only.

        Returns:
            The port.

        Raises:
            ListenFailed: the address can't be had, or a certificate does not hold.
            InvalidSecretKey: the seed is not one.
            UsageError: names or `plain` for another transport than WebSocket.
        """
        if (names or plain) and transport is not Transport.WS:
            raise UsageError("Certificates of authorities and plain connections are for WebSocket only.")
        match transport:
            case Transport.TCP:
                return self._net.listen_tcp(host, port, seed)
            case Transport.QUIC:
                return self._net.listen_quic(host, port, seed)
            case Transport.WS:
                files = [(each.name, each.chain, each.key) for each in names]
                return self._net.listen_ws(host, port, seed, names=files, plain=plain)

    def listen_address(self, port: int, transport: Transport = Transport.TCP) -> str:
        """Where a transport's listener of that port listens, as HOST:PORT. Raises UsageError."""
        return self._net.listen_address(port, transport.value)

    def stop_listening(self) -> None:
        """Ends all listeners; links stay."""
        self._net.stop_listening()

    def dial(self, target: Target) -> int:
        """See `Dialer.dial`. Raises UsageError for a proxy with QUIC, or an authority that is none."""
        proxy = target.proxy.arguments() if target.proxy else None
        if target.transport is Transport.WS:
            return self._net.dial_ws(
                target.host,
                target.port,
                server_key=target.server_key,
                seed=target.seed,
                request=target.request,
                timeout_ms=target.timeout_ms,
                raw_key=target.raw_key,
                own_raw_key=target.own_raw_key,
                authorities=target.authorities,
                name=target.name or None,
                proxy=proxy,
            )
        if target.transport is Transport.TCP:
            return self._net.dial_tcp(
                target.host,
                target.port,
                server_key=target.server_key,
                seed=target.seed,
                timeout_ms=target.timeout_ms,
                raw_key=target.raw_key,
                own_raw_key=target.own_raw_key,
                proxy=proxy,
            )
        if proxy:
            raise UsageError("QUIC can't go through a proxy.", hint="Dial a TCP or WebSocket address.")
        return self._net.dial_quic(
            target.host,
            target.port,
            server_key=target.server_key,
            seed=target.seed,
            timeout_ms=target.timeout_ms,
            raw_key=target.raw_key,
            own_raw_key=target.own_raw_key,
        )

    def open_stream(self, link: int, timeout_ms: int = 10_000) -> int:
        """See `Dialer.open_stream`."""
        return self._net.open_stream(link, timeout_ms)

    def answer_upgrade(self, link: int, head: bytes, accepted: bool) -> None:  # noqa: FBT001
        """See `Network.answer_upgrade`."""
        self._net.answer_upgrade(link, head, accepted)

    def start(self, sink: Sink) -> None:
        """See `Network.start`. Raises UsageError the second time."""
        if self._loop is not None:
            raise UsageError("The network was started before.", hint="Make a new one.")
        self._loop = asyncio.get_running_loop()
        self._sink = sink
        self._loop.add_reader(self._net.fileno(), self._hand_up)

    def _hand_up(self) -> None:
        batch = self._net.poll()
        if batch and self._sink is not None:
            self._sink(batch)

    def pause(self) -> None:
        """See `Network.pause`."""
        if self._loop is not None:
            self._loop.remove_reader(self._net.fileno())

    def resume(self) -> None:
        """See `Network.resume`."""
        if self._loop is not None and not self._stopped:
            self._loop.add_reader(self._net.fileno(), self._hand_up)

    def send(self, link: int, data: bytes) -> int:
        """See `Network.send`."""
        return self._net.send(link, data)

    def deliver(self, record: bytes, targets: Sequence[tuple[int, int]]) -> list[int]:
        """See `Network.deliver`."""
        return self._net.deliver(record, targets)

    def send_file(self, link: int, head: bytes, path: str, offset: int, length: int) -> int:
        """See `Network.send_file`. `offset` and `length` are bytes."""
        return self._net.send_file(link, head, path, offset, length)

    def pending(self, link: int) -> int:
        """See `Network.pending`."""
        return self._net.pending(link)

    def set_gate(self, rows: Sequence[GateRow]) -> None:
        """See `Entrance.set_gate`."""
        self._net.set_gate(rows)

    def set_trusted(self, networks: Sequence[tuple[bytes, int]]) -> None:
        """See `Entrance.set_trusted`."""
        self._net.set_trusted(networks)

    def set_blocked(self, networks: Sequence[tuple[bytes, int]]) -> None:
        """See `Entrance.set_blocked`."""
        self._net.set_blocked(networks)

    def prefer(self, link: int, preferred: bool) -> None:  # noqa: FBT001
        """See `Entrance.prefer`."""
        self._net.prefer(link, preferred)

    def limit_frames(self, link: int, kind: int, most: int) -> None:
        """See `Entrance.limit_frames`. `most` is bytes."""
        self._net.limit_frames(link, kind, most)

    def pending_total(self) -> int:
        """See `Entrance.pending_total`."""
        return self._net.pending_total()

    def heaviest(self, most: int) -> list[tuple[int, int]]:
        """See `Entrance.heaviest`."""
        return self._net.heaviest(most)

    def counts(self) -> Mapping[str, int]:
        """See `Entrance.counts`."""
        return self._net.counts()

    def close(self, link: int) -> None:
        """See `Network.close`."""
        self._net.close(link)

    def abort(self, link: int) -> None:
        """See `Network.abort`."""
        self._net.abort(link)

    def take_spooled(self, link: int) -> tuple[str, bytes, int]:
        """See `Network.take_spooled`."""
        return self._net.take_spooled(link)

    def peer_address(self, link: int) -> tuple[str, int]:
        """See `Network.peer_address`."""
        return self._net.peer_address(link)

    async def stop(self, grace_s: float) -> None:
        """See `Network.stop`."""
        self._stopped = True
        if self._loop is not None:
            self._loop.remove_reader(self._net.fileno())
        await asyncio.to_thread(self._net.shutdown, max(0, int(grace_s * 1_000)))
        while batch := self._net.poll():
            if self._sink is not None:
                self._sink(batch)
