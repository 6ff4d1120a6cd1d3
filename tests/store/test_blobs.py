"""Blobs in files: whole, durable and under their own hash, or not there."""

from __future__ import annotations

import errno
import io
import os
from pathlib import Path

import pytest

from mosaic.core import blob_hash
from mosaic.errors import BlobMismatch, BlobTooLarge, StoreError, StoreFull, UsageError
from mosaic.store.blobs import BlobStore

DATA = b"some bytes that somebody wants to keep" * 1000
HASH = blob_hash.of(DATA)


@pytest.fixture
def blobs(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "blobs", max_bytes=100_000)


def put(blobs: BlobStore, data: bytes) -> bytes:
    with blobs.begin() as writer:
        writer.write(data)
        return writer.finish()


def left_over(blobs: BlobStore) -> list[Path]:
    return list((blobs.folder / "incoming").iterdir())


def test_a_blob_written_in_pieces_is_kept_under_its_hash(blobs: BlobStore) -> None:
    with blobs.begin() as writer:
        for start in range(0, len(DATA), 777):
            writer.write(DATA[start : start + 777])
        assert writer.length == len(DATA)
        assert not blobs.has(HASH)
        assert writer.finish(HASH) == HASH
    assert blobs.has(HASH)
    assert blobs.size(HASH) == len(DATA)
    assert blobs.path(HASH).read_bytes() == DATA
    assert blobs.path(HASH).parent.name == HASH.hex()[:2]
    assert left_over(blobs) == []


def test_an_empty_blob_is_a_blob(blobs: BlobStore) -> None:
    assert put(blobs, b"") == blob_hash.of(b"")
    assert blobs.size(blob_hash.of(b"")) == 0


def test_what_is_not_finished_leaves_nothing(blobs: BlobStore) -> None:
    with blobs.begin() as writer:
        writer.write(DATA)
    assert not blobs.has(HASH)
    assert left_over(blobs) == []


def test_other_bytes_than_announced_are_refused(blobs: BlobStore, tmp_path: Path) -> None:
    with blobs.begin() as writer:
        writer.write(DATA)
        with pytest.raises(BlobMismatch):
            writer.finish(bytes(32))
    spooled = tmp_path / "spooled"
    for digest, length in ((HASH, len(DATA) + 1), (bytes(32), len(DATA))):
        spooled.write_bytes(DATA)
        with pytest.raises(BlobMismatch):
            blobs.adopt(spooled, digest, length, HASH)
        assert not spooled.exists()
    assert list(blobs) == []
    assert left_over(blobs) == []


def test_what_is_too_large_is_refused_before_it_fills_the_disk(blobs: BlobStore, tmp_path: Path) -> None:
    with blobs.begin() as writer:
        writer.write(bytes(100_000))
        with pytest.raises(BlobTooLarge):
            writer.write(b"\0")
    spooled = tmp_path / "spooled"
    spooled.write_bytes(bytes(100_001))
    with pytest.raises(BlobTooLarge):
        blobs.adopt(spooled, HASH, 100_001, HASH)
    assert not spooled.exists()


def test_a_spooled_file_is_taken_over(blobs: BlobStore, tmp_path: Path) -> None:
    for _ in range(2):
        spooled = tmp_path / "spooled"
        spooled.write_bytes(DATA)
        blobs.adopt(spooled, HASH, len(DATA), HASH)
        assert not spooled.exists()
        assert blobs.path(HASH).read_bytes() == DATA


def test_a_file_on_another_disk_is_copied(
    blobs: BlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def elsewhere(self: Path, target: Path) -> Path:
        raise OSError(errno.EXDEV, "another disk")

    spooled = tmp_path / "spooled"
    spooled.write_bytes(DATA)
    monkeypatch.setattr(Path, "rename", elsewhere)
    blobs.adopt(spooled, HASH, len(DATA), HASH)
    assert blobs.path(HASH).read_bytes() == DATA
    assert not spooled.exists()
    assert left_over(blobs) == []


def test_file_and_folder_are_synced_before_it_counts_as_kept(
    blobs: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[str, bool]] = []
    shard = blobs.path(HASH).parent
    real = os.fsync

    def note(descriptor: int) -> None:
        name = Path(f"/proc/self/fd/{descriptor}").readlink()
        kind = {shard: "shard", blobs.folder: "folder"}.get(name, "file")
        synced.append((kind, blobs.path(HASH).exists()))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    put(blobs, DATA)
    assert synced == [("file", False), ("folder", False), ("shard", True)]


class FullFile(io.BytesIO):
    def write(self, _: object) -> int:
        raise OSError(errno.ENOSPC, "no room")


def test_a_disk_that_is_full_while_writing_leaves_nothing(
    blobs: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    with blobs.begin() as writer:
        writer._file.close()
        monkeypatch.setattr(writer, "_file", FullFile())
        with pytest.raises(StoreFull):
            writer.write(DATA)
    assert left_over(blobs) == []
    assert put(blobs, DATA) == HASH


def test_a_disk_that_is_full_at_the_sync_leaves_nothing(
    blobs: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "no room")

    with monkeypatch.context() as patch, blobs.begin() as writer:
        writer.write(DATA)
        patch.setattr(os, "fsync", full)
        with pytest.raises(StoreFull):
            writer.finish()
    assert left_over(blobs) == []
    assert not blobs.has(HASH)
    assert put(blobs, DATA) == HASH


def test_a_start_cleans_up_and_keeps_what_is_whole(blobs: BlobStore) -> None:
    put(blobs, DATA)
    (blobs.folder / "incoming" / "half").write_bytes(b"half")
    (blobs.folder / "incoming-half").write_bytes(b"half")
    (blobs.folder / "other").write_bytes(b"not ours")
    again = BlobStore(blobs.folder)
    assert left_over(again) == []
    assert not (blobs.folder / "incoming-half").exists()
    assert (blobs.folder / "other").exists()
    assert list(again) == [HASH]


def test_a_removed_blob_is_gone(blobs: BlobStore) -> None:
    put(blobs, DATA)
    assert blobs.remove(HASH)
    assert not blobs.remove(HASH)
    assert blobs.size(HASH) is None


def test_a_newer_or_unknown_layout_is_refused(blobs: BlobStore) -> None:
    (blobs.folder / "format").write_text("2\n")
    with pytest.raises(StoreError, match="format 2") as refused:
        BlobStore(blobs.folder)
    assert "newer version" in refused.value.hint
    (blobs.folder / "format").write_text("?")
    with pytest.raises(StoreError, match="does not tell"):
        BlobStore(blobs.folder)


def test_a_hash_has_32_bytes(blobs: BlobStore) -> None:
    with pytest.raises(UsageError):
        blobs.path(bytes(31))
