from __future__ import annotations

import tracemalloc

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from mosaic.core import compression
from mosaic.errors import InvalidContent

LIMIT = 1_048_576


def unsized(content: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_content_size=False).compress(content)


def streamed(content: bytes, window_log: int, *, sized: bool = False) -> bytes:
    parameters = zstandard.ZstdCompressionParameters(window_log=window_log, write_content_size=sized)
    size = len(content) if sized else -1
    packer = zstandard.ZstdCompressor(compression_params=parameters).compressobj(size)
    return packer.compress(content) + packer.flush()


@given(st.binary(max_size=2_000))
def test_what_is_packed_is_unpacked(content: bytes) -> None:
    frame = compression.compress(content)
    assert compression.decompress(frame) == content
    assert compression.compress(content) == frame
    assert compression.decompress(unsized(content)) == content


@pytest.mark.parametrize("pack", [compression.compress, unsized])
def test_the_largest_content(pack) -> None:  # type: ignore[no-untyped-def]
    content = bytes(LIMIT)
    assert compression.decompress(pack(content)) == content


@pytest.mark.parametrize(
    "frame",
    [
        zstandard.ZstdCompressor().compress(bytes(LIMIT + 1)),
        unsized(bytes(LIMIT + 1)),
        streamed(bytes(LIMIT + 1), 10),
        streamed(bytes(64 * LIMIT), 20),
        streamed(b"small", 21),
        streamed(bytes(2 * LIMIT), 20, sized=True),
        zstandard.ZstdCompressor().compress(bytes(64 * LIMIT)),
    ],
    ids=[
        "sized",
        "unsized",
        "small window",
        "bomb",
        "large window",
        "small window, large claim",
        "large claim",
    ],
)
def test_frames_beyond_the_limits(frame: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(InvalidContent):
            compression.decompress(frame)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 6 * LIMIT


@pytest.mark.parametrize("pack", [compression.compress, unsized])
@pytest.mark.parametrize("content", [b"", b"abc" * 50])
def test_nothing_may_follow_or_be_missing(pack, content: bytes) -> None:  # type: ignore[no-untyped-def]
    frame = pack(content)
    for other in (frame + b"\0", frame + frame, frame + bytes(200), frame[:-1], frame[:5], b""):
        with pytest.raises(InvalidContent):
            compression.decompress(other)


def test_other_frames_are_refused() -> None:
    dictionary = zstandard.train_dictionary(
        1_000, [bytes([a, b, 7]) * 30 for a in range(9) for b in range(9)]
    )
    for frame in (
        b"\x50\x2a\x4d\x18\x04\0\0\0abcd",
        b"\x50\x2a\x4d\x18\0\0\0\0" + compression.compress(b"x"),
        zstandard.ZstdCompressor(dict_data=dictionary).compress(b"with a dictionary"),
        b"plain text",
    ):
        with pytest.raises(InvalidContent):
            compression.decompress(frame)


def test_too_much_content_is_not_packed() -> None:
    with pytest.raises(InvalidContent):
        compression.compress(bytes(LIMIT + 1))


@given(st.one_of(st.binary(max_size=100), st.binary(max_size=100).map(b"\x28\xb5\x2f\xfd".__add__)))
def test_any_bytes_are_unpacked_or_refused(data: bytes) -> None:
    try:
        content = compression.decompress(data)
    except InvalidContent:
        return
    assert len(content) <= LIMIT


@given(st.binary(min_size=1, max_size=200), st.data())
def test_damaged_frames_are_unpacked_or_refused(content: bytes, data: st.DataObject) -> None:
    frame = bytearray(compression.compress(content))
    place = data.draw(st.integers(0, len(frame) - 1))
    frame[place] ^= data.draw(st.integers(1, 255))
    try:
        compression.decompress(bytes(frame))
    except InvalidContent:
        return
