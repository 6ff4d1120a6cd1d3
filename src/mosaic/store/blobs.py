"""Blobs: files named by the BLAKE3-256 of what is in them.

    FOLDER/format          the version of this layout
    FOLDER/ab/abcd…        a blob, in a folder of its name's first two digits
    FOLDER/incoming/…      on its way; removed when the folder is opened

A blob is whole and durable when it has its name: it is written elsewhere,
synced, renamed, and its folder synced. It is never whole in memory.

Source: messages.md (BLOB SUBMISSION, BLOB GET), edition §1.
"""

from __future__ import annotations

import errno
import os
import secrets
import sys
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

from mosaic._kernel import _rust
from mosaic.core import blob_hash as blob_hashes
from mosaic.errors import BlobMismatch, BlobTooLarge, StoreError, StoreFull, UsageError

FORMAT_VERSION: Final = 1
HASH_BYTES: Final = 32
DEFAULT_MAX_BYTES: Final = 1 << 32

_CHUNK: Final = 1 << 20
_INCOMING: Final = "incoming"
# What other rooms put on the way beside the folder `incoming`.
_INCOMING_PREFIX: Final = "incoming-"
_NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT)


class BlobStore:
    """The blobs in a folder. Safe to use from several threads.

    Args:
        folder: Made if missing.
        max_bytes: The longest blob that is taken, in bytes.

    Raises:
        StoreError: A newer version of Mosaic made the folder.
        StoreFull: No room on the disk.
    """

    def __init__(self, folder: Path | str, *, max_bytes: int = DEFAULT_MAX_BYTES) -> None:
        self._folder = Path(folder)
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._holders = 0
        with _room():
            self._incoming.mkdir(parents=True, exist_ok=True)
            self._check_format()
            self._clean()

    @property
    def folder(self) -> Path:
        """Where the blobs are."""
        return self._folder

    @property
    def max_bytes(self) -> int:
        """The longest blob that is taken, in bytes."""
        return self._max_bytes

    @property
    def _incoming(self) -> Path:
        return self._folder / _INCOMING

    def path(self, blob_hash: bytes) -> Path:
        """The file of a blob (32-byte hash), there or not. Raises UsageError on another length."""
        if len(blob_hash) != HASH_BYTES:
            raise UsageError(f"a blob's hash has {HASH_BYTES} bytes, not {len(blob_hash)}")
        name = blob_hash.hex()
        return self._folder / name[:2] / name

    def has(self, blob_hash: bytes) -> bool:
        """Whether a blob is kept."""
        return self.size(blob_hash) is not None

    def size(self, blob_hash: bytes) -> int | None:
        """A blob's length in bytes, or None if it is not kept."""
        try:
            return self.path(blob_hash).stat().st_size
        except FileNotFoundError:
            return None

    def begin(self) -> BlobWriter:
        """Begins a blob whose bytes come in pieces. Use it in a `with` block.

        Raises:
            StoreFull: No room on the disk.
        """
        with _room():
            return BlobWriter(self, self._incoming / secrets.token_hex(16))

    def adopt(self, path: Path | str, digest: bytes, length: int, expected: bytes) -> None:
        """Takes over a file as a blob; durable when it returns. The file is gone afterwards in any case.

        Args:
            path: The file, best on the same disk.
            digest: The BLAKE3-256 of what is in it, as the caller computed it.
            length: Its length in bytes, likewise.
            expected: The hash that the blob was announced with.

        Raises:
            BlobMismatch: The file has another hash or length.
            BlobTooLarge: It is longer than `max_bytes`.
            StoreFull: No room on the disk.
        """
        path = Path(path)
        try:
            target = self.path(expected)
            if length > self._max_bytes:
                raise BlobTooLarge(f"the blob has {length} bytes, {self._max_bytes} at most are taken")
            if digest != expected or path.stat().st_size != length:
                raise BlobMismatch
            with _room():
                self._keep(self._here(path), target)
        finally:
            path.unlink(missing_ok=True)

    def remove(self, blob_hash: bytes) -> bool:
        """Removes a blob, durably; whether it was there and could go: none goes while they are `held`."""
        path = self.path(blob_hash)
        with self._lock:
            if self._holders:
                return False
            try:
                path.unlink()
            except FileNotFoundError:
                return False
        _sync(path.parent)
        return True

    @contextmanager
    def held(self) -> Iterator[None]:
        """No blob is removed inside: for whoever reads all of them."""
        with self._lock:
            self._holders += 1
        try:
            yield
        finally:
            with self._lock:
                self._holders -= 1

    def __iter__(self) -> Iterator[bytes]:
        """The hashes of all blobs, ascending."""
        for shard in sorted(self._folder.glob("[0-9a-f][0-9a-f]")):
            for path in sorted(shard.iterdir()):
                if len(path.name) == 2 * HASH_BYTES:
                    yield bytes.fromhex(path.name)

    def _here(self, path: Path) -> Path:
        """The file under a name in this folder's disk; copied if it stands on another."""
        inside = self._incoming / secrets.token_hex(16)
        try:
            return path.rename(inside)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
        try:
            with path.open("rb") as source, inside.open("xb") as copy:
                while piece := source.read(_CHUNK):
                    copy.write(piece)
        except BaseException:
            inside.unlink(missing_ok=True)
            raise
        return inside

    def _keep(self, path: Path, target: Path) -> None:
        """Gives a finished file its place, durably."""
        try:
            _sync(path)
            if not target.parent.exists():
                target.parent.mkdir(exist_ok=True)
                _sync(self._folder)
            path.replace(target)
            _sync(target.parent)
        finally:
            path.unlink(missing_ok=True)

    def _check_format(self) -> None:
        path = self._folder / "format"
        try:
            version = int(path.read_text(encoding="ascii"))
        except FileNotFoundError:
            path.write_text(f"{FORMAT_VERSION}\n", encoding="ascii")
            _sync(path)
            _sync(self._folder)
            return
        except ValueError:
            raise StoreError(
                f"{path} does not tell its version",
                hint=f"If the folder holds blobs, write {FORMAT_VERSION} into the file.",
            ) from None
        if version > FORMAT_VERSION:
            raise StoreError(
                f"{self._folder} has format {version}, this program knows formats up to {FORMAT_VERSION}",
                hint="Install the newer version again; this one would damage what it does not know.",
            )

    def _clean(self) -> None:
        """Removes what a process left on its way that ended before it was whole."""
        for path in (*self._incoming.iterdir(), *self._folder.glob(f"{_INCOMING_PREFIX}*")):
            path.unlink(missing_ok=True)


class BlobWriter:
    """A blob on its way. Without `finish` nothing of it stays.

    Args:
        store: Takes it when it is whole.
        path: Where it is written meanwhile.
    """

    def __init__(self, store: BlobStore, path: Path) -> None:
        self._store = store
        self._path = path
        self._file: BinaryIO = path.open("xb")
        self._hash = _rust.Blake3()
        self._length = 0

    @property
    def length(self) -> int:
        """How many bytes were written until now."""
        return self._length

    def write(self, piece: bytes) -> None:
        """Appends bytes.

        Raises:
            BlobTooLarge: The blob gets longer than the store takes.
            StoreFull: No room on the disk.
        """
        self._length += len(piece)
        if self._length > self._store.max_bytes:
            raise BlobTooLarge(f"the blob has more than {self._store.max_bytes} bytes")
        with _room():
            self._file.write(piece)
        self._hash.update(piece)

    def finish(self, expected: bytes | None = None) -> bytes:
        """Makes the blob durable and gives its hash (32 bytes).

        Args:
            expected: The hash that it was announced with.

        Raises:
            BlobMismatch: It has another hash.
            StoreFull: No room on the disk.
        """
        digest = self._hash.digest(HASH_BYTES)
        try:
            with _room():
                self._file.close()
        except StoreFull:
            self.abort()
            raise
        self._store.adopt(self._path, digest, self._length, digest if expected is None else expected)
        return digest

    def abort(self) -> None:
        """Drops what was written. After `finish` it does nothing."""
        try:
            self._file.close()
        except OSError:
            # What could not be written is dropped with the rest.
            pass
        finally:
            self._path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.abort()


def check_content(blobs: BlobStore) -> Generator[str | None]:
    """Reads every blob; a sentence for one that does not hold what its name says, None for each that does."""
    for name in blobs:
        path: Path = blobs.path(name)
        try:
            with path.open("rb") as file:
                digest, _ = blob_hashes.of_chunks(iter(lambda: file.read(1 << 20), b""))
        except OSError as error:
            yield f"the blob {name.hex()} can't be read: {error.strerror}"
            continue
        yield None if digest == name else f"the blob {name.hex()} holds something else"


def _sync(path: Path) -> None:
    """Makes a file or a folder's entries durable."""
    if sys.platform == "win32" and path.is_dir():
        # Folders can't be synced there; the file system journals their entries.
        return
    descriptor = os.open(path, os.O_RDWR if sys.platform == "win32" else os.O_RDONLY)
    try:
        if sys.platform == "darwin":
            # There, fsync leaves the bytes in the disk's own memory.
            import fcntl  # noqa: PLC0415 - not on every system

            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
        else:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _room() -> Iterator[None]:
    """Turns the system's word for a full disk into the project's."""
    try:
        yield
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise StoreFull("the disk is full; the blob was not stored") from error
        raise
