from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.kernel.twins import ed25519ph
from tests.kernel.twins.blake3 import blake3

from mosaic.core.authentication import (
    NO_NONCE,
    NOBODY,
    Authentication,
    Role,
    nonce_from,
    nonce_of_text,
)
from mosaic.errors import InvalidSecretKey, UsageError
from mosaic.testing import Person

pytestmark = pytest.mark.claim("C47")

SERVER, CLIENT, OTHER = Person("server"), Person("client"), Person("other")
SAMPLE = Authentication(SERVER.key_bytes, CLIENT.key_bytes, b"c" * 32, b"s" * 32, "mosaic.example:8443")
PEOPLE = {Role.SERVER: SERVER, Role.CLIENT: CLIENT}


@pytest.mark.parametrize("role", Role)
def test_what_is_signed(role: Role) -> None:
    text = b"mosaic " + role.value.encode() + b" auth\0" + SERVER.key_bytes + CLIENT.key_bytes
    text += b"c" * 32 + b"s" * 32 + b"mosaic.example:8443"
    assert SAMPLE.signed_bytes(role) == text
    signature = SAMPLE.sign(role, PEOPLE[role].master)
    assert ed25519ph.verify(PEOPLE[role].key_bytes, blake3(text, 64), signature, b"Mosaic auth")
    assert SAMPLE.verify(role, signature)


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize(
    "other",
    [
        replace(SAMPLE, server_key=OTHER.key_bytes),
        replace(SAMPLE, client_key=OTHER.key_bytes),
        replace(SAMPLE, client_key=NOBODY),
        replace(SAMPLE, client_nonce=b"d" * 32),
        replace(SAMPLE, server_nonce=b"t" * 32),
        replace(SAMPLE, server_nonce=NO_NONCE),
        replace(SAMPLE, client_nonce=SAMPLE.server_nonce, server_nonce=SAMPLE.client_nonce),
        replace(SAMPLE, authority="mosaic.example"),
    ],
)
def test_a_signature_holds_for_one_encounter(role: Role, other: Authentication) -> None:
    signature = SAMPLE.sign(role, PEOPLE[role].master)
    assert not other.verify(role, signature)
    assert not SAMPLE.verify(Role.CLIENT if role is Role.SERVER else Role.SERVER, signature)


def test_nobody_has_no_signature() -> None:
    anonymous = replace(SAMPLE, client_key=NOBODY)
    assert anonymous.verify(Role.SERVER, anonymous.sign(Role.SERVER, SERVER.master))
    assert not anonymous.verify(Role.CLIENT, bytes(64))
    assert not anonymous.verify(Role.CLIENT, SAMPLE.sign(Role.CLIENT, CLIENT.master))
    with pytest.raises(InvalidSecretKey):
        anonymous.sign(Role.CLIENT, CLIENT.master)


@given(st.binary(max_size=80))
def test_other_bytes_are_no_signature(data: bytes) -> None:
    assert not SAMPLE.verify(Role.SERVER, data)


def test_parts_of_other_lengths_are_refused() -> None:
    for name in ("server_key", "client_key", "client_nonce", "server_nonce"):
        for data in (b"", bytes(31), bytes(33)):
            with pytest.raises(UsageError):
                replace(SAMPLE, **{name: data})  # type: ignore[arg-type]


def test_nonces() -> None:
    assert nonce_of_text("a-nonce-of-the-client_") == blake3(b"a-nonce-of-the-client_", 32)
    drawn = {nonce_from(bytes([n]) * 32, number) for n in range(4) for number in range(50)}
    assert len(drawn) == 200
    assert {len(nonce) for nonce in drawn} == {32}
