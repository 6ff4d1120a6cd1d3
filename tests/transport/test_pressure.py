"""Queues are bounded in bytes both ways, and a slow peer costs little."""

import os

import pytest
from tests.transport.conftest import EVERY, OVER_TCP, MakeStation
from tests.transport.station import Event, Station, connect, frame, use_own_link
from tests.transport.websocket import reader

from mosaic._kernel._rust import LINK_CLOSED, LINK_DRAINED, LINK_OPENED

OUTBOX = 131_072


def fill(server: Station, helper: Station, link: int, one: bytes) -> int:
    """Sends until the peer's sockets are full and the queue stands above its limit; how many were sent."""
    sent = 0
    while server.net.pending(link) <= OUTBOX:
        while server.net.pending(link) <= 2 * OUTBOX:
            assert server.net.send(link, one) >= 0
            sent += 1
        round_trips(server, helper)
    server.until(lambda _: True)
    return sent


def round_trips(server: Station, helper: Station) -> None:
    """Uses another link of the server, so that its thread has had its turns."""
    client_link = helper.dial(server.listen())
    server.until(lambda events: any(what == LINK_OPENED for _, what, _ in events))
    for _ in range(20):
        helper.net.send(client_link, frame(6))
        server.until(lambda events: any(what == 6 for _, what, _ in events))


@OVER_TCP
@pytest.mark.claim("C89")
def test_a_slow_reader_stops_the_sender_and_is_told_when_it_drains(server: Station, client: Station) -> None:
    port = server.listen()
    with reader(server.transport, port) as peer:
        link, _ = server.opened()
        sent = fill(server, client, link, frame(3, os.urandom(992)))
        assert server.net.deliver(b"r" * 300, [(link, 1)]) == [0]
        assert server.is_quiet()
        peer.read_exactly(sent * 1000)
        assert server.next() == (link, LINK_DRAINED, b"")
        assert server.net.pending(link) < OUTBOX // 2
        assert server.net.deliver(b"r" * 300, [(link, 1)]) == []
        assert len(peer.read_exactly(308)) == 308
        assert server.is_quiet()


@OVER_TCP
def test_who_goes_on_sending_over_four_times_the_limit_loses_the_link(server: Station) -> None:
    port = server.listen()
    with reader(server.transport, port):
        link, _ = server.opened()
        one, worst = frame(3, os.urandom(9_992)), 0
        while (waiting := server.net.send(link, one)) >= 0:
            worst = max(worst, waiting)
        assert 4 * OUTBOX < worst <= 4 * OUTBOX + 10_000
        assert server.next()[1:] == (LINK_CLOSED, b"cut: it took too little of what was sent to it")
        assert server.net.send(link, one) == -1
        assert server.net.pending(link) == -1


@EVERY
def test_one_frame_of_any_size_may_be_sent(server: Station, client: Station) -> None:
    at_server, at_client = connect(server, client)
    whole = frame(0x80, os.urandom(1_048_576))
    assert server.net.send(at_server, whole) >= 0
    assert client.next() == (at_client, 0x80, whole)


@OVER_TCP
def test_a_peer_that_does_not_read_is_not_read_from(server: Station, client: Station) -> None:
    port = server.listen()
    with reader(server.transport, port) as peer:
        link, _ = server.opened()
        peer.write(frame(1))
        server.next(1)
        sent = fill(server, client, link, frame(3, os.urandom(992)))
        peer.write(frame(4) * 10)
        round_trips(server, client)
        assert server.is_quiet()
        peer.read_exactly(sent * 1000)
        # Reading goes on where sending has room: which of both is told first depends on the peer's pace.
        events = server.take(11)
        assert [event for event in events if event[1] != LINK_DRAINED] == [(link, 4, frame(4))] * 10


@EVERY
@pytest.mark.parametrize("bound", ["link_inbox_bytes", "inbox_bytes"])
def test_what_python_does_not_take_stays_with_the_sender(make_station: MakeStation, bound: str) -> None:
    server = make_station(**{bound: 50_000})
    client = make_station(link_outbox_bytes=100_000_000)
    at_server, at_client = connect(server, client)
    one = frame(1, os.urandom(9_992))
    for _ in range(2_000):
        client.net.send(at_client, one)
    # 20 MB: far more than the sockets hold. Unasked, the server takes its bound and what one read brings.
    before = -1
    while (waiting := client.net.pending(at_client)) != before or waiting == 2_000 * len(one):
        before = waiting
        use_own_link(client)
    server.wait_readable()
    first = server.net.poll(1_000_000)
    assert 0 < sum(len(data) for _, _, data in first) <= 50_000 + 2 * 65_536
    assert waiting > 5_000_000
    assert [*first, *server.take(2_000 - len(first))] == [(at_server, 1, one)] * 2_000


@EVERY
def test_the_bound_for_all_links_holds_and_all_go_on(make_station: MakeStation) -> None:
    server = make_station(inbox_bytes=100_000, link_inbox_bytes=1_000_000)
    client = make_station(link_outbox_bytes=10_000_000)
    port = server.listen()
    links = [client.dial(port) for _ in range(5)]
    client.take(5)
    server.take(5)
    one = frame(1, os.urandom(992))
    for _ in range(400):
        for link in links:
            client.net.send(link, one)
    events = server.take(2_000)
    assert all(data == one for _, _, data in events)


@EVERY
@pytest.mark.parametrize("most", [1, 7])
def test_a_poll_takes_no_more_than_asked_and_the_rest_is_still_announced(
    server: Station, client: Station, most: int
) -> None:
    _, at_client = connect(server, client)
    for number in range(50):
        client.net.send(at_client, frame(1, bytes([number])))
    got: list[Event] = []
    while len(got) < 50:
        server.wait_readable()
        batch = server.net.poll(most)
        assert len(batch) <= most
        got += batch
    assert [data[8] for _, _, data in got] == list(range(50))


@EVERY
def test_messages_that_begin_and_never_end_give_way_to_others(make_station: MakeStation) -> None:
    server, client = make_station(inbox_bytes=200_000), make_station()
    port = server.listen()
    halves = [client.dial(port) for _ in range(12)]
    client.take(12)
    server.take(12)
    # 90 KB each of frames that never end: together more than four times what may wait.
    for link in halves:
        client.net.send(link, frame(1, bytes(99_000))[:90_000])
    ended = server.take(4)
    assert {what for _, what, _ in ended} == {LINK_CLOSED}
    assert all(reason.startswith(b"cut: too many messages had begun") for _, _, reason in ended)
    link = client.dial(port)
    at_server = server.until(lambda events: any(what == LINK_OPENED for _, what, _ in events))[-1][0]
    whole = frame(1, bytes(99_000))
    client.net.send(link, whole)
    events = server.until(lambda events: any(what == 1 for _, what, _ in events))
    assert (at_server, 1, whole) in events
