"""`mosaic backup` and `mosaic restore`: what is lost with a machine comes back as it was."""

from __future__ import annotations

import asyncio
import io
import json
import os
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from mosaic.core import blob_hash, builder, kinds, nonce
from mosaic.core.keys import SecretKey
from mosaic.core.record import Record
from mosaic.node.backup import Backup
from mosaic.node.home import Home, try_lock
from mosaic.node.node import Node
from mosaic.node.restore import restore
from mosaic.node.shapes import record_text
from mosaic.node.steps import in_thread
from mosaic.policy.submission import Way
from mosaic.store import backup_format
from mosaic.store.backup_format import BackupWriter, Manifest
from mosaic.wire.result_code import ResultCode

from .conftest import Run

BLOB = bytes(range(256)) * 400
ERASED = SecretKey.generate(bytes(range(32))).public
KEPT: dict[str, Path] = {}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer rounds of scrypt: what is tested here is not how long guessing takes."""
    monkeypatch.setitem(backup_format._LOG_N, 1, 4)


@pytest.fixture
def full(mosaic: Run, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A home with posts, a blob and settings."""
    home = tmp_path / "home"
    if "full" not in KEPT:
        mosaic("init", "--name", "anna")
        for number in range(5):
            mosaic("post", f"post {number}")
        mosaic("blob", "put", "-", stdin=BLOB)
        (home / "mosaic.toml").write_text('preset = "personal"\n')
        KEPT["full"] = shutil.copytree(home, tmp_path_factory.mktemp("kept") / "full")
    else:
        shutil.copytree(KEPT["full"], home)
    return mosaic


@pytest.fixture
def password(tmp_path: Path) -> Path:
    file = tmp_path / "password"
    file.write_text("correct horse\n")
    return file


def export(run: Run, home: Path) -> str:
    return run("export", "--format", "jsonl", "--home", home).out


@pytest.mark.claim("C7")
def test_a_restored_home_is_the_one_that_was_lost_with_its_received_times(
    full: Run, tmp_path: Path, password: Path
) -> None:
    home, file, new = tmp_path / "home", tmp_path / "backup", tmp_path / "new"
    before, whoami = export(full, home), full("whoami", "--json").out
    told = full("backup", file, "--password-file", password, "--json").objects[-1]
    assert told["encrypted"] is True
    assert file.stat().st_mode & 0o777 == 0o600
    shutil.rmtree(home)
    (made,) = full("restore", file, "--home", new, "--password-file", password, "--json").objects
    assert (made["records"], made["keys"]) == (told["records"], True)
    # Each line of the export holds a record and when it was received here.
    assert export(full, new) == before
    assert json.loads(full("whoami", "--home", new, "--json").out)["key"] == json.loads(whoami)["key"]
    assert full("blob", "get", full_hash(), "-", "--home", new).raw == BLOB
    assert (new / "mosaic.toml").read_text() == 'preset = "personal"\n'
    assert full("post", "I am back", "--home", new).code == 0


def full_hash() -> str:
    return blob_hash.of(BLOB).hex()


def test_a_backup_is_made_of_a_home_while_records_keep_coming(full: Run, tmp_path: Path) -> None:
    """Whatever was acknowledged before the backup began is in it, and what is in it is whole."""
    home, file = tmp_path / "home", tmp_path / "backup"

    async def scene() -> list[bytes]:
        lock = try_lock(Home(home))
        assert lock is not None
        node = await Node.open(Home(home), lock)
        person = node.people.first
        assert person is not None
        before: list[bytes] = []
        done = asyncio.Event()

        async def post(count: int) -> None:
            now = node.clock.now_ns()
            records = [
                builder.build(
                    person.device,
                    author=person.key,
                    kind=kinds.MICROBLOG,
                    nonce=nonce.from_time(now + number),
                    timestamp=now + number,
                    payload=b"x" * 500,
                ).data
                for number in range(count)
            ]
            assert set(await node.server.submit(records, Way.OWNER)) == {ResultCode.ACCEPTED}
            if not done.is_set():
                before.extend(records)

        async def keep_coming() -> None:
            while not done.is_set():
                await post(20)

        await post(300)
        acknowledged = list(before)
        coming = asyncio.create_task(keep_coming())
        backup = Backup(node, "correct horse")
        async for _ in in_thread(backup.write(file)):
            await asyncio.sleep(0)
        done.set()
        await coming
        await node.stop()
        return acknowledged

    acknowledged = asyncio.run(scene())
    new = tmp_path / "new"
    with file.open("rb") as source:
        restore(source, new, "correct horse")
    there = set(full("query", "--home", new, "--limit", "0", "--records").out.split())
    assert {record_text(Record(record)) for record in acknowledged} <= there


def test_a_backup_that_is_given_up_leaves_nothing(full: Run, tmp_path: Path) -> None:
    home, file = tmp_path / "home", tmp_path / "backup"

    async def scene() -> None:
        lock = try_lock(Home(home))
        assert lock is not None
        node = await Node.open(Home(home), lock)
        steps = Backup(node, None).write(file)
        next(steps)
        steps.close()
        # The blobs may be removed again, and the home closes as always.
        assert node.blobs.remove(bytes.fromhex(full_hash()))
        await node.stop()

    asyncio.run(scene())
    assert not list(tmp_path.glob("backup*"))


def test_who_was_erased_later_is_named_for_the_restored_home(
    full: Run, tmp_path: Path, password: Path
) -> None:
    old, newer, new = tmp_path / "old", tmp_path / "newer", tmp_path / "new"
    full("backup", old, "--password-file", password)
    with sqlite3.connect(tmp_path / "home" / "private.db") as database:
        database.execute("INSERT INTO erased VALUES (?, 5, 'operator')", (ERASED.bytes,))
    database.close()
    assert full("backup", newer, "--password-file", password).code == 0
    (made,) = full(
        "restore", old, "--erased", newer, "--home", new, "--password-file", password, "--json"
    ).objects
    assert made["erased"] == "1"
    assert json.loads((new / "restored").read_text())["erased"] == [ERASED.bytes.hex()]


def test_a_test_restore_tells_whether_a_backup_is_good(full: Run, tmp_path: Path, password: Path) -> None:
    file = tmp_path / "backup"
    full("backup", "make", file, "--password-file", password)
    (good,) = full("backup", "test", file, "--password-file", password, "--json").objects
    assert (good["faults"], int(good["records"]) > 5) == ([], True)
    data = bytearray(file.read_bytes())
    data[-50] ^= 1
    file.write_bytes(data)
    assert full("backup", "test", file, "--password-file", password).code == 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup", "home", "password"]


def test_a_wrong_password_restores_nothing(full: Run, tmp_path: Path, password: Path) -> None:
    file, new, other = tmp_path / "backup", tmp_path / "new", tmp_path / "other"
    full("backup", file, "--password-file", password)
    other.write_text("wrong horse\n")
    assert full("restore", file, "--home", new, "--password-file", other).code == 4
    assert full("restore", file, "--home", new).code == 2
    assert not new.exists()
    other.write_text("\n")
    assert full("restore", file, "--home", new, "--password-file", other).code == 2


def test_a_damaged_backup_restores_nothing(full: Run, tmp_path: Path) -> None:
    file, new = tmp_path / "backup", tmp_path / "new"
    full("backup", file, "--plain")
    data = file.read_bytes()
    new.mkdir()
    for broken in (data[:-40], data[:5_000] + bytes((data[5_000] ^ 1,)) + data[5_001:]):
        file.write_bytes(broken)
        assert full("restore", file, "--home", new).code == 4
        assert not list(new.iterdir())


def test_nothing_is_written_over_by_restoring(full: Run, tmp_path: Path) -> None:
    file = tmp_path / "backup"
    full("backup", file, "--plain")
    before = export(full, tmp_path / "home")
    assert full("restore", file, "--home", tmp_path / "home").code == 4
    assert export(full, tmp_path / "home") == before


def test_a_plain_backup_holds_no_password(full: Run, tmp_path: Path) -> None:
    file, new = tmp_path / "backup", tmp_path / "new"
    unlock = (tmp_path / "home" / "unlock").read_bytes().strip()
    full("backup", file, "--plain")
    assert unlock not in file.read_bytes()
    done = full("restore", file, "--home", new)
    assert "unlock" in done.err
    assert full("whoami", "--home", new).code == 4
    (new / "unlock").write_bytes(unlock + b"\n")
    assert full("whoami", "--home", new).code == 0


def test_only_the_newest_backups_stay_in_a_folder(
    full: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    for day in ("01", "02", "03"):
        (folder / f"mosaic-202401{day}-000000.mosaic-backup").touch()
    (folder / "letter").touch()
    left = folder / "mosaic-20240101-000000.mosaic-backup.part"
    left.touch()
    os.utime(left, (1, 1))
    told = full("backup", folder, "--plain", "--keep", "2", "--json").objects[-1]
    assert [Path(each).name for each in told["removed"]] == [
        "mosaic-20240101-000000.mosaic-backup",
        "mosaic-20240102-000000.mosaic-backup",
    ]
    assert len(list(folder.iterdir())) == 3
    assert full("backup", tmp_path / "one", "--plain", "--keep", "2").code == 2


def test_a_backup_needs_a_password_or_the_wish_for_none(full: Run, tmp_path: Path) -> None:
    assert full("backup", tmp_path / "backup").code == 2
    assert full("backup", tmp_path / "nowhere" / "backup", "--plain").code == 2


@pytest.mark.parametrize(
    "name", ["../evil", "log/../../evil", "/etc/evil", "blobs/ab/cd", "VERSION", "tmp/x"]
)
def test_a_backup_never_writes_beside_the_home(tmp_path: Path, mosaic: Run, name: str) -> None:
    made(tmp_path / "backup", name)
    assert mosaic("restore", tmp_path / "backup", "--home", tmp_path / "new").code == 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup"]


def test_a_backup_of_a_newer_home_is_refused(tmp_path: Path, mosaic: Run) -> None:
    made(tmp_path / "backup", "private.db", home=99)
    done = mosaic("restore", tmp_path / "backup", "--home", tmp_path / "new", "--json")
    assert (done.code, done.error["code"]) == (4, "home_newer")


def made(file: Path, name: str, **about: Any) -> None:
    """A backup with one file."""
    with file.open("wb") as out:
        writer = BackupWriter(out, None, bytes(16))
        writer.add(name, io.BytesIO(b"evil"))
        writer.finish(Manifest("1", about.get("home", 1), "mosrv0", 1, 0, 0, 0))


def test_settings_that_stand_elsewhere_are_in_the_backup(
    full: Run, tmp_path: Path, password: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere, file, new = tmp_path / "etc.toml", tmp_path / "backup", tmp_path / "new"
    elsewhere.write_text('preset = "family"\n')
    monkeypatch.setenv("MOSAIC_CONFIG", str(elsewhere))
    assert full("backup", file, "--password-file", password).code == 0
    monkeypatch.delenv("MOSAIC_CONFIG")
    full("restore", file, "--home", new, "--password-file", password)
    assert (new / "mosaic.toml").read_text() == 'preset = "family"\n'
