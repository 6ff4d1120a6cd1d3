"""What is remembered of servers, on disk: `client.reputation.Reputation` in the private database.

Kept under the server's key, so that it outlives restarts and every change of
its addresses. It is written now and then, not at each observation: a crash
loses the last seconds of it, which are soon seen again.

Source: rationale.md (reputation by server key); this project's own design, docs/architecture.md
"A server is judged".
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Final

from mosaic.client.reputation import FIELDS, UNKNOWN, Observation, Repute, What
from mosaic.core.keys import PublicKey
from mosaic.node.private_db import PrivateDb

_SERVERS: Final = 10_000
_WRITE_S: Final = 10.0


class Reputations:
    """Keeps what is known of each server in the table `reputation`.

    Args:
        db: The private database.
        now_ns: The clock.
        changed: Told of a server that begins or ceases to fail, or that another judgement is due of.
        servers: How many are remembered; of more, those go of whom nothing was seen for longest.
    """

    def __init__(
        self,
        db: PrivateDb,
        now_ns: Callable[[], int],
        changed: Callable[[PublicKey], None] = lambda _: None,
        servers: int = _SERVERS,
    ) -> None:
        self._db = db
        self._now_ns = now_ns
        self._changed = changed
        self._most = servers
        self._known: dict[PublicKey, Repute] = {}
        self._unwritten: set[PublicKey] = set()
        self._reached_ns = 0

    @property
    def reached_ns(self) -> int:
        """When any server was reached last in this run, a Mosaic timestamp; 0 = none yet."""
        return self._reached_ns

    def noted(self, server: PublicKey, what: Observation) -> None:
        """Takes an observation."""
        now_ns = self._now_ns()
        before = self.of(server)
        after = before.after(what, now_ns)
        if what.what is What.REACHED:
            self._reached_ns = now_ns
        self._known[server] = after
        self._unwritten.add(server)
        if _judged(before) != _judged(after):
            self._changed(server)

    def of(self, server: PublicKey) -> Repute:
        """What is remembered of a server."""
        if server not in self._known:
            self._known[server] = self._read(server)
        return self._known[server]

    def score(self, server: PublicKey) -> float:
        """How well a server does, 0 to 1."""
        return self.of(server).score(self._now_ns())

    def failing(self, server: PublicKey) -> bool:
        """Whether others should be asked instead for a while."""
        return self.of(server).failing(self._now_ns())

    def write(self) -> None:
        """Writes what is new, and lets the oldest go where there is too much."""
        new, self._unwritten = self._unwritten, set()
        if new:
            with self._db.transaction():
                self._db.connection.executemany(
                    "INSERT OR REPLACE INTO reputation VALUES (?, ?, ?)",
                    [(key.bytes, self._known[key].noted_ns, _text(self._known[key])) for key in new],
                )
                self._db.connection.execute(
                    "DELETE FROM reputation WHERE server_key NOT IN"
                    " (SELECT server_key FROM reputation ORDER BY noted_ns DESC LIMIT ?)",
                    (self._most,),
                )
        if len(self._known) > self._most:
            self._known.clear()

    async def run(self) -> None:
        """Writes now and then, and once more when it is cancelled."""
        try:
            while True:
                await asyncio.sleep(_WRITE_S)
                self.write()
        finally:
            self.write()

    def _read(self, server: PublicKey) -> Repute:
        row = self._db.connection.execute(
            "SELECT repute FROM reputation WHERE server_key = ?", (server.bytes,)
        ).fetchone()
        return UNKNOWN if row is None else _repute(row[0])


def _judged(repute: Repute) -> tuple[bool, bool, bool, bool, bool]:
    """What people are told about: a change of it is news."""
    return (
        repute.is_down,
        repute.refusals > 0,
        repute.clock_ns != 0,
        repute.withheld > 0.5,
        repute.wrong > 0.5,
    )


def _text(repute: Repute) -> str:
    return json.dumps({name: getattr(repute, name) for name in FIELDS})


def _repute(text: str) -> Repute:
    """What stands in a row; what this version can't read counts as nothing."""
    try:
        found = json.loads(text)
        return Repute(**{name: type(getattr(UNKNOWN, name))(found[name]) for name in FIELDS if name in found})
    except (ValueError, TypeError):
        return UNKNOWN
