from __future__ import annotations

import ipaddress

import pytest

from mosaic.core.url import Scheme, ServerUrl
from mosaic.node.announced import Listening
from mosaic.node.authorities import authorities

pytestmark = pytest.mark.claim("C47")

OWN = [ipaddress.ip_address("192.0.2.7"), ipaddress.ip_address("2001:db8::7")]
LOOPBACK = {"localhost:8443", "127.0.0.1:8443", "[::1]:8443"}


def of(host: str, port: int = 8443, *names: str, scheme: Scheme = Scheme.WEBSOCKET) -> set[str]:
    return set(authorities([Listening(scheme, host, port, names)], [], OWN))


def test_names_and_addresses_of_a_listener() -> None:
    assert of("192.0.2.7", 8443, "mosaic.example") == {"mosaic.example:8443", "192.0.2.7:8443"}
    assert of("192.0.2.7", 443, "mosaic.example") == {"mosaic.example", "192.0.2.7"}
    assert of("127.0.0.1") == {"127.0.0.1:8443", "localhost:8443"}
    assert of("::1") == {"[::1]:8443", "localhost:8443"}
    assert of("mosaic.example") == {"mosaic.example:8443"}


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_a_listener_on_all_addresses(host: str) -> None:
    assert of(host) == LOOPBACK | {"192.0.2.7:8443", "[2001:db8::7]:8443"}


def test_other_transports_have_no_names() -> None:
    assert of("192.0.2.7", scheme=Scheme.TCP) == of("0.0.0.0", scheme=Scheme.QUIC) == set()


def test_what_the_owner_says_counts_beside_them() -> None:
    public = [ServerUrl.parse("mosaicwss://mosaic.example/"), ServerUrl.parse("mosaic://other.example/")]
    listening = [Listening(Scheme.WEBSOCKET, "127.0.0.1", 8443)]
    assert authorities(listening, public, OWN) == {"mosaic.example", "127.0.0.1:8443", "localhost:8443"}


def test_what_can_be_no_authority_is_left_out() -> None:
    assert of("fe80::1%eth0") == set()
