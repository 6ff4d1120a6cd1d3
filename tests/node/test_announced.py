"""Which addresses others are told, and what is said when there is none."""

from __future__ import annotations

import ipaddress

import pytest

from mosaic.core.url import Address, Scheme, ServerUrl
from mosaic.node.announced import Listening, announcement
from mosaic.node.own_addresses import own_address, own_addresses

PUBLIC = ipaddress.ip_address("93.184.215.14")
PUBLIC_6 = ipaddress.ip_address("2606:2800:21f:cb07:6820:80da:af6b:8b2c")
HOME = ipaddress.ip_address("192.168.1.7")
LOOP = ipaddress.ip_address("127.0.0.1")
OWN: list[Address] = [LOOP, HOME, PUBLIC, PUBLIC_6]

EVERYWHERE = [
    Listening(Scheme.WEBSOCKET, "0.0.0.0", 1321),
    Listening(Scheme.TCP, "0.0.0.0", 1320),
    Listening(Scheme.QUIC, "0.0.0.0", 1320),
]


def told(listening: list[Listening], own: list[Address] = OWN, *, near: bool = False) -> list[str]:
    return [str(url) for url in announcement(listening, (), own, near=near).urls]


@pytest.mark.claim("C16", "C47", "C90")
def test_every_transport_is_announced_the_one_to_be_tried_first_first() -> None:
    assert told(EVERYWHERE) == [
        "mosaic://93.184.215.14/",
        "mosaictcp://93.184.215.14/",
        "mosaicwss://93.184.215.14:1321/",
    ]


def test_near_addresses_only_where_all_who_look_are_near() -> None:
    tcp = [Listening(Scheme.TCP, "0.0.0.0", 4)]
    assert told(tcp) == ["mosaictcp://93.184.215.14:4/"]
    assert told(tcp, [LOOP, HOME]) == []
    assert told(tcp, [LOOP, HOME], near=True) == ["mosaictcp://127.0.0.1:4/", "mosaictcp://192.168.1.7:4/"]
    assert told([Listening(Scheme.TCP, "127.0.0.1", 4)]) == []
    assert told([Listening(Scheme.TCP, "127.0.0.1", 4)], near=True) == ["mosaictcp://127.0.0.1:4/"]
    assert told([Listening(Scheme.TCP, "localhost", 4)], near=True) == []


def test_all_addresses_of_both_families_where_the_listener_takes_both() -> None:
    assert told([Listening(Scheme.TCP, "::", 4)]) == [
        "mosaictcp://93.184.215.14:4/",
        "mosaictcp://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]:4/",
    ]
    assert told([Listening(Scheme.TCP, str(PUBLIC_6), 4)]) == [
        "mosaictcp://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]:4/"
    ]


def test_names_of_certificates_come_before_addresses() -> None:
    listening = Listening(Scheme.WEBSOCKET, "0.0.0.0", 443, ("mosaic.example",))
    assert told([listening]) == ["mosaicwss://mosaic.example/", "mosaicwss://93.184.215.14/"]
    assert told([Listening(Scheme.TCP, "mosaic.example", 4)]) == ["mosaictcp://mosaic.example:4/"]


def test_what_the_owner_says_is_announced_and_nothing_else() -> None:
    public = (ServerUrl.parse("mosaicwss://behind.example/"), ServerUrl.parse("mosaictcp://10.0.0.1/"))
    assert announcement(EVERYWHERE, public, OWN, near=False).urls == public


def test_that_nothing_can_be_announced_is_told_with_what_to_do() -> None:
    nowhere = announcement(EVERYWHERE, (), [LOOP, HOME], near=False)
    assert nowhere.urls == ()
    assert "No public address" in nowhere.missing
    assert "--public" in nowhere.missing
    assert "does not listen" in announcement([], (), OWN, near=True).missing
    assert announcement(EVERYWHERE, (), OWN, near=False).missing == ""


def test_the_own_address_is_the_one_on_the_way_there() -> None:
    assert own_address("127.0.0.1") == LOOP
    assert own_address("no such host, and no address") is None
    assert LOOP in own_addresses(["127.0.0.1"])
