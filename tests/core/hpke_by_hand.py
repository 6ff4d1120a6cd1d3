"""HPKE in base mode as RFC 9180 writes it down, step by step, with an ephemeral key that is given in.

Shares nothing with what the project uses but X25519, HMAC and the AEAD. It is
judged by the RFC's own vectors, and makes ours.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

KEM_ID = (0x0020).to_bytes(2, "big")
KEM_SUITE = b"KEM" + KEM_ID
SUITE = b"HPKE" + KEM_ID + (0x0001).to_bytes(2, "big") + (0x0003).to_bytes(2, "big")


def extract(salt: bytes, material: bytes) -> bytes:
    return hmac.digest(salt or bytes(32), material, hashlib.sha256)


def expand(key: bytes, info: bytes, length: int) -> bytes:
    made, block, counter = b"", b"", 0
    while len(made) < length:
        counter += 1
        block = hmac.digest(key, block + info + bytes((counter,)), hashlib.sha256)
        made += block
    return made[:length]


def labeled_extract(suite: bytes, salt: bytes, label: bytes, material: bytes) -> bytes:
    return extract(salt, b"HPKE-v1" + suite + label + material)


def labeled_expand(suite: bytes, key: bytes, label: bytes, info: bytes, length: int) -> bytes:
    return expand(key, length.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info, length)


def derived(material: bytes) -> bytes:
    """DeriveKeyPair: the secret that a seed makes."""
    return labeled_expand(KEM_SUITE, labeled_extract(KEM_SUITE, b"", b"dkp_prk", material), b"sk", b"", 32)


def public(secret: bytes) -> bytes:
    return X25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()


def shared_secret(secret: bytes, other: bytes, encapsulated: bytes, recipient: bytes) -> bytes:
    product = X25519PrivateKey.from_private_bytes(secret).exchange(X25519PublicKey.from_public_bytes(other))
    eae = labeled_extract(KEM_SUITE, b"", b"eae_prk", product)
    return labeled_expand(KEM_SUITE, eae, b"shared_secret", encapsulated + recipient, 32)


@dataclass(frozen=True)
class Schedule:
    context: bytes
    secret: bytes
    key: bytes
    base_nonce: bytes
    exporter: bytes

    @classmethod
    def of(cls, shared: bytes, info: bytes) -> Schedule:
        context = (
            b"\0"
            + labeled_extract(SUITE, b"", b"psk_id_hash", b"")
            + labeled_extract(SUITE, b"", b"info_hash", info)
        )
        secret = labeled_extract(SUITE, shared, b"secret", b"")
        return cls(
            context,
            secret,
            labeled_expand(SUITE, secret, b"key", context, 32),
            labeled_expand(SUITE, secret, b"base_nonce", context, 12),
            labeled_expand(SUITE, secret, b"exp", context, 32),
        )

    def nonce(self, sequence: int) -> bytes:
        number = int.from_bytes(self.base_nonce, "big") ^ sequence
        return number.to_bytes(12, "big")

    def export(self, context: bytes, length: int) -> bytes:
        return labeled_expand(SUITE, self.exporter, b"sec", context, length)


def seal(plaintext: bytes, recipient: bytes, info: bytes, ephemeral: bytes, aad: bytes = b"") -> bytes:
    """Encapsulated key ‖ ciphertext, of one message."""
    encapsulated = public(ephemeral)
    schedule = Schedule.of(shared_secret(ephemeral, recipient, encapsulated, recipient), info)
    return encapsulated + ChaCha20Poly1305(schedule.key).encrypt(schedule.nonce(0), plaintext, aad)
