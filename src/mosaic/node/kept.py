"""What the people of a home chose to keep: accounts whole, and single records. In the table `kept`.

An account that is kept is read like that of somebody who is followed, old
posts and all, but shows in nobody's feed; its blobs are fetched, too. What is
kept is no cache: neither its quota nor a rule of retention takes it away.

Source: this project's own design, docs/architecture.md "What stays, what goes".
"""

from __future__ import annotations

from typing import Final, NamedTuple, TypeAlias

from mosaic.core import reference
from mosaic.core.keys import PublicKey
from mosaic.core.reference import Address, Id
from mosaic.node.private_db import PrivateDb

_PERSON_BYTES: Final = 32

What: TypeAlias = PublicKey | Id | Address
"""A person, one record, or whatever stands at an address."""


class KeptRow(NamedTuple):
    """One thing that is kept.

    Attributes:
        what: A person, one record, or whatever stands at an address.
        since_ns: Since when (a Mosaic timestamp).
    """

    what: What
    since_ns: int

    @property
    def text(self) -> str:
        """`mopub0…` or `moref0…`."""
        return self.what.user_text if isinstance(self.what, PublicKey) else self.what.text


class Kept:
    """All that is kept. Held in memory, so that asking costs no query, and written through.

    Args:
        db: Where it lies.
    """

    def __init__(self, db: PrivateDb) -> None:
        self._db = db.connection
        self._all: dict[bytes, int] = {
            bytes(what): int(since) for what, since in self._db.execute("SELECT what, since_ns FROM kept")
        }

    def add(self, what: What, now_ns: int) -> bool:
        """Keeps something from now on; whether that is new."""
        if what.bytes in self._all:
            return False
        self._db.execute("INSERT INTO kept VALUES (?, ?)", (what.bytes, now_ns))
        self._all[what.bytes] = now_ns
        return True

    def remove(self, what: What) -> bool:
        """Keeps something no longer; whether it was kept. It stays until room is short."""
        self._db.execute("DELETE FROM kept WHERE what = ?", (what.bytes,))
        return self._all.pop(what.bytes, None) is not None

    def listed(self) -> list[KeptRow]:
        """All of it, the oldest first."""
        rows = sorted(self._all.items(), key=lambda row: (row[1], row[0]))
        return [KeptRow(_what(data), since_ns) for data, since_ns in rows]

    @property
    def people(self) -> list[PublicKey]:
        """Whose accounts are kept."""
        return [row.what for row in self.listed() if isinstance(row.what, PublicKey)]

    def has_person(self, key: bytes) -> bool:
        """Whether the account of a master key (32 bytes) is kept."""
        return key in self._all

    def has(self, record: bytes) -> bool:
        """Whether a record is kept: its author's account, itself, or what stands at its address."""
        kept = self._all
        return bool(kept) and (record[64:96] in kept or record[:48] in kept or record[48:96] in kept)


def _what(data: bytes) -> What:
    return PublicKey(data) if len(data) == _PERSON_BYTES else reference.from_bytes(data)
