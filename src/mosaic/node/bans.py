"""The operator's bans: kept in private.db, held in memory, told to the server.

What the server bans by itself stands beside them in memory alone, and ends by
itself.

Source: messages.md (result codes 48 to 51); this project's own design, docs/architecture.md "Abuse".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from mosaic.core.keys import PublicKey
from mosaic.errors import FormatError, UsageError
from mosaic.node.private_db import PrivateDb
from mosaic.policy.bans import KEY_BITS, Ban, BanList, network, network_text

_LEAST_V4: Final = 8
_LEAST_V6: Final = 16
_COLUMNS: Final = "what, value, prefix, reason, made_ns, until_ns, source"


@dataclass(frozen=True, slots=True)
class NumberedBan:
    """A ban as the operator sees it.

    Args:
        number: Its number; None for one that the server has made.
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
                (ban.what, ban.value, ban.prefix, ban.reason, ban.made_ns, ban.until_ns, ban.source),
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
