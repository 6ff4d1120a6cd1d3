"""Records that break one rule each and keep all others, signed in earnest: only an exam needs them.

The project's own signer makes no bad record, so this one does the arithmetic
of RFC 8032 itself, slowly and without care for secrets: keys of an exam only.

Source: record.md (Construction), cryptography.md, RFC 8032 §5.1, edition §3.
"""

from __future__ import annotations

import hashlib
import os
from typing import Final, NamedTuple

from mosaic.core.keys import SecretKey
from mosaic.core.kind import Kind
from mosaic.core.record import hash_of, padded

_P: Final = 2**255 - 19
ORDER: Final = 2**252 + 27742317777372353535851937790883648493
"""L, the order of the base point."""
_D: Final = -121665 * pow(121666, _P - 2, _P) % _P
_ROOT: Final = pow(2, (_P - 1) // 4, _P)
_DOM2: Final = b"SigEd25519 no Ed25519 collisions\x01\x06Mosaic"


class Point(NamedTuple):
    """A point of the curve in extended coordinates: numbers `x`, `y`, `z` and `t` modulo p."""

    x: int
    y: int
    z: int
    t: int

    def __add__(self, other: object) -> Point:
        assert isinstance(other, Point)
        a = (self.y - self.x) * (other.y - other.x) % _P
        b = (self.y + self.x) * (other.y + other.x) % _P
        c = 2 * self.t * other.t * _D % _P
        d = 2 * self.z * other.z % _P
        e, f, g, h = b - a, d - c, d + c, b + a
        return Point(e * f % _P, g * h % _P, f * g % _P, e * h % _P)

    def times(self, number: int) -> Point:
        """The point, added to itself `number` times."""
        total, step = _NEUTRAL, self
        while number:
            if number & 1:
                total = total + step
            step = step + step
            number >>= 1
        return total

    def encode(self) -> bytes:
        """Its 32 bytes."""
        inverse = pow(self.z, _P - 2, _P)
        x, y = self.x * inverse % _P, self.y * inverse % _P
        return (y | (x & 1) << 255).to_bytes(32, "little")

    @classmethod
    def decode(cls, data: bytes) -> Point | None:
        """The point of 32 bytes, None if there is none."""
        number = int.from_bytes(data, "little")
        y, sign = number & (1 << 255) - 1, number >> 255
        square = (y * y - 1) * pow(_D * y * y + 1, _P - 2, _P) % _P
        x = pow(square, (_P + 3) // 8, _P)
        if (x * x - square) % _P:
            x = x * _ROOT % _P
        if (x * x - square) % _P or (x == 0 and sign):
            return None
        x = _P - x if x & 1 != sign else x
        return cls(x, y, 1, x * y % _P)


_NEUTRAL: Final = Point(0, 1, 1, 0)
_FIVE: Final = 4 * pow(5, _P - 2, _P) % _P


def _base() -> Point:
    found = Point.decode(_FIVE.to_bytes(32, "little"))
    assert found is not None
    return found


BASE: Final = _base()
ORDER_EIGHT: Final = bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a")
"""A point of order 8: as a key it signs for everybody."""


def hashed(*parts: bytes) -> int:
    """SHA-512 of the parts behind dom2, as a number modulo L."""
    return int.from_bytes(hashlib.sha512(_DOM2 + b"".join(parts)).digest(), "little") % ORDER


def _scalar(secret: SecretKey) -> int:
    data = bytearray(hashlib.sha512(secret.reveal()).digest()[:32])
    data[0] &= 248
    data[31] = data[31] & 127 | 64
    return int.from_bytes(data, "little")


class Draft:
    """The bytes of a record before it is signed, every field open to be spoilt.

    Args:
        signer: Whose key signs it.
        kind: The kind.
        timestamp: When it is made, ns.
        nonce: The address's, 8 bytes.
        author: The author's key (32 bytes), if not the signer's.
        tags: The tags section, as it is to stand there.
        payload: The payload.
    """

    def __init__(
        self,
        signer: SecretKey,
        kind: Kind,
        timestamp: int,
        nonce: bytes,
        *,
        author: bytes | None = None,
        tags: bytes = b"",
        payload: bytes = b"",
    ) -> None:
        self.signer = signer
        key = signer.public.bytes
        head = nonce + kind.bytes + (author or key) + key + timestamp.to_bytes(8, "big") + bytes(8)
        lengths = (
            len(tags).to_bytes(2, "little") + (64).to_bytes(2, "little") + len(payload).to_bytes(4, "little")
        )
        body = tags.ljust(padded(len(tags)), b"\0") + payload.ljust(padded(len(payload)), b"\0")
        self.signed = bytearray(head + lengths + body)

    def put(self, at: int, data: bytes) -> Draft:
        """Writes bytes over what stands at a place of the finished record (48 and more); itself."""
        self.signed[at - 48 : at - 48 + len(data)] = data
        return self

    def finish(self, *, id_time: bytes | None = None, torsion: bool = False, high_s: bool = False) -> bytes:
        """The whole record with a signature that holds.

        Args:
            id_time: The first 8 bytes of the id, if not the record's time.
            torsion: Whether a point of order 8 is added to R, so that only the cofactored equation holds.
            high_s: Whether L is added to S, which no signature may have.
        """
        digest = hash_of(bytes(self.signed))
        signature = sign(self.signer, digest, torsion=torsion, high_s=high_s)
        return (id_time or bytes(self.signed[80:88])) + digest[:40] + bytes(self.signed) + signature


def sign(secret: SecretKey, digest: bytes, *, torsion: bool = False, high_s: bool = False) -> bytes:
    """An Ed25519ph signature of a 64-byte digest in the context `Mosaic`. See `Draft.finish`."""
    number = int.from_bytes(os.urandom(64), "little") % ORDER
    point = BASE.times(number)
    if torsion:
        eighth = Point.decode(ORDER_EIGHT)
        assert eighth is not None
        point = point + eighth
    first = point.encode()
    scalar = (number + hashed(first, secret.public.bytes, digest) * _scalar(secret)) % ORDER
    return first + (scalar + ORDER * high_s).to_bytes(32, "little")
