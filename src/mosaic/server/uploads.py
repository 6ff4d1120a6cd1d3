"""Who brought which blob: a file that is only added to.

    [0:32] the blob's hash   [32:64] the key that brought it
    [64:72] when, ns         [72:80] the blob's length, bytes     (big-endian)

An entry that was torn by a crash stands at the end only and is overwritten.

Source: messages.md "BLOB Submission" (servers may remember who submitted which).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from struct import Struct
from typing import Final, NamedTuple

_ENTRY: Final = Struct(">32s32sQQ")


class Upload(NamedTuple):
    """One blob that somebody brought.

    Attributes:
        hash: Its BLAKE3-256 hash (32 bytes).
        uploader: The key that brought it (32 bytes).
        time_ns: When (ns, Mosaic time).
        length: In bytes.
    """

    hash: bytes
    uploader: bytes
    time_ns: int
    length: int


class Uploads:
    """Remembers uploads in a file.

    Args:
        path: The file; made when the first upload is remembered.
    """

    __slots__ = ("_path",)

    def __init__(self, path: Path) -> None:
        self._path = path

    def remember(self, upload: Upload) -> None:
        """Adds an upload, durably. Blocks; one caller at a time. Raises OSError."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            size = os.fstat(descriptor).st_size
            os.pwrite(descriptor, _ENTRY.pack(*upload), size - size % _ENTRY.size)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def forget(self, uploader: bytes) -> None:
        """Forgets what a key (32 bytes) brought, durably. Blocks; one caller at a time. Raises OSError."""
        kept = b"".join(_ENTRY.pack(*upload) for upload in self if upload.uploader != uploader)
        new = self._path.with_name("incoming-uploads")
        with new.open("wb") as file:
            file.write(kept)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._path)

    def __iter__(self) -> Iterator[Upload]:
        """All uploads, oldest first."""
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            return
        for at in range(0, len(data) - len(data) % _ENTRY.size, _ENTRY.size):
            yield Upload(*_ENTRY.unpack_from(data, at))
