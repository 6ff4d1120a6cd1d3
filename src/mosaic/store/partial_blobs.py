"""Blobs that come in parts, each in a file until it is whole or given up.

    FOLDER/partial/<hash>.<key>    the first bytes of a blob, hexadecimal: its hash, and the
                                   first 8 bytes of the key of who brings it

What a link breaks off stays for a day, so that whoever brings it goes on where
he was; two people who bring the same blob don't meet. The bytes are hashed
while they arrive.

Source: messages.md (BLOB SUBMISSION); the messages for parts: this project's own, `wire/blob_messages.py`.
"""

from __future__ import annotations

import contextlib
import errno
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mosaic._kernel import _rust
from mosaic.errors import BlobMismatch, StoreFull
from mosaic.store.blobs import BlobStore

PARTIALS_PER_KEY: Final = 4
"""How many blobs one key may have begun."""
PARTIALS: Final = 1_024
"""How many blobs all keys together may have begun: keys cost nothing."""
KEPT_S: Final = 24 * 3600.0
"""How long a blob waits for its next part, seconds."""
OPEN: Final = 64
"""How many running hashes are kept in memory; those of others are made again from their files."""

_CHUNK: Final = 1 << 20
_KEY_BYTES: Final = 8


@dataclass(slots=True)
class _Running:
    hash: _rust.Blake3
    held: int


class PartialBlobs:
    """Takes parts of blobs. From one thread at a time.

    Args:
        blobs: Where they go when they are whole.
    """

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs
        self._folder = blobs.folder / "partial"
        self._running: dict[Path, _Running] = {}

    def begin(self, blob_hash: bytes, key: bytes) -> int:
        """Begins a blob, or goes on with it; how many bytes of it are there.

        Of more than `PARTIALS_PER_KEY` blobs of one key, or `PARTIALS` of all, the one that waits longest is
        given up.

        Raises:
            StoreFull: no room.
            OSError: the disk failed.
        """
        path = self._path(blob_hash, key)
        with _room():
            self._folder.mkdir(exist_ok=True)
            if not path.exists():
                self._make_place(key)
                path.touch()
        return self._at(path).held

    def append(self, blob_hash: bytes, key: bytes, offset: int, data: bytes) -> int | None:
        """Adds the bytes at `offset`, if they are next; how many are there then, None if it was not begun.

        Raises:
            StoreFull: no room.
            OSError: the disk failed.
        """
        path = self._path(blob_hash, key)
        if not path.exists():
            self._running.pop(path, None)
            return None
        running = self._at(path)
        if offset != running.held:
            return running.held
        try:
            with _room(), path.open("r+b") as file:
                file.seek(offset)
                file.write(data)
        except (OSError, StoreFull):
            # How much of it came to the disk is not known: what counts is made again from the file.
            self._running.pop(path, None)
            raise
        running.hash.update(data)
        running.held += len(data)
        return running.held

    def finish(self, blob_hash: bytes, key: bytes) -> None:
        """Makes a blob of what came; durable when it returns. Nothing of it stays here in any case.

        Raises:
            BlobMismatch: it has another hash.
            BlobTooLarge: it is longer than the store takes.
            StoreFull: no room.
            OSError: the disk failed.
        """
        path = self._path(blob_hash, key)
        running = self._at(path)
        self._running.pop(path, None)
        digest = running.hash.digest()
        if digest != blob_hash:
            path.unlink(missing_ok=True)
            raise BlobMismatch
        self._blobs.adopt(path, digest, running.held, blob_hash)

    def drop(self, blob_hash: bytes, key: bytes) -> None:
        """Gives a blob up. Raises OSError."""
        self._remove(self._path(blob_hash, key))

    def forget(self, key: bytes) -> None:
        """Gives up all that a key has begun. Raises OSError."""
        for path in self._of(key):
            self._remove(path)

    def sweep(self, now_s: float | None = None) -> int:
        """Gives up what has waited too long; how many. `now_s`: the time in seconds, as files have it."""
        now_s = time.time() if now_s is None else now_s
        old = [path for path in self._all() if path.stat().st_mtime < now_s - KEPT_S]
        for path in old:
            self._remove(path)
        return len(old)

    def _all(self) -> list[Path]:
        return list(self._folder.iterdir()) if self._folder.is_dir() else []

    def _of(self, key: bytes) -> list[Path]:
        return list(self._folder.glob(f"*.{key[:_KEY_BYTES].hex()}"))

    def _path(self, blob_hash: bytes, key: bytes) -> Path:
        assert len(blob_hash) == len(key) == 32
        return self._folder / f"{blob_hash.hex()}.{key[:_KEY_BYTES].hex()}"

    def _make_place(self, key: bytes) -> None:
        for waiting, most in ((self._of(key), PARTIALS_PER_KEY), (self._all(), PARTIALS)):
            if len(waiting) >= most:
                waiting.sort(key=lambda path: path.stat().st_mtime)
                for path in waiting[: len(waiting) - most + 1]:
                    self._remove(path)

    def _remove(self, path: Path) -> None:
        self._running.pop(path, None)
        path.unlink(missing_ok=True)

    def _at(self, path: Path) -> _Running:
        """The running hash of a file, made again if need be."""
        running = self._running.pop(path, None)
        if running is None:
            running = _Running(_rust.Blake3(), 0)
            with path.open("rb") as file:
                while piece := file.read(_CHUNK):
                    running.hash.update(piece)
                    running.held += len(piece)
        self._running[path] = running
        while len(self._running) > OPEN:
            del self._running[next(iter(self._running))]
        return running


@contextlib.contextmanager
def _room() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
            raise StoreFull("the disk is full; the part of a blob was not kept") from error
        raise
