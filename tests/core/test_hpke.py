"""The published vectors of RFC 9180, of the library that seals and of the hand-made form that makes ours."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.bindings._rust import openssl
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from tests.core import hpke_by_hand as by_hand

from mosaic.core.encryption import SUITE

FILE = Path(__file__).parents[1] / "vectors" / "published" / "rfc9180_a21.json"


@pytest.fixture(scope="module")
def vector() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(FILE.read_text())
    return found


def raw(vector: dict[str, Any], name: str) -> bytes:
    return bytes.fromhex(vector[name])


@pytest.mark.claim("C66")
def test_the_hand_made_form_is_that_of_the_rfc(vector: dict[str, Any]) -> None:
    assert by_hand.derived(raw(vector, "ikmE")) == raw(vector, "skEm")
    assert by_hand.derived(raw(vector, "ikmR")) == raw(vector, "skRm")
    assert by_hand.public(raw(vector, "skEm")) == raw(vector, "pkEm") == raw(vector, "enc")
    assert by_hand.public(raw(vector, "skRm")) == raw(vector, "pkRm")
    enc, recipient = raw(vector, "enc"), raw(vector, "pkRm")
    shared = by_hand.shared_secret(raw(vector, "skEm"), recipient, enc, recipient)
    assert shared == raw(vector, "shared_secret")
    assert shared == by_hand.shared_secret(raw(vector, "skRm"), enc, enc, recipient)
    schedule = by_hand.Schedule.of(shared, raw(vector, "info"))
    assert schedule.context == raw(vector, "key_schedule_context")
    assert schedule.secret == raw(vector, "secret")
    assert schedule.key == raw(vector, "key")
    assert schedule.base_nonce == raw(vector, "base_nonce")
    assert schedule.exporter == raw(vector, "exporter_secret")
    assert [each["sequence"] for each in vector["encryptions"]] == [0, 1, 2, 4, 255, 256]
    for each in vector["encryptions"]:
        nonce = schedule.nonce(each["sequence"])
        assert nonce == raw(each, "nonce")
        sealed = ChaCha20Poly1305(schedule.key).encrypt(nonce, raw(each, "pt"), raw(each, "aad"))
        assert sealed == raw(each, "ct")
    for each in vector["exports"]:
        assert schedule.export(raw(each, "exporter_context"), each["L"]) == raw(each, "exported_value")


@pytest.mark.claim("C66")
def test_the_library_opens_what_the_rfc_seals(vector: dict[str, Any]) -> None:
    first = vector["encryptions"][0]
    private = X25519PrivateKey.from_private_bytes(raw(vector, "skRm"))
    sealed = raw(vector, "enc") + raw(first, "ct")
    # The RFC's messages have additional data, ours have none: the library keeps that form to its own tests.
    opened = openssl.hpke._decrypt_with_aad(
        SUITE, sealed, private, raw(vector, "info"), aad=raw(first, "aad")
    )
    assert opened == raw(first, "pt")


@pytest.mark.claim("C66")
def test_the_library_opens_what_is_sealed_by_hand_and_the_other_way_round(vector: dict[str, Any]) -> None:
    info, secret = raw(vector, "info"), raw(vector, "skRm")
    private = X25519PrivateKey.from_private_bytes(secret)
    made = by_hand.seal(b"both ways", raw(vector, "pkRm"), info, raw(vector, "skEm"))
    assert SUITE.decrypt(made, private, info) == b"both ways"
    sealed = SUITE.encrypt(b"both ways", private.public_key(), info)
    shared = by_hand.shared_secret(secret, sealed[:32], sealed[:32], raw(vector, "pkRm"))
    schedule = by_hand.Schedule.of(shared, info)
    assert ChaCha20Poly1305(schedule.key).decrypt(schedule.nonce(0), sealed[32:], b"") == b"both ways"
