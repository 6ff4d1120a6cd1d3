"""Every byte is counted once: under its server, and what it was for."""

from __future__ import annotations

from mosaic.client.traffic import Passed, Purpose, Traffic
from mosaic.core.keys import SecretKey
from mosaic.wire.header import MessageType

SERVER = SecretKey.from_seed(bytes([1]) * 32).public


def test_bytes_are_counted_by_server_and_purpose() -> None:
    traffic = Traffic()
    link = traffic.link()
    link.went(bytes([MessageType.HELLO]), 12)
    link.server = SERVER
    link.came(MessageType.RECORD, 308)
    link.went(bytes([MessageType.SUBSCRIBE]), 2_000)
    # Asking for nothing keeps a link, asking for something does not.
    link.went(bytes([MessageType.GET]), 8)
    link.went(bytes([MessageType.GET]), 56)
    now = traffic.by_server()
    assert now == {
        SERVER: {
            Purpose.KEEPING: Passed(0, 20, 2),
            Purpose.RECORDS: Passed(300, 0, 0),
            Purpose.ASKING: Passed(8, 2_056, 3),
        }
    }
    assert traffic.beyond_records == 20 + 8 + 2_056
    traffic.end(link)
    traffic.end(link)
    assert traffic.by_server() == now
    another = traffic.link()
    another.went(bytes([MessageType.HELLO]), 12)
    assert traffic.by_server()[None] == {Purpose.KEEPING: Passed(0, 12, 1)}


def test_every_type_of_message_has_a_purpose() -> None:
    known = [kind for kind in MessageType if kind not in {MessageType.UNRECOGNIZED, MessageType.CLOSING}]
    for kind in known:
        link = Traffic().link()
        link.came(kind, 100)
        assert Purpose.OTHER not in link.of


def test_what_passed_to_one_server_is_known_without_the_others() -> None:
    traffic = Traffic()
    other = SecretKey.from_seed(bytes([2]) * 32).public
    ended, going, elsewhere = traffic.link(), traffic.link(), traffic.link()
    ended.server = going.server = SERVER
    elsewhere.server = other
    ended.came(MessageType.RECORD, 308)
    ended.went(bytes([MessageType.SUBSCRIBE]), 2_000)
    going.went(bytes([MessageType.SUBMISSION]), 500)
    elsewhere.came(MessageType.RECORD, 1_000)
    traffic.end(ended)
    assert traffic.of_server(SERVER) == Passed(308, 2_500, 3)
    assert traffic.of_server(other) == Passed(1_000, 0, 1)
    assert traffic.of_server(SecretKey.from_seed(bytes([3]) * 32).public) == Passed()
