"""What checks need of the community application: kinds and tags, by their bytes.

Source: edition §4 (community application, Deletion, Private Message).
"""

from __future__ import annotations

from typing import Final

from mosaic.core.kind import Kind
from mosaic.core.tag import Tag

APPLICATION: Final = 0xDEF0843A
_TARGET: Final = 0x4D01


def _kind(number: int, flags: int) -> Kind:
    return Kind(APPLICATION.to_bytes(4, "big") + number.to_bytes(2, "big") + flags.to_bytes(2, "big"))


DELETION: Final = _kind(1, 0x0C)
PRIVATE_MESSAGE: Final = _kind(14, 0x04)
DIRECT_MESSAGE: Final = _kind(21, 0x14)
CHANNEL_KEY: Final = _kind(22, 0x04)
PRIVATE_DELETION: Final = _kind(23, 0x00)


def target(reference: bytes, kind: bytes) -> Tag:
    """A Target tag: 4 zero bytes, the kind (8), the id or address (48).

    Args:
        reference: 48 bytes.
        kind: 8 bytes.
    """
    return Tag(_TARGET, bytes(4) + kind + reference)
