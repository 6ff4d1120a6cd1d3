"""What --dht may be."""

from __future__ import annotations

import pytest

from mosaic.core.url import ServerUrl
from mosaic.dht.mode import MAINLINE, OFF, DhtMode
from mosaic.errors import UsageError

LOOPBACK = DhtMode.parse("127.0.0.1:7001,localhost:7002")
PRIVATE = DhtMode.parse("192.168.1.7:6881")
MIXED = DhtMode.parse("127.0.0.1:7001, 8.8.8.8:6881")
OWN = DhtMode.parse("DHT.example.org:6881")


@pytest.mark.claim("C14")
def test_names_and_own_entry_nodes() -> None:
    assert DhtMode.parse("off") is OFF
    assert DhtMode.parse("mainline") is MAINLINE
    assert MIXED.entry_nodes == ("127.0.0.1:7001", "8.8.8.8:6881")
    assert OWN.entry_nodes == ("dht.example.org:6881",)
    assert [mode.name for mode in (OFF, MAINLINE, OWN)] == ["off", "mainline", "own"]


@pytest.mark.parametrize("mode", [OFF, MAINLINE, LOOPBACK, OWN])
def test_what_is_shown_is_read_again(mode: DhtMode) -> None:
    assert DhtMode.parse(str(mode)) == mode


@pytest.mark.parametrize(
    "text",
    [
        "", "on", "127.0.0.1", ":6881", "host:", "host:0", "host:65536", "host:x", "a:1,",
        "::1:6881", "[::1]:6881",
    ],
)  # fmt: skip
def test_what_is_no_mode(text: str) -> None:
    with pytest.raises(UsageError) as raised:
        DhtMode.parse(text)
    assert "--dht" in raised.value.hint


def test_which_may_announce_private_addresses() -> None:
    assert [mode.is_private for mode in (LOOPBACK, PRIVATE)] == [True, True]
    assert [mode.is_private for mode in (OFF, MAINLINE, OWN, MIXED)] == [False] * 4
    near, far = ServerUrl.parse("mosaic://10.0.0.1/"), ServerUrl.parse("mosaic://example.org/")
    assert [mode.allows(near) for mode in (LOOPBACK, PRIVATE, MAINLINE, MIXED, OWN)] == [
        True, True, False, False, False,
    ]  # fmt: skip
    assert MAINLINE.allows(far)


def test_where_our_node_binds() -> None:
    assert LOOPBACK.host == "127.0.0.1"
    assert [mode.host for mode in (MAINLINE, PRIVATE, MIXED, OWN)] == [""] * 4
