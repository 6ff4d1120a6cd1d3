"""What became of dialling servers, on disk: `client.dial_memory.DialMemory` in the private database.

Source: edition §2 (what worked is remembered).
"""

from __future__ import annotations

from collections.abc import Sequence

from mosaic.client.dial_memory import Remembered
from mosaic.client.way import Form, Way
from mosaic.core.keys import PublicKey
from mosaic.core.url import ServerUrl
from mosaic.errors import InvalidUrl
from mosaic.node.private_db import PrivateDb

# A server that often moves leaves many URLs behind; the ones tried last are kept.
_URLS_OF_A_SERVER = 32


class Dialled:
    """Keeps what became of each URL in the table `dialled`.

    Args:
        db: The private database.
    """

    def __init__(self, db: PrivateDb) -> None:
        self._db = db

    def remembered(self, server: PublicKey) -> Sequence[Remembered]:
        """All that is remembered of a server, each URL once; what this version can't read is left out."""
        rows = self._db.connection.execute(
            "SELECT url, form, worked_ns, failed_ns FROM dialled WHERE server_key = ?", (server.bytes,)
        )
        found = []
        for url, form, worked_ns, failed_ns in rows.fetchall():
            try:
                known = Form(form) if form else None
                found.append(Remembered(ServerUrl.parse(url), known, worked_ns, failed_ns))
            except (InvalidUrl, ValueError):
                continue
        return found

    def worked(self, server: PublicKey, way: Way, now_ns: int) -> None:
        """The server proved its key at a URL, in this form."""
        with self._db.transaction():
            self._db.connection.execute(
                "INSERT OR REPLACE INTO dialled VALUES (?, ?, ?, ?, 0)",
                (server.bytes, str(way.url), str(way.form), now_ns),
            )
            self._forget_old(server)

    def failed(self, server: PublicKey, url: ServerUrl, now_ns: int) -> None:
        """The server was not reached at a URL."""
        with self._db.transaction():
            self._db.connection.execute(
                "INSERT INTO dialled VALUES (?, ?, '', 0, ?3) ON CONFLICT DO UPDATE SET failed_ns = ?3",
                (server.bytes, str(url), now_ns),
            )
            self._forget_old(server)

    def _forget_old(self, server: PublicKey) -> None:
        self._db.connection.execute(
            "DELETE FROM dialled WHERE server_key = ?1 AND url NOT IN"
            " (SELECT url FROM dialled WHERE server_key = ?1"
            " ORDER BY max(worked_ns, failed_ns) DESC LIMIT ?2)",
            (server.bytes, _URLS_OF_A_SERVER),
        )
