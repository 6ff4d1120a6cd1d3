"""Frames over real sockets: cut by the limits, whatever way the bytes arrive."""

import random

import pytest
from tests.transport.conftest import EVERY
from tests.transport.station import (
    LIMIT,
    NEVER_TYPE,
    SMALL_LIMIT,
    SMALL_TYPE,
    Station,
    connect,
    frame,
)

from mosaic._kernel._rust import LINK_CLOSED, LINK_REFUSED_LENGTH
from mosaic.errors import Disconnected

pytestmark = EVERY


@pytest.mark.claim("C42")
def test_frames_arrive_whole_and_in_order_both_ways(server: Station, client: Station) -> None:
    at_server, at_client = connect(server, client)
    frames = [frame(kind, bytes([kind]) * size) for kind, size in [(1, 0), (2, 1), (255, 400), (0, 99_992)]]
    for one in frames:
        assert client.net.send(at_client, one) >= 0
    assert server.net.send(at_server, b"".join(frames)) >= 0
    assert server.take(4) == [(at_server, one[0], one) for one in frames]
    assert client.take(4) == [(at_client, one[0], one) for one in frames]


def test_one_byte_at_a_time_makes_the_same_frames(server: Station, client: Station) -> None:
    at_server, at_client = connect(server, client)
    frames = [frame(1), frame(3, b"abc"), frame(SMALL_TYPE, b"x" * 56)]
    for one in b"".join(frames):
        client.net.send(at_client, bytes([one]))
    assert server.take(3) == [(at_server, one[0], one) for one in frames]


def test_half_a_frame_is_nothing_yet(server: Station, client: Station) -> None:
    at_server, at_client = connect(server, client)
    whole = frame(5, b"y" * 10_000)
    client.net.send(at_client, frame(1) + whole[:9_000])
    assert server.next() == (at_server, 1, frame(1))
    # The other way round and back: what was sent has arrived by then.
    server.net.send(at_server, frame(2))
    client.next(2)
    assert server.is_quiet()
    client.net.send(at_client, whole[9_000:])
    assert server.next() == (at_server, 5, whole)


@pytest.mark.claim("C42", "C89")
@pytest.mark.parametrize(
    ("kind", "length"),
    [(1, 0), (1, 1), (1, 7), (1, LIMIT + 1), (1, 2**32 - 1), (SMALL_TYPE, SMALL_LIMIT + 1), (NEVER_TYPE, 8)],
)
def test_a_length_that_breaks_its_limit_is_refused_from_the_header(
    server: Station, client: Station, kind: int, length: int
) -> None:
    at_server, at_client = connect(server, client)
    head = bytes((kind, 1, 2, 3)) + length.to_bytes(4, "little")
    client.net.send(at_client, frame(1) + head)
    assert server.take(2) == [(at_server, 1, frame(1)), (at_server, LINK_REFUSED_LENGTH, head)]
    # Reading has stopped, sending goes on.
    client.net.send(at_client, frame(1) * 100)
    assert server.net.send(at_server, frame(0xFE)) >= 0
    assert client.next() == (at_client, 0xFE, frame(0xFE))
    server.net.close(at_server)
    assert server.next()[1] == LINK_CLOSED
    assert client.next()[1] == LINK_CLOSED


def test_the_greatest_lengths_pass(server: Station, client: Station) -> None:
    at_server, at_client = connect(server, client)
    frames = [
        frame(1, b"a" * (LIMIT - 8)),
        frame(SMALL_TYPE, b"b" * (SMALL_LIMIT - 8)),
        frame(0x80, b"c" * 1_048_576),
    ]
    for one in frames:
        client.net.send(at_client, one)
    assert server.take(3) == [(at_server, one[0], one) for one in frames]


def test_many_links_keep_their_streams_apart(server: Station, client: Station) -> None:
    port, rng = server.listen(), random.Random(7)
    streams: dict[int, list[bytes]] = {}
    for _ in range(20):
        key = rng.randbytes(32)
        link = client.dial(port, seed=key)
        streams[link] = [frame(rng.randrange(1, 7), rng.randbytes(rng.randrange(3_000))) for _ in range(30)]
    client.take(20)
    openings = server.take(20)
    assert len({key for _, _, key in openings}) == 20
    for number in range(30):
        for link, frames in streams.items():
            client.net.send(link, frames[number])
    events = server.take(600)
    by_link = [[data for link, _, data in events if link == opened] for opened, _, _ in openings]
    assert sorted(by_link) == sorted(streams.values())


def test_deliver_shares_one_record_between_targets(server: Station, client: Station) -> None:
    port = server.listen()
    links = [client.dial(port) for _ in range(3)]
    client.take(3)
    at_server = [link for link, _, _ in server.take(3)]
    record = bytes(range(256)) * 2
    targets = [(at_server[0], 1), (99_999, 2), (at_server[1], 0xABCD), (at_server[0], 3), (at_server[2], 4)]
    assert server.net.deliver(record, targets) == [1]
    events = client.take(4)
    expected = [
        (0x80).to_bytes(1) + b"\0" + query.to_bytes(2, "little") + (520).to_bytes(4, "little") + record
        for query in (1, 3, 0xABCD, 4)
    ]
    assert sorted(data for _, _, data in events) == sorted(expected)
    assert {link for link, _, _ in events} == set(links)


def test_calls_on_a_link_that_never_was(server: Station) -> None:
    assert server.net.send(5, frame(1)) == -1
    assert server.net.pending(5) == -1
    assert server.net.send_file(5, b"", "/nowhere", 0, 1) == -1
    server.net.close(5)
    server.net.abort(5)
    with pytest.raises(Disconnected):
        server.net.peer_address(5)
    with pytest.raises(Disconnected):
        server.net.take_spooled(5)
