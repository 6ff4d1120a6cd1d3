from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.core import webp
from mosaic.errors import InvalidContent

# Whole pictures of one pixel: lossy, lossless, with alpha, animated.
LOSSY = base64.b64decode("UklGRiIAAABXRUJQVlA4IBYAAAAwAQCdASoBAAEADsD+JaQAA3AAAAAA")
LOSSLESS = base64.b64decode("UklGRhoAAABXRUJQVlA4TA0AAAAvAAAAEAcQERGIiP4HAA==")
ALPHA = base64.b64decode(
    "UklGRkoAAABXRUJQVlA4WAoAAAAQAAAAAAAAAAAAQUxQSAwAAAARBxAR/Q9ERP8DAABWUDggGAAAABQBAJ0BKgEAAQAAAP4AAA3AAP7mtQAAAA=="
)
ANIMATED = base64.b64decode(
    "UklGRlIAAABXRUJQVlA4WAoAAAASAAAAAAAAAAAAQU5JTQYAAAD/////AABBTk1GJgAAAAAAAAAAAAAAAAAAAGQAAABWUDhMDQAAAC8AAAAQBxAREYiI/gcA"
)
PICTURES = (LOSSY, LOSSLESS, ALPHA, ANIMATED)


def resized(picture: bytes, width: int, height: int) -> bytes:
    """The same file with other numbers in its header."""
    data = bytearray(picture)
    kind = picture[12:16]
    if kind == b"VP8 ":
        data[26:30] = width.to_bytes(2, "little") + height.to_bytes(2, "little")
    elif kind == b"VP8L":
        data[21:25] = ((width - 1) | (height - 1) << 14 | 1 << 28).to_bytes(4, "little")
    else:
        data[24:30] = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return bytes(data)


@pytest.mark.claim("C70")
@given(st.sampled_from(PICTURES), st.integers(1, 16_383), st.integers(1, 16_383))
def test_the_size_is_read_from_the_header(picture: bytes, width: int, height: int) -> None:
    assert webp.dimensions(picture) == (1, 1)
    assert webp.dimensions(resized(picture, width, height)) == (width, height)


def test_the_scaling_hint_of_vp8_is_no_size() -> None:
    assert webp.dimensions(resized(LOSSY, 100 | 0x4000, 200 | 0xC000)) == (100, 200)


def test_a_large_canvas() -> None:
    assert webp.dimensions(resized(ALPHA, 2**24, 2**24)) == (2**24, 2**24)


@given(st.sampled_from(PICTURES), st.integers(0, 70))
def test_a_picture_that_is_cut_off(picture: bytes, length: int) -> None:
    if length < len(picture):
        with pytest.raises(InvalidContent):
            webp.dimensions(picture[:length])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x89PNG\r\n\x1a\n" + bytes(40),
        b"RIFF\x20\0\0\0WAVE" + bytes(40),
        LOSSY[:12] + b"VP9 " + LOSSY[16:],
        LOSSY[:20] + bytes((LOSSY[20] | 1,)) + LOSSY[21:],
        LOSSY[:23] + b"\0\0\0" + LOSSY[26:],
        LOSSLESS[:20] + b"\x2e" + LOSSLESS[21:],
        resized(LOSSY, 0, 5),
    ],
)
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(InvalidContent):
        webp.dimensions(data)


@given(st.one_of(st.binary(max_size=60), st.binary(max_size=60).map(LOSSY[:12].__add__)))
def test_any_bytes_are_a_picture_or_refused(data: bytes) -> None:
    try:
        width, height = webp.dimensions(data)
    except InvalidContent:
        return
    assert width > 0
    assert height > 0
