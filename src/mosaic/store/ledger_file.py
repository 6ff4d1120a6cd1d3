"""The file of the ledger of blobs: its tables, and how it is read and written.

FOLDER/ledger.db (SQLite, one writer at a time) holds nothing that could not be
found out again: a file that is damaged or of a newer version is made again,
empty.

Source: this project's own design, docs/architecture.md "One home".
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

log = logging.getLogger(__name__)

_LAYOUT: Final = """
    CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS blob (
        hash BLOB PRIMARY KEY,
        bytes INTEGER NOT NULL,
        since_ns INTEGER NOT NULL,
        named INTEGER NOT NULL DEFAULT 0,   -- whether a record ever named it
        loose_ns INTEGER                    -- since when none does
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS upload (
        hash BLOB NOT NULL,
        key BLOB NOT NULL,
        time_ns INTEGER NOT NULL,
        PRIMARY KEY (hash, key)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS upload_key ON upload (key);
    CREATE TABLE IF NOT EXISTS reference (
        hash BLOB NOT NULL,
        position INTEGER NOT NULL,
        author BLOB NOT NULL,
        PRIMARY KEY (hash, position)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS reference_author ON reference (author);
    CREATE INDEX IF NOT EXISTS reference_position ON reference (position);
"""
_VERSION: Final = 1


class LedgerFile:
    """The file. Safe to use from several threads.

    Args:
        path: Where it is.

    Raises:
        sqlite3.Error: the folder can't be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        try:
            self._db = self._opened()
        except sqlite3.DatabaseError as error:
            log.warning("the ledger of blobs is damaged and is made again: %s", error)
            for each in (path, *path.parent.glob(f"{path.name}-*")):
                each.unlink(missing_ok=True)
            self._db = self._opened()

    def _opened(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        try:
            db.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;")
            _expect_known(db)
            db.executescript(_LAYOUT + f"PRAGMA user_version = {_VERSION};")
        except BaseException:
            db.close()
            raise
        return db

    def close(self) -> None:
        """Lets go of the file."""
        with self._lock:
            self._db.close()

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Its tables, while nobody else reads or writes them."""
        with self._lock:
            yield self._db

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Its tables, for a change that is made as a whole or not at all."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")


def _expect_known(db: sqlite3.Connection) -> None:
    """Raises DatabaseError for what is no database, and for a newer layout: both are made again."""
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version > _VERSION:
        raise sqlite3.DatabaseError(f"it has version {version}")


def delete(db: sqlite3.Connection, hashes: Iterable[bytes]) -> None:
    """Strikes out blobs (32-byte hashes) and who brought them; what records say of them stays."""
    rows = [(blob,) for blob in hashes]
    db.executemany("DELETE FROM blob WHERE hash = ?", rows)
    db.executemany("DELETE FROM upload WHERE hash = ?", rows)
