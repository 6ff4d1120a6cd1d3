"""Whose records were erased here, and up to when: nothing older of them is taken again.

Lies in `private.db`, so that it is in backups; held in memory, so that asking costs no query.

Source: this project's own design, docs/architecture.md "Operations".
"""

from __future__ import annotations

from dataclasses import dataclass

from mosaic.core.keys import PublicKey
from mosaic.node.private_db import PrivateDb


@dataclass(frozen=True, slots=True)
class ErasedKey:
    """A key whose records were erased.

    Args:
        key: The master key.
        until_ns: Nothing with a timestamp up to then is taken (ns, Mosaic time).
        by: Who did it.
    """

    key: PublicKey
    until_ns: int
    by: str


class ErasedKeys:
    """The list. Belongs to the thread of the event loop.

    Args:
        db: Where it lies.
    """

    def __init__(self, db: PrivateDb) -> None:
        self._db = db.connection
        self._until = {
            bytes(key): int(until) for key, until in self._db.execute("SELECT key, until_ns FROM erased")
        }

    def until_of(self, key: bytes) -> int | None:
        """Up to which timestamp (ns) all of a key (32 bytes) was erased; None if nothing was."""
        return self._until.get(key)

    def note(self, key: bytes, until_ns: int, by: str) -> None:
        """From now on nothing of a key is taken that is not newer; an earlier time is never put back.

        Args:
            key: The master key, 32 bytes.
            until_ns: Up to which timestamp (ns).
            by: Who does it.
        """
        until_ns = max(until_ns, self._until.get(key, 0))
        self._db.execute(
            "INSERT INTO erased (key, until_ns, by) VALUES (?, ?, ?)"
            " ON CONFLICT (key) DO UPDATE SET until_ns = excluded.until_ns, by = excluded.by",
            (key, until_ns, by),
        )
        self._until[key] = until_ns

    def listed(self) -> list[ErasedKey]:
        """All of them, by key."""
        rows = self._db.execute("SELECT key, until_ns, by FROM erased ORDER BY key")
        return [ErasedKey(PublicKey(bytes(key)), int(until), str(by)) for key, until, by in rows]
