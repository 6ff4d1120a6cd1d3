from __future__ import annotations

import pickle

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.vectors.encryption import FILE, HEAD, MASTER, ONE, PUBLICS, SECRETS, THREE, flipped, text

from mosaic.core import encryption, x25519
from mosaic.core.encryption import EncryptedPayload, Stanza
from mosaic.core.x25519 import X25519Secret
from mosaic.errors import InvalidContent, InvalidSecretKey, Undecryptable

SECRET = X25519Secret(SECRETS[0])


def opened(payload: bytes, head: bytes = HEAD) -> bytes:
    return encryption.opened(payload, head, MASTER.public, [SECRET])


def test_the_vectors_are_those_that_the_generator_makes() -> None:
    assert FILE.read_text(encoding="utf-8") == text()


@pytest.mark.claim("C66")
def test_every_flipped_bit_of_a_payload_is_noticed() -> None:
    payload = THREE.payload
    assert encryption.unpadded(opened(payload), len(THREE.content)) == THREE.content
    for place in range(len(payload)):
        with pytest.raises((InvalidContent, Undecryptable)):
            opened(flipped(payload, place, place % 8))


@pytest.mark.claim("C66")
@given(st.integers(0, len(HEAD) - 1), st.integers(0, 7))
def test_a_payload_opens_in_its_own_record_only(place: int, bit: int) -> None:
    with pytest.raises(Undecryptable):
        opened(ONE.payload, flipped(HEAD, place, bit))


@given(st.binary(max_size=600) | st.integers(0, 400).map(lambda end: ONE.payload[:end]))
@example(b"\1\1" + bytes(6) + bytes(112 + 256 + 16))
def test_any_bytes_give_no_other_error_than_ours(payload: bytes) -> None:
    if payload == ONE.payload:
        return
    with pytest.raises((InvalidContent, Undecryptable)):
        opened(payload)


def test_parts_of_a_payload_make_it_again() -> None:
    parts = EncryptedPayload.parse(THREE.payload)
    assert parts.head + parts.body == THREE.payload
    assert [stanza.key for stanza in parts.stanzas] == PUBLICS[:3]
    with pytest.raises(InvalidContent):
        Stanza(PUBLICS[0], bytes(79))
    with pytest.raises(InvalidContent):
        EncryptedPayload((), parts.body)


@given(st.integers(0, 524_288))
@example(0)
@example(256)
@example(524_288)
def test_a_padded_length_is_the_smallest_that_holds_it(length: int) -> None:
    padded = encryption.padded_length(length)
    assert padded >= max(length, 256)
    assert padded % 256 == 0
    assert (padded // 256).bit_count() == 1
    assert padded == 256 or padded // 2 < length
    assert encryption.sealed_length(2, length) == 8 + 224 + padded + 16


def test_content_that_is_too_long_says_what_to_do() -> None:
    with pytest.raises(InvalidContent) as raised:
        encryption.padded(bytes(524_289))
    assert "blob" in raised.value.hint


@given(st.binary(max_size=700))
def test_padding_comes_off_again(content: bytes) -> None:
    padded = encryption.padded(content)
    assert encryption.unpadded(padded, len(content)) == content
    if len(content) != len(padded):
        with pytest.raises(InvalidContent):
            encryption.unpadded(padded[:-1] + b"\1", len(content))
    for wrong in (-1, len(padded) + 1):
        with pytest.raises(InvalidContent):
            encryption.unpadded(padded, wrong)
    if len(padded) > 256:
        with pytest.raises(InvalidContent):
            encryption.unpadded(padded, len(padded) // 2)


def test_a_body_over_the_longest_is_refused_before_any_key_is_tried() -> None:
    head = ONE.payload[:120]
    with pytest.raises(InvalidContent):
        EncryptedPayload.parse(head + bytes(1_048_576 + 16))
    assert len(EncryptedPayload.parse(head + bytes(524_288 + 16)).body) == 524_304


def test_a_secret_is_not_shown() -> None:
    secret = X25519Secret(SECRETS[0])
    assert repr(secret) == "X25519Secret(hidden)"
    with pytest.raises(InvalidSecretKey):
        pickle.dumps(secret)
    with pytest.raises(InvalidSecretKey):
        X25519Secret(bytes(31))
    assert secret == SECRET
    assert hash(secret) == hash(SECRET)
    assert secret != X25519Secret(SECRETS[1])
    secret.erase()
    with pytest.raises(InvalidSecretKey):
        secret.reveal()
    assert secret.public == PUBLICS[0]


def test_keys_of_small_order_are_of_no_use() -> None:
    assert x25519.is_usable(PUBLICS[0])
    assert not x25519.is_usable(bytes(32))
    assert not x25519.is_usable(bytes(31))
