"""Building and signing records.

Source: record.md (Construction), edition §3, §5 (R3, R8, R9).
"""

from __future__ import annotations

from collections.abc import Iterable

from mosaic._kernel import _rust
from mosaic.core import compression, tag
from mosaic.core.keys import PublicKey, SecretKey
from mosaic.core.kind import Kind
from mosaic.core.record import (
    FLAG_FROM_AUTHOR,
    FLAG_ZSTD,
    HEADER_BYTES,
    SIGNATURE_BYTES,
    Record,
    padded,
)
from mosaic.core.tag import Tag
from mosaic.core.timestamp import Timestamp
from mosaic.core.validation import MAX_RECORD_BYTES, MAX_TAGS_BYTES
from mosaic.errors import RecordReservedFlags, RecordTooLong

WRITTEN_FLAGS = FLAG_ZSTD | FLAG_FROM_AUTHOR
"""The bits of flag byte 0 that may be written; all other flags are reserved."""


def build(  # noqa: PLR0913 - these are what a record is made of
    secret: SecretKey,
    *,
    kind: Kind,
    nonce: bytes,
    timestamp: int,
    author: PublicKey | None = None,
    tags: Iterable[Tag] = (),
    payload: bytes = b"",
    compress: bool = False,
    from_author: bool = False,
) -> Record:
    """Builds and signs a record; deterministic.

    Args:
        secret: The signing key: the author's master key or a subkey.
        kind: What the record is.
        nonce: 8 bytes from `mosaic.core.nonce`: random, from a time, from a string, copied, or FIXED.
        timestamp: When it is made, ns.
        author: The author's master key; that of `secret` if not given.
        tags: In the order in which they are written.
        payload: The content, not compressed, at most 1,048,576 bytes.
        compress: Write the payload as zstd where that is shorter.
        from_author: Ask servers to take it on the author's own connection only.

    Raises:
        RecordTooLong: tags over 65,535 bytes, or the whole over 1,048,576.
        RecordNonce: the nonce does not begin with a 1 bit.
        InvalidContent: the content is longer than 1,048,576 bytes.
        InvalidTimestamp: `timestamp` is out of range.
    """
    flags = FLAG_FROM_AUTHOR if from_author else 0
    if compress:
        packed = compression.compress(payload)
        if len(packed) < len(payload):
            payload, flags = packed, flags | FLAG_ZSTD
    return seal(
        secret,
        author=author or secret.public,
        kind=kind,
        nonce=nonce,
        timestamp=timestamp,
        flags=bytes((flags, 0, 0, 0, 0, 0, 0, 0)),
        section=tag.section(tags),
        payload=payload,
    )


def seal(  # noqa: PLR0913 - these are the fields of a record
    secret: SecretKey,
    *,
    author: PublicKey,
    kind: Kind,
    nonce: bytes,
    timestamp: int,
    flags: bytes,
    section: bytes,
    payload: bytes,
) -> Record:
    """Signs a record of exactly these fields; padding is zero.

    Args:
        secret: The signing key.
        author: The author's master key.
        kind: What the record is.
        nonce: 8 bytes that begin with a 1 bit.
        timestamp: ns.
        flags: 8 bytes; only FLAG_ZSTD and FLAG_FROM_AUTHOR of byte 0 may be set.
        section: The tags section without padding, at most 65,535 bytes.
        payload: As it stands in the record: compressed already if the flags say so.

    Raises:
        InvalidRecord: the subclass of the rule that the record would break.
    """
    if len(flags) != 8 or flags[0] & ~WRITTEN_FLAGS or any(flags[1:]):
        raise RecordReservedFlags(
            f"the flags {flags.hex()} have reserved bits set",
            hint="Only ZSTD (01) and FROM_AUTHOR (04) of the first of 8 bytes may be written.",
        )
    signed = signed_data(author, secret.public, kind, nonce, timestamp, flags, section, payload)
    return Record(_rust.seal_record(secret.reveal(), signed))


def signed_data(  # noqa: PLR0913, PLR0917 - these are the fields of a record
    author: PublicKey,
    signer: PublicKey,
    kind: Kind,
    nonce: bytes,
    timestamp: int,
    flags: bytes,
    section: bytes,
    payload: bytes,
) -> bytes:
    """The bytes of a record that are signed: from the nonce to the padded payload.

    Raises:
        RecordTooLong: the tags section or the whole record would be too long.
        InvalidTimestamp: `timestamp` is out of range.
    """
    if len(section) > MAX_TAGS_BYTES:
        raise RecordTooLong(
            f"the tags would have {len(section):,} bytes, a record holds at most {MAX_TAGS_BYTES:,}",
            hint="Put what nobody searches for into the payload.",
        )
    length = HEADER_BYTES + padded(len(section)) + padded(len(payload)) + SIGNATURE_BYTES
    if length > MAX_RECORD_BYTES:
        raise RecordTooLong(
            f"the record would have {length:,} bytes, at most {MAX_RECORD_BYTES:,} are allowed",
            hint="Shorten it, or put the content into a blob and name that.",
        )
    return b"".join(
        (
            nonce,
            kind.bytes,
            author.bytes,
            signer.bytes,
            Timestamp(timestamp).to_bytes(),
            flags,
            len(section).to_bytes(2, "little"),
            SIGNATURE_BYTES.to_bytes(2, "little"),
            len(payload).to_bytes(4, "little"),
            section,
            bytes(-len(section) % 8),
            payload,
            bytes(-len(payload) % 8),
        )
    )
