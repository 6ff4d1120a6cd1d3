"""All bans: kept in private.db, held in memory, told to the server.

Those of the operator are written at once. What the server bans by itself is
written now and then, many at a time, if it lasts for more than a minute: so it
holds over a restart as well. What brought it (strikes) is in memory alone.

Source: messages.md (result codes 48 to 51); this project's own design, docs/architecture.md "Abuse".
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from mosaic.core.keys import PublicKey
from mosaic.errors import FormatError, UsageError
from mosaic.node.private_db import PrivateDb
from mosaic.policy.bans import KEY_BITS, Ban, BanList, network, network_text

log = logging.getLogger(__name__)

_LEAST_V4: Final = 8
_LEAST_V6: Final = 16
_SHORT_NS: Final = 60 * 1_000_000_000
_PAUSE_S: Final = 2.0
_AT_ONCE: Final = 1_024
_COLUMNS: Final = "what, value, prefix, reason, made_ns, until_ns, source"


@dataclass(frozen=True, slots=True)
class NumberedBan:
    """A ban as the operator sees it.

    Args:
        number: Its number; None for one that is not written down, of the server itself.
        ban: The ban.
    """

    number: int | None
    ban: Ban


class Bans:
    """All bans of a node's server. Belongs to the thread of the event loop.

    Args:
        db: Where those of the operator are.
        now_ns: The clock.
    """

    def __init__(self, db: PrivateDb, now_ns: Callable[[], int]) -> None:
        self._db = db
        self._now_ns = now_ns
        self._changed: Callable[[], None] = lambda: None
        with db.transaction():
            db.connection.execute("DELETE FROM ban WHERE until_ns <= ?", (now_ns(),))
        rows = db.connection.execute(f"SELECT {_COLUMNS} FROM ban ORDER BY number").fetchall()  # noqa: S608
        self.list: Final = BanList(Ban(*row) for row in rows)
        """What the server asks."""
        self._unwritten: dict[tuple[str, bytes, int], Ban] = {}

    def made(self, ban: Ban) -> None:
        """The server has made a ban by itself: it is written soon, if it lasts."""
        if ban.until_ns is None or ban.until_ns - ban.made_ns > _SHORT_NS:
            self._unwritten[ban.name] = ban

    async def run(self) -> None:
        """Writes what the server has banned, now and then, until cancelled; then once more."""
        try:
            while True:
                await asyncio.sleep(_PAUSE_S)
                try:
                    self.write()
                except sqlite3.Error as error:
                    log.warning("what the server has banned could not be written down: %s", error)
        finally:
            self.write(len(self._unwritten))

    def write(self, most: int = _AT_ONCE) -> None:
        """Writes what the server has banned and forgets what has ended.

        Args:
            most: The most bans to be written; the others wait for the next time.

        Raises:
            sqlite3.Error: the disk would not; all of them wait for the next time.
        """
        names = list(self._unwritten)[:most]
        # In place of one that the operator has lifted or made himself meanwhile, nothing is written.
        bans = [ban for name in names if (ban := self._unwritten[name]) is self.list.named(name)]
        if bans:
            self._write(bans)
        for name in names:
            del self._unwritten[name]

    def _write(self, bans: Sequence[Ban]) -> None:
        with self._db.transaction():
            self._db.connection.execute("DELETE FROM ban WHERE until_ns <= ?", (self._now_ns(),))
            self._db.connection.executemany(
                f"INSERT INTO ban ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
                " ON CONFLICT (what, value, prefix) DO UPDATE SET reason = excluded.reason,"
                " made_ns = excluded.made_ns, until_ns = excluded.until_ns WHERE source = excluded.source",
                [_row(ban) for ban in bans],
            )

    def watch(self, changed: Callable[[], None]) -> None:
        """Calls `changed` whenever the operator has changed something."""
        self._changed = changed

    def all(self) -> Iterator[NumberedBan]:
        """The bans that hold: the operator's by their numbers, then those that the server has made."""
        now_ns = self._now_ns()
        numbers = {
            (what, bytes(value), prefix): number
            for number, what, value, prefix in self._db.connection.execute(
                "SELECT number, what, value, prefix FROM ban"
            )
        }
        found = [NumberedBan(numbers.get(ban.name), ban) for ban in self.list if ban.holds(now_ns)]
        yield from sorted(found, key=lambda each: (each.number is None, each.number or 0))

    def add(self, ban: Ban) -> int:
        """Bans; in place of a ban of the same network or key, if there is one. Returns its number."""
        with self._db.transaction():
            self._db.connection.execute(
                "DELETE FROM ban WHERE what = ? AND value = ? AND prefix = ?",
                (ban.what, ban.value, ban.prefix),
            )
            number = self._db.connection.execute(
                f"INSERT INTO ban ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
                _row(ban),
            ).lastrowid
        self.list.add(ban)
        self._changed()
        assert number is not None
        return number

    def find(self, text: str) -> Ban:
        """The ban of a number, a network or a key.

        Raises:
            UsageError: there is none.
        """
        if text.isdecimal():
            found = [each.ban for each in self.all() if str(each.number) == text]
        else:
            what, value, prefix = parse(text)
            found = [ban for ban in self.list if ban.name == (what, value, prefix)]
        if not found:
            raise UsageError(f"there is no ban {text}", hint="`mosaic admin bans` shows those that hold.")
        return found[0]

    def lift(self, ban: Ban) -> None:
        """Bans no longer."""
        with self._db.transaction():
            self._db.connection.execute(
                "DELETE FROM ban WHERE what = ? AND value = ? AND prefix = ?",
                (ban.what, ban.value, ban.prefix),
            )
        self.list.remove(ban)
        self._changed()


def _row(ban: Ban) -> tuple[object, ...]:
    return ban.what, ban.value, ban.prefix, ban.reason, ban.made_ns, ban.until_ns, ban.source


def parse(text: str) -> tuple[str, bytes, int]:
    """What a text names: ("ip", address, bits that count) or ("key", key, 256).

    Raises:
        UsageError: it is neither an address, nor a network of sensible size, nor a key.
    """
    try:
        return "key", PublicKey.parse_user(text).bytes, KEY_BITS
    except FormatError:
        pass
    try:
        value, prefix = network(text)
    except ValueError:
        raise UsageError(
            f"{text!r} is no address, no network and no key",
            hint="Write 192.0.2.7, 192.0.2.0/24, 2001:db8::/48 or mopub0…",
        ) from None
    if prefix < (_LEAST_V4 if len(value) == 4 else _LEAST_V6):
        raise UsageError(
            f"{text} is a large part of the Internet",
            hint="Ban smaller networks: a /8 (IPv6: a /16) at most.",
        )
    return "ip", value, prefix


def text(ban: Ban) -> str:
    """What is banned: a network or a key."""
    return PublicKey(ban.value).user_text if ban.what == "key" else network_text(ban.value, ban.prefix)
