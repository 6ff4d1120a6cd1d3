"""Records, odd points and keys for the kernel's tests, all made by the twins."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from functools import cache

from tests.kernel.twins import ed25519ph, edwards
from tests.kernel.twins.blake3 import blake3

MICROBLOG = bytes.fromhex("000000010001001c")


def secret(number: int) -> bytes:
    return blake3(b"a test's secret" + number.to_bytes(4, "little"))


def public(number: int) -> bytes:
    return ed25519ph.expand(secret(number))[2]


def tag(kind: int, value: bytes) -> bytes:
    return (len(value) + 4).to_bytes(2, "little") + kind.to_bytes(2, "little") + value


@dataclass(frozen=True, slots=True)
class Draft:
    """The fields of a record; `None` lengths are those of the sections."""

    author: bytes
    signer: bytes
    nonce: bytes = bytes([0x80]) + bytes(7)
    kind: bytes = MICROBLOG
    timestamp: int = 1_700_000_000_000_000_000
    flags: bytes = bytes(8)
    tags: bytes = b""
    payload: bytes = b""
    tags_length: int | None = None
    signature_length: int = 64
    payload_length: int | None = None

    def signed_data(self) -> bytes:
        tags_length = len(self.tags) if self.tags_length is None else self.tags_length
        payload_length = len(self.payload) if self.payload_length is None else self.payload_length
        return b"".join(
            (
                self.nonce,
                self.kind,
                self.author,
                self.signer,
                self.timestamp.to_bytes(8, "big"),
                self.flags,
                tags_length.to_bytes(2, "little"),
                self.signature_length.to_bytes(2, "little"),
                payload_length.to_bytes(4, "little"),
                self.tags + bytes(-len(self.tags) % 8),
                self.payload + bytes(-len(self.payload) % 8),
            )
        )


def draft(author: int, signer: int, **fields: object) -> Draft:
    """A draft between two numbered keys."""
    return replace(Draft(public(author), public(signer)), **fields)  # type: ignore[arg-type]


def record(author: int, signer: int, **fields: object) -> bytes:
    return ed25519ph.seal(secret(signer), draft(author, signer, **fields).signed_data())


def sealed_with(signed_data: bytes, signature_of: bytes) -> bytes:
    """A record with the right id and any signature."""
    return signed_data[80:88] + blake3(signed_data, 64)[:40] + signed_data + signature_of


@cache
def small_order_keys() -> tuple[bytes, ...]:
    return tuple(edwards.compress(point) for point in edwards.TORSION)


@cache
def not_canonical() -> tuple[bytes, ...]:
    """All encodings with y >= p, and x = 0 with a sign."""
    high = [
        ((edwards.P + more) | sign << 255).to_bytes(32, "little") for more in range(19) for sign in (0, 1)
    ]
    minus_zero = [(y | 1 << 255).to_bytes(32, "little") for y in (1, edwards.P - 1)]
    return (*high, *minus_zero)


@cache
def off_curve() -> tuple[bytes, ...]:
    found = []
    for y in range(2, 60):
        data = y.to_bytes(32, "little")
        if edwards.decompress(data) is None:
            found.append(data)
    return tuple(found)


@cache
def mixed_order_key(number: int, torsion: int) -> bytes:
    """The key of a secret, plus a point of small order (1 to 7): acceptable, and its owner can sign."""
    point = edwards.decompress(public(number))
    assert point is not None
    return edwards.compress(edwards.add(point, edwards.TORSION[torsion]))


def odd_signature(
    number: int, key: bytes, digest: bytes, nonce: int, torsion: int, context: bytes = ed25519ph.CONTEXT
) -> bytes:
    """A signature with secret `number` under `key`, its R moved by a point of small order.

    With nonce 0, R is that point.
    """
    scalar = ed25519ph.expand(secret(number))[0]
    return ed25519ph.sign_oddly(scalar, key, nonce, digest, torsion=edwards.TORSION[torsion], context=context)


def lenient_signature(
    number: int, key: bytes, digest: bytes, r: bytes, context: bytes = ed25519ph.CONTEXT
) -> bytes:
    """A signature that holds for who reads `r`, though not canonical, as a point of small order."""
    return ed25519ph.sign_around(ed25519ph.expand(secret(number))[0], key, r, digest, context=context)


def with_s_raised(signature: bytes, times: int = 1) -> bytes:
    """The same S modulo the group's order, but not under it."""
    s = int.from_bytes(signature[32:], "little") + times * edwards.ORDER
    return signature[:32] + s.to_bytes(32, "little")


def random_tags(rng: random.Random) -> bytes:
    return b"".join(
        tag(rng.choice([0, 1, 2, 0x22, 0x4D00]), rng.randbytes(rng.choice([0, 1, 8, 36])))
        for _ in range(rng.choice([0, 0, 1, 1, 2, 3]))
    )
