from __future__ import annotations

import base64
import re
from email.message import Message
from email.parser import BytesParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.protocol.upgrades import (
    AUTHORITY,
    CLIENT,
    ENTROPY,
    IDENTITY,
    SERVER,
    SETTINGS,
    accepted,
    judged,
    refused,
    request,
)

from mosaic.core.authentication import Authentication, Role, nonce_of_text
from mosaic.errors import UsageError
from mosaic.protocol.settings import ServerSessionSettings
from mosaic.protocol.upgrade import Mode, Refusal, Upgrade, judge

pytestmark = pytest.mark.claim("C43", "C47")

NONCE = "uA1-_hNnPz0q5cK3dWbQ2w"
HELLO = {"X_Mosaic_Versions": "0", "X_Mosaic_Features": "0,1"}
PROVE = {**HELLO, "X_Mosaic_Server_Authenticate_Nonce": NONCE}
LOG_IN = {**PROVE, "X_Mosaic_Authenticate_As": CLIENT.key.user_text}


def fields(response: bytes) -> Message:
    start, _, rest = response.partition(b"\r\n")
    assert start == b"HTTP/1.1 101 Switching Protocols"
    assert response.endswith(b"\r\n\r\n")
    return BytesParser().parsebytes(rest)


# --- the WebSocket itself


@pytest.mark.parametrize("mode", Mode)
def test_a_request_is_accepted_in_every_mode(mode: Mode) -> None:
    upgrade, response = accepted(request(), mode)
    found = fields(response)
    assert found["Upgrade"] == "websocket"
    assert found["Connection"] == "Upgrade"
    assert found["Sec-WebSocket-Accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # the example of RFC 6455
    assert found["Sec-WebSocket-Protocol"] == "mosaic2025"
    assert (upgrade.ack, upgrade.to_sign) == (None, None)
    assert len(found) == 4


def test_fields_are_read_as_browsers_write_them() -> None:
    accepted(request(Upgrade="WebSocket", Connection="keep-alive, Upgrade", Origin="https://other.example"))
    accepted(request(Sec_WebSocket_Protocol="nostr, mosaic2025", Cookie="a=b; c=d", User_Agent="caf\xe9"))
    accepted(request("GET / HTTP/1.1", "Cookie: a", "Cookie: b", Content_Length="0"))
    accepted(request(Sec_WebSocket_Extensions="permessage-deflate; client_max_window_bits"))
    accepted(request("GET / HTTP/1.1", "Sec-WebSocket-Protocol: mosaic2025", Sec_WebSocket_Protocol="a"))


@pytest.mark.parametrize(
    ("status", "words", "data"),
    [
        (400, "HTTP/1.1", request("GET / HTTP/1.0")),
        (400, "HTTP/1.1", request("GET /")),
        (400, "HTTP/1.1", request("GET  / HTTP/1.1")),
        (400, "HTTP/1.1", request("GET / HTTP/1.1 ")),
        (400, "GET", request("POST / HTTP/1.1")),
        (400, "GET", request("get / HTTP/1.1")),
        (400, "path", request("GET http://mosaic.example/ HTTP/1.1")),
        (404, "at /", request("GET /chat HTTP/1.1")),
        (404, "at /", request("GET /?a HTTP/1.1")),
        (400, "body", request(Content_Length="5")),
        (400, "body", request(Content_Length="00")),
        (400, "body", request(Transfer_Encoding="chunked")),
        (400, "times", request("GET / HTTP/1.1", "Content-Length: 0", Content_Length="0")),
        (400, "missing", request(Host=None)),
        (400, "times", request("GET / HTTP/1.1", f"host: {AUTHORITY}")),
        (400, "Host", request(Host="a b")),
        (400, "Host", request(Host="")),
        (400, "Host", request(Host="user@mosaic.example:8443")),
        (403, "name", request(Host="mosaic.example:8444")),
        (403, "name", request(Host="127.0.0.1")),
        (403, "name", request(Host="evil.example")),
        (426, "Mosaic client", request(Upgrade=None)),
        (426, "Mosaic client", request(Upgrade="h2c")),
        (426, "Mosaic client", request(Connection="close")),
        (426, "13", request(Sec_WebSocket_Version="8")),
        (426, "13", request(Sec_WebSocket_Version=None)),
        (400, "times", request("GET / HTTP/1.1", "Sec-WebSocket-Version: 13")),
        (400, "Key", request(Sec_WebSocket_Key=None)),
        (400, "Key", request(Sec_WebSocket_Key="AAAA")),
        (400, "Key", request(Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZQ")),
        (400, "times", request("GET / HTTP/1.1", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")),
        (400, "mosaic2025", request(Sec_WebSocket_Protocol=None)),
        (400, "mosaic2025", request(Sec_WebSocket_Protocol="nostr")),
        (400, "mosaic2025", request(Sec_WebSocket_Protocol="MOSAIC2025")),
        (400, "tokens", request(Sec_WebSocket_Protocol="mosaic2025; a")),
        (400, "folded", request("GET / HTTP/1.1", "X-A: b", " c")),
        (400, "Name: value", request("GET / HTTP/1.1", "Host : mosaic.example")),
        (400, "Name: value", request("GET / HTTP/1.1", "no colon")),
        (400, "Name: value", request("GET / HTTP/1.1", ": empty")),
        (400, "control", request("GET / HTTP/1.1", "X-A: b\nHost: evil.example")),
        (400, "control", request("GET / HTTP/1.1", "X-A: b\rX-B: c")),
        (400, "control", request("GET / HTTP/1.1", "X-A: \0")),
        (400, "blank line", request() + b"GET / HTTP/1.1\r\n\r\n"),
        (400, "blank line", request()[:-2]),
        (400, "blank line", b""),
        (400, "longer", request(X_A="a" * 8_192)),
    ],
)
def test_other_requests_are_refused_with_words(status: int, words: str, data: bytes) -> None:
    refusal = refused(data)
    assert refusal.status == status
    assert words in refusal.reason


def test_426_says_what_is_spoken() -> None:
    head = refused(request(Upgrade=None)).answer.split(b"\r\n\r\n")[0].split(b"\r\n")
    assert b"Upgrade: websocket" in head
    assert b"Sec-WebSocket-Version: 13" in head


def test_native_mode_does_not_care_for_the_host_since_tls_proves_the_key() -> None:
    accepted(request(Host="127.0.0.1:49152"), Mode.NATIVE)
    assert refused(request(Host="a b"), Mode.NATIVE).status == 400


@pytest.mark.parametrize("mode", [Mode.BROWSER, Mode.PLAIN])
def test_a_server_without_a_name_has_no_browser_mode(mode: Mode) -> None:
    refusal = judge(request(), mode, SETTINGS, None, ENTROPY[:32])
    assert isinstance(refusal, Refusal)
    assert refusal.status == 403
    assert isinstance(judge(request(), Mode.NATIVE, SETTINGS, None, ENTROPY[:32]), Upgrade)


def test_a_refusal_does_not_repeat_what_was_sent() -> None:
    for data in (request("GET /<script> HTTP/1.1"), request(Host="<script>"), request(Upgrade="<script>")):
        assert b"<script>" not in refused(data).answer


# --- HELLO in its fields


def test_hello_in_header_form() -> None:
    upgrade, response = accepted(request(X_Mosaic_Versions="3, 0 ,1", X_Mosaic_Features="7, 1, sync,0,1"))
    assert upgrade.ack is not None
    assert (upgrade.ack.version, upgrade.ack.applications) == (0, (1, 0))
    found = fields(response)
    assert found["X-Mosaic-Version"] == "0"
    assert found["X-Mosaic-Features-Accepted"] == "1,0"
    assert found["X-Mosaic-Server-Authentication"] is None
    assert found["X-Mosaic-Client-Authenticate-Nonce"] is None
    assert found["X-Mosaic-Service-Url"] is None


def test_the_service_url_is_a_setting() -> None:
    settings = ServerSessionSettings(service_url="https://mosaic.example/account")
    for data in (request(), request(X_Mosaic_Versions="0")):
        assert fields(accepted(data, settings=settings)[1])["X-Mosaic-Service-Url"] == settings.service_url
    for bad in ("https://a b", "https://ü", "https://a\r\nX: y"):
        with pytest.raises(UsageError):
            ServerSessionSettings(service_url=bad)


@pytest.mark.parametrize("mode", [Mode.BROWSER, Mode.PLAIN])
def test_the_server_proves_its_key(mode: Mode) -> None:
    upgrade, response = accepted(request(**PROVE), mode)
    expected = Authentication(SERVER.key_bytes, bytes(32), nonce_of_text(NONCE), bytes(32), AUTHORITY)
    assert upgrade.to_sign == expected
    found = fields(response)
    text = found["X-Mosaic-Server-Authentication"]
    assert re.fullmatch(r"[A-Za-z0-9+/]{86}==", text)
    assert expected.verify(Role.SERVER, base64.b64decode(text))
    assert found["X-Mosaic-Client-Authenticate-Nonce"] is None


def test_a_client_that_names_a_key_gets_a_nonce() -> None:
    upgrade, response = accepted(request(**LOG_IN))
    found = fields(response)
    nonce = found["X-Mosaic-Client-Authenticate-Nonce"]
    assert re.fullmatch(r"[A-Za-z0-9_-]{22,64}", nonce)
    assert upgrade.to_sign == Authentication(
        SERVER.key_bytes, CLIENT.key_bytes, nonce_of_text(NONCE), nonce_of_text(nonce), AUTHORITY
    )
    other = judge(request(**LOG_IN), Mode.BROWSER, SETTINGS, IDENTITY, bytes(32))
    assert isinstance(other, Upgrade)
    assert other.client_nonce != nonce


def test_the_host_is_signed_in_its_one_form() -> None:
    upgrade, _ = accepted(request(Host="MOSAIC.example:443", **PROVE))
    assert upgrade.to_sign is not None
    assert upgrade.to_sign.authority == "mosaic.example"


def test_native_mode_passes_authentication_by_header_over() -> None:
    upgrade, response = accepted(request(**LOG_IN), Mode.NATIVE)
    assert upgrade.ack is not None
    assert upgrade.to_sign is None
    assert b"Authenticat" not in response


def test_nothing_is_accepted_unsigned() -> None:
    upgrade = judged(request(**PROVE))
    assert isinstance(upgrade, Upgrade)
    with pytest.raises(UsageError):
        upgrade.response(SETTINGS)


@pytest.mark.parametrize(
    ("words", "more"),
    [
        ("Versions", {"X_Mosaic_Features": "0"}),
        ("Versions", {"X_Mosaic_Server_Authenticate_Nonce": NONCE}),
        ("Versions", {"X_Mosaic_Versions": ""}),
        ("Versions", {"X_Mosaic_Versions": "0.8"}),
        ("Versions", {"X_Mosaic_Versions": "256"}),
        ("Versions", {"X_Mosaic_Versions": "-1"}),
        ("Versions", {"X_Mosaic_Versions": "0;1"}),
        ("spoken", {"X_Mosaic_Versions": "1,2"}),
        ("Nonce", {**HELLO, "X_Mosaic_Server_Authenticate_Nonce": "a" * 21}),
        ("Nonce", {**HELLO, "X_Mosaic_Server_Authenticate_Nonce": "a" * 65}),
        ("Nonce", {**HELLO, "X_Mosaic_Server_Authenticate_Nonce": "a" * 22 + "=="}),
        ("Nonce", {**HELLO, "X_Mosaic_Server_Authenticate_Nonce": "a" * 22 + "+/"}),
        ("Nonce", {**HELLO, "X_Mosaic_Authenticate_As": CLIENT.key.user_text}),
        ("mopub0", {**PROVE, "X_Mosaic_Authenticate_As": CLIENT.key.server_text}),
        ("mopub0", {**PROVE, "X_Mosaic_Authenticate_As": "mopub0"}),
        ("mopub0", {**PROVE, "X_Mosaic_Authenticate_As": ""}),
    ],
)
def test_malformed_fields_are_refused(words: str, more: dict[str, str]) -> None:
    refusal = refused(request(**more))
    assert refusal.status == 400
    assert words in refusal.reason


@pytest.mark.parametrize("name", [*LOG_IN])
def test_no_field_stands_twice(name: str) -> None:
    line = f"{name.replace('_', '-').upper()}: {LOG_IN[name]}"
    assert "times" in refused(request("GET / HTTP/1.1", line, **LOG_IN)).reason


# --- anything


@given(st.binary(max_size=300))
def test_any_bytes_are_answered(data: bytes) -> None:
    assert isinstance(judged(data), Refusal)


@given(st.data())
def test_a_changed_byte_is_answered(data: st.DataObject) -> None:
    head = bytearray(request(**LOG_IN))
    place = data.draw(st.integers(0, len(head) - 1))
    head[place] = data.draw(st.integers(0, 255))
    answer = judged(bytes(head))
    if isinstance(answer, Refusal):
        assert answer.status in {400, 403, 404, 426}
    else:
        assert answer.to_sign is None or answer.to_sign.authority in IDENTITY.authorities
