"""Records and keys for tests, all made from numbers so that every run is the same."""

from __future__ import annotations

from mosaic._kernel import _rust
from mosaic.core import builder, kinds, nonce
from mosaic.core.keys import SecretKey
from mosaic.core.record import Record
from mosaic.core.tag import Tag

NOW = 1_800_000_000 * 10**9
MASTER = SecretKey.from_seed(bytes([1]) * 32)
SUBKEY = SecretKey.from_seed(bytes([2]) * 32)
OTHER = SecretKey.from_seed(bytes([3]) * 32)
STRANGER = SecretKey.from_seed(bytes([4]) * 32)


def post(  # type: ignore[no-untyped-def]
    secret=MASTER, *, author=MASTER, timestamp=NOW, tags=(), payload=b"hello", kind=kinds.MICROBLOG
) -> Record:
    return builder.build(
        secret,
        author=author.public,
        kind=kind,
        nonce=nonce.from_time(timestamp),
        timestamp=timestamp,
        tags=tags,
        payload=payload,
    )


def plain() -> Record:
    """A record with a tag, padding after tags and payload, signed by a subkey."""
    return post(SUBKEY, tags=(Tag(0x300, b"value"), Tag(0x301, b"")), payload=b"text")


def rehashed(data: bytes) -> bytes:
    """The record with an id that fits its data; the signature is left as it is."""
    digest = _rust.blake3(data[48 : len(data) - 64], 64)
    return data[128:136] + digest[:40] + data[48:]
