"""Long bodies go to files."""

import random
from pathlib import Path

import pytest
from tests.transport.conftest import EVERY, MakeStation
from tests.transport.station import (
    SPOOL_OVER,
    SPOOL_PREFIX,
    SPOOLED_TYPE,
    Station,
    connect,
    frame,
)

from mosaic._kernel._rust import LINK_CLOSED, LINK_SPOOLED, blake3
from mosaic.errors import Disconnected, UsageError

pytestmark = EVERY


def body(seed: int, length: int) -> bytes:
    return random.Random(seed).randbytes(length)


@pytest.mark.claim("C89")
@pytest.mark.parametrize("length", [SPOOL_OVER - 7, 5_000, 262_144, 3_000_000])
def test_a_long_body_is_a_file_with_its_hash(server: Station, client: Station, length: int) -> None:
    at_server, at_client = connect(server, client)
    whole = frame(SPOOLED_TYPE, body(length, length))
    client.net.send(at_client, whole + frame(1))
    link, what, prefix = server.next()
    assert (link, what, prefix) == (at_server, LINK_SPOOLED, whole[:SPOOL_PREFIX])
    assert server.next() == (at_server, 1, frame(1))
    path, digest, size = server.net.take_spooled(at_server)
    rest = whole[SPOOL_PREFIX:]
    assert (Path(path).read_bytes(), size) == (rest, len(rest))
    assert digest == blake3(rest)
    assert Path(path).parent == server.folder
    assert Path(path).stat().st_mode & 0o777 == 0o600


def test_bodies_up_to_the_bound_stay_in_memory(server: Station, client: Station) -> None:
    at_server, at_client = connect(server, client)
    whole = frame(SPOOLED_TYPE, body(1, SPOOL_OVER - 8))
    client.net.send(at_client, whole)
    assert server.next() == (at_server, SPOOLED_TYPE, whole)
    assert list(server.folder.iterdir()) == []


def test_files_are_taken_in_order_and_then_belong_to_the_taker(server: Station, client: Station) -> None:
    at_server, at_client = connect(server, client)
    bodies = [body(seed, 2_000 + seed) for seed in range(20)]
    for one in bodies:
        client.net.send(at_client, frame(SPOOLED_TYPE, one))
    paths = []
    for one in bodies:
        server.next(LINK_SPOOLED)
        path, digest, size = server.net.take_spooled(at_server)
        assert (digest, size) == (blake3(one[SPOOL_PREFIX - 8 :]), len(one) - SPOOL_PREFIX + 8)
        paths.append(path)
    assert len(set(paths)) == 20
    with pytest.raises(UsageError):
        server.net.take_spooled(at_server)
    client.net.abort(at_client)
    server.next(LINK_CLOSED)
    server.net.poll()
    assert all(Path(path).exists() for path in paths)


def test_a_body_that_is_cut_off_leaves_no_file(server: Station, client: Station) -> None:
    at_server, at_client = connect(server, client)
    whole = frame(SPOOLED_TYPE, body(3, 600_000))
    client.net.send(at_client, frame(1) + whole[:-1])
    server.next(1)
    client.net.close(at_client)
    link, what, reason = server.next()
    assert (link, what) == (at_server, LINK_CLOSED)
    assert b"middle of a message" in reason
    # A thread may be writing still: the file goes with it.
    server.net.shutdown()
    assert list(server.folder.iterdir()) == []


def test_a_file_that_nobody_took_goes_with_its_link(server: Station, client: Station) -> None:
    at_server, at_client = connect(server, client)
    client.net.send(at_client, frame(SPOOLED_TYPE, body(4, 5_000)))
    client.net.close(at_client)
    assert [what for _, what, _ in server.take(2)] == [LINK_SPOOLED, LINK_CLOSED]
    assert len(list(server.folder.iterdir())) == 1
    # While this batch is handled it can still be taken; the next poll forgets it.
    server.net.poll()
    assert list(server.folder.iterdir()) == []
    with pytest.raises(Disconnected):
        server.net.take_spooled(at_server)


def test_untaken_files_hold_the_peer_back(server: Station, make_station: MakeStation) -> None:
    client = make_station(link_outbox_bytes=8_000_000)
    at_server, at_client = connect(server, client)
    for seed in range(12):
        client.net.send(at_client, frame(SPOOLED_TYPE, body(seed, 200_000)))
    server.take(4)
    # Nothing more comes, however often something could have.
    for _ in range(50):
        server.net.send(at_server, frame(2))
        client.next(2)
    assert server.is_quiet()
    for number in range(12):
        if number >= 4:
            server.next(LINK_SPOOLED)
        server.net.take_spooled(at_server)
    assert server.is_quiet()


def test_a_folder_that_is_not_there_ends_the_link_with_the_reason(server: Station, client: Station) -> None:
    at_server, at_client = connect(server, client)
    server.folder.rmdir()
    client.net.send(at_client, frame(SPOOLED_TYPE, body(5, 5_000)))
    link, what, reason = server.next()
    assert (link, what) == (at_server, LINK_CLOSED)
    assert reason.startswith(b"a long message could not be kept: ")
