from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.core.strategies import any_text

from mosaic.core import encrypted_secret_key, human
from mosaic.core.keys import SecretKey
from mosaic.errors import InvalidSecretKey, WrongPassword

SECRET = SecretKey.from_seed(bytes(range(32)))
SALT = bytes(range(16))
RAND4 = b"\xaa\xbb\xcc\xdd"


def sealed(password: str = "secret", log_n: int = 2) -> str:
    return encrypted_secret_key.encrypt(SECRET, password, log_n=log_n, salt=SALT, rand4=RAND4)


def changed(place: int, value: int) -> str:
    data = bytearray(human.decode("mocryptsec0", sealed()))
    data[place] = value
    return human.encode("mocryptsec0", bytes(data))


@pytest.mark.claim("C11")
@settings(deadline=None, max_examples=25)
@given(st.binary(min_size=32, max_size=32), st.text(max_size=20), st.integers(1, 6))
def test_a_key_opens_with_its_password_only(seed: bytes, password: str, log_n: int) -> None:
    try:
        text = encrypted_secret_key.encrypt(
            SecretKey.from_seed(seed), password, log_n=log_n, salt=SALT, rand4=RAND4
        )
    except WrongPassword:
        assert any("\ud800" <= character <= "\udfff" for character in password)
        return
    assert len(text) == 104
    assert encrypted_secret_key.log_n_of(text) == log_n
    assert encrypted_secret_key.decrypt(text, password).reveal() == seed
    with pytest.raises(WrongPassword):
        encrypted_secret_key.decrypt(text, password + "x")


@pytest.mark.claim("C11")
def test_the_layout_is_that_of_the_page() -> None:
    data = human.decode("mocryptsec0", sealed("pass", 3), 58)
    pad = hashlib.scrypt(b"pass", salt=SALT, n=8, r=8, p=1, dklen=40)
    opened = bytes(a ^ b for a, b in zip(data[18:], pad, strict=True))
    assert data[:18] == b"\1\3" + SALT
    assert opened[:36] == bytes(range(32)) + RAND4
    assert bytes(a ^ b for a, b in zip(opened[36:], RAND4, strict=True)).hex() == "b960a1e2"


@pytest.mark.claim("C11")
def test_the_default_cost_is_18() -> None:
    text = encrypted_secret_key.encrypt(SECRET, "x", salt=SALT, rand4=RAND4)
    assert encrypted_secret_key.log_n_of(text) == 18


@pytest.mark.claim("C11")
@pytest.mark.parametrize("log_n", [0, 23, 255])
def test_costs_out_of_bounds_are_refused_before_any_work(log_n: int) -> None:
    with pytest.raises(InvalidSecretKey, match="log_n"):
        encrypted_secret_key.decrypt(changed(1, log_n), "secret")
    with pytest.raises(InvalidSecretKey, match="log_n"):
        encrypted_secret_key.encrypt(SECRET, "x", log_n=log_n, salt=SALT, rand4=RAND4)


@pytest.mark.claim("C11")
def test_every_way_to_type_a_password_opens_it() -> None:
    composed, decomposed, ligature = "café ﬁ", "cafe\u0301 fi", "café fi"
    text = sealed(composed)
    for password in (composed, decomposed, ligature):
        assert encrypted_secret_key.decrypt(text, password) == SECRET


def test_another_version_is_named() -> None:
    with pytest.raises(InvalidSecretKey, match="version 2"):
        encrypted_secret_key.decrypt(changed(0, 2), "secret")


@pytest.mark.parametrize("place", [2, 17, 50, 53, 54, 57])
def test_damage_at_salt_or_check_bytes_is_noticed(place: int) -> None:
    data = human.decode("mocryptsec0", sealed())
    with pytest.raises(WrongPassword):
        encrypted_secret_key.decrypt(changed(place, data[place] ^ 1), "secret")


def test_a_memory_that_is_too_small_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    class NoMemory:
        def __init__(self, **_: object) -> None: ...

        def derive(self, _: bytes) -> bytes:
            raise MemoryError

    monkeypatch.setattr(encrypted_secret_key, "Scrypt", NoMemory)
    with pytest.raises(InvalidSecretKey, match="4096 MiB"):
        encrypted_secret_key.encrypt(SECRET, "x", log_n=22, salt=SALT, rand4=RAND4)


@given(any_text)
def test_any_text_is_refused_cleanly(text: str) -> None:
    for candidate in (text, "mocryptsec0" + text):
        with pytest.raises(InvalidSecretKey):
            encrypted_secret_key.decrypt(candidate, "x")


@pytest.mark.parametrize(("salt", "rand4"), [(SALT[1:], RAND4), (SALT, RAND4 + b"x"), (b"", b"")])
def test_randomness_of_another_length_is_refused(salt: bytes, rand4: bytes) -> None:
    with pytest.raises(InvalidSecretKey):
        encrypted_secret_key.encrypt(SECRET, "x", log_n=1, salt=salt, rand4=rand4)
