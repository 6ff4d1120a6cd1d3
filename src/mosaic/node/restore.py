"""Restoring a backup into an empty folder, and trying whether it could be.

Nothing of a backup gets its place before all of it was read and found whole.
The index is made again from the log when the home is opened.

A backup may be older than a Deletion that others know of: a file in the home
says so, and before it serves again the node asks for what it missed
(`node.caught_up`).

Source: this project's own design, docs/architecture.md "One home".
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from mosaic.errors import BackupDamaged, HomeDamaged, HomeExists, HomeNewer
from mosaic.node.backup import sync_folder
from mosaic.node.home import FORMAT, Home
from mosaic.store.backup_format import BackupReader, Manifest, unpack
from mosaic.store.embedded import open_store

MARK: Final = "restored"
"""The file in a home that tells that it was restored, and from when the backup is."""

_WORK: Final = ".restoring"
_NAMES: Final = re.compile(
    r"private\.db|mosaic\.toml|unlock|log/[0-9a-f]{1,32}\.log"
    r"|blobs/(?:format|uploads|(?P<begin>[0-9a-f]{2})/(?P=begin)[0-9a-f]{62})"
)


@dataclass(frozen=True, slots=True)
class Tried:
    """What a test-restore found.

    Attributes:
        manifest: What the backup says about itself.
        records: How many records the restored store serves.
        faults: A sentence for each thing that is not as it should be.
    """

    manifest: Manifest
    records: int
    faults: list[str]


def restore(
    source: BinaryIO,
    folder: Path,
    password: str | None,
    told: Callable[[int], None] = lambda _: None,
    *,
    erased: Iterable[bytes] = (),
) -> Manifest:
    """Makes a home of a backup.

    Args:
        source: The backup, at its beginning.
        folder: Where the home is to be: empty, or not there yet.
        password: What the backup was encrypted with.
        told: Is given how many bytes were read, now and then.
        erased: Master keys (32 bytes each) whose records are erased again before the home serves.

    Raises:
        HomeExists: the folder holds something.
        HomeNewer: a newer version of Mosaic made the backup.
        BackupDamaged: it is not whole; the folder is as it was.
        WrongPassword: it does not open the backup.
        UsageError: the file is no backup, or needs a password.
        HomeDamaged: something can't be read or written.
    """
    reader = BackupReader(source, password)
    try:
        with _empty(folder) as work:
            steps = unpack(reader, work)
            manifest = _run(steps, told)
            _place(manifest, work, folder, erased)
    except OSError as error:
        raise HomeDamaged(
            f"nothing can be restored into {folder}: {error.strerror}",
            hint="Make room, or name another folder with --home DIR.",
        ) from error
    return manifest


def erased_in(source: BinaryIO, password: str | None) -> list[bytes]:
    """The master keys (32 bytes each) that were erased by the time of a backup, which is read to its end.

    Args:
        source: The backup, at its beginning.
        password: What it was encrypted with.

    Raises:
        MosaicError: as `restore`.
    """
    reader = BackupReader(source, password)
    database = bytearray()
    for number, piece in reader.pieces():
        if number == 0:
            database += piece
    # In memory: a copy on the disk would be one more place to be kept from others.
    try:
        with contextlib.closing(sqlite3.connect(":memory:")) as copy:
            copy.deserialize(bytes(database))
            return [bytes(row[0]) for row in copy.execute("SELECT key FROM erased ORDER BY key")]
    except (sqlite3.Error, OverflowError) as error:
        raise BackupDamaged(f"the backup's private database can't be read: {error}") from error


def try_backup(
    source: BinaryIO, folder: Path, password: str | None, told: Callable[[int], None] = lambda _: None
) -> Tried:
    """Restores a backup beside everything else, opens what came out, looks at it and removes it.

    Args:
        source: The backup, at its beginning.
        folder: A folder with room for all of it.
        password: What it was encrypted with.
        told: Is given how many bytes were read, now and then.

    Raises:
        MosaicError: as `restore`; StoreError where the log can't be opened.
    """
    with tempfile.TemporaryDirectory(dir=folder, prefix=".backup-test-") as temporary:
        home = Path(temporary) / "home"
        manifest = restore(source, home, password, told)
        store = open_store(home)
        try:
            faults = store.verify()
            if store.end < manifest.end:
                faults.append(f"the log ends at {store.end}, the backup was made at {manifest.end}")
            records = store.stats()["records"]
        finally:
            store.close()
        faults += _faults_of_database(home / "private.db")
        for member in manifest.members:
            parts = member.name.split("/")
            if len(parts) == 3 and parts[2] != member.hash:
                faults.append(f"the blob {parts[2]} holds something else")
        return Tried(manifest, records, faults)


def _run(steps: Generator[int, None, Manifest], told: Callable[[int], None]) -> Manifest:
    while True:
        try:
            told(next(steps))
        except StopIteration as ended:
            manifest: Manifest = ended.value
            return manifest


@contextlib.contextmanager
def _empty(folder: Path) -> Iterator[Path]:
    """A folder inside `folder` to work in, which must hold nothing else; nothing stays if it fails."""
    was_there = folder.exists()
    if was_there and (not folder.is_dir() or any(folder.iterdir())):
        raise HomeExists(
            f"{folder} is not empty", hint="Name a new folder with --home DIR; nothing is written over."
        )
    work = folder / _WORK
    try:
        work.mkdir(mode=0o700, parents=True)
        folder.chmod(0o700)
        yield work
        shutil.rmtree(work)
    except BaseException:
        for path in list(folder.iterdir()) if folder.exists() else []:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        if not was_there:
            with contextlib.suppress(OSError):
                folder.rmdir()
        raise


def _place(manifest: Manifest, work: Path, folder: Path, erased: Iterable[bytes]) -> None:
    """Gives every file its place; the one that makes it a home is the last."""
    if manifest.home > FORMAT:
        raise HomeNewer(f"the backup is of a home of layout {manifest.home}, this version knows {FORMAT}")
    names = {member.name for member in manifest.members}
    if manifest.home < 1 or len(names) < len(manifest.members) or "private.db" not in names:
        raise BackupDamaged("the backup holds no whole home")
    folders = {folder}
    for number, member in enumerate(manifest.members):
        if not _NAMES.fullmatch(member.name):
            raise BackupDamaged(f"{member.name!r} is no file of a home")
        target = folder / member.name
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folders |= {target.parent, target.parent.parent}
        (work / str(number)).chmod(0o600)
        (work / str(number)).rename(target)
    mark = {
        "made_ns": str(manifest.made_ns),
        "last_received_ns": str(manifest.last_received_ns),
        "erased": [key.hex() for key in erased],
    }
    _write(folder / MARK, json.dumps(mark) + "\n")
    for each in folders:
        sync_folder(each)
    _write(Home(folder).version_file, f"{manifest.home}\n")
    sync_folder(folder)


def _write(path: Path, text: str) -> None:
    with path.open("x", encoding="ascii") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())


def _faults_of_database(path: Path) -> list[str]:
    try:
        with contextlib.closing(sqlite3.connect(path)) as database:
            told = [str(row[0]) for row in database.execute("PRAGMA integrity_check(10)")]
    except sqlite3.Error as error:
        told = [str(error)]
    return [] if told == ["ok"] else [f"private.db: {each}" for each in told]
