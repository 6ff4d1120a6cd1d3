"""WebSocket over TLS: our own keys on one port with certificates of an authority.

Source: edition §2, websockets.md.
"""

import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import PrivateFormat
from tests.transport.authority import KINDS, Authority, Issued
from tests.transport.raw import context
from tests.transport.station import CLIENT_SEED, SERVER_SEED, Station, frame
from tests.transport.test_foreign_tls import ED25519_PEM, ED25519_PUBLIC, ForeignServer
from tests.transport.upgrade import REQUEST, accepting
from tests.transport.websocket import BROWSER, NATIVE, PLAIN, Peer, accept

from mosaic._kernel._rust import (
    DIAL_FAILED,
    DIAL_FOREIGN_CERTIFICATE,
    DIAL_REFUSED_FORM,
    DIAL_WRONG_KEY,
    LINK_CLOSED,
    LINK_UPGRADE,
    public_key,
)
from mosaic.errors import ListenFailed, UsageError

SERVER_KEY, CLIENT_KEY = public_key(SERVER_SEED), public_key(CLIENT_SEED)
V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
HOST = "localhost"


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="module")
def issued(authority: Authority) -> Issued:
    return authority.issue(HOST, "mosaic.example", "127.0.0.1")


@pytest.fixture
def port(server: Station, issued: Issued) -> int:
    """One listener with everything."""
    names = [(HOST, issued.chain, issued.key), ("Mosaic.Example", issued.chain, issued.key)]
    return server.net.listen_ws("127.0.0.1", 0, SERVER_SEED, names=names, plain=True)


def trusting(authority: Authority, protocols: list[str] | None = None) -> ssl.SSLContext:
    """What a browser does."""
    made = ssl.create_default_context(cadata=authority.root.decode())
    if protocols:
        made.set_alpn_protocols(protocols)
    return made


def meet(server: Station, client: Station, dialled: int) -> tuple[int, bytes, int, bytes]:
    """Opens both ends: (link at the server, key it saw, mode, key that the client saw)."""
    link, key, mode = accept(server)
    opened, seen = client.opened()
    assert opened == dialled
    assert client.next() == (dialled, LINK_UPGRADE, bytes([mode]) + accepting(REQUEST))
    client.net.answer_upgrade(dialled, b"", accepted=True)
    client.net.send(dialled, frame(1, b"hello"))
    assert server.next() == (link, 1, frame(1, b"hello"))
    server.net.send(link, frame(2, b"and back"))
    assert client.next() == (dialled, 2, frame(2, b"and back"))
    return link, key, mode, seen


@pytest.mark.claim("C47", "C49", "C50")
@pytest.mark.parametrize("raw_key", [False, True])
@pytest.mark.parametrize("seed", [None, CLIENT_SEED])
def test_native_mode_proves_both_keys(
    server: Station, client: Station, port: int, seed: bytes | None, raw_key: bool
) -> None:
    dialled = client.net.dial_ws(
        "127.0.0.1", port, server_key=SERVER_KEY, seed=seed, request=REQUEST, raw_key=raw_key
    )
    link, key, mode, seen = meet(server, client, dialled)
    assert (mode, seen) == (NATIVE, SERVER_KEY)
    assert key == (CLIENT_KEY if seed else b"")
    assert server.net.peer_address(link)[0] == "127.0.0.1"
    client.net.close(dialled)
    assert client.next() == (dialled, LINK_CLOSED, b"closed here")
    assert server.next() == (link, LINK_CLOSED, b"the peer closed the connection")


@pytest.mark.claim("C50")
@pytest.mark.parametrize("raw_key", [False, True])
def test_a_wrong_key_is_told_and_our_own_does_not_go_out(
    server: Station, client: Station, port: int, raw_key: bool
) -> None:
    dialled = client.net.dial_ws(
        "127.0.0.1", port, server_key=CLIENT_KEY, seed=CLIENT_SEED, request=REQUEST, raw_key=raw_key
    )
    assert client.next() == (dialled, DIAL_WRONG_KEY, SERVER_KEY)
    assert server.is_quiet()


@pytest.mark.claim("C47")
@pytest.mark.parametrize("name", [HOST, "mosaic.example"])
def test_browser_mode_proves_the_hosts_name(
    server: Station, client: Station, port: int, authority: Authority, name: str
) -> None:
    if name == HOST:
        dialled = client.net.dial_ws(
            name, port, server_key=None, seed=None, request=REQUEST, authorities=authority.root
        )
        _, key, mode, seen = meet(server, client, dialled)
        assert (key, mode, seen) == (b"", BROWSER, b"")
    with Peer(port, trusting(authority), name) as peer:
        peer.upgrade(server)


@pytest.mark.parametrize("protocols", [None, ["http/1.1"], ["h2", "http/1.1"]])
@pytest.mark.parametrize("version", [V12, V13])
@pytest.mark.parametrize("kind", KINDS)
def test_browsers_of_all_kinds_meet_certificates_of_all_kinds(
    server: Station, authority: Authority, kind: str, version: ssl.TLSVersion, protocols: list[str] | None
) -> None:
    one = authority.issue("host.example", kind=kind)
    port = server.net.listen_ws("127.0.0.1", 0, SERVER_SEED, names=[("host.example", one.chain, one.key)])
    ours = trusting(authority, protocols)
    ours.minimum_version = ours.maximum_version = version
    with Peer(port, ours, "host.example") as peer:
        link = peer.upgrade(server)
        server.net.send(link, frame(1))
        assert peer.read_message() == frame(1)


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
@pytest.mark.parametrize("kind", ["ecdsa", "rsa"])
def test_keys_come_in_the_forms_that_tools_write(
    server: Station, authority: Authority, kind: str, form: PrivateFormat
) -> None:
    one = authority.issue("host.example", kind=kind, form=form)
    server.net.listen_ws("127.0.0.1", 0, SERVER_SEED, names=[("host.example", one.chain, one.key)])


@pytest.mark.parametrize("version", [V12, V13])
@pytest.mark.parametrize("protocols", [[], ["mosaic"], ["http/1.1"]])
@pytest.mark.parametrize("name", [None, "mosaic"])
def test_foreign_clients_of_native_mode(
    server: Station, port: int, name: str | None, protocols: list[str], version: ssl.TLSVersion
) -> None:
    ours = context(least=version, most=version)
    ours.set_alpn_protocols(protocols)
    with Peer(port, ours, name) as peer:
        assert isinstance(peer.socket, ssl.SSLSocket)
        assert SERVER_KEY in (peer.socket.getpeercert(binary_form=True) or b"")
        peer.upgrade(server)


def test_a_foreign_client_proves_its_key(server: Station, port: int, tmp_path: Path) -> None:
    (tmp_path / "own.pem").write_text(ED25519_PEM)
    ours = context(least=V13)
    ours.load_cert_chain(tmp_path / "own.pem")
    with Peer(port, ours, "mosaic") as peer:
        peer.write(REQUEST)
        assert accept(server)[1:] == (ED25519_PUBLIC, NATIVE)


def test_one_port_takes_all_modes(server: Station, client: Station, port: int, authority: Authority) -> None:
    with Peer(port) as plain, Peer(port, trusting(authority), HOST) as browser:
        for peer, mode in ((plain, PLAIN), (browser, BROWSER)):
            peer.write(REQUEST)
            assert accept(server)[1:] == (b"", mode)
    client.net.dial_ws("127.0.0.1", port, server_key=SERVER_KEY, seed=None, request=REQUEST)
    while accepted := accept_after_ends(server):
        if accepted == NATIVE:
            break


def accept_after_ends(server: Station) -> int:
    """The mode of the next link that asks, whatever ends before."""
    events = server.until(lambda events: any(what == LINK_UPGRADE for _, what, _ in events))
    (data,) = [data for _, what, data in events if what == LINK_UPGRADE]
    return data[0]


@pytest.mark.parametrize("name", ["other.example", "sub.localhost"])
def test_another_name_is_refused(server: Station, port: int, name: str) -> None:
    with pytest.raises(ssl.SSLError, match="ALERT"):
        Peer(port, context(), name)
    assert server.is_quiet()


@pytest.mark.parametrize(
    ("hosts", "days", "word"),
    [
        (("other.example",), 1, "not valid for name"),
        ((HOST,), -1, "expired"),
        ((HOST,), 1, "no authority that is trusted"),
    ],
)
def test_a_certificate_that_does_not_hold_is_a_failed_dial(
    client: Station, authority: Authority, tmp_path: Path, hosts: tuple[str, ...], days: int, word: str
) -> None:
    one = authority.issue(*hosts, days=days)
    trusted = Authority("Another authority") if "authority" in word else authority
    foreign = foreign_server(tmp_path, one)
    dialled = client.net.dial_ws(
        HOST, foreign.port, server_key=None, seed=None, request=REQUEST, authorities=trusted.root
    )
    link, what, reason = client.next()
    assert (link, what) == (dialled, DIAL_FAILED)
    assert word.encode() in reason
    foreign.join()
    assert foreign.received == b""


@pytest.mark.parametrize("host", [HOST, "127.0.0.1"])
def test_names_and_addresses_are_asked_for_as_browsers_do(
    client: Station, authority: Authority, tmp_path: Path, host: str
) -> None:
    foreign = foreign_server(tmp_path, authority.issue(host))
    dialled = client.net.dial_ws(
        host, foreign.port, server_key=None, seed=CLIENT_SEED, request=REQUEST, authorities=authority.root
    )
    # It answers with what it was asked: a head, at any rate.
    assert client.opened() == (dialled, b"")
    assert client.next() == (dialled, LINK_UPGRADE, bytes([BROWSER]) + REQUEST)
    client.net.answer_upgrade(dialled, b"", accepted=False)
    assert client.next()[:2] == (dialled, LINK_CLOSED)
    foreign.join()
    assert (foreign.name, foreign.received) == (HOST if host == HOST else None, REQUEST)


def foreign_server(folder: Path, one: Issued) -> ForeignServer:
    (folder / "host.pem").write_bytes(one.key + one.chain)
    return ForeignServer(str(folder / "host.pem"))


@pytest.mark.claim("C47")
def test_an_authoritys_certificate_in_native_mode_is_told_as_such(
    client: Station, authority: Authority, tmp_path: Path
) -> None:
    foreign = foreign_server(tmp_path, authority.issue(HOST))
    dialled = client.net.dial_ws(
        "127.0.0.1", foreign.port, server_key=SERVER_KEY, seed=CLIENT_SEED, request=REQUEST
    )
    assert client.next()[:2] == (dialled, DIAL_FOREIGN_CERTIFICATE)
    foreign.join()
    assert (foreign.name, foreign.received) == ("mosaic", b"")


def test_a_server_without_raw_keys_is_told_as_such(
    client: Station, authority: Authority, tmp_path: Path
) -> None:
    foreign = foreign_server(tmp_path, authority.issue(HOST))
    dialled = client.net.dial_ws(
        "127.0.0.1", foreign.port, server_key=None, seed=CLIENT_SEED, request=REQUEST, raw_key=True
    )
    assert client.next()[:2] == (dialled, DIAL_REFUSED_FORM)
    foreign.join()


def test_a_server_that_answers_no_http_is_a_failed_dial(
    client: Station, authority: Authority, tmp_path: Path
) -> None:
    foreign = foreign_server(tmp_path, authority.issue(HOST))
    dialled = client.net.dial_ws(
        HOST, foreign.port, server_key=None, seed=None, request=b"x", authorities=authority.root
    )
    assert client.next() == (dialled, DIAL_FAILED, b"the connection ended before the HTTP head did")
    foreign.join()


def test_what_a_listener_cannot_show_is_told_at_once(server: Station, issued: Issued) -> None:
    def listen(name: str, chain: bytes, key: bytes) -> None:
        server.net.listen_ws("127.0.0.1", 0, SERVER_SEED, names=[(name, chain, key)])

    with pytest.raises(ListenFailed, match=r"other\.example: the first certificate is not one of this host"):
        listen("other.example", issued.chain, issued.key)
    with pytest.raises(ListenFailed, match="localhost: the key does not serve for the certificate"):
        listen(HOST, issued.chain, Authority().issue(HOST).key)
    with pytest.raises(ListenFailed, match="no certificate"):
        listen(HOST, b"", issued.key)
    with pytest.raises(ListenFailed, match="no secret key") as told:
        listen(HOST, issued.chain, issued.chain)
    assert "BEGIN" not in str(told.value)
    for name in ("mosaic", "127.0.0.1", "no such name"):
        with pytest.raises(ListenFailed, match=name):
            listen(name, issued.chain, issued.key)


def test_authorities_that_are_none_are_told_at_once(client: Station, issued: Issued) -> None:
    for authorities in (b"", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", issued.key):
        with pytest.raises(UsageError, match="authorities"):
            client.net.dial_ws(HOST, 1, server_key=None, seed=None, request=REQUEST, authorities=authorities)
