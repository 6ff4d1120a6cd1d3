"""Ed25519ph over a 64-byte BLAKE3 digest, the cofactored equation: RFC 8032 and edition §3."""

from __future__ import annotations

import hashlib
from functools import lru_cache

from tests.kernel.twins import edwards
from tests.kernel.twins.blake3 import blake3

CONTEXT = b"Mosaic"


def _number(*parts: bytes, context: bytes) -> int:
    dom2 = b"SigEd25519 no Ed25519 collisions" + bytes([1, len(context)]) + context
    return int.from_bytes(hashlib.sha512(dom2 + b"".join(parts)).digest(), "little") % edwards.ORDER


@lru_cache(maxsize=4096)
def expand(seed: bytes) -> tuple[int, bytes, bytes]:
    """The secret scalar, the prefix of nonces, the public key."""
    half = hashlib.sha512(seed).digest()
    scalar = int.from_bytes(half[:32], "little")
    scalar = (scalar & ((1 << 254) - 8)) | 1 << 254
    return scalar, half[32:], edwards.compress(edwards.multiply(scalar, edwards.BASE))


def sign(seed: bytes, digest: bytes, context: bytes = CONTEXT) -> bytes:
    scalar, prefix, key = expand(seed)
    return sign_oddly(scalar, key, _number(prefix, digest, context=context), digest, context=context)


def sign_oddly(
    scalar: int,
    key: bytes,
    nonce: int,
    digest: bytes,
    *,
    torsion: edwards.Point = edwards.IDENTITY,
    context: bytes = CONTEXT,
) -> bytes:
    """A signature with any nonce and with a point of small order added to R; `key` may be odd, too."""
    point = edwards.add(edwards.multiply(nonce % edwards.ORDER, edwards.BASE), torsion)
    r = edwards.compress(point)
    s = (nonce + _number(r, key, digest, context=context) * scalar) % edwards.ORDER
    return r + s.to_bytes(32, "little")


def sign_around(scalar: int, key: bytes, r: bytes, digest: bytes, *, context: bytes = CONTEXT) -> bytes:
    """A signature that would hold if `r` were read as a point of small order."""
    s = _number(r, key, digest, context=context) * scalar % edwards.ORDER
    return r + s.to_bytes(32, "little")


def verify(key: bytes, digest: bytes, signature: bytes, context: bytes = CONTEXT) -> bool:
    if len(signature) != 64 or len(digest) != 64:
        return False
    point = edwards.key_point(key)
    r = edwards.decompress(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if point is None or r is None or s >= edwards.ORDER:
        return False
    k = _number(signature[:32], key, digest, context=context)
    difference = edwards.add(edwards.multiply(s, edwards.BASE), edwards.negate(edwards.multiply(k, point)))
    return edwards.equal(edwards.times_eight(edwards.add(difference, edwards.negate(r))), edwards.IDENTITY)


def seal(seed: bytes, signed_data: bytes) -> bytes:
    """A record around its signed data, whatever that holds."""
    digest = blake3(signed_data, 64)
    return signed_data[80:88] + digest[:40] + signed_data + sign(seed, digest)
