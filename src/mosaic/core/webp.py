"""WebP pictures: their width and height, read from the first bytes only.

Source: profile.md (avatar, banner); RFC 9649 (WebP), RFC 6386 (VP8).
"""

from __future__ import annotations

from mosaic.errors import InvalidContent

_HEAD_BYTES = 30


def dimensions(data: bytes) -> tuple[int, int]:
    """(width, height) in pixels of a WebP picture, still or animated.

    Looks at the container's and the first chunk's header; the pixels are not decoded.

    Raises:
        InvalidContent: not a WebP file, cut off, or without a size.
    """
    if len(data) < 12 or data[:4] != b"RIFF" or data[8:12] != b"WEBP":
        raise InvalidContent("the picture is not in WebP format", hint="Save it as WebP.")
    if int.from_bytes(data[4:8], "little") + 8 > len(data) or len(data) < 25:
        raise InvalidContent("the picture is cut off", hint="Export it again.")
    kind, size = data[12:16], int.from_bytes(data[16:20], "little")
    if kind == b"VP8X" and size >= 10 and len(data) >= _HEAD_BYTES:
        width, height = _u24(data, 24) + 1, _u24(data, 27) + 1
    elif kind == b"VP8L" and size >= 5 and data[20] == 0x2F and not data[24] & 0xE0:
        bits = int.from_bytes(data[21:25], "little")
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    elif kind == b"VP8 " and size >= 10 and len(data) >= _HEAD_BYTES and _is_key_frame(data):
        width, height = _u14(data, 26), _u14(data, 28)
    else:
        raise InvalidContent("the picture's first chunk is not one of WebP", hint="Export it again.")
    if not width or not height:
        raise InvalidContent("the picture has no pixels", hint="Export it again.")
    return width, height


def _is_key_frame(data: bytes) -> bool:
    return not data[20] & 1 and data[23:26] == b"\x9d\x01\x2a"


def _u24(data: bytes, place: int) -> int:
    return int.from_bytes(data[place : place + 3], "little")


def _u14(data: bytes, place: int) -> int:
    """A dimension of VP8: 14 bits; the two above are a hint for scaling."""
    return int.from_bytes(data[place : place + 2], "little") & 0x3FFF
