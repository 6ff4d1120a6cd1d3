"""How links begin and end, and what is bounded in time."""

import os
import socket
import threading
from pathlib import Path

import pytest
from tests.transport.conftest import EVERY, MakeStation
from tests.transport.raw import Reader
from tests.transport.station import CLIENT_SEED, SERVER_SEED, Station, connect, frame

from mosaic._kernel._rust import (
    DIAL_FAILED,
    DIAL_REFUSED_FORM,
    DIAL_WRONG_KEY,
    LINK_CLOSED,
    LINK_DRAINED,
    LINK_OPENED,
    public_key,
)
from mosaic.errors import InvalidSecretKey, ListenFailed, UsageError

SERVER_KEY = public_key(SERVER_SEED)
CLIENT_KEY = public_key(CLIENT_SEED)


def alert(number: int) -> bytes:
    return bytes((0x15, 3, 3, 0, 2, 2, number))


@EVERY
@pytest.mark.claim("C49", "C50")
@pytest.mark.parametrize("raw_key", [False, True])
@pytest.mark.parametrize("seed", [None, CLIENT_SEED])
def test_both_sides_see_the_proven_key(
    server: Station, client: Station, raw_key: bool, seed: bytes | None
) -> None:
    port = server.listen()
    dialled = client.dial(port, server_key=SERVER_KEY, seed=seed, raw_key=raw_key)
    assert client.opened() == (dialled, SERVER_KEY)
    link, key = server.opened()
    assert key == (b"" if seed is None else CLIENT_KEY)
    assert client.net.peer_address(dialled) == ("127.0.0.1", port)
    assert server.net.peer_address(link)[0] == "127.0.0.1"


@EVERY
@pytest.mark.claim("C50")
@pytest.mark.parametrize("raw_key", [False, True])
def test_a_wrong_server_key_ends_the_dial_before_anybody_hears_of_us(
    server: Station, client: Station, raw_key: bool
) -> None:
    port = server.listen()
    dialled = client.dial(port, server_key=CLIENT_KEY, seed=CLIENT_SEED, raw_key=raw_key)
    assert client.next() == (dialled, DIAL_WRONG_KEY, SERVER_KEY)
    assert client.net.send(dialled, frame(1)) == -1
    # The next link is the first that the server hears of.
    client.dial(port, server_key=SERVER_KEY)
    assert server.next(LINK_OPENED)[2] == b""
    assert server.is_quiet()


@EVERY
def test_ipv6_works_alike(server: Station, client: Station) -> None:
    port = server.listen("::1")
    assert server.net.listen_address(port, server.transport) == f"[::1]:{port}"
    client.dial(port, "::1", server_key=SERVER_KEY)
    client.opened()
    assert server.net.peer_address(server.opened()[0])[0] == "::1"


@EVERY
def test_a_port_in_use_says_so(server: Station, client: Station) -> None:
    port = server.listen()
    with pytest.raises(ListenFailed, match=f"127.0.0.1 port {port}"):
        client.listen_on("127.0.0.1", port, CLIENT_SEED)
    with pytest.raises(InvalidSecretKey):
        client.listen_on("127.0.0.1", 0, b"short")
    with pytest.raises(UsageError):
        client.net.listen_address(1)


def test_nobody_there_is_a_failed_dial_with_the_reason(server: Station, client: Station) -> None:
    port = server.listen()
    server.net.stop_listening()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        dialled = client.dial(taken.getsockname()[1])
        link, what, reason = client.next()
    assert (link, what) == (dialled, DIAL_FAILED)
    assert b"refused" in reason
    assert client.net.pending(dialled) == -1
    with pytest.raises(ListenFailed):
        client.net.listen_tcp("no such host", port, CLIENT_SEED)


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (b"", DIAL_FAILED),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", DIAL_FAILED),
        (alert(120), DIAL_FAILED),  # no such application protocol
        (alert(70), DIAL_FAILED),  # no such version of TLS
        (alert(40), DIAL_REFUSED_FORM),  # handshake failure
        (alert(43), DIAL_REFUSED_FORM),  # unsupported certificate
    ],
)
def test_a_server_that_does_not_shake_hands_is_a_failed_dial(
    client: Station, answer: bytes, outcome: int
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        dialled = client.dial(listener.getsockname()[1])
        peer, _ = listener.accept()
        with peer:
            peer.recv(1)
            peer.sendall(answer)
            peer.shutdown(socket.SHUT_WR)
            link, what, reason = client.next()
    assert (link, what) == (dialled, outcome)
    assert reason


def test_a_server_that_never_answers_is_a_failed_dial(client: Station) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        dialled = client.dial(listener.getsockname()[1], timeout_ms=50)
        assert client.next() == (dialled, DIAL_FAILED, b"no answer within 50 ms")


def test_a_dial_can_be_given_up(client: Station) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        dialled = client.dial(listener.getsockname()[1])
        client.net.abort(dialled)
        assert client.next() == (dialled, DIAL_FAILED, b"given up here")


@EVERY
def test_what_is_sent_while_dialling_goes_out_when_the_link_is_open(server: Station, client: Station) -> None:
    dialled = client.dial(server.listen())
    assert client.net.send(dialled, frame(1, b"early")) >= 13
    link, _ = server.opened()
    assert server.next() == (link, 1, frame(1, b"early"))


def test_a_peer_that_never_shakes_hands_is_dropped(make_station: MakeStation) -> None:
    server = make_station(handshake_ms=50)
    port = server.listen()
    for first in (b"", b"\x16", b"\x16\x03\x01\x02\x00\x01"):
        with socket.create_connection(("127.0.0.1", port), timeout=20) as peer:
            peer.sendall(first)
            assert peer.recv(1) == b""
    assert server.is_quiet()


@pytest.mark.parametrize(
    "garbage", [b"GET / HTTP/1.1\r\n\r\n", bytes(300), b"\x16\x03\x01\xff\xff" + bytes(300)]
)
def test_garbage_instead_of_a_handshake_is_refused(server: Station, garbage: bytes) -> None:
    with socket.create_connection(("127.0.0.1", server.listen()), timeout=20) as peer:
        peer.sendall(garbage)
        while peer.recv(1_000):
            pass
    assert server.is_quiet()


def test_half_open_handshakes_give_way_when_they_are_too_many(server: Station, client: Station) -> None:
    port = server.listen()
    silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(600)]
    client.dial(port)
    client.opened()
    server.opened()
    for one in silent:
        one.close()


@EVERY
def test_close_sends_what_is_queued_and_hears_no_more(server: Station, client: Station) -> None:
    at_server, at_client = connect(server, client)
    large = frame(1, os.urandom(90_000))
    for _ in range(5):
        server.net.send(at_server, large)
    server.net.close(at_server)
    assert server.net.send(at_server, frame(2)) == -1
    client.net.send(at_client, frame(3))
    events = client.take(6)
    assert events[:5] == [(at_client, 1, large)] * 5
    assert events[5] == (at_client, LINK_CLOSED, b"the peer closed the connection")
    events = server.until(lambda events: events[-1:] != [] and events[-1][1] == LINK_CLOSED)
    assert [event for event in events if event[1] != LINK_DRAINED] == [
        (at_server, LINK_CLOSED, b"closed here")
    ]
    assert server.net.pending(at_server) == -1


def test_the_last_words_reach_a_peer_that_is_still_sending(server: Station) -> None:
    with Reader(server.listen()) as peer:
        link, _ = server.opened()
        peer.write(frame(1, bytes(80_000)) + bytes(8))
        server.take(2)
        server.net.send(link, frame(0xFE))
        server.net.close(link)
        peer.write(frame(1, bytes(90_000)))
        assert peer.read_to_end() == frame(0xFE)


@EVERY
def test_abort_drops_the_link_at_once(server: Station, client: Station) -> None:
    at_server, at_client = connect(server, client)
    server.net.abort(at_server)
    assert server.next() == (at_server, LINK_CLOSED, b"dropped here")
    link, what, reason = client.next()
    assert (link, what) == (at_client, LINK_CLOSED)
    assert b"cut" in reason or b"broke" in reason


def test_a_peer_that_dies_ends_the_link_after_its_last_frames(server: Station) -> None:
    with Reader(server.listen()) as peer:
        link, _ = server.opened()
        peer.write(frame(1) + frame(2)[:5])
        peer.socket.shutdown(socket.SHUT_RDWR)
    assert server.next() == (link, 1, frame(1))
    assert server.next()[1:] == (LINK_CLOSED, b"the connection was cut in the middle of a message")
    assert server.is_quiet()


@EVERY
def test_a_file_goes_out_as_the_peer_takes_it(server: Station, client: Station, tmp_path: Path) -> None:
    at_server, at_client = connect(server, client)
    data = os.urandom(900_000)
    path = tmp_path / "blob"
    path.write_bytes(b"front" + data + b"back")
    head = bytes((0x80, 0, 0, 0)) + (8 + len(data)).to_bytes(4, "little")
    server.net.send(at_server, frame(1))
    assert 0 < server.net.send_file(at_server, head, str(path), 5, len(data)) <= 16 + 65_536
    assert server.net.send(at_server, frame(2)) >= 0
    path.unlink()
    assert client.take(3) == [
        (at_client, 1, frame(1)),
        (at_client, 0x80, head + data),
        (at_client, 2, frame(2)),
    ]


def test_a_file_that_is_missing_or_short_queues_nothing(
    server: Station, client: Station, tmp_path: Path
) -> None:
    at_server, at_client = connect(server, client)
    path = tmp_path / "blob"
    with pytest.raises(FileNotFoundError):
        server.net.send_file(at_server, frame(1), str(path), 0, 10)
    path.write_bytes(b"123456789")
    with pytest.raises(OSError, match="9 bytes"):
        server.net.send_file(at_server, frame(1), str(path), 0, 10)
    server.net.send(at_server, frame(2))
    assert client.next() == (at_client, 2, frame(2))


def threads() -> int:
    names = [path.read_text() for path in Path("/proc/self/task").glob("*/comm")]
    return sum(name.startswith("mosaic-net") for name in names)


@EVERY
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="threads are counted in /proc")
def test_shutdown_sends_what_is_queued_and_ends_all_threads(make_station: MakeStation) -> None:
    before = threads()
    server, client = make_station(workers=2), make_station()
    at_server, at_client = connect(server, client)
    assert threads() > before
    large = frame(0x80, os.urandom(1_000_000))
    server.net.send(at_server, large)
    done = threading.Thread(target=server.net.shutdown)
    done.start()
    assert client.take(2)[0] == (at_client, 0x80, large)
    done.join()
    client.net.shutdown()
    client.net.shutdown()
    assert threads() == before
    assert [what for _, what, _ in server.net.poll()][-1:] == [LINK_CLOSED]
    with pytest.raises(ListenFailed):
        server.listen()


def test_wrong_settings_are_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="spool_prefix"):
        Station(tmp_path, spool_over=10)
