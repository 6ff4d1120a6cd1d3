"""Bootstraps as items of the Mainline DHT: what is signed, where they lie, how they are renewed.

The signature is plain Ed25519 (BEP 44), the one place where a key signs
otherwise; what it signs always begins with `4:salt5:`, so that it is never
taken for a record.

Source: bootstrap.md (Bootstrap Distribution), edition §4 (DHT RESPONSE); BEP 44.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from mosaic.core.keys import PublicKey, SecretKey
from mosaic.errors import InvalidBootstrap

SERVER_SALT: Final = b"msb24"
USER_SALT: Final = b"mub25"
MAX_VALUE_BYTES: Final = 983
MAX_SEQ: Final = 2**63 - 1
SIGNATURE_BYTES: Final = 64


class WritePlan(NamedTuple):
    """How to write over what the DHT holds."""

    cas: int | None
    """Compare and swap: the sequence number that must still stand there; None if there was nothing."""
    seq: int
    """The new sequence number."""


@dataclass(frozen=True, slots=True)
class DhtItem:
    """A signed bootstrap text.

    Args:
        key: Whose it is (a master key or a server's key).
        salt: `USER_SALT` or `SERVER_SALT`: they keep apart what one key publishes as user and as server.
        seq: Sequence number, 1 and rising (i64).
        value: The text, at most 983 bytes.
        signature: 64 bytes; see `verify`.

    Raises:
        InvalidBootstrap: another salt, a sequence number or length out of range.
    """

    key: PublicKey
    salt: bytes
    seq: int
    value: bytes
    signature: bytes

    def __post_init__(self) -> None:
        _check(self.salt, self.seq, self.value)
        if len(self.signature) != SIGNATURE_BYTES:
            raise InvalidBootstrap(f"a signature has {SIGNATURE_BYTES} bytes, not {len(self.signature)}")

    @classmethod
    def sign(cls, secret: SecretKey, salt: bytes, seq: int, value: bytes) -> DhtItem:
        """Signs a bootstrap text. Raises InvalidBootstrap."""
        _check(salt, seq, value)
        signer = Ed25519PrivateKey.from_private_bytes(secret.reveal())
        return cls(secret.public, salt, seq, value, signer.sign(signed_bytes(salt, seq, value)))

    def verify(self) -> bool:
        """Whether `key` signed this text under this salt and sequence number."""
        try:
            key = Ed25519PublicKey.from_public_bytes(self.key.bytes)
            key.verify(self.signature, signed_bytes(self.salt, self.seq, self.value))
        except (InvalidSignature, ValueError):
            return False
        return True

    @property
    def target(self) -> bytes:
        """Where it lies in the DHT (20 bytes)."""
        return target(self.key, self.salt)


def signed_bytes(salt: bytes, seq: int, value: bytes) -> bytes:
    """What BEP 44 signs for a mutable item: salt, seq and v in bencoding."""
    return b"4:salt%d:%b3:seqi%de1:v%d:%b" % (len(salt), salt, seq, len(value), value)


def target(key: PublicKey, salt: bytes) -> bytes:
    """The DHT's address of an item: SHA-1 of key and salt (20 bytes)."""
    return hashlib.sha1(key.bytes + salt, usedforsecurity=False).digest()


def next_write(seq: int) -> WritePlan:
    """How to write after having read `seq` from the DHT (0 if nothing was there).

    Raises:
        InvalidBootstrap: no number comes after this one.
    """
    if not 0 <= seq < MAX_SEQ:
        raise InvalidBootstrap(
            f"no sequence number comes after {seq}", hint="The key's bootstrap can't be changed any more."
        )
    return WritePlan(seq or None, seq + 1)


def _check(salt: bytes, seq: int, value: bytes) -> None:
    if salt not in {SERVER_SALT, USER_SALT}:
        raise InvalidBootstrap("the salt of a bootstrap is mub25 or msb24")
    if not -(2**63) <= seq <= MAX_SEQ:
        raise InvalidBootstrap("a sequence number has 64 bits")
    if len(value) > MAX_VALUE_BYTES:
        raise InvalidBootstrap(f"a bootstrap has at most {MAX_VALUE_BYTES} bytes, not {len(value)}")
