"""The private database: what of this home is nobody else's business.

SQLite with migrations from its first version. Everything here stays on this
machine; what others may know are signed records in the store. Secrets are
`mocryptsec0` texts. All calls are short and made from one thread.

Source: this project's own design, docs/architecture.md "One home".
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mosaic.errors import HomeDamaged, HomeNewer
from mosaic.node.migrations import MIGRATIONS

VERSION = len(MIGRATIONS)
"""The version that this program writes, and the newest that it reads."""


@dataclass(frozen=True, slots=True)
class PersonRow:
    """One person of this home, as stored.

    Args:
        name: The name within this home.
        master_key: The person's key, 32 bytes.
        master_secret: Its secret as `mocryptsec0`; empty when it is not on this machine.
        device_key: The key of this device, 32 bytes.
        device_secret: Its secret as `mocryptsec0`.
        bootstrap: The text of the user bootstrap to be published.
        bootstrap_seq: Its sequence number, 0 while it was never published.
        made_ns: When the person was made here, a Mosaic timestamp.
    """

    name: str
    master_key: bytes
    master_secret: str = field(repr=False)
    device_key: bytes
    device_secret: str = field(repr=False)
    bootstrap: str
    bootstrap_seq: int
    made_ns: int


@dataclass(frozen=True, slots=True)
class ServerRow:
    """A server that somebody uses.

    Attributes:
        server_key: Its key (32 bytes).
        usage: What for: the bits of a user bootstrap.
        urls: Where it is, the best first.
    """

    server_key: bytes
    usage: int
    urls: tuple[str, ...]


class PrivateDb:
    """The open private database.

    Args:
        path: The file; made when missing. None keeps everything in memory, for programs without a home.

    Raises:
        HomeNewer: a newer version wrote it.
        HomeDamaged: it is no such database.
    """

    def __init__(self, path: Path | None) -> None:
        try:
            if path is not None:
                # Made with its mode, so that there is no moment in which others may read it.
                os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            self._db = sqlite3.connect(path or ":memory:", isolation_level=None)
            self._db.executescript(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                "PRAGMA foreign_keys = ON; PRAGMA busy_timeout = 5000;"
                # Secrets that go out of use are overwritten, not only unlinked.
                "PRAGMA secure_delete = ON;"
            )
            self._migrate(path)
        except (sqlite3.Error, OSError) as error:
            if hasattr(self, "_db"):
                self._db.close()
            raise HomeDamaged(
                f"{path} can't be opened: {error}",
                hint="Restore the home from a backup; keep the damaged file.",
            ) from error

    def _migrate(self, path: Path | None) -> None:
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version > VERSION:
            self._db.close()
            raise HomeNewer(f"{path} has version {version}, this program knows {VERSION}")
        for number in range(version, VERSION):
            # `executescript` commits what is open before it begins, so the step brings its own transaction.
            self._db.executescript(f"BEGIN; {MIGRATIONS[number]} PRAGMA user_version = {number + 1}; COMMIT;")

    @property
    def connection(self) -> sqlite3.Connection:
        """The connection, for the tables that other modules of this room keep (the outgoing queue)."""
        return self._db

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing of what is written inside; on disk when it ends."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def close(self) -> None:
        """Lets go of the file."""
        self._db.close()

    # --- single values ---------------------------------------------------------------------------

    def meta(self, name: str) -> str | None:
        """A value that the program keeps about the home itself."""
        row = self._db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def set_meta(self, name: str, value: str) -> None:
        """Keeps a value about the home itself."""
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))

    # --- people -----------------------------------------------------------------------------------

    def people(self) -> list[PersonRow]:
        """The people of this home, the first one made first."""
        rows = self._db.execute(
            "SELECT name, master_key, master_secret, device_key, device_secret, bootstrap, bootstrap_seq,"
            " made_ns FROM person ORDER BY number"
        )
        return [PersonRow(*row) for row in rows]

    def add_person(self, person: PersonRow) -> None:
        """Keeps a new person. The caller has seen that the name is free."""
        self._db.execute(
            "INSERT INTO person (name, master_key, master_secret, device_key, device_secret, bootstrap,"
            " bootstrap_seq, made_ns) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                person.name,
                person.master_key,
                person.master_secret,
                person.device_key,
                person.device_secret,
                person.bootstrap,
                person.bootstrap_seq,
                person.made_ns,
            ),
        )

    def set_master_away(self, master_key: bytes) -> None:
        """Notes that a person's master key is not on this machine."""
        self._db.execute("UPDATE person SET master_place = 'away' WHERE master_key = ?", (master_key,))

    def set_bootstrap(self, master_key: bytes, text: str) -> None:
        """Keeps what a person publishes about the servers he uses."""
        self._db.execute("UPDATE person SET bootstrap = ? WHERE master_key = ?", (text, master_key))

    # --- follows ----------------------------------------------------------------------------------

    def follow(self, master_key: bytes, key: bytes, now_ns: int) -> bool:
        """Follows `key`; whether that is new."""
        done = self._db.execute(
            "INSERT OR IGNORE INTO follow SELECT number, ?, ? FROM person WHERE master_key = ?",
            (key, now_ns, master_key),
        )
        return done.rowcount > 0

    def unfollow(self, master_key: bytes, key: bytes) -> bool:
        """Stops following `key`; whether it was followed."""
        done = self._db.execute(
            "DELETE FROM follow WHERE key = ? AND person = (SELECT number FROM person WHERE master_key = ?)",
            (key, master_key),
        )
        self._forget_personas(master_key, key)
        return done.rowcount > 0

    def follow_personas(self, master_key: bytes, key: bytes, personas: Sequence[bytes]) -> None:
        """Of `key`, reads these subkeys as well (32 bytes each); everything again when none is given."""
        with self.transaction():
            if not personas:
                self._forget_personas(master_key, key)
            self._db.executemany(
                "INSERT OR IGNORE INTO follow_persona SELECT number, ?, ? FROM person WHERE master_key = ?",
                [(key, persona, master_key) for persona in personas],
            )

    def _forget_personas(self, master_key: bytes, key: bytes) -> None:
        self._db.execute(
            "DELETE FROM follow_persona WHERE key = ?"
            " AND person = (SELECT number FROM person WHERE master_key = ?)",
            (key, master_key),
        )

    def personas(self, master_key: bytes) -> dict[bytes, frozenset[bytes]]:
        """Of whom a person reads some subkeys alone: these (32 bytes each)."""
        rows = self._db.execute(
            "SELECT key, persona FROM follow_persona JOIN person ON person = number WHERE master_key = ?",
            (master_key,),
        )
        found: dict[bytes, frozenset[bytes]] = {}
        for key, persona in rows:
            found[bytes(key)] = found.get(bytes(key), frozenset()) | {bytes(persona)}
        return found

    def follows(self, master_key: bytes) -> list[bytes]:
        """Whom a person follows, in the order in which it began."""
        rows = self._db.execute(
            "SELECT key FROM follow JOIN person ON person = number WHERE master_key = ?"
            " ORDER BY since_ns, key",
            (master_key,),
        )
        return [bytes(row[0]) for row in rows]

    def all_followed(self) -> list[bytes]:
        """Whom anybody in this home follows, and whose accounts are kept; each once."""
        rows = self._db.execute(
            "SELECT key FROM follow UNION SELECT what FROM kept WHERE length(what) = 32 ORDER BY 1"
        )
        return [bytes(row[0]) for row in rows]

    # --- who uses which servers -------------------------------------------------------------------

    def learn_server(
        self, key: bytes, server_key: bytes, usage: int, urls: Sequence[str], now_ns: int
    ) -> None:
        """Remembers that `key` uses a server, and adds what is new about its use and its URLs.

        `usage` is a sum of `core.bootstrap.Usage`.
        """
        with self.transaction():
            self._db.execute(
                "INSERT INTO server_of VALUES (?1, ?2, ?3,"
                " (SELECT ifnull(max(place), -1) + 1 FROM server_of WHERE key = ?1), ?4)"
                " ON CONFLICT DO UPDATE SET usage = usage | excluded.usage, learned_ns = excluded.learned_ns",
                (key, server_key, usage, now_ns),
            )
            if urls:
                self.set_server_urls(server_key, urls)

    def set_server_urls(self, server_key: bytes, urls: Sequence[str]) -> None:
        """Puts URLs before those already known of a server."""
        known = [row for row in self.server_urls(server_key) if row not in urls]
        self._db.execute("DELETE FROM server_url WHERE server_key = ?", (server_key,))
        self._db.executemany(
            "INSERT OR IGNORE INTO server_url VALUES (?, ?, ?)",
            [(server_key, url, place) for place, url in enumerate([*urls, *known][:8])],
        )

    def server_urls(self, server_key: bytes) -> list[str]:
        """The known URLs of a server, the preferred first."""
        rows = self._db.execute(
            "SELECT url FROM server_url WHERE server_key = ? ORDER BY place", (server_key,)
        )
        return [str(row[0]) for row in rows]

    def servers_of(self, key: bytes) -> list[ServerRow]:
        """The servers that `key` uses, the preferred first."""
        rows = self._db.execute(
            "SELECT server_key, usage FROM server_of WHERE key = ? ORDER BY place", (key,)
        )
        return [
            ServerRow(bytes(server_key), int(usage), tuple(self.server_urls(server_key)))
            for server_key, usage in rows.fetchall()
        ]

    # --- what was heard ---------------------------------------------------------------------------

    def heard_until(self, server_key: bytes, author: bytes) -> int:
        """Up to when (a Mosaic timestamp) everything of `author` was read from a server; 0 = nothing yet."""
        row = self._db.execute(
            "SELECT until_ns FROM heard WHERE server_key = ? AND author = ?", (server_key, author)
        ).fetchone()
        return 0 if row is None else int(row[0])

    def heard_last(self, author: bytes) -> int:
        """Up to when `author` was read from any server (a Mosaic timestamp); 0 = from none yet."""
        (until_ns,) = self._db.execute(
            "SELECT max(until_ns) FROM heard WHERE author = ?", (author,)
        ).fetchone()
        return int(until_ns or 0)

    def set_heard_until(self, server_key: bytes, author: bytes, until_ns: int) -> None:
        """Remembers up to when everything was read; never goes back."""
        self._db.execute(
            "INSERT INTO heard VALUES (?, ?, ?)"
            " ON CONFLICT DO UPDATE SET until_ns = max(until_ns, excluded.until_ns)",
            (server_key, author, until_ns),
        )
