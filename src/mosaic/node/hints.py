"""Where somebody may be found, as others say: invite links, and mentions of servers in his own records.

Nobody has signed that for the key in question, so it is only a place to try:
where nothing published is known, such a server is read from if it proves its
key, and it is asked for the signed bootstrap. What it gives is checked like
everything else. Private addresses among hints are not dialled unless the owner
of this home allowed that for all.

Source: core_tags.md (Server Mention), bootstrap.md; edition §2 (private addresses).
"""

from __future__ import annotations

from typing import Final

from mosaic.client.address import ServerAddress
from mosaic.core import core_tags
from mosaic.core.filter import Filter
from mosaic.core.invite_link import NamedServer
from mosaic.core.keys import PublicKey
from mosaic.core.url import ServerUrl
from mosaic.node.deliveries import parse_urls
from mosaic.node.private_db import PrivateDb
from mosaic.social.records import Records

MOST: Final = 10_000
"""Hints that are kept; beyond, those go that were learned longest ago."""
MOST_OF_A_KEY: Final = 6
"""Servers that are kept of one key."""

# So many of somebody's newest records are looked into for mentions of servers.
_LOOKED_INTO: Final = 50


class Hints:
    """Hints in the table `hint`. Every call is durable when it returns.

    Args:
        db: The private database.
    """

    def __init__(self, db: PrivateDb) -> None:
        self._db = db

    def learn(self, key: PublicKey, server: NamedServer, now_ns: int) -> None:
        """Remembers that a key may be found at a server; what was said later of it counts.

        Args:
            key: A person's key, or the server's own.
            server: The server, and where it is said to listen.
            now_ns: The time, ns as a Mosaic timestamp.
        """
        with self._db.transaction():
            self._db.connection.execute(
                "INSERT INTO hint VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET"
                " urls = CASE excluded.urls WHEN '' THEN urls ELSE excluded.urls END,"
                " learned_ns = excluded.learned_ns",
                (key.bytes, server.key.bytes, " ".join(map(str, server.urls)), now_ns),
            )
            self._db.connection.execute(
                "DELETE FROM hint WHERE key = ?1 AND server_key NOT IN"
                " (SELECT server_key FROM hint WHERE key = ?1 ORDER BY learned_ns DESC LIMIT ?2)",
                (key.bytes, MOST_OF_A_KEY),
            )
            (count,) = self._db.connection.execute("SELECT count(*) FROM hint").fetchone()
            if count > MOST:
                self._db.connection.execute(
                    "DELETE FROM hint WHERE (key, server_key) IN"
                    " (SELECT key, server_key FROM hint ORDER BY learned_ns LIMIT ?)",
                    (count - MOST + MOST // 10,),
                )

    def servers(self, key: PublicKey) -> list[PublicKey]:
        """The servers where a key may be found, the last learned first."""
        rows = self._db.connection.execute(
            "SELECT server_key FROM hint WHERE key = ? ORDER BY learned_ns DESC, server_key", (key.bytes,)
        )
        return [PublicKey(row[0]) for row in rows.fetchall()]

    def urls(self, server: PublicKey) -> tuple[ServerUrl, ...]:
        """Where a server is said to listen, by whoever spoke of it last."""
        rows = self._db.connection.execute(
            "SELECT urls FROM hint WHERE server_key = ? AND urls != '' ORDER BY learned_ns DESC LIMIT ?",
            (server.bytes, MOST_OF_A_KEY),
        )
        return tuple(dict.fromkeys(url for row in rows.fetchall() for url in parse_urls(row[0].split())))

    def address(self, server: PublicKey) -> ServerAddress:
        """A server with nothing but what is said of it."""
        return ServerAddress(server, self.urls(server))


def mentioned(records: Records, person: PublicKey) -> list[PublicKey]:
    """The servers that somebody's newest records at hand mention, the newest first."""
    found: dict[PublicKey, None] = {}
    for record in records.newest_first(Filter.of(authors=[person]), _LOOKED_INTO):
        found |= dict.fromkeys(core_tags.mentioned_servers(record))
    return list(found)[:MOST_OF_A_KEY]
