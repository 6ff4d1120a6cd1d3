"""Where somebody comes from behind an operator's proxy."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.errors import UsageError
from mosaic.policy.bans import Ban, network
from mosaic.protocol.upgrade import Mode
from mosaic.server.proxies import Proxies
from mosaic.server.settings import ServerSettings
from mosaic.testing import Person
from tests.server.web_memory import AUTHORITY, browse, prover
from tests.server.world import SERVER, World, running

ANNA = Person("anna")
PROXIES = Proxies(["10.0.0.0/8", "2001:db8::5"])


def head(*lines: str) -> bytes:
    return "\r\n".join(("GET / HTTP/1.1", "Host: a.example", *lines, "", "")).encode()


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (["X-Forwarded-For: 192.0.2.7"], "192.0.2.7"),
        (["x-forwarded-for:203.0.113.9 , 192.0.2.7"], "192.0.2.7"),
        (["X-Forwarded-For: 192.0.2.7, 10.1.2.3, 2001:db8::5"], "192.0.2.7"),
        (["X-Forwarded-For: 203.0.113.9", "X-Forwarded-For: 192.0.2.7"], "192.0.2.7"),
        (["X-Forwarded-For: 192.0.2.7:4711"], "192.0.2.7"),
        (['X-Forwarded-For: "[2001:db8::9]:4711"'], "2001:db8::9"),
        (["X-Forwarded-For: ::ffff:192.0.2.7"], "192.0.2.7"),
        (['X-Forwarded-For: "[::ffff:c000:207]:4711"'], "192.0.2.7"),
        (["X-Forwarded-For: unknown"], None),
        (["X-Forwarded-For: 192.0.2.7, nonsense"], None),
        (["X-Forwarded-For: 10.0.0.1"], None),
        (["X-Forwarded-For:"], None),
        ([], None),
    ],
)
def test_the_last_address_that_is_no_proxys_is_believed(lines: list[str], told: str | None) -> None:
    assert PROXIES.told(head(*lines)) == told


def test_who_is_a_proxy() -> None:
    assert PROXIES.brings("10.9.9.9")
    assert PROXIES.brings("::ffff:10.9.9.9")
    assert PROXIES.brings("2001:db8::5")
    assert not PROXIES.brings("2001:db8::6")
    assert not PROXIES.brings("memory")
    assert network("127.0.0.1") in PROXIES.trusted
    assert not Proxies([]).brings("127.0.0.1")
    with pytest.raises(UsageError):
        Proxies(["my proxy"])


@given(st.binary(max_size=200))
def test_any_head_has_an_answer(data: bytes) -> None:
    told = PROXIES.told(b"GET / HTTP/1.1\r\nX-Forwarded-For: " + data + b"\r\n\r\n")
    assert told is None or not PROXIES.brings(told)


async def visit(world: World, forwarded: str, host: str) -> bool:
    """Whether somebody's WebSocket is taken, who comes from a host and says for whom that speaks."""
    browser = browse(world, Mode.PLAIN, forwarded=forwarded, host=host)
    client, network_of = browser.client, browser._network
    await client.until(lambda: bool(network_of.answers) or client.closed)
    return bool(network_of.answers)


@pytest.mark.claim("C60")
async def test_a_ban_reaches_who_comes_through_a_proxy_that_the_operator_names(tmp_path: Path) -> None:
    settings = ServerSettings(proxies=("10.0.0.1",), authorities=(AUTHORITY,))
    async with running(tmp_path, ANNA, settings=settings, prover=prover(SERVER)) as world:
        world.server.bans.add(Ban("ip", *network("192.0.2.7"), "spam", world.now(), None, "operator"))
        assert not await visit(world, "192.0.2.7", "10.0.0.1")
        assert await visit(world, "192.0.2.8", "10.0.0.1")
        # Of anybody else it is not believed, neither for nor against him.
        assert await visit(world, "192.0.2.7", "10.0.0.2")
        assert not await visit(world, "192.0.2.8", "192.0.2.7")
