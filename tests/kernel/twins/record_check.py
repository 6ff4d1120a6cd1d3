"""The rules of a record one after the other: record.md, "Validation", as edition §3 and §5 settle it.

The numbers are the kernel's RECORD_* constants, written out once more.
"""

from __future__ import annotations

from tests.kernel.twins import ed25519ph, edwards
from tests.kernel.twins.blake3 import blake3

(
    OK,
    TOO_SHORT,
    TOO_LONG,
    SIGNATURE_LENGTH,
    LENGTH_MISMATCH,
    SIGNATURE_SCHEME,
    RESERVED_FLAGS,
    TIMESTAMP_RANGE,
    ID_TIMESTAMP,
    NONCE,
    KIND,
    TAGS,
    SIGNING_KEY,
    AUTHOR_KEY,
    HASH,
    SIGNATURE,
) = range(16)


def little(data: bytes) -> int:
    return int.from_bytes(data, "little")


def padded(length: int) -> int:
    return (length + 7) // 8 * 8


def tags_are_valid(section: bytes) -> bool:
    at = 0
    while at < len(section):
        length = little(section[at : at + 2])
        if len(section) - at < 4 or length < 4 or at + length > len(section):
            return False
        at += length
    return True


def check(record: bytes) -> int:
    if len(record) < 216:
        return TOO_SHORT
    if len(record) > 1024 * 1024:
        return TOO_LONG
    tags, signature, payload = little(record[144:146]), little(record[146:148]), little(record[148:152])
    if signature != 64:
        return SIGNATURE_LENGTH
    if len(record) != 152 + padded(tags) + padded(payload) + 64:
        return LENGTH_MISMATCH
    if record[136] & 0b1100_0000:
        return SIGNATURE_SCHEME
    if record[136] & 0b0011_1010 or record[137:139] != bytes(2):
        return RESERVED_FLAGS
    if record[128] >= 0x80:
        return TIMESTAMP_RANGE
    if record[0:8] != record[128:136]:
        return ID_TIMESTAMP
    if record[48] < 0x80:
        return NONCE
    kind = int.from_bytes(record[56:64], "big")
    if kind & 0xFFE0 or (kind >> 2) & 3 == 2:
        return KIND
    if not tags_are_valid(record[152 : 152 + tags]):
        return TAGS
    if edwards.key_point(record[96:128]) is None:
        return SIGNING_KEY
    if edwards.key_point(record[64:96]) is None:
        return AUTHOR_KEY
    digest = blake3(record[48:-64], 64)
    if record[8:48] != digest[:40]:
        return HASH
    if not ed25519ph.verify(record[96:128], digest, record[-64:]):
        return SIGNATURE
    return OK
