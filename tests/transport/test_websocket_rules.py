"""What a WebSocket peer may send, and how the link ends when it sends something else.

Source: RFC 6455, edition §2.
"""

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.transport.conftest import MakeStation
from tests.transport.station import (
    SERVER_SEED,
    SMALL_LIMIT,
    SMALL_TYPE,
    SPOOL_PREFIX,
    SPOOLED_TYPE,
    Station,
    frame,
)
from tests.transport.upgrade import REQUEST, accepting
from tests.transport.websocket import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Peer, wrap

from mosaic._kernel._rust import (
    LINK_CLOSED,
    LINK_REFUSED_LENGTH,
    LINK_SPOOLED,
    LINK_UPGRADE,
    blake3,
)
from mosaic.errors import Disconnected, UsageError


@pytest.fixture
def port(server: Station) -> int:
    return server.net.listen_ws("127.0.0.1", 0, SERVER_SEED, plain=True)


@pytest.fixture
def peer(port: int) -> Iterator[Peer]:
    with Peer(port) as made:
        yield made


def closed(server: Station, link: int) -> bytes:
    """The reason with which the link ends, and nothing else comes before."""
    ended, what, reason = server.next()
    assert (ended, what) == (link, LINK_CLOSED)
    return reason


def test_a_message_is_a_frame_both_ways(server: Station, peer: Peer) -> None:
    link = peer.upgrade(server)
    frames = [frame(1), frame(2, b"x" * 100), frame(3, os.urandom(300)), frame(4, os.urandom(80_000))]
    for one in frames:
        peer.send(BINARY, one)
        assert server.next() == (link, one[0], one)
    server.net.send(link, b"".join(frames))
    assert [peer.read_message() for _ in frames] == frames


def test_many_messages_in_one_write_and_one_message_in_many(server: Station, peer: Peer) -> None:
    link = peer.upgrade(server)
    frames = [frame(1 + n % 5, os.urandom(n * 7 % 900)) for n in range(200)]
    stream = b"".join(wrap(BINARY, one) for one in frames)
    peer.write(stream)
    assert server.take(200) == [(link, one[0], one) for one in frames]
    for byte in stream[:2_000]:
        peer.write(bytes([byte]))
    peer.write(stream[2_000:])
    assert server.take(200) == [(link, one[0], one) for one in frames]


def test_fragments_of_any_length_make_one_message(server: Station, peer: Peer) -> None:
    rng = random.Random(3)
    link = peer.upgrade(server)
    for one in [frame(1), frame(2, b"abc"), frame(3, os.urandom(70_000))]:
        pieces, rest = [], one
        while rest:
            size = rng.randrange(0, 2 if len(one) < 100 else 9_000)
            pieces.append(rest[:size])
            rest = rest[size:]
        for index, piece in enumerate(pieces):
            last = index == len(pieces) - 1
            peer.send(BINARY if index == 0 else CONTINUATION, piece, last=last)
            # Control frames may come between.
            if index % 7 == 3:
                peer.send(PONG, b"unasked")
        assert server.next() == (link, one[0], one)


def test_an_empty_last_fragment_ends_a_message(server: Station, peer: Peer) -> None:
    link = peer.upgrade(server)
    peer.send(BINARY, b"", last=False)
    peer.send(CONTINUATION, frame(1), last=False)
    peer.send(CONTINUATION)
    assert server.next() == (link, 1, frame(1))


def test_frames_sent_in_pieces_are_messages_all_the_same(server: Station, peer: Peer) -> None:
    link = peer.upgrade(server)
    one = frame(3, os.urandom(70_000))
    for start in range(0, len(one), 997):
        server.net.send(link, one[start : start + 997])
    for byte in frame(2, b"abc"):
        server.net.send(link, bytes([byte]))
    assert peer.read_message() == one
    assert peer.read_message() == frame(2, b"abc")


def test_a_long_blob_goes_to_its_file(server: Station, peer: Peer) -> None:
    link = peer.upgrade(server)
    body = os.urandom(3_000_000)
    whole = frame(SPOOLED_TYPE, body)
    for number, start in enumerate(range(0, len(whole), 100_000)):
        last = start + 100_000 >= len(whole)
        peer.send(CONTINUATION if number else BINARY, whole[start : start + 100_000], last=last)
    assert server.next() == (link, LINK_SPOOLED, whole[:SPOOL_PREFIX])
    path, digest, length = server.net.take_spooled(link)
    assert Path(path).read_bytes() == whole[SPOOL_PREFIX:]
    assert (digest, length) == (blake3(whole[SPOOL_PREFIX:]), len(whole) - SPOOL_PREFIX)


def test_a_ping_is_answered_also_between_the_parts_of_a_message(server: Station, peer: Peer) -> None:
    peer.upgrade(server)
    for payload in (b"", b"12345", b"x" * 125):
        peer.send(PING, payload)
        assert peer.read_frame() == (PONG, True, payload)
    peer.send(BINARY, frame(1)[:3], last=False)
    peer.send(PING, b"now")
    assert peer.read_frame() == (PONG, True, b"now")


def test_a_flood_of_pings_that_nobody_reads_answers_to_holds_nothing(server: Station, peer: Peer) -> None:
    """The last one is answered; a peer that does not read makes us keep one answer, not all."""
    link = peer.upgrade(server)
    peer.socket.settimeout(120)
    for number in range(40):
        peer.write(b"".join(wrap(PING, b"%d of %d" % (number, n)) for n in range(1_000)))
    peer.send(PING, b"the last")
    peer.send(BINARY, frame(1))
    assert server.next() == (link, 1, frame(1))
    count = 0
    while peer.read_frame() != (PONG, True, b"the last"):
        count += 1
    assert count < 40_000
    assert server.net.pending(link) == 0


@pytest.mark.parametrize("code", [1000, 1001, 3000, 4999])
def test_a_close_is_answered_with_its_code(server: Station, peer: Peer, code: int) -> None:
    link = peer.upgrade(server)
    peer.send(BINARY, frame(1))
    peer.send(CLOSE, code.to_bytes(2) + "genug für heute".encode())
    peer.send(BINARY, frame(2))
    assert server.next() == (link, 1, frame(1))
    assert peer.read_close() == (code, "")
    assert closed(server, link) == b"the peer closed the connection"


def test_a_close_without_a_code_is_answered(server: Station, peer: Peer) -> None:
    link = peer.upgrade(server)
    peer.send(CLOSE)
    assert peer.read_close() == (1000, "")
    closed(server, link)


def test_our_close_comes_after_what_was_queued(server: Station, peer: Peer) -> None:
    link = peer.upgrade(server)
    server.net.send(link, frame(1) * 3)
    server.net.close(link)
    assert [peer.read_message() for _ in range(3)] == [frame(1)] * 3
    assert peer.read_close() == (1000, "")
    assert closed(server, link) == b"closed here"


# What is sent, the code of the Close, a word of its reason.
VIOLATIONS = [
    (wrap(TEXT, b"hello"), 1003, "binary"),
    (wrap(BINARY, frame(1), masked=False), 1002, "mask"),
    (wrap(PING, b"", masked=False), 1002, "mask"),
    (wrap(BINARY, frame(1), reserved=4), 1002, "reserved bit"),
    (wrap(BINARY, frame(1), reserved=1), 1002, "reserved bit"),
    (wrap(3, frame(1)), 1002, "kind"),
    (wrap(11, b""), 1002, "kind"),
    (wrap(PING, b"x" * 126), 1002, "control frame"),
    (wrap(PING, b"x", last=False), 1002, "control frame"),
    (wrap(CONTINUATION, frame(1)), 1002, "continues no message"),
    (wrap(BINARY, frame(1)[:5], last=False) + wrap(BINARY, b""), 1002, "inside of another"),
    (wrap(CLOSE, b"x"), 1002, "two bytes"),
    (wrap(CLOSE, (1005).to_bytes(2)), 1002, "may not be sent"),
    (wrap(CLOSE, (999).to_bytes(2)), 1002, "may not be sent"),
    (wrap(CLOSE, (1000).to_bytes(2) + b"\xff\xfe"), 1007, "UTF-8"),
    # 5 bytes, their number written in 16 and in 64 bits.
    (b"\x82\xfe\x00\x05" + bytes(9), 1002, "shortest form"),
    (b"\x82\xff" + (5).to_bytes(8) + bytes(9), 1002, "shortest form"),
    (b"\x82\xff" + (2**63).to_bytes(8) + bytes(4), 1002, "shortest form"),
    # No frame, a part of one, more than one, one and a part.
    (wrap(BINARY, b""), 1007, "exactly one"),
    (wrap(BINARY, frame(1)[:7]), 1007, "exactly one"),
    (wrap(BINARY, frame(2, b"abc")[:-1]), 1007, "exactly one"),
    (wrap(BINARY, frame(1) + frame(1)), 1007, "exactly one"),
    (wrap(BINARY, frame(1) + b"x"), 1007, "exactly one"),
    (wrap(BINARY, frame(2, b"abc")[:9], last=False) + wrap(CONTINUATION, b""), 1007, "exactly one"),
    (wrap(BINARY, frame(2, b"abc")[:9], last=False) + wrap(CONTINUATION, b"bcd"), 1007, "exactly one"),
    (wrap(BINARY, b"", last=False) + wrap(CONTINUATION, b"", last=False) * 300, 1008, "empty fragments"),
]


@pytest.mark.claim("C47", "C89")
@pytest.mark.parametrize(("sent", "code", "word"), VIOLATIONS, ids=range(len(VIOLATIONS)))
def test_who_breaks_a_rule_is_told_which(
    server: Station, peer: Peer, sent: bytes, code: int, word: str
) -> None:
    link = peer.upgrade(server)
    peer.write(wrap(BINARY, frame(5)) + sent + wrap(BINARY, frame(6)))
    assert server.next() == (link, 5, frame(5))
    told, reason = peer.read_close()
    assert told == code
    assert word in reason
    assert closed(server, link) == b"the peer broke a rule of the transport: " + reason.encode()


@pytest.mark.parametrize(("sent", "code", "word"), VIOLATIONS, ids=range(len(VIOLATIONS)))
def test_a_rule_is_broken_byte_by_byte_as_well(
    server: Station, peer: Peer, sent: bytes, code: int, word: str
) -> None:
    link = peer.upgrade(server)
    for byte in sent[:1_200]:
        peer.write(bytes([byte]))
    peer.write(sent[1_200:])
    told, reason = peer.read_close()
    assert (told, word in reason) == (code, True)
    assert word.encode() in closed(server, link)


@pytest.mark.parametrize(("kind", "length"), [(1, 0), (1, 7), (1, 2**32 - 1), (SMALL_TYPE, SMALL_LIMIT + 1)])
def test_a_refused_length_is_told_as_over_tcp(server: Station, peer: Peer, kind: int, length: int) -> None:
    link = peer.upgrade(server)
    head = bytes((kind, 1, 2, 3)) + length.to_bytes(4, "little")
    body = bytes(57 if length == 65 else 100)
    peer.write(wrap(BINARY, head + body, length=max(length, 8 + len(body))))
    assert server.next() == (link, LINK_REFUSED_LENGTH, head)
    server.net.send(link, frame(0xFE))
    server.net.close(link)
    assert peer.read_message() == frame(0xFE)
    assert peer.read_close() == (1000, "")
    closed(server, link)


def test_an_end_without_a_close_is_told(server: Station, peer: Peer) -> None:
    link = peer.upgrade(server)
    peer.write(wrap(BINARY, frame(2, b"abc"))[:-1])
    peer.socket.close()
    assert closed(server, link) == b"the connection was cut in the middle of a message"


def test_nothing_is_read_before_the_request_is_answered(server: Station, peer: Peer) -> None:
    peer.write(REQUEST + wrap(BINARY, frame(1)) + wrap(BINARY, frame(2, b"early")))
    link, _ = server.opened()
    assert server.next(LINK_UPGRADE) == (link, LINK_UPGRADE, b"\x02" + REQUEST)
    peer.write(wrap(BINARY, frame(3)))
    assert server.net.send(link, frame(9)) == 8
    assert server.is_quiet()
    server.net.answer_upgrade(link, accepting(REQUEST), accepted=True)
    assert server.take(3) == [(link, 1, frame(1)), (link, 2, frame(2, b"early")), (link, 3, frame(3))]
    assert peer.read_head() == accepting(REQUEST)
    assert peer.read_message() == frame(9)
    with pytest.raises(UsageError):
        server.net.answer_upgrade(link, b"", accepted=True)


def test_a_refused_request_gets_its_answer_and_nothing_else(server: Station, peer: Peer) -> None:
    peer.write(REQUEST + wrap(BINARY, frame(1)))
    link, _ = server.opened()
    server.next(LINK_UPGRADE)
    server.net.send(link, frame(9))
    refusal = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"
    server.net.answer_upgrade(link, refusal, accepted=False)
    assert peer.read_exactly(len(refusal)) == refusal
    assert peer.is_at_end()
    closed(server, link)
    with pytest.raises(Disconnected):
        server.net.answer_upgrade(99, b"", accepted=True)


def test_a_request_that_python_does_not_want_is_closed_at_once(server: Station, peer: Peer) -> None:
    peer.write(REQUEST)
    link, _ = server.opened()
    server.next(LINK_UPGRADE)
    server.net.close(link)
    assert peer.is_at_end()
    assert closed(server, link) == b"closed here"


@pytest.mark.parametrize("length", [8_192, 8_193])
def test_the_head_is_bounded(server: Station, peer: Peer, length: int) -> None:
    head = REQUEST[:-4] + b"\r\nX: "
    head += b"y" * (length - len(head) - 4) + b"\r\n\r\n"
    peer.write(head)
    if length <= 8_192:
        server.opened()
        assert server.next()[2] == b"\x02" + head
    else:
        assert peer.is_at_end()
        assert server.is_quiet()


def test_a_head_that_does_not_come_is_not_waited_for(make_station: MakeStation) -> None:
    server = make_station(handshake_ms=50)
    with Peer(server.net.listen_ws("127.0.0.1", 0, SERVER_SEED, plain=True)) as peer:
        peer.write(REQUEST[:-1])
        assert peer.is_at_end()
    assert server.is_quiet()


def test_without_tls_only_where_that_was_asked_for(server: Station) -> None:
    with Peer(server.net.listen_ws("127.0.0.1", 0, SERVER_SEED)) as peer:
        peer.write(REQUEST)
        assert peer.read_exactly(12) == b"HTTP/1.1 400"
    assert server.is_quiet()


def test_ports_of_transports_are_told_apart(server: Station) -> None:
    port = server.net.listen_ws("127.0.0.1", 0, SERVER_SEED)
    assert server.net.listen_address(port, "ws") == f"127.0.0.1:{port}"
    with pytest.raises(UsageError, match="tcp"):
        server.net.listen_address(port)
