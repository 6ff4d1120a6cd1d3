"""What proves keys on a connection is signed as by the twin, and by the side that it names."""

from __future__ import annotations

import random
from typing import Any

import pytest

from mosaic._kernel import _rust
from mosaic.errors import InvalidKey, InvalidSecretKey, UsageError
from tests.kernel import samples
from tests.kernel.twins import ed25519ph
from tests.kernel.twins.blake3 import blake3

pytestmark = pytest.mark.claim("C47")

SERVER, CLIENT = 1, 2
NAMES = ("example.org", "a", "[::1]:8443", "xn--bcher-kva.example:1", "127.0.0.1", "a_b.c-d:65535", "x" * 259)


def parts(**changes: Any) -> dict[str, Any]:
    whole = {
        "server_key": samples.public(SERVER),
        "client_key": samples.public(CLIENT),
        "client_nonce": bytes(range(32)),
        "server_nonce": bytes(range(32, 64)),
        "authority": "example.org",
    }
    return {**whole, **changes}


def by_hand(role: str, whole: dict[str, Any]) -> bytes:
    return b"".join(
        (
            f"mosaic {role} auth".encode(),
            b"\0",
            whole["server_key"],
            whole["client_key"],
            whole["client_nonce"],
            whole["server_nonce"],
            whole["authority"].encode(),
        )
    )


@pytest.mark.parametrize("role", ["server", "client"])
def test_it_is_signed_as_by_the_twin(role: str) -> None:
    rng = random.Random(role)
    own = samples.secret(SERVER if role == "server" else CLIENT)
    for name in NAMES:
        whole = parts(client_nonce=rng.randbytes(32), server_nonce=rng.randbytes(32), authority=name)
        expected = ed25519ph.sign(own, blake3(by_hand(role, whole), 64), b"Mosaic auth")
        assert _rust.sign_authentication(own, role, **whole) == expected  # type: ignore[arg-type]


def test_a_server_signs_for_a_client_without_a_key() -> None:
    whole = parts(client_key=bytes(32), server_nonce=bytes(32))
    signature = _rust.sign_authentication(samples.secret(SERVER), "server", **whole)
    digest = _rust.blake3(by_hand("server", whole), 64)
    assert _rust.verify(samples.public(SERVER), digest, signature, b"Mosaic auth")
    assert not _rust.verify(samples.public(SERVER), digest, signature, b"Mosaic")


@pytest.mark.parametrize("role", ["server", "client"])
def test_only_the_side_that_it_names_signs(role: str) -> None:
    other = samples.secret(CLIENT if role == "server" else SERVER)
    with pytest.raises(InvalidSecretKey):
        _rust.sign_authentication(other, role, **parts())  # type: ignore[arg-type]
    with pytest.raises(InvalidSecretKey):
        _rust.sign_authentication(b"short", role, **parts())  # type: ignore[arg-type]


def test_a_client_does_not_sign_what_could_be_used_again() -> None:
    with pytest.raises(UsageError, match="nonce"):
        _rust.sign_authentication(samples.secret(CLIENT), "client", **parts(server_nonce=bytes(32)))


@pytest.mark.parametrize("key", [bytes(32), *samples.small_order_keys()], ids=lambda key: key.hex()[:8])
def test_odd_keys_are_refused(key: bytes) -> None:
    if any(key):
        with pytest.raises(InvalidKey):
            _rust.sign_authentication(samples.secret(SERVER), "server", **parts(client_key=key))
    with pytest.raises(InvalidKey):
        _rust.sign_authentication(samples.secret(CLIENT), "client", **parts(server_key=key))


@pytest.mark.parametrize(
    "changes",
    [
        {"authority": ""},
        {"authority": "Example.org"},
        {"authority": "a b"},
        {"authority": "a\0b"},
        {"authority": "bücher.example"},
        {"authority": "a/b"},
        {"authority": "x" * 260},
        {"client_nonce": bytes(31)},
        {"server_nonce": bytes(33)},
        {"server_key": b""},
        {"client_key": bytes(64)},
    ],
    ids=str,
)
def test_nothing_else_is_signed(changes: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        _rust.sign_authentication(samples.secret(SERVER), "server", **parts(**changes))


@pytest.mark.parametrize("role", ["", "Server", "server\0", "mosaic", "record"])
def test_there_are_two_roles(role: str) -> None:
    with pytest.raises(UsageError, match="role"):
        _rust.sign_authentication(samples.secret(SERVER), role, **parts())  # type: ignore[arg-type]
