"""Blobs in parts: each goes on where it was, and becomes a blob only when its hash is right."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mosaic.core import blob_hash
from mosaic.errors import BlobMismatch
from mosaic.store import partial_blobs
from mosaic.store.blobs import BlobStore
from mosaic.store.partial_blobs import KEPT_S, PARTIALS_PER_KEY, PartialBlobs

ANNA, BEN = bytes([1] * 32), bytes([2] * 32)
DATA = bytes(range(256)) * 1_000
HASH = blob_hash.of(DATA)


@pytest.fixture
def blobs(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "blobs")


@pytest.fixture
def parts(blobs: BlobStore) -> PartialBlobs:
    return PartialBlobs(blobs)


def left(blobs: BlobStore) -> list[Path]:
    return list((blobs.folder / "partial").iterdir())


def test_parts_become_a_blob(blobs: BlobStore, parts: PartialBlobs) -> None:
    assert parts.begin(HASH, ANNA) == 0
    for at in range(0, len(DATA), 50_000):
        assert parts.append(HASH, ANNA, at, DATA[at : at + 50_000]) == min(len(DATA), at + 50_000)
    assert not blobs.has(HASH)
    parts.finish(HASH, ANNA)
    assert blobs.path(HASH).read_bytes() == DATA
    assert left(blobs) == []


def test_a_blob_goes_on_where_it_was_after_a_restart(blobs: BlobStore, parts: PartialBlobs) -> None:
    parts.begin(HASH, ANNA)
    parts.append(HASH, ANNA, 0, DATA[:70_000])
    again = PartialBlobs(BlobStore(blobs.folder))
    assert again.begin(HASH, ANNA) == 70_000
    assert again.append(HASH, ANNA, 70_000, DATA[70_000:]) == len(DATA)
    again.finish(HASH, ANNA)
    assert blobs.path(HASH).read_bytes() == DATA


def test_a_part_that_is_not_the_next_changes_nothing(parts: PartialBlobs) -> None:
    parts.begin(HASH, ANNA)
    parts.append(HASH, ANNA, 0, DATA[:100])
    assert parts.append(HASH, ANNA, 200, DATA[200:300]) == 100
    assert parts.append(HASH, ANNA, 0, DATA[:100]) == 100


def test_a_part_of_what_was_not_begun_is_not_taken(parts: PartialBlobs) -> None:
    assert parts.append(HASH, ANNA, 0, DATA) is None


def test_two_people_who_bring_the_same_blob_do_not_meet(blobs: BlobStore, parts: PartialBlobs) -> None:
    parts.begin(HASH, ANNA)
    parts.append(HASH, ANNA, 0, b"what anna says is in it")
    assert parts.begin(HASH, BEN) == 0
    parts.append(HASH, BEN, 0, DATA)
    parts.finish(HASH, BEN)
    assert blobs.has(HASH)
    with pytest.raises(BlobMismatch):
        parts.finish(HASH, ANNA)
    assert left(blobs) == []


def test_one_person_has_only_so_many_begun(parts: PartialBlobs, blobs: BlobStore) -> None:
    hashes = [blob_hash.of(bytes([number])) for number in range(PARTIALS_PER_KEY + 3)]
    for number, each in enumerate(hashes):
        parts.begin(each, ANNA)
        parts.append(each, ANNA, 0, b"x" * 10)
        for path in left(blobs):
            if path.name.startswith(each.hex()):
                os.utime(path, (number, number))
    parts.begin(HASH, BEN)
    begun = [path.name.split(".")[0] for path in left(blobs)]
    assert sorted(begun) == sorted(each.hex() for each in [*hashes[3:], HASH])
    assert parts.append(hashes[0], ANNA, 10, b"more") is None
    assert parts.append(hashes[-1], ANNA, 10, b"more") == 14


def test_all_keys_together_have_only_so_many_begun(
    parts: PartialBlobs, blobs: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key costs nothing, so a bound for each alone would bound nothing."""
    monkeypatch.setattr(partial_blobs, "PARTIALS", 3)
    for number in range(5):
        parts.begin(HASH, bytes([number]) * 32)
        for path in left(blobs):
            if path.name.endswith(bytes([number]).hex() * 8):
                os.utime(path, (number, number))
    assert len(left(blobs)) == 3
    assert parts.append(HASH, bytes(32), 0, b"x") is None
    assert parts.append(HASH, bytes([4]) * 32, 0, b"x") == 1


def test_what_waits_too_long_is_given_up(parts: PartialBlobs, blobs: BlobStore) -> None:
    parts.begin(HASH, ANNA)
    (path,) = left(blobs)
    written = path.stat().st_mtime
    assert parts.sweep(written + KEPT_S - 1) == 0
    assert parts.sweep(written + KEPT_S + 1) == 1
    assert parts.append(HASH, ANNA, 0, DATA) is None


def test_more_blobs_than_are_remembered_still_arrive(
    blobs: BlobStore, parts: PartialBlobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partial_blobs, "OPEN", 1)
    other = blob_hash.of(DATA[1:])
    for begin, end in ((0, 1_000), (1_000, len(DATA))):
        for each, data in ((HASH, DATA), (other, DATA[1:])):
            parts.begin(each, ANNA)
            parts.append(each, ANNA, begin, data[begin:end])
    parts.finish(HASH, ANNA)
    parts.finish(other, ANNA)
    assert blobs.has(HASH)
    assert blobs.has(other)


def test_what_is_dropped_is_gone(parts: PartialBlobs, blobs: BlobStore) -> None:
    parts.begin(HASH, ANNA)
    parts.drop(HASH, ANNA)
    assert left(blobs) == []
