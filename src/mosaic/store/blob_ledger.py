"""The ledger of blobs: who brought which, which records name them, what nobody needs any more.

FOLDER/ledger.db (SQLite) says what can be found out again from the blobs, the
file `uploads` and the log, and is made again from these when it is missing or
damaged. It follows the log by itself and remembers how far it came.

    a record that is served names it       it is kept
    named once, and by none now            it goes a day after the last record went
    never named, brought by a stranger     it goes a day after it came
    never named, brought by who belongs    it is kept: a private message may name it where nobody
                                           else can read it; above his quota the oldest goes

Somebody's quota counts each blob once that he brought or that his records name.

Source: edition §4 (tag Blob, 0x4D03), messages.md "BLOB Submission"; the rest: this project's own design,
docs/architecture.md "One home".
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Final, NamedTuple, Protocol

from mosaic.core.filter import Filter
from mosaic.store.blobs import BlobStore
from mosaic.store.store import Store

log = logging.getLogger(__name__)

ORPHAN_NS: Final = 24 * 3600 * 1_000_000_000
"""How long a blob stays that nobody names, ns."""

_TAGS: Final = 152
_BLOB_TAG: Final = b"\x03\x4d"
_BLOB_TAG_BYTES: Final = 36
_RECORDS: Final = 512
_SLICE_NS: Final = 5_000_000
_READ: Final = 256
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


class UploadRow(NamedTuple):
    """One blob that somebody brought, as `uploads` tells it.

    Attributes:
        hash: 32 bytes.
        key: Who brought it (32 bytes).
        time_ns: When (ns, Mosaic time).
    """

    hash: bytes
    key: bytes
    time_ns: int


class Usage(NamedTuple):
    """What a person has.

    Attributes:
        blobs: How many.
        bytes: Together.
    """

    blobs: int
    bytes: int


class Uploads(Protocol):
    """Everything that was ever brought."""

    def __iter__(self) -> Iterator[tuple[bytes, bytes, int, int]]:
        """Hash, key, time (ns), length (bytes) of each, the oldest first."""


def blobs_named(record: bytes) -> Iterator[bytes]:
    """The hashes (32 bytes) in a valid record's Blob tags; a tag that is too short names none."""
    end = _TAGS + int.from_bytes(record[144:146], "little")
    if _BLOB_TAG not in record[_TAGS:end]:
        return
    at = _TAGS
    while at < end:
        length = int.from_bytes(record[at : at + 2], "little")
        if length >= _BLOB_TAG_BYTES and record[at + 2 : at + 4] == _BLOB_TAG:
            yield record[at + 4 : at + 36]
        at += max(length, 4)


class BlobLedger:
    """The ledger of a blob store. Safe to use from several threads.

    Args:
        blobs: The blobs.
        uploads: Who brought what.

    Raises:
        StoreError: the folder can't be written.
    """

    def __init__(self, blobs: BlobStore, uploads: Uploads) -> None:
        self._blobs = blobs
        self._uploads = uploads
        self._path = blobs.folder / "ledger.db"
        self._lock = threading.Lock()
        try:
            self._db = self._opened()
        except sqlite3.DatabaseError as error:
            log.warning("the ledger of blobs is damaged and is made again: %s", error)
            for path in (self._path, *self._path.parent.glob("ledger.db-*")):
                path.unlink(missing_ok=True)
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
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    # --- who has what

    def brought(self, blob_hash: bytes, length: int, key: bytes, time_ns: int) -> bool:
        """Notes that somebody brought a blob that is kept; whether that is new.

        It counts as having come now: whoever brings it again means to name it.

        Args:
            blob_hash: 32 bytes.
            length: The blob's, in bytes.
            key: Who brought it (32 bytes).
            time_ns: When (ns).
        """
        with self._writing() as db:
            db.execute(
                "INSERT INTO blob (hash, bytes, since_ns, named) VALUES (?1, ?2, ?3,"
                " EXISTS (SELECT 1 FROM reference WHERE hash = ?1))"
                " ON CONFLICT DO UPDATE SET since_ns = max(since_ns, excluded.since_ns), loose_ns = NULL",
                (blob_hash, length, time_ns),
            )
            done = db.execute("INSERT OR IGNORE INTO upload VALUES (?, ?, ?)", (blob_hash, key, time_ns))
            return done.rowcount > 0

    def used_by(self, key: bytes) -> Usage:
        """What counts for somebody's quota: the blobs that he brought or that his records name."""
        with self._lock:
            row = self._db.execute(
                "SELECT count(*), ifnull(sum(bytes), 0) FROM blob WHERE hash IN"
                " (SELECT hash FROM upload WHERE key = ?1"
                " UNION SELECT hash FROM reference WHERE author = ?1)",
                (key,),
            ).fetchone()
        return Usage(int(row[0]), int(row[1]))

    def total(self) -> Usage:
        """What all blobs are together."""
        with self._lock:
            row = self._db.execute("SELECT count(*), ifnull(sum(bytes), 0) FROM blob").fetchone()
        return Usage(int(row[0]), int(row[1]))

    def references(self, blob_hash: bytes) -> int:
        """How many records name a blob."""
        with self._lock:
            rows = self._db.execute("SELECT count(*) FROM reference WHERE hash = ?", (blob_hash,))
            return int(rows.fetchone()[0])

    def brought_by(self, key: bytes) -> list[bytes]:
        """The blobs that somebody brought."""
        with self._lock:
            rows = self._db.execute("SELECT hash FROM upload WHERE key = ? ORDER BY time_ns", (key,))
            return [bytes(row[0]) for row in rows]

    def uploaders(self) -> list[bytes]:
        """The keys (32 bytes each) that brought blobs which are here."""
        with self._lock:
            return [bytes(row[0]) for row in self._db.execute("SELECT DISTINCT key FROM upload")]

    def forget(self, key: bytes) -> list[bytes]:
        """Removes what a key has brought and nobody else brought or names; the hashes that went."""
        with self._lock:
            rows = self._db.execute(
                "SELECT hash FROM upload WHERE key = ?1"
                " AND NOT EXISTS"
                " (SELECT 1 FROM upload AS other WHERE other.hash = upload.hash AND other.key != ?1)"
                " AND NOT EXISTS"
                " (SELECT 1 FROM reference WHERE reference.hash = upload.hash AND author != ?1)",
                (key,),
            )
            hashes = [bytes(row[0]) for row in rows]
        gone = list(self._remove(hashes))
        with self._writing() as db:
            db.execute("DELETE FROM upload WHERE key = ?", (key,))
        return gone

    # --- following the log

    @property
    def position(self) -> int:
        """Up to which position (a log number) it has read."""
        with self._lock:
            row = self._db.execute("SELECT value FROM meta WHERE name = 'position'").fetchone()
        return 0 if row is None else int(row[0])

    def catch_up(self, store: Store) -> Generator[int]:
        """Reads what is new in the log; gives its position after each slice of work. Raises StoreError."""
        position, end = self.position, store.end
        if position > end:
            # The log is another, of a backup: it is read anew.
            self._forget_log()
            position = 0
        if position == end:
            return
        scan = store.follow(Filter().compiled, position, before=end)
        finished = False
        while not finished:
            found, finished = scan.records(_RECORDS, _SLICE_NS)
            rows = [
                (blob_hash, at, record[64:96]) for at, _, record in found for blob_hash in blobs_named(record)
            ]
            position = end if finished else (found[-1][0] + 1 if found else position)
            if rows or finished:
                with self._writing() as db:
                    self._refer(db, rows)
                    db.execute("INSERT OR REPLACE INTO meta VALUES ('position', ?)", (position,))
            yield position

    @staticmethod
    def _refer(db: sqlite3.Connection, rows: list[tuple[bytes, int, bytes]]) -> None:
        db.executemany("INSERT OR IGNORE INTO reference VALUES (?, ?, ?)", rows)
        db.executemany(
            "UPDATE blob SET named = 1, loose_ns = NULL WHERE hash = ?", [(row[0],) for row in rows]
        )

    def _forget_log(self) -> None:
        """Lets it read the log from its beginning again."""
        with self._writing() as db:
            db.execute("DELETE FROM reference")
            db.execute("DELETE FROM meta WHERE name = 'position'")

    def reconcile(self, now_ns: int) -> None:
        """Makes it agree with the blobs that are there and with who brought them. `now_ns`: the time, ns."""
        there = {blob: self._blobs.size(blob) for blob in self._blobs}
        with self._writing() as db:
            known = {bytes(row[0]) for row in db.execute("SELECT hash FROM blob")}
            # One may have come since the blobs were listed.
            _delete(db, [blob for blob in known - there.keys() if not self._blobs.has(blob)])
            brought = [UploadRow(*row[:3]) for row in self._uploads if row[0] in there]
            times = {row.hash: row.time_ns for row in reversed(brought)}
            db.executemany(
                "INSERT INTO blob (hash, bytes, since_ns, named) VALUES (?1, ?2, ?3,"
                " EXISTS (SELECT 1 FROM reference WHERE hash = ?1))",
                [(blob, there[blob] or 0, times.get(blob, now_ns)) for blob in there if blob not in known],
            )
            db.executemany("INSERT OR IGNORE INTO upload VALUES (?, ?, ?)", brought)

    # --- what goes

    def sweep(
        self,
        store: Store,
        now_ns: int,
        served: Callable[[bytes], bool],
        quota: Callable[[bytes], int],
    ) -> Generator[bytes]:
        """Removes blobs that nobody needs any more; gives the hash of each that went.

        Call `catch_up` first. Nothing goes while the blobs are held (by a backup).

        Args:
            store: Where records are.
            now_ns: The time, ns.
            served: Whether this server serves a key (32 bytes).
            quota: How many bytes of blobs a key may have (0 = any number).
        """
        if self.position < store.end:
            return
        for _ in self._forget_gone(store):
            pass
        with self._writing() as db:
            db.execute(
                "UPDATE blob SET loose_ns = NULL WHERE loose_ns IS NOT NULL"
                " AND EXISTS (SELECT 1 FROM reference WHERE reference.hash = blob.hash)"
            )
            db.execute(
                "UPDATE blob SET loose_ns = ? WHERE named AND loose_ns IS NULL"
                " AND NOT EXISTS (SELECT 1 FROM reference WHERE reference.hash = blob.hash)",
                (now_ns,),
            )
        before_ns = now_ns - ORPHAN_NS
        yield from self._remove(self._unneeded(before_ns, served), before_ns)
        for key in self.uploaders():
            if served(key) and (most := quota(key)):
                yield from self._remove(self._above(key, most))

    def _forget_gone(self, store: Store) -> Generator[int]:
        """Forgets what records said that are not served any more."""
        after = -1
        while True:
            with self._lock:
                rows = self._db.execute(
                    "SELECT DISTINCT position FROM reference WHERE position > ? ORDER BY position LIMIT ?",
                    (after, _READ),
                )
                positions = [int(row[0]) for row in rows]
            if not positions:
                return
            after = positions[-1]
            records = store.read(positions)
            gone = [(at,) for at, record in zip(positions, records, strict=True) if record is None]
            if gone:
                with self._writing() as db:
                    db.executemany("DELETE FROM reference WHERE position = ?", gone)
            yield after

    def _unneeded(self, before_ns: int, served: Callable[[bytes], bool]) -> list[bytes]:
        with self._lock:
            loose = self._db.execute("SELECT hash FROM blob WHERE named AND loose_ns <= ?", (before_ns,))
            gone = [bytes(row[0]) for row in loose]
            unnamed = self._db.execute(
                "SELECT hash FROM blob WHERE NOT named AND since_ns <= ?", (before_ns,)
            ).fetchall()
            for (blob_hash,) in unnamed:
                keys = self._db.execute("SELECT key FROM upload WHERE hash = ?", (blob_hash,))
                if not any(served(bytes(row[0])) for row in keys):
                    gone.append(bytes(blob_hash))
        return gone

    def _above(self, key: bytes, most: int) -> list[bytes]:
        """The oldest blobs of somebody that no record ever named, as many as he has above his quota."""
        over = self.used_by(key).bytes - most
        gone: list[bytes] = []
        with self._lock:
            rows = self._db.execute(
                "SELECT blob.hash, bytes FROM blob JOIN upload USING (hash)"
                " WHERE key = ?1 AND NOT named"
                " AND NOT EXISTS"
                " (SELECT 1 FROM upload AS other WHERE other.hash = blob.hash AND other.key != ?1)"
                " ORDER BY since_ns",
                (key,),
            )
            for blob_hash, length in rows:
                if over <= 0:
                    break
                gone.append(bytes(blob_hash))
                over -= int(length)
        return gone

    def _remove(self, hashes: Iterable[bytes], before_ns: int | None = None) -> Generator[bytes]:
        """Removes blobs; with `before_ns` (ns) only those that nobody has brought or named since."""
        for blob_hash in hashes:
            with self._writing() as db:
                if before_ns is not None:
                    row = db.execute(
                        "SELECT ifnull(loose_ns, since_ns) FROM blob WHERE hash = ?", (blob_hash,)
                    ).fetchone()
                    if row is None or row[0] > before_ns:
                        continue
                if not self._blobs.remove(blob_hash) and self._blobs.has(blob_hash):
                    continue
                _delete(db, [blob_hash])
            yield blob_hash

    # --- does it agree

    def check(self, store: Store) -> list[str]:
        """A sentence for each thing in which it does not agree with the blobs. Changes nothing."""
        faults: list[str] = []
        with self._lock:
            rows = {bytes(row[0]): int(row[1]) for row in self._db.execute("SELECT hash, bytes FROM blob")}
            if (told := self._db.execute("PRAGMA integrity_check(5)").fetchall()) != [("ok",)]:
                faults += [f"the ledger of blobs is damaged: {row[0]}" for row in told]
        there = {blob: self._blobs.size(blob) for blob in self._blobs}
        faults += [
            f"the ledger names the blob {blob.hex()}, which is not there" for blob in rows.keys() - there
        ]
        faults += [f"the blob {blob.hex()} is not in the ledger" for blob in there.keys() - rows]
        faults += [
            f"the blob {blob.hex()} has {there[blob]} bytes, the ledger says {length}"
            for blob, length in rows.items()
            if blob in there and there[blob] != length
        ]
        if self.position > store.end:
            faults.append(f"the ledger has read the log up to {self.position}, it ends at {store.end}")
        return faults


def _expect_known(db: sqlite3.Connection) -> None:
    """Raises DatabaseError for what is no database, and for a newer layout: both are made again."""
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version > _VERSION:
        raise sqlite3.DatabaseError(f"it has version {version}")


def _delete(db: sqlite3.Connection, hashes: Iterable[bytes]) -> None:
    rows = [(blob,) for blob in hashes]
    db.executemany("DELETE FROM blob WHERE hash = ?", rows)
    db.executemany("DELETE FROM upload WHERE hash = ?", rows)
