"""The ledger of blobs: who brought which, which records name them, what counts for a quota.

FOLDER/ledger.db (SQLite) says what can be found out again from the blobs, the
file `uploads` and the log, and is made again from these when it is missing or
damaged. It follows the log by itself and remembers how far it came.

Somebody's quota counts each blob once that he brought or that his records name.

Source: edition §4 (tag Blob, 0x4D03), messages.md "BLOB Submission"; the rest: this project's own design,
docs/architecture.md "One home".
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Generator, Iterator
from typing import Final, NamedTuple, Protocol

from mosaic.core.filter import Filter
from mosaic.store.blob_sweep import BlobSweep
from mosaic.store.blobs import BlobStore
from mosaic.store.ledger_file import LedgerFile, delete
from mosaic.store.store import Store

LEDGER: Final = "ledger.db"
"""The ledger's file, in the folder of the blobs."""

_TAGS: Final = 152
_BLOB_TAG: Final = b"\x03\x4d"
_BLOB_TAG_BYTES: Final = 36
_RECORDS: Final = 512
_SLICE_NS: Final = 5_000_000


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
        self._file = LedgerFile(blobs.folder / LEDGER)
        self._sweep = BlobSweep(self._file, blobs)

    def close(self) -> None:
        """Lets go of the file."""
        self._file.close()

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
        with self._file.writing() as db:
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
        with self._file.reading() as db:
            row = db.execute(
                "SELECT count(*), ifnull(sum(bytes), 0) FROM blob WHERE hash IN"
                " (SELECT hash FROM upload WHERE key = ?1"
                " UNION SELECT hash FROM reference WHERE author = ?1)",
                (key,),
            ).fetchone()
        return Usage(int(row[0]), int(row[1]))

    def brought_by(self, key: bytes) -> list[bytes]:
        """The hashes (32 bytes each) of what somebody brought."""
        with self._file.reading() as db:
            rows = db.execute("SELECT hash FROM upload WHERE key = ? ORDER BY hash", (key,))
            return [bytes(row[0]) for row in rows]

    def total(self) -> Usage:
        """What all blobs are together."""
        with self._file.reading() as db:
            row = db.execute("SELECT count(*), ifnull(sum(bytes), 0) FROM blob").fetchone()
        return Usage(int(row[0]), int(row[1]))

    def references(self, blob_hash: bytes) -> int:
        """How many records name a blob."""
        with self._file.reading() as db:
            rows = db.execute("SELECT count(*) FROM reference WHERE hash = ?", (blob_hash,))
            return int(rows.fetchone()[0])

    def uploaders(self) -> list[bytes]:
        """The keys (32 bytes each) that brought blobs which are here."""
        with self._file.reading() as db:
            return [bytes(row[0]) for row in db.execute("SELECT DISTINCT key FROM upload")]

    def forget(self, key: bytes) -> list[bytes]:
        """Removes what a key has brought and nobody else brought or names; the hashes that went."""
        with self._file.reading() as db:
            rows = db.execute(
                "SELECT hash FROM upload WHERE key = ?1"
                " AND NOT EXISTS"
                " (SELECT 1 FROM upload AS other WHERE other.hash = upload.hash AND other.key != ?1)"
                " AND NOT EXISTS"
                " (SELECT 1 FROM reference WHERE reference.hash = upload.hash AND author != ?1)",
                (key,),
            )
            hashes = [bytes(row[0]) for row in rows]
        gone = list(self._sweep.remove(hashes))
        with self._file.writing() as db:
            db.execute("DELETE FROM upload WHERE key = ?", (key,))
        return gone

    # --- following the log

    @property
    def position(self) -> int:
        """Up to which position (a log number) it has read."""
        with self._file.reading() as db:
            row = db.execute("SELECT value FROM meta WHERE name = 'position'").fetchone()
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
                with self._file.writing() as db:
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
        with self._file.writing() as db:
            db.execute("DELETE FROM reference")
            db.execute("DELETE FROM meta WHERE name = 'position'")

    def reconcile(self, now_ns: int) -> None:
        """Makes it agree with the blobs that are there and with who brought them. `now_ns`: the time, ns."""
        there = {blob: self._blobs.size(blob) for blob in self._blobs}
        with self._file.writing() as db:
            known = {bytes(row[0]) for row in db.execute("SELECT hash FROM blob")}
            # One may have come since the blobs were listed.
            delete(db, [blob for blob in known - there.keys() if not self._blobs.has(blob)])
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
        """Removes blobs that nobody needs any more (`blob_sweep`); gives the hash of each that went.

        Call `catch_up` first. Nothing goes while the blobs are held (by a backup).

        Args:
            store: Where records are.
            now_ns: The time, ns.
            served: Whether this server serves a key (32 bytes).
            quota: How many bytes of blobs a key may have (0 = any number).
        """
        if self.position < store.end:
            return
        yield from self._sweep.unneeded(store, now_ns, served)
        for key in self.uploaders():
            if served(key) and (most := quota(key)):
                yield from self._sweep.above(key, self.used_by(key).bytes - most)

    # --- does it agree

    def check(self, store: Store) -> list[str]:
        """A sentence for each thing in which it does not agree with the blobs. Changes nothing."""
        faults: list[str] = []
        with self._file.reading() as db:
            rows = {bytes(row[0]): int(row[1]) for row in db.execute("SELECT hash, bytes FROM blob")}
            if (told := db.execute("PRAGMA integrity_check(5)").fetchall()) != [("ok",)]:
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
