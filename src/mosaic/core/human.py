"""Human encodings: a prefix that tells what it is, then z-base-32.

Only the canonical text of some bytes is read: the right prefix and length, lower
case, unused bits zero, nothing before or after. Messages never quote the text,
which may be a secret.

Source: human_encodings.md, edition §5 (K2, K3).
"""

from __future__ import annotations

import base64
import binascii
from typing import Final

from mosaic.errors import InvalidText

USER_KEY: Final = "mopub0"
SERVER_KEY: Final = "mosrv0"
SECRET_KEY: Final = "mosec0"  # noqa: S105  # a prefix
ENCRYPTED_SECRET_KEY: Final = "mocryptsec0"  # noqa: S105  # a prefix
REFERENCE: Final = "moref0"
RECORD: Final = "morecord0"

# z-base-32 packs bits as base 32 of RFC 4648 does; only the characters differ and there is no padding.
_Z_BASE_32 = "ybndrfg8ejkmcpqxot1uwisza345h769"
_RFC_4648 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_TO_Z = str.maketrans(_RFC_4648, _Z_BASE_32, "=")
_FROM_Z = str.maketrans(_Z_BASE_32, _RFC_4648)
_ALPHABET = frozenset(_Z_BASE_32)


def z_base_32(data: bytes) -> str:
    """The z-base-32 text of `data`, without any prefix: ceil(8 · len / 5) characters."""
    return base64.b32encode(data).decode("ascii").translate(_TO_Z)


def encode(prefix: str, data: bytes) -> str:
    """The human encoding of `data`: `prefix` and its z-base-32 text."""
    return prefix + z_base_32(data)


def decode(prefix: str, text: str, length: int | None = None) -> bytes:
    """The bytes of a human encoding.

    Args:
        prefix: What the text must begin with; may be empty.
        text: The whole text.
        length: How many bytes it must hold; any number if None.

    Raises:
        InvalidText: another prefix, another length, a foreign character, or not the canonical text.
    """
    if not text.startswith(prefix):
        raise InvalidText(f"the text does not begin with {prefix}")
    body = text[len(prefix) :]
    if length is not None and len(body) != (expected := -(-length * 8 // 5)):
        raise InvalidText(
            f"{prefix or 'the key'} needs {expected} characters after its prefix, not {len(body)}"
        )
    if not _ALPHABET.issuperset(body):
        raise InvalidText("a character is not one of z-base-32 (lower case, without 0, 2, l and v)")
    try:
        data = base64.b32decode(body.translate(_FROM_Z) + "=" * (-len(body) % 8))
    except binascii.Error:
        raise InvalidText("the text is cut off: no bytes have that many characters") from None
    if z_base_32(data) != body:
        raise InvalidText("the last character is not the one that belongs to these bytes")
    return data
