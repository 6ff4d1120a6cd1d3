"""The bootstraps that were ever seen, on disk: what is known of others' servers without asking anybody.

Only the item with the greatest sequence number of each key and salt is kept,
so that nobody can lead this home back to an older one.

Source: bootstrap.md; edition §4 (DHT RESPONSE: the greatest seq ever seen is kept on disk).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from mosaic.core.bootstrap import SERVER_SALT, USER_SALT, DhtItem, ServerBootstrap, UserBootstrap
from mosaic.core.keys import PublicKey
from mosaic.dht.sequence_store import Known, Wish
from mosaic.errors import FormatError, InvalidBootstrap
from mosaic.node.private_db import PrivateDb

MOST: Final = 10_000
"""Items kept beside those of whom this home follows, uses or is: anyone may ask for look-ups."""

_SPARE: Final = MOST // 10
# What this home depends on is never forgotten.
_IS_WANTED: Final = """
    key IN (SELECT key FROM dht_wish) OR key IN (SELECT master_key FROM person)
    OR key IN (SELECT key FROM served)
    OR key IN (SELECT key FROM follow) OR key IN (SELECT what FROM kept)
    OR key IN (SELECT server_key FROM server_of)
    OR key IN (SELECT server_key FROM dialled)
"""


class Bootstraps:
    """A `dht.SequenceStore`: items in the table `dht_item`, what was published from here in `dht_wish`.

    Every call is durable when it returns. Of keys that nothing here depends on
    `MOST` items are kept; then those go that were not asked about for longest.

    Args:
        db: The private database.
        changed: Told of a key whenever another text of it was kept.
    """

    def __init__(self, db: PrivateDb, changed: Callable[[PublicKey], None]) -> None:
        self._db = db
        self._changed = changed
        self._room = MOST - self._count()
        """How many more keys may come before some are forgotten."""

    def known(self, key: PublicKey, salt: bytes) -> Known | None:
        """The newest item seen of a key and salt, or None."""
        row = self._db.connection.execute(
            "SELECT seq, value, signature, checked_ns FROM dht_item WHERE key = ? AND salt = ?",
            (key.bytes, salt),
        ).fetchone()
        if row is None:
            return None
        seq, value, signature, checked_ns = row
        try:
            return Known(DhtItem(key, salt, seq, value, signature), checked_ns)
        except FormatError:
            return None

    def save(self, known: Known) -> None:
        """Puts an item in the place of the one that is kept, unless that has a greater sequence number."""
        item, before = known.item, self.known(known.item.key, known.item.salt)
        if before is not None and before.item.seq > item.seq:
            return
        self._db.connection.execute(
            "INSERT OR REPLACE INTO dht_item VALUES (?, ?, ?, ?, ?, ?)",
            (item.key.bytes, item.salt, item.seq, item.value, item.signature, known.checked_ns),
        )
        if before is None:
            self._room -= 1
            if self._room < 0:
                self._forget_surplus()
        if before is None or before.item.value != item.value:
            self._changed(item.key)

    def _forget_surplus(self) -> None:
        """Makes room, a tenth at once so that it is seldom done."""
        self._db.connection.execute(
            f"""DELETE FROM dht_item WHERE (key, salt) IN (
                SELECT key, salt FROM dht_item WHERE NOT ({_IS_WANTED}) ORDER BY checked_ns LIMIT ?
            )""",  # noqa: S608 - no value of anybody's is in it
            (_SPARE - self._room,),
        )
        self._room = MOST - self._count()

    def _count(self) -> int:
        (count,) = self._db.connection.execute("SELECT count(*) FROM dht_item").fetchone()
        return int(count)

    def wish(self, key: PublicKey, salt: bytes) -> Wish | None:
        """What was last published from here, None if nothing was."""
        row = self._db.connection.execute(
            "SELECT value, seq FROM dht_wish WHERE key = ? AND salt = ?", (key.bytes, salt)
        ).fetchone()
        return None if row is None else Wish(*row)

    def save_wish(self, key: PublicKey, salt: bytes, wish: Wish) -> None:
        """Keeps what was published from here."""
        self._db.connection.execute(
            "INSERT OR REPLACE INTO dht_wish VALUES (?, ?, ?, ?)", (key.bytes, salt, wish.value, wish.seq)
        )

    def user(self, key: PublicKey) -> UserBootstrap | None:
        """The servers that a person published last, as far as this home has seen; None if none."""
        known = self.known(key, USER_SALT)
        try:
            return None if known is None else UserBootstrap.read(known.item.value)
        except InvalidBootstrap:
            return None

    def server(self, key: PublicKey) -> ServerBootstrap | None:
        """The URLs that a server published last, as far as this home has seen; None if none."""
        known = self.known(key, SERVER_SALT)
        try:
            return None if known is None else ServerBootstrap.read(known.item.value)
        except InvalidBootstrap:
            return None
