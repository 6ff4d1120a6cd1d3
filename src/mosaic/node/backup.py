"""Backups of a home while it is in use: what is in them, and the act that makes one.

What belongs together is held still, not the node: the private database is
copied by SQLite as of one moment, then the log's files as they are at one
moment after it (what is written later is not in the backup), then the blobs,
of which none is removed meanwhile. So a backup never knows of a blob or a
record less than its database says.

    private.db, mosaic.toml     as of the beginning, without what opens the page
    unlock                      the password of the keys; in encrypted backups only
    log/…                       the record log up to `Manifest.end`
    blobs/…                     every blob, who brought which (the ledger is made again from these)

The index is not in it: it is made again from the log. Received times and
positions stay what they were, for the log is the same bytes.

Source: this project's own design, docs/architecture.md "One home".
"""

from __future__ import annotations

import contextlib
import io
import os
import sqlite3
import tempfile
import time
from collections.abc import Generator, Iterator
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mosaic.core.timestamp import Timestamp
from mosaic.errors import HomeDamaged, UsageError
from mosaic.node.arguments import Arguments
from mosaic.node.control import Act, Items, JsonObject
from mosaic.node.home import FORMAT, SETTINGS
from mosaic.node.home_keys import home_password
from mosaic.node.steps import in_thread
from mosaic.store.backup_format import SALT_BYTES, STEP, BackupWriter, Manifest

if TYPE_CHECKING:
    from mosaic.node.node import Node
    from mosaic.store.embedded import Snapshot

SUFFIX: Final = ".mosaic-backup"
UNLOCK: Final = "unlock"
_NOT_IN_BACKUPS: Final = ("page_token",)
"""Values of the private database that are secrets of this machine, and made anew on another one."""
_LEFT_S: Final = 24 * 3600.0


class Backup:
    """One backup of an open home.

    Args:
        node: The home.
        password: What encrypts it; None leaves it readable for everybody, and the keys' password out.
    """

    def __init__(self, node: Node, password: str | None) -> None:
        self._node = node
        self._password = password
        # The keyring is asked in the thread of the node, as everywhere.
        self._unlock = (
            None if password is None else home_password(node.home, node.db, node.surroundings.entropy)
        )
        self.manifest: Manifest | None = None
        self.bytes = 0

    def write(self, path: Path) -> Generator[int]:
        """Writes the backup into a file; gives how many bytes it has, now and then.

        The file is there when it is whole and on the disk. Run it in a thread.

        Raises:
            HomeDamaged: the file can't be written, or something of the home can't be read.
            BackupDamaged: a file of the home is shorter than it should be.
        """
        part = path.with_name(path.name + ".part")
        try:
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as out:
                writer = BackupWriter(out, self._password, self._node.surroundings.entropy(SALT_BYTES))
                yield from self._fill(writer)
                out.flush()
                os.fsync(out.fileno())
            part.replace(path)
            sync_folder(path.parent)
        except (OSError, sqlite3.Error) as error:
            raise HomeDamaged(
                f"no backup can be made in {path}: {error}",
                hint="Make room, or name another file; if the home itself is meant, see `mosaic check`.",
            ) from error
        finally:
            part.unlink(missing_ok=True)

    def _fill(self, writer: BackupWriter) -> Generator[int]:
        node, home = self._node, self._node.home
        with node.blobs.held():
            # Always the first member: who looks only for it need not wait for the manifest.
            writer.add("private.db", io.BytesIO(_copy_of(home.private_db, home.temporary)))
            settings = node.settings_file
            if settings.is_file():
                with settings.open("rb") as file:
                    writer.add(SETTINGS, file)
            if self._unlock is not None:
                writer.add(UNLOCK, io.BytesIO(self._unlock.encode() + b"\n"))
            yield writer.written
            records = node.store.stats()["records"]
            made_ns = node.clock.now_ns()
            with _frozen(node) as log:
                yield from self._log(writer, log)
                end, last = log.end, log.last_received_ns
            yield from self._blobs(writer)
        about = Manifest(
            _version(), FORMAT, node.server_secret.public.server_text, made_ns, end, last, records
        )
        self.manifest = writer.finish(about)
        self.bytes = writer.written
        yield writer.written

    def _log(self, writer: BackupWriter, log: Snapshot) -> Generator[int]:
        told = writer.written
        for name, length in log.files:
            with (self._node.home.folder / "log" / name).open("rb") as file:
                writer.add(f"log/{name}", file, length)
            if writer.written - told >= STEP:
                told = writer.written
                yield told

    def _blobs(self, writer: BackupWriter) -> Generator[int]:
        folder = self._node.blobs.folder
        for name in ("format", "uploads"):
            if (folder / name).is_file():
                with (folder / name).open("rb") as file:
                    writer.add(f"blobs/{name}", file)
        told = writer.written
        for blob in self._node.blobs:
            path = self._node.blobs.path(blob)
            with path.open("rb") as file:
                writer.add(f"blobs/{path.parent.name}/{path.name}", file)
            if writer.written - told >= STEP:
                told = writer.written
                yield told


class BackupActs:
    """The act `backup`.

    Args:
        node: The open home.
    """

    def __init__(self, node: Node) -> None:
        self._node = node

    def table(self) -> dict[str, Act]:
        """This act by its name."""
        return {"backup": self.backup}

    async def backup(self, given: JsonObject) -> Items:
        """Writes a backup into the file `path`, or into a new file in the folder `path`.

        `password` encrypts it; without one `plain` must be set. `keep` leaves
        so many of the newest in the folder. Objects with `done` false tell how
        many bytes there are.

        Raises:
            UsageError: neither a password nor `plain`; or `keep` without a folder.
            HomeDamaged: it can't be written.
        """
        arguments = Arguments(given)
        password, keep = arguments.optional_text("password"), arguments.number("keep", 0)
        if not password and not arguments.flag("plain"):
            raise UsageError("a backup needs a password", hint="Give one, or say --plain to do without.")
        async for item in self.make(arguments.path("path"), password or None, keep):
            yield item

    async def make(self, path: Path, password: str | None, keep: int) -> Items:
        """Makes a backup, as `backup` does.

        Args:
            path: The file, or a folder for a new one.
            password: What encrypts it, or None.
            keep: How many backups stay in the folder (0 = all).

        Raises:
            UsageError: `keep` without a folder.
            HomeDamaged: it can't be written.
        """
        now = Timestamp(self._node.clock.now_ns())
        _clear_away(path)
        target = _target(path, now, keep)
        backup = Backup(self._node, password)
        async for written in in_thread(backup.write(target)):
            yield {"bytes": str(written), "done": False}
        assert backup.manifest is not None
        removed = _keep_newest(path, keep) if keep else []
        yield {
            "path": str(target),
            "bytes": str(backup.bytes),
            "records": str(backup.manifest.records),
            "members": str(len(backup.manifest.members)),
            "encrypted": password is not None,
            "removed": [str(each) for each in removed],
            "done": True,
        }


def _clear_away(folder: Path) -> None:
    """Removes what backups left in a folder that were broken off with their machine, a day ago or longer."""
    for part in folder.glob(f"mosaic-*{SUFFIX}.part"):
        if part.stat().st_mtime < time.time() - _LEFT_S:
            part.unlink(missing_ok=True)


def _target(path: Path, now: Timestamp, keep: int) -> Path:
    if path.is_dir():
        moment = now.iso()[:19].replace(":", "").replace("-", "").replace("T", "-")
        return path / f"mosaic-{moment}{SUFFIX}"
    if keep:
        raise UsageError(
            f"{path} is no folder",
            hint="Make it, or name another: with --keep each backup gets its own name in a folder.",
        )
    return path


def _keep_newest(folder: Path, keep: int) -> list[Path]:
    """Removes all backups of a folder but the newest `keep`; those that were removed."""
    old = sorted(folder.glob(f"mosaic-*{SUFFIX}"))[:-keep]
    for path in old:
        path.unlink(missing_ok=True)
    return old


def _copy_of(database: Path, temporary: Path) -> bytes:
    """A SQLite database as of this moment, while others write to it. Raises sqlite3.Error or OSError."""
    with (
        tempfile.TemporaryDirectory(dir=temporary) as folder,
        contextlib.closing(sqlite3.connect(database.absolute().as_uri() + "?mode=ro", uri=True)) as source,
    ):
        copy = Path(folder) / "copy.db"
        with contextlib.closing(sqlite3.connect(copy)) as target:
            source.backup(target)
            # In one file, without a second one beside it that could get lost.
            target.execute("PRAGMA journal_mode = DELETE")
            # What opens the page stays here: a plain backup can be read by everybody.
            target.executemany("DELETE FROM meta WHERE name = ?", [(name,) for name in _NOT_IN_BACKUPS])
            target.commit()
            # Neither does what was deleted go along in pages that are free by now.
            target.execute("VACUUM")
        return copy.read_bytes()


@contextlib.contextmanager
def _frozen(node: Node) -> Iterator[Snapshot]:
    frozen = node.store.snapshot()
    try:
        yield frozen
    finally:
        frozen.release()


def _version() -> str:
    try:
        return metadata.version("mosaic-social")
    except metadata.PackageNotFoundError:
        return "from source"


def sync_folder(folder: Path) -> None:
    """Makes the entries of a folder durable. Raises OSError."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
