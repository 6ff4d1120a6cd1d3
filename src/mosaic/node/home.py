"""The home: one folder that holds everything of one node.

    HOME/
      VERSION      the layout's version; a newer one is refused
      lock         held by the process that has the home open
      node.sock    where commands speak to the node that runs (mode 0600)
      private.db   people, keys (encrypted), follows, the outgoing queue
      unlock       the password of the keys, where the system has no keyring (mode 0600)
      log/ index/  the record store
      blobs/       blobs, by their hash
      tmp/         what is on its way; emptied at every start
      before-N/    what an older layout had, for a week (`mosaic.node.home_steps`)

Only the holder of `lock` may open the store or `private.db`.

Source: this project's own design, docs/architecture.md "One home".
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Final

import platformdirs

from mosaic.errors import HomeDamaged, HomeExists, HomeMissing, HomeNewer

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

SETTINGS = "mosaic.toml"
"""The file of a home's settings, where no other one is named."""
FORMAT = 2
"""The version of the layout that this program writes, and the newest that it reads."""
_BEFORE: Final = frozenset({SETTINGS, "lock", "lost+found"})
"""What a folder may hold before it is a home: settings that were written first, what a new disk has."""


@dataclass(frozen=True, slots=True)
class Home:
    """The paths of one home. Holds nothing open.

    Args:
        folder: The home's folder.
    """

    folder: Path

    @property
    def version_file(self) -> Path:
        """The file that names the layout's version."""
        return self.folder / "VERSION"

    @property
    def lock_file(self) -> Path:
        """The file whose lock is the right to open the home."""
        return self.folder / "lock"

    @property
    def socket(self) -> Path:
        """Where the running node listens for commands."""
        return self.folder / "node.sock"

    @property
    def private_db(self) -> Path:
        """The private database."""
        return self.folder / "private.db"

    @property
    def unlock_file(self) -> Path:
        """The password of the keys, where the system's keyring can't hold it."""
        return self.folder / "unlock"

    @property
    def blobs(self) -> Path:
        """The folder of the blobs."""
        return self.folder / "blobs"

    @property
    def temporary(self) -> Path:
        """The folder for what is on its way."""
        return self.folder / "tmp"

    @property
    def is_there(self) -> bool:
        """Whether a home was made in this folder."""
        return self.version_file.exists()

    def check(self) -> None:
        """Reads the layout's version.

        Raises:
            HomeMissing: no home was made here.
            HomeNewer: a newer version of Mosaic made it.
            HomeDamaged: VERSION can't be read.
        """
        self.version()

    def version(self) -> int:
        """The layout's version, a number that this program knows.

        Raises:
            HomeMissing: no home was made here.
            HomeNewer: a newer version of Mosaic made it.
            HomeDamaged: VERSION can't be read.
        """
        try:
            text = self.version_file.read_text("ascii").strip()
        except FileNotFoundError:
            raise HomeMissing(f"there is no Mosaic home in {self.folder}") from None
        except (OSError, UnicodeDecodeError) as error:
            raise HomeDamaged(f"{self.version_file} can't be read: {error}") from error
        if not text.isdigit():
            raise HomeDamaged(
                f"{self.version_file} does not hold a version",
                hint=f"Write {FORMAT} into it if this is a Mosaic home, or name another with --home DIR.",
            )
        if int(text) > FORMAT:
            raise HomeNewer(f"the home in {self.folder} has layout {text}, this version knows {FORMAT}")
        return int(text)

    def set_version(self, version: int) -> None:
        """Writes the layout's version, durably. Raises HomeDamaged."""
        new = self.folder / "VERSION.new"
        try:
            with new.open("w", encoding="ascii") as out:
                out.write(f"{version}\n")
                out.flush()
                os.fsync(out.fileno())
            new.replace(self.version_file)
        except OSError as error:
            raise HomeDamaged(
                f"{self.version_file} can't be written: {error.strerror}", hint="Make room on the disk."
            ) from error

    def make(self) -> None:
        """Makes an empty home here, readable by its owner alone.

        Raises:
            HomeExists: there is one, or the folder holds other things.
            HomeDamaged: the folder can't be made.
        """
        if self.is_there:
            raise HomeExists(f"there is a Mosaic home in {self.folder} already")
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if any(entry.name not in _BEFORE for entry in self.folder.iterdir()):
                raise HomeExists(
                    f"{self.folder} holds other things than {SETTINGS}",
                    hint="Name an empty or a new folder with --home DIR.",
                )
            self.folder.chmod(0o700)
            self.version_file.write_text(f"{FORMAT}\n", "ascii")
        except OSError as error:
            raise HomeDamaged(
                f"no home can be made in {self.folder}: {error.strerror}",
                hint="Choose a folder that you may write to with --home DIR.",
            ) from error

    def unmake(self, *, folder: bool) -> None:
        """Removes a home that was made a moment ago, in which nobody lives. Only for the holder of the lock.

        Args:
            folder: Whether the folder goes, too; else what may have been in it before stays.

        Raises:
            OSError: something of it can't be removed.
        """
        for path in list(self.folder.iterdir()):
            if folder or path.name not in _BEFORE:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        if folder:
            self.folder.rmdir()

    def empty_temporary(self) -> None:
        """Removes what an earlier process left on its way. Only for the holder of the lock."""
        shutil.rmtree(self.temporary, ignore_errors=True)
        self.temporary.mkdir(mode=0o700, exist_ok=True)


def default_folder(environment: Mapping[str, str] | None = None) -> Path:
    """The home that is used when none is named: MOSAIC_HOME, else the user's data folder."""
    environment = os.environ if environment is None else environment
    named = environment.get("MOSAIC_HOME")
    if named:
        return Path(named).expanduser()
    return platformdirs.user_data_path("mosaic", appauthor=False)


class HomeLock:
    """The lock of a home, held until `release` (or until the process ends, however it ends).

    Made by `try_lock`. The file holds the process id, for people who look.
    """

    __slots__ = ("_file",)

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def release(self) -> None:
        """Lets others open the home."""
        if not self._file.closed:
            self._file.close()

    def __enter__(self) -> HomeLock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def try_lock(home: Home) -> HomeLock | None:
    """Takes the home's lock, or None if another process holds it.

    Raises:
        HomeMissing: there is no such folder.
        HomeDamaged: the lock file can't be opened.
    """
    try:
        file = home.lock_file.open("a+", encoding="ascii")
    except FileNotFoundError:
        raise HomeMissing(f"there is no Mosaic home in {home.folder}") from None
    except OSError as error:
        raise HomeDamaged(
            f"{home.lock_file} can't be opened: {error.strerror}",
            hint="Use the home as the user who owns it.",
        ) from error
    try:
        _lock_file(file)
    except OSError:
        file.close()
        return None
    with contextlib.suppress(OSError):
        file.seek(0)
        file.truncate()
        file.write(f"{os.getpid()}\n")
        file.flush()
    return HomeLock(file)


def _lock_file(file: IO[str]) -> None:
    """Locks an open file without waiting. Raises OSError when another process has it."""
    if sys.platform == "win32":
        # A byte far behind the text, which stays readable to others.
        file.seek(1 << 20)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
