"""Software that is not ours speaks to us: Python's ssl as client and as server."""

import socket
import ssl
import threading
from pathlib import Path

import pytest
from tests.transport.raw import Reader, context
from tests.transport.station import CLIENT_SEED, SERVER_SEED, Station, frame

from mosaic._kernel._rust import DIAL_FAILED, DIAL_FOREIGN_CERTIFICATE, LINK_CLOSED, LINK_OPENED, public_key

V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
SERVER_KEY = public_key(SERVER_SEED)

# Made with `openssl req -x509 -newkey ed25519 -subj /CN=someone`; nobody's secrets.
ED25519_PEM = """-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIK6e1hA1a6ah8nnzft+EcxX1IwtW4vp6IbaX3L9bnkSh
-----END PRIVATE KEY-----
-----BEGIN CERTIFICATE-----
MIIBOjCB7aADAgECAhQ4CMnNGzouv2/w2rUh4WgitaCa2zAFBgMrZXAwEjEQMA4G
A1UEAwwHc29tZW9uZTAgFw0yNjExMjExMDQzMDVaGA8yMTI2MTAyODEwNDMwNVow
EjEQMA4GA1UEAwwHc29tZW9uZTAqMAUGAytlcAMhAIRZ1JGSCws4uU8NAXsN/Drn
iwkxLx5nUwY+E7LcLG3uo1MwUTAdBgNVHQ4EFgQUR2BrycMA+WAj3yJ0QZ6WCpFA
e44wHwYDVR0jBBgwFoAUR2BrycMA+WAj3yJ0QZ6WCpFAe44wDwYDVR0TAQH/BAUw
AwEB/zAFBgMrZXADQQDBoMhKUcToD9FVWvbWAbcbPE0GHqfOYNin2dAJ9FbxaxBi
WotyO5u/Fy1fxJ5hClpUyH925qETkIOTzgewBsAD
-----END CERTIFICATE-----
"""
# The same with `-newkey ec -pkeyopt ec_paramgen_curve:P-256`.
ECDSA_PEM = """-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgOO6MSyXYNQe+Rgxg
G87x8uMNBoj/IdrKvdoKYYS7EnOhRANCAAQLkM6436UlT5ZJsa6C3N9s6q7Dl5L/
XaHn6nwjy8ynDqsgXIslEagAZvKxoffUed9I/lf7uBBUIEmDiDI8dsrU
-----END PRIVATE KEY-----
-----BEGIN CERTIFICATE-----
MIIBezCCASGgAwIBAgIUTdib+x6dQAsMfA9Gt0WDB+ZeVdwwCgYIKoZIzj0EAwIw
EjEQMA4GA1UEAwwHc29tZW9uZTAgFw0yNjExMjExMDQzMDVaGA8yMTI2MTAyODEw
NDMwNVowEjEQMA4GA1UEAwwHc29tZW9uZTBZMBMGByqGSM49AgEGCCqGSM49AwEH
A0IABAuQzrjfpSVPlkmxroLc32zqrsOXkv9doefqfCPLzKcOqyBciyURqABm8rGh
99R530j+V/u4EFQgSYOIMjx2ytSjUzBRMB0GA1UdDgQWBBQcr8AOl1BgWIxpakmT
VkE7nLF1RzAfBgNVHSMEGDAWgBQcr8AOl1BgWIxpakmTVkE7nLF1RzAPBgNVHRMB
Af8EBTADAQH/MAoGCCqGSM49BAMCA0gAMEUCIQDqbxkYKtDs/pnUwCKd59cGNO2M
PyWBgjgsDBIO+A4Y5wIgM4hb/H7uz8rWqXqBJqp9C2860Eal2fKziNIuoE6kk7o=
-----END CERTIFICATE-----
"""
ED25519_PUBLIC = bytes.fromhex("8459d491920b0b38b94f0d017b0dfc3ae78b09312f1e6753063e13b2dc2c6dee")


@pytest.fixture
def ed25519(tmp_path: Path) -> str:
    path = tmp_path / "ed25519.pem"
    path.write_text(ED25519_PEM)
    return str(path)


@pytest.fixture
def ecdsa(tmp_path: Path) -> str:
    path = tmp_path / "ecdsa.pem"
    path.write_text(ECDSA_PEM)
    return str(path)


@pytest.mark.claim("C49", "C50")
@pytest.mark.parametrize("version", [V12, V13])
def test_an_anonymous_client_of_either_version(server: Station, version: ssl.TLSVersion) -> None:
    with Reader(server.listen(), context(least=version, most=version)) as peer:
        assert peer.socket.version() == {V12: "TLSv1.2", V13: "TLSv1.3"}[version]
        assert peer.socket.selected_alpn_protocol() == "mosaic"
        shown = peer.socket.getpeercert(binary_form=True)
        assert shown is not None
        assert SERVER_KEY in shown
        peer.write(frame(1, b"hello"))
        link, key = server.opened()
        assert key == b""
        assert server.next() == (link, 1, frame(1, b"hello"))
        server.net.send(link, frame(2, b"and back"))
        assert peer.read_exactly(16) == frame(2, b"and back")


@pytest.mark.claim("C50")
def test_a_client_certificate_proves_its_key_in_tls_1_3(server: Station, ed25519: str) -> None:
    ours = context(least=V13)
    ours.load_cert_chain(ed25519)
    with Reader(server.listen(), ours) as peer:
        peer.write(frame(1))
        assert server.opened()[1] == ED25519_PUBLIC


def test_a_client_certificate_is_not_asked_for_in_tls_1_2(server: Station, ed25519: str) -> None:
    ours = context(most=V12)
    ours.load_cert_chain(ed25519)
    with Reader(server.listen(), ours) as peer:
        peer.write(frame(1))
        assert server.opened()[1] == b""


@pytest.mark.parametrize("version", [V12, V13])
def test_another_kind_of_certificate_is_anonymous(
    server: Station, ecdsa: str, version: ssl.TLSVersion
) -> None:
    ours = context(least=version, most=version)
    ours.load_cert_chain(ecdsa)
    with Reader(server.listen(), ours) as peer:
        peer.write(frame(1))
        link, key = server.opened()
        assert key == b""
        assert server.next() == (link, 1, frame(1))


@pytest.mark.parametrize("version", [V12, V13])
def test_a_session_is_never_resumed_and_the_key_is_proven_again(
    server: Station, ed25519: str, version: ssl.TLSVersion
) -> None:
    port = server.listen()
    ours = context(least=version, most=version)
    ours.load_cert_chain(ed25519)
    session = None
    for _ in range(3):
        plain = socket.create_connection(("127.0.0.1", port), timeout=20)
        with ours.wrap_socket(plain, server_hostname="mosaic", session=session) as peer:
            peer.sendall(frame(1))
            link, key = server.opened()
            assert key == (ED25519_PUBLIC if version == V13 else b"")
            server.next(1)
            server.net.send(link, frame(2))
            assert peer.recv(8) == frame(2)
            assert not peer.session_reused
            session = peer.session
            assert session is not None
            assert version == V12 or session.has_ticket
        server.next(LINK_CLOSED)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_older_versions_are_refused(server: Station) -> None:
    ours = context(least=ssl.TLSVersion.TLSv1, most=ssl.TLSVersion.TLSv1_1)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        Reader(server.listen(), ours)
    assert server.is_quiet()


def test_a_client_that_wants_another_protocol_is_refused(server: Station) -> None:
    ours = context()
    ours.set_alpn_protocols(["h2"])
    with pytest.raises((ssl.SSLError, ConnectionError)), Reader(server.listen(), ours) as peer:
        peer.read_to_end()
    assert server.is_quiet()


@pytest.mark.claim("C50")
def test_the_certificate_is_its_own_authority_with_the_name_mosaic(server: Station) -> None:
    port = server.listen()
    with Reader(port) as peer:
        shown = peer.socket.getpeercert(binary_form=True)
    assert shown is not None
    strict = ssl.create_default_context(cadata=ssl.DER_cert_to_PEM_cert(shown))
    with Reader(port, strict) as peer:
        found = peer.socket.getpeercert()
    assert found is not None
    assert found["subjectAltName"] == (("DNS", "mosaic"),)
    assert found["subject"] == ((("commonName", "mosaic"),),) == found["issuer"]
    other = server.net.listen_tcp("127.0.0.1", 0, CLIENT_SEED)
    with pytest.raises(ssl.SSLCertVerificationError):
        Reader(other, strict)


class ForeignServer:
    """Python's ssl as a server for one connection: what it saw of the client."""

    def __init__(self, pem: str, most: ssl.TLSVersion = V13) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(pem)
        self._context.maximum_version = most
        self._context.verify_mode = ssl.CERT_OPTIONAL
        self._context.load_verify_locations(pem)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.name: str | None = None
        self.received = b""
        self.error: Exception | None = None
        self._context.sni_callback = self._note_name
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _note_name(self, _: ssl.SSLObject, name: str | None, __: ssl.SSLContext) -> None:
        self.name = name

    def _serve(self) -> None:
        plain, _ = self._listener.accept()
        plain.settimeout(20)
        try:
            with self._context.wrap_socket(plain, server_side=True) as peer:
                self.received = peer.recv(1_000)
                peer.sendall(self.received)
        except OSError as error:
            self.error = error
        finally:
            plain.close()

    def join(self) -> None:
        self._thread.join()
        self._listener.close()


def test_our_client_speaks_to_a_foreign_server(client: Station, ed25519: str) -> None:
    foreign = ForeignServer(ed25519)
    dialled = client.dial(foreign.port, server_key=ED25519_PUBLIC)
    assert client.opened() == (dialled, ED25519_PUBLIC)
    client.net.send(dialled, frame(5, b"echo"))
    assert client.next() == (dialled, 5, frame(5, b"echo"))
    foreign.join()
    assert (foreign.name, foreign.received, foreign.error) == ("mosaic", frame(5, b"echo"), None)


def test_our_client_dials_with_tls_1_3_only(client: Station, ed25519: str) -> None:
    foreign = ForeignServer(ed25519, most=V12)
    dialled = client.dial(foreign.port, server_key=ED25519_PUBLIC)
    assert client.next()[:2] == (dialled, DIAL_FAILED)
    foreign.join()


def test_a_foreign_kind_of_server_certificate_is_told_as_such(client: Station, ecdsa: str) -> None:
    foreign = ForeignServer(ecdsa)
    dialled = client.dial(foreign.port, seed=CLIENT_SEED)
    link, what, reason = client.next()
    assert (link, what) == (dialled, DIAL_FOREIGN_CERTIFICATE)
    assert LINK_OPENED not in [event[1] for event in client.seen]
    assert reason
    foreign.join()
    assert foreign.received == b""
