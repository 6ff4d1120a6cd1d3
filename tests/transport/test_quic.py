"""What is QUIC's own: streams as sessions of one peer, addresses that are proven or move, and floods."""

import contextlib
import os
import random
import socket

import pytest
from tests.transport.conftest import MakeStation
from tests.transport.relay import Relay, is_retry
from tests.transport.station import CLIENT_SEED, SERVER_SEED, Station, connect, frame, use_own_link

from mosaic._kernel._rust import (
    DIAL_FAILED,
    DIAL_WRONG_KEY,
    LINK_CLOSED,
    LINK_DRAINED,
    LINK_OPENED,
    LINK_REFUSED_LENGTH,
    public_key,
)
from mosaic.errors import Disconnected, ListenFailed, UsageError

SERVER_KEY = public_key(SERVER_SEED)
CLIENT_KEY = public_key(CLIENT_SEED)

pytestmark = pytest.mark.parametrize("transport", ["quic"], indirect=True)


def another_stream(server: Station, client: Station, link: int) -> tuple[int, int]:
    """Opens one more stream beside `link` of the client: (link at the server, link at the client)."""
    opened = client.net.open_stream(link)
    assert client.opened() == (opened, SERVER_KEY)
    client.net.send(opened, frame(1, b"first bytes"))
    at_server, key = server.opened()
    assert key == CLIENT_KEY
    assert server.next() == (at_server, 1, frame(1, b"first bytes"))
    return at_server, opened


@pytest.mark.claim("C48")
def test_streams_are_independent_sessions_of_one_peer(server: Station, client: Station) -> None:
    at_server, at_client = connect(server, client, seed=CLIENT_SEED)
    pairs = [(at_server, at_client), *(another_stream(server, client, at_client) for _ in range(3))]
    assert len({server.net.peer_address(near) for near, _ in pairs}) == 1
    for number, (near, far) in enumerate(pairs):
        server.net.send(near, frame(2, bytes([number])))
        assert client.next() == (far, 2, frame(2, bytes([number])))
    # The end of one, whichever way, is not that of the others.
    closed, aborted, refused, rest = pairs
    client.net.close(closed[1])
    assert server.next() == (closed[0], LINK_CLOSED, b"the peer closed the connection")
    assert client.next() == (closed[1], LINK_CLOSED, b"closed here")
    server.net.abort(aborted[0])
    assert server.next() == (aborted[0], LINK_CLOSED, b"dropped here")
    assert client.next() == (aborted[1], LINK_CLOSED, b"the connection was cut")
    client.net.send(refused[1], b"\x01\0\0\0\xff\xff\xff\xff")
    assert server.next()[:2] == (refused[0], LINK_REFUSED_LENGTH)
    server.net.close(refused[0])
    assert server.next()[:2] == (refused[0], LINK_CLOSED)
    assert client.next()[:2] == (refused[1], LINK_CLOSED)
    whole = frame(3, os.urandom(50_000))
    client.net.send(rest[1], whole)
    assert server.next() == (rest[0], 3, whole)


def test_a_slow_stream_does_not_hold_up_its_siblings(make_station: MakeStation) -> None:
    server, client = make_station(link_inbox_bytes=10_000), make_station(link_outbox_bytes=10_000_000)
    at_server, at_client = connect(server, client, seed=CLIENT_SEED)
    second, beside = another_stream(server, client, at_client)
    one = frame(4, os.urandom(992))
    for _ in range(3_000):
        client.net.send(beside, one)
    for number in range(100):
        client.net.send(at_client, frame(5, bytes([number])))
        answer = server.until(lambda events: any(what == 5 for _, what, _ in events))
        server.seen = [event for event in answer if event[1] != 5]
        assert (at_server, 5, frame(5, bytes([number]))) in answer
    assert server.take(3_000) == [(second, 4, one)] * 3_000


def test_a_connection_ends_with_its_last_stream(server: Station, client: Station) -> None:
    at_server, at_client = connect(server, client, seed=CLIENT_SEED)
    second, beside = another_stream(server, client, at_client)
    client.net.close(at_client)
    assert server.next()[:2] == (at_server, LINK_CLOSED)
    assert client.next()[:2] == (at_client, LINK_CLOSED)
    client.net.close(beside)
    assert client.next()[:2] == (beside, LINK_CLOSED)
    assert server.next()[:2] == (second, LINK_CLOSED)
    client.net.poll()
    with pytest.raises(Disconnected):
        client.net.open_stream(beside)


def test_only_who_dialled_with_quic_opens_streams(
    server: Station, client: Station, make_station: MakeStation
) -> None:
    at_server, _ = connect(server, client)
    with pytest.raises(UsageError, match="dialled with QUIC"):
        server.net.open_stream(at_server)
    port = server.net.listen_tcp("127.0.0.1", 0, SERVER_SEED)
    over_tcp = client.net.dial_tcp("127.0.0.1", port, server_key=None, seed=None)
    client.opened()
    with pytest.raises(UsageError, match="dialled with QUIC"):
        client.net.open_stream(over_tcp)
    with pytest.raises(UsageError):
        make_station(streams=0)
    with pytest.raises(UsageError):
        make_station(quic_idle_ms=0)


def test_no_more_streams_than_the_server_allows(make_station: MakeStation) -> None:
    server, client = make_station(streams=2), make_station()
    _, at_client = connect(server, client, seed=CLIENT_SEED)
    _, beside = another_stream(server, client, at_client)
    late = client.net.open_stream(at_client, 50)
    assert client.next() == (late, DIAL_FAILED, b"no answer within 50 ms")
    waiting = client.net.open_stream(at_client)
    client.net.close(beside)
    assert {(link, what) for link, what, _ in client.take(2)} == {
        (beside, LINK_CLOSED),
        (waiting, LINK_OPENED),
    }


def both_transports(server: Station) -> int:
    """A port with the same number on UDP and, with another key, on TCP. Others may hold one of a pair."""
    for _ in range(50):
        port = server.listen()
        with contextlib.suppress(ListenFailed):
            return server.net.listen_tcp("127.0.0.1", port, CLIENT_SEED)
    raise AssertionError("no port is free on both")


def test_one_port_takes_udp_and_tcp_apart(server: Station, client: Station) -> None:
    port = both_transports(server)
    assert server.net.listen_address(port, "quic") == server.net.listen_address(port, "tcp")
    client.dial(port)
    assert client.opened()[1] == SERVER_KEY
    client.net.dial_tcp("127.0.0.1", port, server_key=None, seed=None)
    assert client.opened()[1] == CLIENT_KEY


@pytest.mark.claim("C50")
@pytest.mark.parametrize("raw_key", [False, True])
def test_a_wrong_key_is_told_by_each_form(server: Station, client: Station, raw_key: bool) -> None:
    dialled = client.dial(server.listen(), server_key=CLIENT_KEY, seed=CLIENT_SEED, raw_key=raw_key)
    assert client.next() == (dialled, DIAL_WRONG_KEY, SERVER_KEY)
    assert server.is_quiet()


def test_nobody_there_is_a_failed_dial(client: Station) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        dialled = client.dial(taken.getsockname()[1], timeout_ms=50)
        link, what, reason = client.next()
        assert (link, what) == (dialled, DIAL_FAILED)
        assert b"no answer" in reason
        dialled = client.dial(taken.getsockname()[1])
        client.net.abort(dialled)
        assert client.next() == (dialled, DIAL_FAILED, b"given up here")


@pytest.mark.claim("C48")
@pytest.mark.parametrize("raw_key", [False, True])
def test_a_client_that_moves_keeps_its_links(server: Station, client: Station, raw_key: bool) -> None:
    port = server.listen()
    with Relay(port) as relay:
        at_client = client.dial(relay.port, server_key=SERVER_KEY, seed=CLIENT_SEED, raw_key=raw_key)
        client.opened()
        at_server, _ = server.opened()
        before = server.net.peer_address(at_server)
        for number in range(10):
            relay.move()
            whole = frame(1, os.urandom(60_000))
            client.net.send(at_client, whole)
            assert server.next() == (at_server, 1, whole)
            server.net.send(at_server, frame(2, bytes([number])))
            assert client.next() == (at_client, 2, frame(2, bytes([number])))
        assert server.net.peer_address(at_server) != before


def test_a_crowd_must_prove_its_addresses(make_station: MakeStation) -> None:
    with Relay(make_station(retry_over=0).listen()) as relay:
        client = make_station()
        client.dial(relay.port)
        client.opened()
        assert is_retry(relay.from_server[0])
        assert [is_retry(packet) for packet in relay.from_server].count(True) == 1
    with Relay(make_station(retry_over=1).listen()) as relay:
        client.dial(relay.port)
        client.opened()
        assert not any(is_retry(packet) for packet in relay.from_server)


def test_who_forges_addresses_does_not_keep_others_out(make_station: MakeStation) -> None:
    server, victims, client = make_station(retry_over=8), make_station(), make_station()
    port = server.listen()
    # Nothing that the server says arrives: as with a forged address.
    with Relay(port, passes=lambda _: False) as void:
        for _ in range(40):
            victims.dial(void.port, timeout_ms=30_000)
        void.wait(lambda packets: any(map(is_retry, packets)))
        for _ in range(20):
            client.dial(port)
        client.take(20)
        server.take(20)
    assert server.is_quiet()


def test_half_open_handshakes_give_way_when_they_are_too_many(make_station: MakeStation) -> None:
    server, silent, client = make_station(retry_over=10_000), make_station(), make_station()
    port = server.listen()
    with Relay(port, passes=lambda _: False) as void:
        for _ in range(540):
            silent.dial(void.port, timeout_ms=30_000)
        client.dial(port)
        client.opened()
        server.opened()
    assert server.is_quiet()


def test_a_handshake_that_takes_too_long_is_dropped(make_station: MakeStation) -> None:
    server, client = make_station(handshake_ms=50), make_station()
    port = server.listen()
    # It shakes hands and then opens no stream: the server hears of a stream with its first bytes.
    dialled = client.net.dial_quic("127.0.0.1", port, server_key=None, seed=None)
    client.opened()
    assert client.next()[:2] == (dialled, LINK_CLOSED)
    assert server.is_quiet()


def test_junk_on_the_port_hurts_nobody(server: Station, client: Station) -> None:
    port, rng = server.listen(), random.Random(3)
    at_client = client.dial(port)
    client.opened()
    at_server, _ = server.opened()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as junk:
        for _ in range(300):
            packet = bytearray(rng.randbytes(rng.choice([0, 1, 20, 1_200, 1_472, 9_000])))
            if packet and rng.random() < 0.7:
                # An Initial of version 1, as far as its first bytes go.
                packet[:6] = bytes((0xC0 | packet[0] & 0x0F, 0, 0, 0, 1, rng.choice([0, 8, 20, 255])))
            junk.sendto(packet[:9_000], ("127.0.0.1", port))
    client.net.send(at_client, frame(1, b"still here"))
    assert server.next() == (at_server, 1, frame(1, b"still here"))
    client.dial(port)
    client.opened()
    server.opened()
    assert server.is_quiet()


@pytest.mark.claim("C89")
def test_a_slow_reader_costs_little_and_is_told_when_it_drains(make_station: MakeStation) -> None:
    server, client = make_station(), make_station(link_inbox_bytes=10_000)
    at_server, at_client = connect(server, client)
    one, sent, before = frame(3, os.urandom(992)), 0, -1
    # Until nothing moves any more: the client takes no events, so its kernel stops reading.
    while (waiting := server.net.pending(at_server)) != before or waiting < 131_072:
        while server.net.pending(at_server) < 2 * 131_072:
            server.net.send(at_server, one)
            sent += 1000
        before = server.net.pending(at_server)
        use_own_link(server)
    # What is neither queued nor taken by the client's kernel is kept by ours for confirmation.
    taken = sent - server.net.pending(at_server)
    assert taken <= 10_000 + 65_536 + 262_144 + 131_072
    assert server.net.deliver(b"r" * 300, [(at_server, 1)]) == [0]
    assert client.take(sent // 1000) == [(at_client, 3, one)] * (sent // 1000)
    server.until(lambda events: (at_server, LINK_DRAINED, b"") in events)
    assert server.net.pending(at_server) < 131_072 // 2


def test_silence_ends_a_link_and_keep_alive_breaks_it(make_station: MakeStation) -> None:
    # The shorter time of both sides counts.
    server, client = make_station(quic_idle_ms=1_000, quic_keep_alive_ms=100), make_station()
    port = server.listen()
    with Relay(port) as relay:
        at_client = client.dial(relay.port)
        client.opened()
        at_server, _ = server.opened()
        # Several times the idle time goes by with nothing to say.
        quiet = len(relay.from_server)
        relay.wait(lambda packets: len(packets) >= quiet + 30)
        client.net.send(at_client, frame(1))
        assert server.next() == (at_server, 1, frame(1))
        relay.silent = True
        assert server.next() == (at_server, LINK_CLOSED, b"the connection broke: timed out")
        assert client.next() == (at_client, LINK_CLOSED, b"the connection broke: timed out")


@pytest.mark.parametrize("timeout_ms", [0, 2_000])
def test_shutdown_is_heard_at_once(make_station: MakeStation, timeout_ms: int) -> None:
    server, client = make_station(), make_station()
    _, at_client = connect(server, client)
    server.net.shutdown(timeout_ms)
    # And not after a minute of silence.
    assert client.next()[:2] == (at_client, LINK_CLOSED)


def test_links_outlive_their_listener_and_the_port_is_free_after_them(
    server: Station, client: Station
) -> None:
    port = server.listen()
    at_client = client.dial(port)
    client.opened()
    at_server, _ = server.opened()
    server.net.stop_listening()
    with pytest.raises(UsageError):
        server.net.listen_address(port, "quic")
    client.net.send(at_client, frame(1))
    assert server.next() == (at_server, 1, frame(1))
    refused = client.dial(port, timeout_ms=100)
    assert client.next()[:2] == (refused, DIAL_FAILED)
    client.net.close(at_client)
    client.next()
    server.next()
