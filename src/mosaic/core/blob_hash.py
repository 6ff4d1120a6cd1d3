"""The name of a blob: its BLAKE3-256 hash.

Source: messages.md "BLOB Submission", edition §1.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from mosaic._kernel import _rust

LENGTH: Final = 32


def of(blob: bytes) -> bytes:
    """The BLAKE3-256 hash (32 bytes) of a blob that is whole in memory."""
    return _rust.blake3(blob, LENGTH)


def of_chunks(chunks: Iterable[bytes]) -> tuple[bytes, int]:
    """The BLAKE3-256 hash (32 bytes) and the length in bytes of a blob that comes in pieces."""
    hasher = _rust.Blake3()
    length = 0
    for chunk in chunks:
        hasher.update(chunk)
        length += len(chunk)
    return hasher.digest(LENGTH), length
