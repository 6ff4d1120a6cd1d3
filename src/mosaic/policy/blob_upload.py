"""What a policy hook is asked about a blob that somebody wants to store.

Source: messages.md "BLOB Submission".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from mosaic.policy.verdict import Verdict


@dataclass(frozen=True, slots=True)
class BlobUpload:
    """A blob that has arrived and is not yet kept.

    Args:
        hash: Its BLAKE3-256 hash as announced (32 bytes).
        length: Its length in bytes.
        viewers: The keys that the connection counts as (32 bytes each), none if anonymous.
    """

    hash: bytes
    length: int
    viewers: tuple[bytes, ...]


BlobHook: TypeAlias = Callable[[BlobUpload], Verdict]
"""A rule about blobs that somebody wants to store."""
