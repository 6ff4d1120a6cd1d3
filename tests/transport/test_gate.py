"""Who may connect, by address alone; what counts of those who are in."""

from __future__ import annotations

import socket
import time

import pytest
from tests.transport.conftest import EVERY, MakeStation
from tests.transport.raw import Reader
from tests.transport.station import Station, connect, frame, use_own_link

from mosaic._kernel._rust import LINK_CLOSED, LINK_REFUSED_LENGTH
from mosaic.errors import UsageError

HERE = (bytes((127, 0, 0, 1)), 32)
EVERYWHERE = (bytes((127, 0, 0, 0)), 8)


def from_address(address: str, port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), 20, source_address=(address, 0))


def is_dropped(peer: socket.socket) -> bool:
    """Whether the server has dropped a connection without a word."""
    try:
        return peer.recv(1) == b""
    except ConnectionResetError:
        return True
    finally:
        peer.close()


def until(server: Station, name: str, count: int) -> None:
    """Waits until the server has counted so many."""
    end = time.monotonic() + 20
    while server.net.counts()[name] < count:
        assert time.monotonic() < end, server.net.counts()
        time.sleep(0.01)


@pytest.mark.claim("C89")
def test_blocked_networks_are_dropped_and_others_are_not(server: Station, client: Station) -> None:
    port = server.listen()
    server.net.set_blocked([(bytes((127, 9, 0, 0)), 16)])
    for address in ("127.9.0.1", "127.9.255.254"):
        assert is_dropped(from_address(address, port))
    client.dial(port)
    client.opened()
    server.opened()
    assert server.net.counts()["blocked"] == 2
    server.net.set_blocked([])
    with from_address("127.9.0.1", port):
        until(server, "accepted", 2)


@EVERY
def test_who_is_blocked_gets_nowhere_and_who_is_there_stays(server: Station, client: Station) -> None:
    at_server, at_client = connect(server, client)
    server.net.set_blocked([EVERYWHERE])
    client.net.send(at_client, frame(1, b"still here"))
    assert server.next() == (at_server, 1, frame(1, b"still here"))
    port = server.listen()
    client.dial(port, timeout_ms=500)
    refused = client.next()
    assert refused[1] not in {1, LINK_CLOSED}
    assert server.net.counts()["blocked"] >= 1
    assert server.is_quiet()


@pytest.mark.claim("C89")
def test_so_many_from_one_network_may_be_open_and_no_more(make_station: MakeStation) -> None:
    server = make_station(gate=[(32, 64, 0.0, 1, 2), (24, 48, 0.0, 1, 3)])
    port = server.listen()
    first, second = (from_address("127.9.0.1", port) for _ in range(2))
    until(server, "accepted", 2)
    assert is_dropped(from_address("127.9.0.1", port))
    with from_address("127.9.0.2", port):
        until(server, "accepted", 3)
        assert is_dropped(from_address("127.9.0.3", port))
        with from_address("127.9.1.1", port):
            until(server, "accepted", 4)
    first.close()
    second.close()
    until(server, "handshakes_failed", 4)
    with from_address("127.9.0.1", port):
        until(server, "accepted", 5)
    assert server.net.counts()["paced"] == 2


def test_who_is_trusted_is_not_counted(make_station: MakeStation) -> None:
    server, client = make_station(gate=[(32, 64, 0.001, 1, 1)]), make_station()
    server.net.set_trusted([HERE])
    port = server.listen()
    for _ in range(5):
        client.dial(port)
    client.take(5)
    server.take(5)
    assert server.net.counts()["paced"] == 0


def test_a_link_counts_until_it_has_ended(make_station: MakeStation) -> None:
    server = make_station(gate=[(32, 64, 0.0, 1, 1)])
    port = server.listen()
    with Reader(port):
        link, _ = server.opened()
        assert is_dropped(from_address("127.0.0.1", port))
    assert server.next()[:2] == (link, LINK_CLOSED)
    server.poll()  # the end was heard: the link is forgotten
    with Reader(port):
        server.opened()


def test_others_are_let_in_while_a_network_holds_all_places(make_station: MakeStation) -> None:
    server, client = make_station(most_half_open=20, handshake_ms=60_000), make_station()
    port = server.listen()
    silent = [from_address(f"127.9.{number}.1", port) for number in range(100)]
    until(server, "evicted", 1)
    client.dial(port)
    client.opened()
    server.opened()
    assert server.net.counts()["half_open"] <= 80
    for one in silent:
        one.close()


@EVERY
def test_one_link_may_have_a_lower_limit_than_others(make_station: MakeStation) -> None:
    server, client = make_station(), make_station()
    at_server, at_client = connect(server, client)
    server.net.limit_frames(at_server, 1, 100)
    client.net.send(at_client, frame(1, bytes(92)) + frame(2, bytes(200)))
    assert [len(data) for _, _, data in server.take(2)] == [100, 208]
    client.net.send(at_client, frame(1, bytes(93)))
    assert server.next()[:2] == (at_server, LINK_REFUSED_LENGTH)


@EVERY
def test_a_preferred_link_goes_before_what_others_have_sent(make_station: MakeStation) -> None:
    server, client = make_station(), make_station()
    first, at_first = connect(server, client)
    second, at_second = connect(server, client)
    server.net.prefer(second, True)
    for _ in range(3_000):
        client.net.send(at_first, frame(1, bytes(100)))
    until(server, "bytes_in", 3_000 * 108)
    before = server.net.counts()["bytes_in"]
    client.net.send(at_second, frame(2, b"first"))
    until(server, "bytes_in", before + 1)
    use_own_link(client)  # the server's thread has handed up by then what it read
    events = server.poll()
    assert (second, 2, frame(2, b"first")) in events
    assert len(events) <= 257
    assert (first, 1, frame(1, bytes(100))) in events


def test_what_waits_towards_peers_is_known(make_station: MakeStation) -> None:
    server, client = make_station(link_outbox_bytes=10_000_000), make_station()
    at_server, _ = connect(server, client)
    other, _ = connect(server, client)
    for _ in range(200):
        server.net.send(at_server, frame(1, bytes(90_000)))  # far more than the sockets hold
    waiting = server.net.pending_total()
    assert waiting >= server.net.pending(at_server) > 0
    assert [link for link, _ in server.net.heaviest(5)] == [at_server]
    assert server.net.heaviest(0) == []
    assert server.net.pending(other) == 0


@pytest.mark.parametrize("row", [(33, 64, 1.0, 1, 1), (32, 129, 1.0, 1, 1), (32, 64, -1.0, 1, 1)])
def test_a_row_that_is_none_is_refused(server: Station, row: tuple[int, int, float, int, int]) -> None:
    with pytest.raises(UsageError):
        server.net.set_gate([row])


@pytest.mark.parametrize("network", [(b"", 0), (bytes(4), 33), (bytes(16), 129), (bytes(5), 8)])
def test_a_network_that_is_none_is_refused(server: Station, network: tuple[bytes, int]) -> None:
    for set_networks in (server.net.set_blocked, server.net.set_trusted):
        with pytest.raises(UsageError):
            set_networks([network])
