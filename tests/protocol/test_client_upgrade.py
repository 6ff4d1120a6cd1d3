from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.protocol.upgrades import AUTHORITY, CLIENT, ENTROPY, SERVER, SETTINGS, accepted, request

from mosaic.core.authentication import Role
from mosaic.errors import UsageError
from mosaic.protocol.client_upgrade import ClientUpgrade, Upgraded, UpgradeRefused
from mosaic.protocol.upgrade import Mode
from mosaic.testing import Person

pytestmark = pytest.mark.claim("C43", "C47")

BY_MESSAGE = ClientUpgrade(AUTHORITY, ENTROPY)
ANONYMOUS = ClientUpgrade(AUTHORITY, ENTROPY, applications=(1, 9), server_key=SERVER.key_bytes)
LOG_IN = ClientUpgrade(
    AUTHORITY, ENTROPY, applications=(1, 9), server_key=SERVER.key_bytes, client_key=CLIENT.key_bytes
)


def refusal(client: ClientUpgrade, response: bytes) -> UpgradeRefused:
    answer = client.receive(response)
    assert isinstance(answer, UpgradeRefused), answer
    return answer


@pytest.mark.parametrize("mode", Mode)
def test_hello_may_follow_as_a_message(mode: Mode) -> None:
    upgrade, response = accepted(BY_MESSAGE.request, mode)
    assert upgrade.ack is None
    assert BY_MESSAGE.receive(response) == Upgraded()


def test_hello_without_keys() -> None:
    client = ClientUpgrade(AUTHORITY, ENTROPY, applications=(9, 1))
    upgrade, response = accepted(client.request)
    assert upgrade.to_sign is None
    settings = replace(SETTINGS, service_url="https://mosaic.example/account")
    assert client.receive(response) == Upgraded(0, (1,))
    _, response = accepted(client.request, settings=settings)
    assert client.receive(response) == Upgraded(0, (1,), None, "https://mosaic.example/account")


def test_the_server_proves_its_key() -> None:
    upgrade, response = accepted(ANONYMOUS.request)
    assert upgrade.to_sign is not None
    assert upgrade.client_nonce is None
    assert ANONYMOUS.receive(response) == Upgraded(0, (1,))


def test_what_the_client_signs_is_what_the_server_expects() -> None:
    upgrade, response = accepted(LOG_IN.request)
    answer = LOG_IN.receive(response)
    assert isinstance(answer, Upgraded)
    assert answer.to_sign is not None
    assert answer.to_sign == upgrade.to_sign
    signature = answer.to_sign.sign(Role.CLIENT, CLIENT.master)
    assert answer.to_sign.verify(Role.CLIENT, signature)


def test_another_server_is_noticed() -> None:
    other = ClientUpgrade(
        AUTHORITY,
        ENTROPY,
        applications=(1, 9),
        server_key=Person("other").key_bytes,
        client_key=CLIENT.key_bytes,
    )
    _, response = accepted(other.request)
    answer = refusal(other, response)
    assert answer.unproven
    assert "another server" in answer.reason


def test_the_answer_to_another_request_is_noticed() -> None:
    _, response = accepted(request())
    assert "another's" in refusal(BY_MESSAGE, response).reason
    again = ClientUpgrade(
        AUTHORITY, ENTROPY[:16] + bytes(32), applications=(1, 9), server_key=SERVER.key_bytes
    )
    _, response = accepted(again.request)
    assert refusal(ANONYMOUS, response).unproven


@pytest.mark.parametrize(
    ("words", "old", "new"),
    [
        ("HTTP 403", b"101 Switching Protocols", b"403 Forbidden"),
        ("HTTP 200", b"101 Switching Protocols", b"200"),
        ("HTTP/1.1", b"HTTP/1.1 101", b"HTTP/1.0 101"),
        ("HTTP/1.1", b"HTTP/1.1 101", b"mosaic"),
        ("something else", b"Upgrade: websocket\r\n", b""),
        ("something else", b"Connection: Upgrade", b"Connection: close"),
        ("not read", b"Sec-WebSocket-Accept: ", b"Sec-WebSocket-Accept: A"),
        ("mosaic2025", b"Sec-WebSocket-Protocol: mosaic2025\r\n", b""),
        ("mosaic2025", b"Protocol: mosaic2025", b"Protocol: mosaic2025, nostr"),
        ("times", b"Upgrade: websocket", b"X-Mosaic-Version: 0\r\nUpgrade: websocket"),
        ("extensions", b"Upgrade: web", b"Sec-WebSocket-Extensions: permessage-deflate; a\r\nUpgrade: web"),
        ("Version", b"X-Mosaic-Version: 0\r\n", b""),
        ("Version", b"X-Mosaic-Version: 0", b"X-Mosaic-Version: 1"),
        ("Version", b"X-Mosaic-Version: 0", b"X-Mosaic-Version: -0"),
        ("not asked for", b"X-Mosaic-Features-Accepted: 1", b"X-Mosaic-Features-Accepted: 1,2"),
        ("not proven", b"X-Mosaic-Server-Authentication: ", b"X-Other: "),
        ("base64", b"X-Mosaic-Server-Authentication: ", b"X-Mosaic-Server-Authentication: -"),
        ("base64", b"==\r\n", b"\r\n"),
        ("key was named", b"X-Mosaic-Client-Authenticate-Nonce: ", b"X-Other: "),
        ("22 to 64", b"Client-Authenticate-Nonce: ", b"Client-Authenticate-Nonce: +"),
        ("times", b"X-Mosaic-Client-", b"X-Mosaic-Client-Authenticate-Nonce: a\r\nX-Mosaic-Client-"),
        ("another server", b"Client-Authenticate-Nonce: ", b"Client-Authenticate-Nonce: a"),
        ("blank line", b"\r\n\r\n", b"\r\n"),
        ("folded", b"\r\n\r\n", b"\r\n b\r\n\r\n"),
    ],
)
def test_other_answers_are_refused_with_words(words: str, old: bytes, new: bytes) -> None:
    _, response = accepted(LOG_IN.request)
    assert old in response
    assert words in refusal(LOG_IN, response.replace(old, new, 1)).reason


def test_a_refusal_tells_the_status() -> None:
    assert refusal(BY_MESSAGE, b"HTTP/1.1 426 Upgrade Required\r\n\r\n").status == 426


def test_a_nonce_where_no_key_was_named_is_refused() -> None:
    _, response = accepted(ANONYMOUS.request)
    odd = response.replace(
        b"Upgrade: ", b"X-Mosaic-Client-Authenticate-Nonce: " + b"a" * 22 + b"\r\nUpgrade: ", 1
    )
    assert "key was named" in refusal(ANONYMOUS, odd).reason


def test_a_client_proves_no_key_to_a_server_without_one() -> None:
    with pytest.raises(UsageError):
        ClientUpgrade(AUTHORITY, ENTROPY, applications=(1,), client_key=CLIENT.key_bytes)
    with pytest.raises(UsageError):
        ClientUpgrade(AUTHORITY, ENTROPY, server_key=SERVER.key_bytes)
    with pytest.raises(UsageError):
        ClientUpgrade(AUTHORITY, ENTROPY[:47])


@given(st.binary(max_size=200))
def test_any_bytes_are_refused(data: bytes) -> None:
    refusal(LOG_IN, data)
