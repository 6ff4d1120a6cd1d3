"""The outgoing queue on disk: `client.queue.QueueStorage` in the private database.

Source: edition §4 (who gets what); this project's own design, docs/architecture.md "One home".
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from mosaic.client.address import ServerAddress
from mosaic.client.queue import Delivery, State
from mosaic.core.keys import PublicKey
from mosaic.core.url import ServerUrl
from mosaic.errors import InvalidUrl
from mosaic.node.private_db import PrivateDb

_COLUMNS = "number, record, sender, server_key, url, state, result, attempts, next_try_ns, queued_ns, note"

# How long the log of what was delivered is kept.
_KEEP_NS = 30 * 86_400 * 1_000_000_000


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits for one server, and what it refused lately.

    Attributes:
        server: Its key.
        queued: How many records wait.
        refused: How many it refused in the last month.
        first: The delivery of those that wait that was tried last, None if nothing waits.
        last_refusal: The result code of the last refusal, None if there was none or no answer.
    """

    server: PublicKey
    queued: int
    refused: int
    first: Delivery | None
    last_refusal: int | None


class Deliveries:
    """Keeps deliveries in the table `delivery`. Every call is durable when it returns.

    Args:
        db: The private database.
    """

    def __init__(self, db: PrivateDb) -> None:
        self._db = db

    def add(self, record: bytes, sender: bytes, servers: Sequence[ServerAddress], now_ns: int) -> int:
        """Queues a record for servers, each once; how many of them are new."""
        added = 0
        with self._db.transaction():
            for server in servers:
                done = self._db.connection.execute(
                    "INSERT OR IGNORE INTO delivery (record_id, record, sender, server_key, url, state,"
                    " next_try_ns, queued_ns) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    (
                        record[:48],
                        record,
                        sender,
                        server.key.bytes,
                        " ".join(map(str, server.urls)),
                        State.QUEUED,
                        now_ns,
                        now_ns,
                    ),
                )
                added += done.rowcount
        return added

    def due(self, now_ns: int, limit: int, busy: Collection[bytes] = ()) -> list[Delivery]:
        """Queued deliveries whose time has come, in the order of queueing, but none to a server in `busy`.

        `limit`: how many deliveries at most.
        """
        return self._read(
            f"WHERE state = 'queued' AND next_try_ns <= ? {_but_not(busy)} ORDER BY number LIMIT ?",
            (now_ns, *busy, limit),
        )

    def queued(self, limit: int) -> list[Delivery]:
        """All that is queued, in the order in which it was; at most `limit` deliveries."""
        return self._read("WHERE state = 'queued' ORDER BY number LIMIT ?", (limit,))

    def next_due_ns(self, busy: Collection[bytes] = ()) -> int | None:
        """When the next queued delivery to a server not in `busy` is due, or None when there is none."""
        (due,) = self._db.connection.execute(
            f"SELECT min(next_try_ns) FROM delivery WHERE state = 'queued' {_but_not(busy)}",  # noqa: S608
            tuple(busy),
        ).fetchone()
        return None if due is None else int(due)

    def hold(self, server_key: bytes, until_ns: int) -> None:
        """Lets all that is queued for a server wait until then at least."""
        self._db.connection.execute(
            "UPDATE delivery SET next_try_ns = ?1"
            " WHERE state = 'queued' AND server_key = ?2 AND next_try_ns < ?1",
            (until_ns, server_key),
        )

    def settle(self, number: int, state: State, result: int | None, note: str) -> None:
        """Ends a delivery, delivered or refused.

        `number` is its number in the queue, `result` the result code (0 to 255) that came, if one did.
        """
        self._db.connection.execute(
            "UPDATE delivery SET state = ?, result = ?, note = ?, attempts = attempts + 1 WHERE number = ?",
            (state, result, note, number),
        )

    def postpone(self, numbers: Sequence[int], next_try_ns: int, result: int | None, note: str) -> None:
        """Counts a failed try of deliveries (by their numbers) and says when the next one is.

        `result` is the result code (0 to 255) that came, if one did.
        """
        with self._db.transaction():
            self._db.connection.executemany(
                "UPDATE delivery SET next_try_ns = ?, result = ?, note = ?, attempts = attempts + 1"
                " WHERE number = ?",
                [(next_try_ns, result, note, number) for number in numbers],
            )

    def withdraw(self, record_id: bytes) -> None:
        """Takes back what is queued of a record (48-byte id) that the own server refused."""
        self._db.connection.execute(
            "DELETE FROM delivery WHERE record_id = ? AND state = 'queued'", (record_id,)
        )

    def again(self, record_id: bytes, server_key: bytes, now_ns: int) -> None:
        """Queues once more what a server had taken: it has it no longer."""
        self._db.connection.execute(
            "UPDATE delivery SET state = 'queued', next_try_ns = ?"
            " WHERE record_id = ? AND server_key = ? AND state = 'delivered'",
            (now_ns, record_id, server_key),
        )

    def refused_again(
        self,
        server_key: bytes,
        signers: Sequence[bytes],
        results: Collection[int],
        now_ns: int,
        *,
        limit: int,
        attempts: int,
    ) -> int:
        """Queues once more what a server has refused, the newest first; how many records those are.

        Args:
            server_key: Which server (32 bytes).
            signers: Of which keys (32 bytes each).
            results: With which result codes it was refused.
            now_ns: When it is due, a Mosaic timestamp.
            limit: How many records at most.
            attempts: Only what was tried less often.
        """
        signed_by, answered = (", ".join("?" * len(each)) for each in (signers, results))
        done = self._db.connection.execute(
            f"""UPDATE delivery SET state = 'queued', next_try_ns = ? WHERE number IN (
                SELECT number FROM delivery WHERE state != 'delivered' AND state = 'refused'
                AND server_key = ? AND substr(record, 97, 32) IN ({signed_by}) AND result IN ({answered})
                AND attempts < ? ORDER BY number DESC LIMIT ?
            )""",  # noqa: S608 - no value of anybody's is in it
            (now_ns, server_key, *signers, *map(int, results), attempts, limit),
        )
        return done.rowcount

    def of_record(self, record_id: bytes) -> list[Delivery]:
        """All deliveries of a record (48-byte id)."""
        return self._read("WHERE record_id = ? ORDER BY number", (record_id,))

    def waiting(self) -> int:
        """How many deliveries are queued."""
        row = self._db.connection.execute("SELECT count(*) FROM delivery WHERE state = 'queued'").fetchone()
        return int(row[0])

    def refused(self, limit: int) -> list[Delivery]:
        """What was refused in the last month, the newest first; at most `limit` deliveries."""
        return self._read(
            "WHERE state != 'delivered' AND state = 'refused' ORDER BY number DESC LIMIT ?", (limit,)
        )

    def has_refused(self, server_key: bytes) -> bool:
        """Whether a server (its key) has refused anything in the last month."""
        return bool(
            self._read(
                "WHERE state != 'delivered' AND state = 'refused' AND server_key = ? LIMIT 1", (server_key,)
            )
        )

    def by_server(self) -> list[Waiting]:
        """Of each server for which something waits, or that refused something: what."""
        rows = self._db.connection.execute(
            "SELECT server_key, sum(state = 'queued'), sum(state = 'refused') FROM delivery"
            " WHERE state != 'delivered' GROUP BY server_key ORDER BY min(number)"
        ).fetchall()
        return [self._waiting(key, queued, refused) for key, queued, refused in rows]

    def _waiting(self, server_key: bytes, queued: int, refused: int) -> Waiting:
        # What was tried tells why the rest waits.
        first = self._read(
            "WHERE state != 'delivered' AND state = 'queued' AND server_key = ?"
            " ORDER BY attempts DESC, number LIMIT 1",
            (server_key,),
        )
        last = self._read(
            "WHERE state != 'delivered' AND state = 'refused' AND server_key = ?"
            " ORDER BY number DESC LIMIT 1",
            (server_key,),
        )
        return Waiting(
            PublicKey(server_key),
            int(queued),
            int(refused),
            first[0] if first else None,
            last[0].result if last else None,
        )

    def retry_now(self, now_ns: int, server_key: bytes | None = None) -> None:
        """Makes what is queued due: the machine or the network came back, or a server (key) was found.

        `now_ns`: a Mosaic timestamp. Without `server_key` everything is made due.
        """
        self._db.connection.execute(
            "UPDATE delivery SET next_try_ns = ?1 WHERE state = 'queued' AND next_try_ns > ?1"
            " AND (?2 IS NULL OR server_key = ?2)",
            (now_ns, server_key),
        )

    def forget_old(self, now_ns: int) -> None:
        """Drops what ended more than a month ago."""
        self._db.connection.execute(
            "DELETE FROM delivery WHERE state != 'queued' AND queued_ns < ?", (now_ns - _KEEP_NS,)
        )

    def _read(self, where: str, values: tuple[object, ...]) -> list[Delivery]:
        rows = self._db.connection.execute(f"SELECT {_COLUMNS} FROM delivery {where}", values)  # noqa: S608
        return [_delivery(row) for row in rows]


def _but_not(busy: Collection[bytes]) -> str:
    return f"AND server_key NOT IN ({', '.join('?' * len(busy))})" if busy else ""


def _delivery(row: tuple[Any, ...]) -> Delivery:
    number, record, sender, server_key, urls, state, result, attempts, next_try_ns, queued_ns, note = row
    return Delivery(
        number=number,
        record=record,
        sender=sender,
        server=ServerAddress(PublicKey(server_key), parse_urls(urls.split())),
        state=State(state),
        result=result,
        attempts=attempts,
        next_try_ns=next_try_ns,
        queued_ns=queued_ns,
        note=note,
    )


def parse_urls(texts: Sequence[str]) -> tuple[ServerUrl, ...]:
    """The URLs in texts of the private database; what this version can't read is left out."""
    urls = []
    for text in texts:
        try:
            urls.append(ServerUrl.parse(text))
        except InvalidUrl:
            continue
    return tuple(urls)
