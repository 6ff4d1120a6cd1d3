"""Compressed payloads: one zstd frame, bounded before anything is unpacked.

Source: record.md (flag 0x01), edition §3 (ZSTD).
"""

from __future__ import annotations

from typing import Final

import zstandard

from mosaic.errors import InvalidContent

MAX_CONTENT_BYTES: Final = 1_048_576
MAX_WINDOW_BYTES: Final = 1_048_576

_LEVEL = 9
_MAGIC = b"\x28\xb5\x2f\xfd"
_PIECE = 64


def compress(content: bytes) -> bytes:
    """One zstd frame around `content`, which may be longer than the content itself.

    Raises:
        InvalidContent: `content` is over 1,048,576 bytes.
    """
    if len(content) > MAX_CONTENT_BYTES:
        raise InvalidContent(
            f"the content has {len(content)} bytes, {MAX_CONTENT_BYTES} are allowed",
            hint="Split it, or put it into a blob.",
        )
    return zstandard.ZstdCompressor(level=_LEVEL, write_content_size=True).compress(content)


def decompress(frame: bytes) -> bytes:
    """The content of a compressed payload; memory stays bounded whatever the frame says.

    Raises:
        InvalidContent: not exactly one whole zstd frame, or content or window over 1,048,576 bytes.
    """
    if not frame.startswith(_MAGIC):
        raise InvalidContent("the payload is not a zstd frame, though its flag says so")
    try:
        head = zstandard.get_frame_parameters(frame)
        if head.content_size in {0, zstandard.CONTENTSIZE_UNKNOWN}:
            return _unpack_unsized(frame)
        if head.content_size > MAX_CONTENT_BYTES:
            raise InvalidContent(f"the zstd frame holds over {MAX_CONTENT_BYTES} bytes")
        return _unpacker().decompress(frame, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise InvalidContent(f"the payload is not one whole zstd frame: {error}") from None


def _unpacker() -> zstandard.ZstdDecompressor:
    """Refuses larger windows, and frames that need a dictionary."""
    return zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW_BYTES)


def _unpack_unsized(frame: bytes) -> bytes:
    """Feeds the frame in pieces: 64 bytes are at most 16 blocks, which hold 2 MiB at most."""
    unpacker = _unpacker().decompressobj()
    content = bytearray()
    place = 0
    while not unpacker.eof:
        if place >= len(frame):
            raise InvalidContent("the zstd frame is cut off")
        content += unpacker.decompress(frame[place : place + _PIECE])
        place += _PIECE
        if len(content) > MAX_CONTENT_BYTES:
            raise InvalidContent(f"the zstd frame holds over {MAX_CONTENT_BYTES} bytes")
    if unpacker.unused_data or place < len(frame):
        raise InvalidContent("bytes follow the zstd frame")
    return bytes(content)
