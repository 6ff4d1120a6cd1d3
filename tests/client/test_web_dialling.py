"""WebSocket: native mode, browser mode, and the step from one to the other."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from tests.client.internet import Place
from tests.client.test_dialling import SERVER, Trip, trip
from tests.core.makers import OTHER, SUBKEY

from mosaic.client.address import ServerAddress
from mosaic.client.authorities import Authorities
from mosaic.client.dial_memory import Remembered
from mosaic.client.settings import ClientSettings
from mosaic.client.way import Form
from mosaic.core.authentication import Authentication
from mosaic.core.keys import SecretKey
from mosaic.core.url import ServerUrl
from mosaic.errors import LocalError, ProtocolViolation, Unreachable, WrongServerKey
from mosaic.transport.transport import Transport

WEB = ServerUrl.parse("mosaicwss://server.example:8443/")
BUNDLE = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
NATIVE, BROWSER = frozenset({"certificate", "raw_key"}), frozenset({"browser"})


class Web(Trip):
    """A client and a web host at a name."""

    def __init__(self, folder: Path | None = None, **settings: object) -> None:
        file = ""
        if folder is not None:
            (folder / "authorities.pem").write_bytes(BUNDLE)
            file = str(folder / "authorities.pem")
        super().__init__(
            ClientSettings(authorities_file=file, **settings),  # type: ignore[arg-type]
            {"server.example": ["9.9.9.7"]},
        )

    def host(self, forms: frozenset[str], secret: SecretKey = SERVER) -> Place:
        place = self.internet.open("9.9.9.7", 8443, secret, Transport.WS, forms=forms)
        place.server.authorities = {"server.example:8443"}
        return place

    async def close(self) -> None:
        self.pool.close()
        await asyncio.sleep(1)
        self.internet.targets.clear()


@pytest.mark.claim("C47")
@trip
async def test_native_mode_asks_for_the_websocket_by_name_and_proves_keys_in_tls() -> None:
    on = Web()
    place = on.host(NATIVE)
    connection = await on.reach(WEB, secret=SUBKEY)
    await connection.ping()
    (target,) = on.internet.targets
    assert target.request.startswith(b"GET / HTTP/1.1\r\nHost: server.example:8443\r\n")
    assert (target.host, target.authorities, target.seed) == ("9.9.9.7", None, SUBKEY.reveal())
    assert len(on.internet.accepted) == 1
    assert [mode for mode, _ in place.server.upgrades] == [0]


@trip
async def test_a_foreign_certificate_leads_to_browser_mode_once(tmp_path: Path) -> None:
    on = Web(tmp_path)
    place = on.host(BROWSER)
    connection = await on.reach(WEB)
    await connection.ping()
    native, browser = on.internet.targets
    assert native.authorities is None
    assert browser.authorities == BUNDLE
    # The address that was judged is dialled, the host is asked for by its name.
    assert (browser.host, browser.name) == ("9.9.9.7", "server.example")
    assert on.memory.remembered(SERVER.public) == (Remembered(WEB, Form.BROWSER, on.now),)
    assert [session.peer_key for session in place.server.sessions.values()] == [None]
    # What worked is remembered.
    await on.close()
    await on.reach(WEB)
    assert [target.authorities for target in on.internet.targets] == [BUNDLE]
    # And native mode is found again when that is over.
    await on.close()
    place.forms = NATIVE
    await on.reach(WEB)
    assert [target.authorities for target in on.internet.targets] == [BUNDLE, None]


@pytest.mark.claim("C43", "C47")
@trip
async def test_in_browser_mode_our_key_is_proven_in_hello_and_nowhere_else(tmp_path: Path) -> None:
    on = Web(tmp_path)
    place = on.host(BROWSER)
    await on.reach(WEB, secret=SUBKEY)
    assert on.internet.targets[-1].seed is None
    assert [session.peer_key for session in place.server.sessions.values()] == [SUBKEY.public.bytes]


@pytest.mark.claim("C43", "C50")
@trip
async def test_in_browser_mode_a_wrong_key_is_refused_before_ours_is_proven(tmp_path: Path) -> None:
    on = Web(tmp_path)
    place = on.host(BROWSER, OTHER)
    with pytest.raises(WrongServerKey, match=OTHER.public.server_text):
        await on.reach(WEB, secret=SUBKEY)
    await asyncio.sleep(1)
    assert on.internet.live == 0
    assert not any(session.peer_key for session in place.server.sessions.values())


@pytest.mark.parametrize(
    "lie",
    [
        lambda asked: replace(asked, authority="other.example:8443"),
        lambda asked: replace(asked, client_nonce=bytes(32)),
        lambda asked: replace(asked, client_key=OTHER.public.bytes),
        lambda asked: replace(asked, server_nonce=bytes(32)),
    ],
)
@trip
async def test_a_proof_of_something_else_proves_nothing(tmp_path: Path, lie: object) -> None:
    on = Web(tmp_path)
    place = on.host(BROWSER)
    sign = place.server.proves

    def lying(asked: Authentication) -> Authentication | None:
        forged = lie(asked)  # type: ignore[operator]
        # The frame shows the nonce that was signed, unless that is the lie.
        return forged if forged.server_nonce == asked.server_nonce else sign(asked)

    place.server.proves = lying
    if lie(Authentication(bytes(32), bytes(32), bytes(32), b"n" * 32, "a")).server_nonce != b"n" * 32:  # type: ignore[operator]
        await on.reach(WEB, secret=SUBKEY)
        return
    with pytest.raises(WrongServerKey):
        await on.reach(WEB, secret=SUBKEY)
    assert not any(session.peer_key for session in place.server.sessions.values())


@trip
async def test_a_server_that_never_proves_its_key_is_given_up(tmp_path: Path) -> None:
    on = Web(tmp_path, connect_s=3)
    place = on.host(BROWSER)
    place.server.proves = lambda _: None
    error = await on.fails(WEB)
    assert isinstance(error, Unreachable)
    assert "within 3 s" in str(error)


@trip
async def test_without_authorities_there_is_no_browser_mode() -> None:
    on = Trip(ClientSettings(authorities_file="/nowhere/at/all.pem"), {"server.example": ["9.9.9.7"]})
    on.internet.open("9.9.9.7", 8443, SERVER, Transport.WS, forms=BROWSER)
    error = await on.fails(WEB)
    assert "/nowhere/at/all.pem can't be read" in str(error)


@trip
async def test_a_refused_upgrade_is_told_with_its_status() -> None:
    on = Web()
    place = on.host(NATIVE)

    def refuse(link: int, data: bytes) -> None:
        assert place.server.answer_upgrade is not None
        place.server.answer_upgrade(link, b"HTTP/1.1 404 Not Found\r\n\r\n", False)

    place.server.upgrade = refuse  # type: ignore[method-assign]
    error = await on.fails(WEB)
    assert isinstance(error, Unreachable)
    assert "404" in str(error)
    assert on.internet.accepted == []


@trip
async def test_a_server_without_a_proven_key_is_no_server() -> None:
    on = Web()
    place = on.host(NATIVE)
    # What the network reports as proven is nothing, though nobody asked for browser mode.
    place.far.own_key = b""
    report = on.internet._report
    on.internet._report = lambda event: report((*event[:2], b"") if event[1] == 256 else event)  # type: ignore[method-assign]
    error = await on.fails(WEB)
    assert isinstance(error, ProtocolViolation)
    assert "no key" in str(error)


@trip
async def test_native_mode_broken_off_in_both_forms_leads_to_browser_mode_last(tmp_path: Path) -> None:
    on = Web(tmp_path)
    place = on.host(frozenset())
    await on.fails(WEB)
    assert [(target.raw_key, target.authorities) for target in on.internet.targets] == [
        (False, None),
        (True, None),
        (False, BUNDLE),
    ]
    place.forms = BROWSER


@trip
async def test_a_proxy_resolves_the_name_in_browser_mode_too(tmp_path: Path) -> None:
    on = Web(tmp_path, proxy="socks5://127.0.0.1:9050")
    place = on.internet.open("server.example", 8443, SERVER, Transport.WS, forms=BROWSER)
    place.server.authorities = {"server.example:8443"}
    await on.reach(WEB)
    assert on.asked == []
    assert {target.host for target in on.internet.targets} == {"server.example"}
    assert all(target.proxy for target in on.internet.targets)


@trip
async def test_a_relay_to_another_name_is_refused(tmp_path: Path) -> None:
    """Whoever stands under another name passes our challenge on to the true server."""
    on = Web(tmp_path)
    place = on.host(BROWSER)
    place.server.authorities = {"true.example:8443"}
    error = await on.fails(WEB)
    assert error.tried
    async with asyncio.timeout(5):
        with pytest.raises(Exception, match=r"server\.example"):
            async with on.pool.connect(ServerAddress(SERVER.public, (WEB,)), SUBKEY):
                pass
    assert not any(session.peer_key for session in place.server.sessions.values())


def test_authorities_come_from_a_file_or_the_system(tmp_path: Path) -> None:
    file = tmp_path / "own.pem"
    file.write_bytes(BUNDLE)
    assert Authorities(str(file)).certificates() == BUNDLE
    file.write_bytes(b"nothing")
    with pytest.raises(LocalError, match="no certificate"):
        Authorities(str(file)).certificates()
    assert b"-----BEGIN CERTIFICATE-----" in Authorities().certificates()
