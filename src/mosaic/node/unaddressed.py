"""Records for people of whom no server is known yet: they wait here until one is found.

Source: core_tags.md (Notify: deliver to all inboxes), bootstrap.md.
"""

from __future__ import annotations

from dataclasses import dataclass

from mosaic.core.keys import PublicKey
from mosaic.node.private_db import PrivateDb

# As long as the outgoing queue tries.
_KEEP_NS = 30 * 86_400 * 1_000_000_000


@dataclass(frozen=True, slots=True)
class Letter:
    """A record that waits for its recipient's servers.

    Args:
        record: The whole record.
        sender: Who sent it (master key, 32 bytes).
        person: Whom it concerns.
    """

    record: bytes
    sender: bytes
    person: PublicKey


class Unaddressed:
    """Keeps letters in the table `unaddressed`. Every call is durable when it returns.

    Args:
        db: The private database.
    """

    def __init__(self, db: PrivateDb) -> None:
        self._db = db

    def add(self, letter: Letter, now_ns: int) -> None:
        """Keeps a letter, once for each record and person."""
        self._db.connection.execute(
            "INSERT OR IGNORE INTO unaddressed VALUES (?, ?, ?, ?, ?)",
            (letter.record[:48], letter.person.bytes, letter.record, letter.sender, now_ns),
        )

    def all(self, limit: int) -> list[Letter]:
        """What waits, the oldest first; at most `limit` letters."""
        return self._read("ORDER BY queued_ns LIMIT ?", limit)

    def of_person(self, person: PublicKey) -> list[Letter]:
        """What waits for somebody, in the order in which it was written."""
        return self._read("WHERE person = ? ORDER BY queued_ns", person.bytes)

    def people(self) -> list[PublicKey]:
        """For whom anything waits, each once."""
        rows = self._db.connection.execute("SELECT DISTINCT person FROM unaddressed ORDER BY person")
        return [PublicKey(row[0]) for row in rows]

    def waiting(self) -> int:
        """How many wait."""
        row = self._db.connection.execute("SELECT count(*) FROM unaddressed").fetchone()
        return int(row[0])

    def remove(self, letter: Letter) -> None:
        """Forgets a letter: it is on its way, or was taken back."""
        self._db.connection.execute(
            "DELETE FROM unaddressed WHERE record_id = ? AND person = ?",
            (letter.record[:48], letter.person.bytes),
        )

    def withdraw(self, record_id: bytes) -> None:
        """Forgets a record (48-byte id) for all whom it concerns."""
        self._db.connection.execute("DELETE FROM unaddressed WHERE record_id = ?", (record_id,))

    def forget_old(self, now_ns: int) -> None:
        """Drops what has waited for more than a month."""
        self._db.connection.execute("DELETE FROM unaddressed WHERE queued_ns < ?", (now_ns - _KEEP_NS,))

    def _read(self, where: str, value: object) -> list[Letter]:
        rows = self._db.connection.execute(
            f"SELECT record, sender, person FROM unaddressed {where}",  # noqa: S608
            (value,),
        )
        return [Letter(record, sender, PublicKey(person)) for record, sender, person in rows.fetchall()]
