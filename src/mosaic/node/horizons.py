"""How far back rules of retention by size have let records go, kept over restarts.

Lies in `private.db`; held in memory, so that asking costs no query.

Source: this project's own design, docs/architecture.md "Operations".
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping

from mosaic.node.private_db import PrivateDb


class Horizons(MutableMapping[str, int]):
    """Timestamps (ns) by the names of rules. Belongs to the thread of the event loop.

    Args:
        db: Where they lie.
    """

    def __init__(self, db: PrivateDb) -> None:
        self._db = db.connection
        self._until = {
            str(rule): int(until) for rule, until in self._db.execute("SELECT rule, until_ns FROM horizon")
        }

    def __getitem__(self, rule: str) -> int:
        """Up to which timestamp (ns) a rule keeps nothing. Raises KeyError."""
        return self._until[rule]

    def __setitem__(self, rule: str, until_ns: int) -> None:
        """Keeps up to which timestamp (ns) a rule keeps nothing."""
        self._db.execute("INSERT OR REPLACE INTO horizon VALUES (?, ?)", (rule, until_ns))
        self._until[rule] = until_ns

    def __delitem__(self, rule: str) -> None:
        """Forgets a rule. Raises KeyError."""
        del self._until[rule]
        self._db.execute("DELETE FROM horizon WHERE rule = ?", (rule,))

    def __iter__(self) -> Iterator[str]:
        """The names of rules."""
        return iter(self._until)

    def __len__(self) -> int:
        """Of how many rules something is kept."""
        return len(self._until)
