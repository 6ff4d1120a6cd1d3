"""A backup's file: what was put in comes out, and nothing else ever does."""

from __future__ import annotations

import io
import json
from collections import defaultdict
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.core import blob_hash
from mosaic.errors import BackupDamaged, UsageError, WrongPassword
from mosaic.store import backup_format
from mosaic.store.backup_format import BackupReader, BackupWriter, Manifest, Member

SALT = bytes(range(16))
ABOUT = Manifest("0.1", 2, "mosrv0", 5, 64, 4, 3)
FILES = {"private.db": b"keys" * 1_000, "log/1": b"", "blobs/ab/abcd": bytes(range(256)) * 8_500}
PASSWORDS = pytest.mark.parametrize("password", [None, "correct horse"], ids=["plain", "encrypted"])


# Sixteen thousand times fewer rounds: what is tested here is not how long guessing takes.
LOG_N = backup_format._LOG_N[1]
backup_format._LOG_N[1] = 4


@pytest.fixture(autouse=True, scope="module")
def quick() -> Iterator[None]:
    backup_format._LOG_N[1] = 4
    yield
    backup_format._LOG_N[1] = LOG_N


def written(password: str | None) -> bytes:
    out = io.BytesIO()
    writer = BackupWriter(out, password, SALT)
    for name, data in FILES.items():
        writer.add(name, io.BytesIO(data))
    writer.finish(ABOUT)
    assert writer.written == len(out.getvalue())
    return out.getvalue()


def read(data: bytes, password: str | None) -> tuple[Manifest, dict[str, bytes]]:
    reader = BackupReader(io.BytesIO(data), password)
    pieces: defaultdict[int, bytes] = defaultdict(bytes)
    for number, piece in reader.pieces():
        pieces[number] += piece
    assert reader.manifest is not None
    return reader.manifest, {each.name: pieces[at] for at, each in enumerate(reader.manifest.members)}


@PASSWORDS
def test_what_was_put_in_comes_out(password: str | None) -> None:
    manifest, files = read(written(password), password)
    assert files == FILES
    assert manifest.members == tuple(
        Member(name, len(data), blob_hash.of(data).hex()) for name, data in FILES.items()
    )
    assert (manifest.end, manifest.server, manifest.records) == (64, "mosrv0", 3)


def test_only_the_plain_one_can_be_read_without_a_password() -> None:
    assert FILES["private.db"] in written(None)
    assert b"keys" not in written("correct horse")
    with pytest.raises(UsageError):
        read(written("correct horse"), None)
    with pytest.raises(WrongPassword):
        read(written("correct horse"), "wrong horse")


@PASSWORDS
@given(data=st.data())
def test_a_changed_byte_is_found(password: str | None, data: st.DataObject) -> None:
    stored = bytearray(STORED[password])
    at = data.draw(st.integers(0, len(stored) - 1))
    stored[at] ^= data.draw(st.integers(1, 255))
    if password is None and 10 <= at < 32:
        return  # The head's zeros and salt say nothing where nothing is encrypted.
    with pytest.raises((BackupDamaged, UsageError, WrongPassword)):
        read(bytes(stored), password)


@PASSWORDS
@given(cut=st.integers(1, 3_000_000))
def test_what_is_cut_off_is_found(password: str | None, cut: int) -> None:
    data = STORED[password]
    with pytest.raises((BackupDamaged, UsageError, WrongPassword)):
        read(data[: max(0, len(data) - cut)], password)


@PASSWORDS
def test_a_backup_that_ends_with_a_whole_chunk_is_whole(
    password: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for size in range(7_990, 8_010):
        monkeypatch.setitem(FILES, "log/1", bytes(size))
        monkeypatch.setattr(backup_format, "CHUNK", 512)
        assert read(written(password), password)[1] == FILES


def test_chunks_that_changed_places_are_found() -> None:
    data = written("correct horse")
    size = backup_format.CHUNK + 16
    first, second = data[32 : 32 + size], data[32 + size : 32 + 2 * size]
    with pytest.raises((BackupDamaged, WrongPassword)):
        read(data[:32] + second + first + data[32 + 2 * size :], "correct horse")


def test_a_file_that_is_shorter_than_it_was_said_to_be_is_told() -> None:
    writer = BackupWriter(io.BytesIO(), None, SALT)
    with pytest.raises(BackupDamaged) as caught:
        writer.add("log/1", io.BytesIO(b"short"), 6)
    assert "log/1" in str(caught.value)


def test_a_file_that_grew_meanwhile_is_taken_as_it_was() -> None:
    out = io.BytesIO()
    writer = BackupWriter(out, None, SALT)
    writer.add("log/1", io.BytesIO(b"as it was, and more"), 9)
    writer.finish(ABOUT)
    assert read(out.getvalue(), None)[1] == {"log/1": b"as it was"}


@pytest.mark.parametrize("data", [b"", b"Dear anna" * 10, b"MOSAICBK\x02" + bytes(40)])
def test_what_is_no_backup_is_refused(data: bytes) -> None:
    with pytest.raises(UsageError):
        read(data, None)


STORED = {password: written(password) for password in (None, "correct horse")}
backup_format._LOG_N[1] = LOG_N


@pytest.mark.parametrize(
    "change",
    [
        {"home": "1"},
        {"home": True},
        {"made_ns": None},
        {"members": [{"name": 5, "length": 0, "hash": ""}]},
        {"members": [{"name": "a", "length": "0", "hash": ""}]},
        {"members": [7]},
        {"members": 7},
        {"more": 1},
    ],
)
def test_a_manifest_of_another_form_is_refused(change: dict[str, object]) -> None:
    good = {**json.loads(ABOUT.encode()), "members": [{"name": "a", "length": 0, "hash": ""}]}
    assert Manifest.parse(json.dumps(good).encode()).members
    with pytest.raises(BackupDamaged):
        Manifest.parse(json.dumps({**good, **change}).encode())


def test_a_manifest_that_nests_without_end_is_refused() -> None:
    with pytest.raises(BackupDamaged):
        Manifest.parse(b"[" * 200_000)
