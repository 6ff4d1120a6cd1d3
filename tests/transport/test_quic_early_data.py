"""What a client of QUIC sends before the handshake is never read: anybody could say it again.

Source: RFC 9001, 4.6 (0-RTT); edition §2.
"""

import datetime as dt
import select
import socket
import ssl
import time
from collections.abc import Callable

import pytest
from aioquic._buffer import Buffer
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import MAX_EARLY_DATA, QuicConnection
from aioquic.quic.events import StreamDataReceived
from aioquic.quic.packet import QuicPacketType, pull_quic_header
from aioquic.tls import CipherSuite, SessionTicket, State
from tests.transport.station import CLIENT_SEED, PATIENCE_S, Station, frame

from mosaic._kernel._rust import LINK_CLOSED, public_key

pytestmark = [pytest.mark.parametrize("transport", ["quic"], indirect=True), pytest.mark.claim("C48")]


class Foreign:
    """A connection of aioquic, driven by hand."""

    def __init__(self, port: int, ticket: SessionTicket | None = None) -> None:
        self.tickets: list[SessionTicket] = []
        self.sent: list[bytes] = []
        self._heard = b""
        self.quic = QuicConnection(
            configuration=QuicConfiguration(
                alpn_protocols=["mosaic"],
                server_name="mosaic",
                verify_mode=ssl.CERT_NONE,
                session_ticket=ticket,
            ),
            session_ticket_handler=self.tickets.append,
        )
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect(("127.0.0.1", port))
        self.quic.connect(("127.0.0.1", port), now=time.monotonic())

    def send(self, data: bytes) -> None:
        """Writes on the first stream, and sends what may be sent now."""
        self.quic.send_stream_data(0, data)
        self.flush()

    def flush(self) -> None:
        for datagram, _ in self.quic.datagrams_to_send(now=time.monotonic()):
            self.sent.append(datagram)
            self.socket.send(datagram)

    def until(self, wanted: Callable[[], bool]) -> None:
        """Listens and answers until something holds."""
        end = time.monotonic() + PATIENCE_S
        while not wanted():
            now = time.monotonic()
            assert now < end, "what was waited for did not come"
            timer = self.quic.get_timer()
            ready, _, _ = select.select([self.socket], [], [], max(0, min(timer or end, end) - now))
            if ready:
                data = self.socket.recv(65_536)
                self.quic.receive_datagram(data, self.socket.getpeername(), now=time.monotonic())
            elif timer is not None:
                self.quic.handle_timer(now=time.monotonic())
            self.flush()

    def is_answered(self) -> bool:
        """Whether the handshake is over."""
        return self.quic.tls.state is State.CLIENT_POST_HANDSHAKE

    @property
    def heard(self) -> bytes:
        """What the server has sent on the first stream."""
        while (event := self.quic.next_event()) is not None:
            if isinstance(event, StreamDataReceived):
                self._heard += event.data
        return self._heard

    def end(self) -> None:
        self.quic.close()
        self.flush()
        self.socket.close()


def kinds(datagram: bytes) -> list[QuicPacketType]:
    """What packets there are in a client's first datagrams."""
    found, buffer = [], Buffer(data=datagram)
    while not buffer.eof() and buffer.data_slice(buffer.tell(), buffer.tell() + 1) != b"\0":
        start = buffer.tell()
        header = pull_quic_header(buffer, host_cid_length=8)
        found.append(header.packet_type)
        buffer.seek(start + header.packet_length)
    return found


def forged(first: Foreign) -> SessionTicket:
    """What a server that takes early data would have handed out."""
    now = dt.datetime.now(dt.UTC)
    return SessionTicket(
        age_add=0,
        cipher_suite=CipherSuite.AES_128_GCM_SHA256,
        not_valid_before=now,
        not_valid_after=now + dt.timedelta(days=1),
        resumption_secret=bytes(32),
        server_name="mosaic",
        ticket=bytes(64),
        max_early_data_size=MAX_EARLY_DATA,
        other_extensions=first.quic.tls.received_extensions or [],
    )


def test_early_data_is_neither_offered_nor_read_nor_replayed(server: Station, client: Station) -> None:
    port = server.listen()
    first = Foreign(port)
    first.send(frame(1, b"first"))
    first.until(first.is_answered)
    link, _ = server.opened()
    assert server.next() == (link, 1, frame(1, b"first"))
    server.net.send(link, frame(1, b"answer"))
    first.until(lambda: frame(1, b"answer") in first.heard)
    first.end()
    assert server.next()[:2] == (link, LINK_CLOSED)
    assert all(ticket.max_early_data_size is None for ticket in first.tickets)

    # Somebody does not care for what he was offered.
    eager = Foreign(port, forged(first))
    eager.send(frame(2, b"early"))
    flight = list(eager.sent)
    assert QuicPacketType.ZERO_RTT in [kind for each in flight for kind in kinds(each)]
    # Nor does who has listened to it, and says it again from elsewhere.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as elsewhere:
        for datagram in flight * 3:
            elsewhere.sendto(datagram, ("127.0.0.1", port))
    # Who comes later and shakes hands is the first whom the server hears of.
    client.dial(port, seed=CLIENT_SEED)
    assert server.opened()[1] == public_key(CLIENT_SEED)
    assert server.is_quiet()

    # After the handshake it is sent again, and read once.
    eager.until(eager.is_answered)
    assert not eager.quic.tls.early_data_accepted
    assert not eager.quic.tls.session_resumed
    eager.send(frame(3, b"late"))
    eager.until(lambda: server.is_quiet() is False and len(server.seen) == 3)
    link, _ = server.opened()
    assert server.take(2) == [(link, 2, frame(2, b"early")), (link, 3, frame(3, b"late"))]
    eager.end()
    assert server.next()[:2] == (link, LINK_CLOSED)
    assert server.is_quiet()
