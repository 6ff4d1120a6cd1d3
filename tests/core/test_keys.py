from __future__ import annotations

import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.strategies import any_text, seeds

from mosaic.core.keys import PublicKey, SecretKey
from mosaic.errors import FormatError, InvalidKey, InvalidSecretKey, InvalidText

SEED = bytes.fromhex("d4f8c520d65c6dcc2594b17a3e5a560180857a3f082645ce1e4e5f393f33575f")
KEY = bytes.fromhex("bf2ac34fb2a7143f5ead14e4b3a8176247a6cd94a8f8dd1498573af295424ddc")


@pytest.mark.claim("C1")
def test_a_person_needs_32_random_bytes_and_nobody_else() -> None:
    secret = SecretKey.generate(SEED)
    assert secret.public == PublicKey(KEY)
    assert secret.reveal() == SEED


@pytest.mark.claim("C1", "C12")
@given(seeds)
def test_keys_survive_their_texts(seed: bytes) -> None:
    secret = SecretKey.from_seed(seed)
    key = secret.public
    assert SecretKey.parse(secret.text) == secret
    assert PublicKey.parse_user(key.user_text) == key
    assert PublicKey.parse_server(key.server_text) == key
    assert PublicKey.from_bytes(key.bytes) == key


@pytest.mark.claim("C22")
def test_a_key_is_read_as_user_as_server_and_bare() -> None:
    key = PublicKey(KEY)
    assert {PublicKey.parse(text) for text in (key.user_text, key.server_text, key.user_text[6:])} == {key}
    assert key.user_text[6:] == key.server_text[6:]


def test_a_user_is_no_server() -> None:
    key = PublicKey(KEY)
    with pytest.raises(InvalidText):
        PublicKey.parse_user(key.server_text)
    with pytest.raises(InvalidText):
        PublicKey.parse_server(key.user_text)


@given(any_text)
def test_any_text_is_a_key_or_refused(text: str) -> None:
    for parse in (PublicKey.parse, PublicKey.parse_user, PublicKey.parse_server, SecretKey.parse):
        with pytest.raises(FormatError):
            parse(text)


@given(st.binary(max_size=40))
def test_any_bytes_are_a_key_or_refused(data: bytes) -> None:
    try:
        key = PublicKey.from_bytes(data)
    except InvalidKey:
        return
    assert bytes(key) == data
    assert len(data) == 32


@pytest.mark.parametrize(
    "data",
    [
        b"\1" + bytes(31),
        bytes(32),
        bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
        bytes.fromhex("f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
        bytes.fromhex("722d11fe15099a01aa37b9b5ab015c0cd4e178603302d1d2a5e07ebda1dd6291"),
        KEY[:31],
        KEY + b"\0",
    ],
)
def test_keys_that_may_not_be(data: bytes) -> None:
    with pytest.raises(InvalidKey):
        PublicKey.from_bytes(data)


def test_keys_are_ordered_by_their_bytes() -> None:
    keys = [SecretKey.from_seed(bytes([number]) * 32).public for number in range(20)]
    assert [key.bytes for key in sorted(keys)] == sorted(key.bytes for key in keys)


def test_a_secret_is_never_shown() -> None:
    secret = SecretKey.from_seed(SEED)
    shown = f"{secret!r} {secret!s} {secret} {[secret]}"
    assert secret.text[6:] not in shown
    assert SEED.hex() not in shown
    assert repr(SEED) not in shown
    for leak in (lambda: pickle.dumps(secret), lambda: copy.copy(secret), lambda: copy.deepcopy(secret)):
        with pytest.raises(InvalidSecretKey):
            leak()


def test_an_erased_secret_is_gone() -> None:
    secret = SecretKey.from_seed(SEED)
    held = secret._seed
    secret.erase()
    assert held == bytes(32)
    for use in (secret.reveal, lambda: secret.text, lambda: secret.public):
        with pytest.raises(InvalidSecretKey, match="erased"):
            use()


def test_secrets_compare_by_what_they_hold() -> None:
    assert SecretKey.from_seed(SEED) == SecretKey.from_seed(SEED)
    assert SecretKey.from_seed(SEED) != SecretKey.from_seed(bytes(32))
    assert SecretKey.from_seed(SEED) != SEED
    assert hash(SecretKey.from_seed(SEED)) == hash(SecretKey.from_seed(SEED))


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_secrets_have_32_bytes(length: int) -> None:
    with pytest.raises(InvalidSecretKey):
        SecretKey.generate(bytes(length))
