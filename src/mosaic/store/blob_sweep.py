"""Which blobs go because nobody needs them any more.

    a record that is served names it       it is kept
    named once, and by none now            it goes a day after the last record went
    never named, brought by a stranger     it goes a day after it came
    never named, brought by who belongs    it is kept: a private message may name it where nobody
                                           else can read it; above his quota the oldest goes

Source: messages.md "BLOB Submission"; the rest: this project's own design, docs/architecture.md "One home".
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from typing import Final

from mosaic.store.blobs import BlobStore
from mosaic.store.ledger_file import LedgerFile, delete
from mosaic.store.store import Store

ORPHAN_NS: Final = 24 * 3600 * 1_000_000_000
"""How long a blob stays that nobody names, ns."""
_READ: Final = 256


class BlobSweep:
    """Removes blobs, and strikes them out of the ledger.

    Args:
        file: The ledger's.
        blobs: The blobs.
    """

    def __init__(self, file: LedgerFile, blobs: BlobStore) -> None:
        self._file = file
        self._blobs = blobs

    def unneeded(self, store: Store, now_ns: int, served: Callable[[bytes], bool]) -> Generator[bytes]:
        """Removes blobs that nobody has needed for a day; gives the hash of each that went.

        Args:
            store: Where records are; the ledger has read its log.
            now_ns: The time, ns.
            served: Whether this server serves a key (32 bytes).
        """
        self._forget_gone(store)
        with self._file.writing() as db:
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
        yield from self.remove(self._unneeded(before_ns, served), before_ns)

    def above(self, key: bytes, over: int) -> Generator[bytes]:
        """Removes the oldest blobs of somebody that no record ever named; gives the hash of each that went.

        Args:
            key: Whose (32 bytes).
            over: How many bytes he has above his quota.
        """
        yield from self.remove(self._oldest(key, over))

    def remove(self, hashes: Iterable[bytes], before_ns: int | None = None) -> Generator[bytes]:
        """Removes blobs; with `before_ns` (ns) only those that nobody has brought or named since."""
        for blob_hash in hashes:
            with self._file.writing() as db:
                if before_ns is not None:
                    row = db.execute(
                        "SELECT ifnull(loose_ns, since_ns) FROM blob WHERE hash = ?", (blob_hash,)
                    ).fetchone()
                    if row is None or row[0] > before_ns:
                        continue
                if not self._blobs.remove(blob_hash) and self._blobs.has(blob_hash):
                    continue
                delete(db, [blob_hash])
            yield blob_hash

    def _forget_gone(self, store: Store) -> None:
        """Forgets what records said that are not served any more."""
        after = -1
        while True:
            with self._file.reading() as db:
                rows = db.execute(
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
                with self._file.writing() as db:
                    db.executemany("DELETE FROM reference WHERE position = ?", gone)

    def _unneeded(self, before_ns: int, served: Callable[[bytes], bool]) -> list[bytes]:
        with self._file.reading() as db:
            loose = db.execute("SELECT hash FROM blob WHERE named AND loose_ns <= ?", (before_ns,))
            gone = [bytes(row[0]) for row in loose]
            unnamed = db.execute(
                "SELECT hash FROM blob WHERE NOT named AND since_ns <= ?", (before_ns,)
            ).fetchall()
            for (blob_hash,) in unnamed:
                keys = db.execute("SELECT key FROM upload WHERE hash = ?", (blob_hash,))
                if not any(served(bytes(row[0])) for row in keys):
                    gone.append(bytes(blob_hash))
        return gone

    def _oldest(self, key: bytes, over: int) -> list[bytes]:
        """The oldest blobs of somebody that no record ever named, of `over` bytes together."""
        gone: list[bytes] = []
        with self._file.reading() as db:
            rows = db.execute(
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
