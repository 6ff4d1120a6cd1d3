"""What people are told when a server of theirs fails them, and what they can do about it.

An alarm stands until the server is well again, also over a restart. It says
in words what is wrong, and proposes an act; nothing is done by itself, since
which servers somebody uses is for that person to say.

Source: features promised by the specification's index (clients notice servers that fail their users, tell
them, and help them act); this project's own design, docs/architecture.md "A server is judged".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from mosaic.core.keys import PublicKey
from mosaic.core.timestamp import Timestamp
from mosaic.node.private_db import PrivateDb

_HOUR_NS: Final = 3_600_000_000_000


class Failing(StrEnum):
    """How a server fails somebody who uses it."""

    FAILING = "failing"
    """It does not answer."""
    REFUSES = "refuses"
    """It does not take what its user writes."""
    WITHHOLDS = "withholds"
    """It has no longer what it had taken."""
    HIDDEN = "hidden"
    """What it publishes does not lead to it: nobody finds it by its key."""
    CLOCK = "clock"
    """Its clock is off."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """One server that fails one person.

    Args:
        person: Whose server it is.
        server: Which.
        what: How it fails.
        since_ns: Since when, a Mosaic timestamp.
        note: What exactly, in words.
    """

    person: PublicKey
    server: PublicKey
    what: Failing
    since_ns: int
    note: str

    def words(self) -> str:
        """What is wrong, as a sentence."""
        since = Timestamp(self.since_ns).iso(0)
        return f"Your server {self.server.server_text} {_WORDS[self.what]} (since {since}): {self.note}."

    def act(self, now_ns: int, *, alone: bool, offline: bool) -> str:
        """What can be done about it, as a sentence.

        Args:
            now_ns: The time.
            alone: Whether the person has no other server for something that this one is used for.
            offline: Whether no server at all was reached since it fails.
        """
        key = self.server.server_text
        if self.what is Failing.FAILING and offline:
            return "No other server is reached either: look whether this machine is online, and wait."
        away = (
            f"Move to another server: `mosaic servers move {key} mosrv0…`. Your followers do nothing."
            if alone
            else f"Do without it: `mosaic servers remove {key}`. Or put another one in its place:"
            f" `mosaic servers move {key} mosrv0…`. Your followers do nothing."
        )
        if self.what is Failing.FAILING and now_ns - self.since_ns < _HOUR_NS:
            return f"Wait a little: it may only be restarting. If it stays away: {away}"
        return f"{_FIRST[self.what]}{away}"


_WORDS: Final[Mapping[Failing, str]] = {
    Failing.FAILING: "does not answer",
    Failing.REFUSES: "does not take what you write",
    Failing.WITHHOLDS: "withholds your records",
    Failing.HIDDEN: "is not found by its key",
    Failing.CLOCK: "has a wrong clock",
}

_FIRST: Final[Mapping[Failing, str]] = {
    Failing.FAILING: "",
    Failing.REFUSES: "Ask its operator why. ",
    Failing.WITHHOLDS: "They are handed in again. If it goes on, ask its operator. ",
    Failing.HIDDEN: "Tell its operator: others may not find you there. ",
    Failing.CLOCK: "Look at this machine's clock first, then tell its operator. ",
}


class Alarms:
    """Keeps alarms in the table `alarm`.

    Args:
        db: The private database.
        now_ns: The clock.
        changed: Told when there is one more or one less.
    """

    def __init__(self, db: PrivateDb, now_ns: Callable[[], int], changed: Callable[[], None]) -> None:
        self._db = db
        self._now_ns = now_ns
        self._changed = changed

    def tell(
        self, person: PublicKey, server: PublicKey, what: Failing, note: str | None, since_ns: int = 0
    ) -> None:
        """Says how a server does in one regard.

        Args:
            person: Whose server it is.
            server: Which.
            what: In which regard.
            note: What is wrong, in words; None if nothing is.
            since_ns: Since when, if that is known; 0 = since now.
        """
        place = (person.bytes, server.bytes, what.value)
        known = self._db.connection.execute(
            "SELECT note FROM alarm WHERE person = ? AND server_key = ? AND what = ?", place
        ).fetchone()
        if note is None:
            if known is None:
                return
            self._db.connection.execute(
                "DELETE FROM alarm WHERE person = ? AND server_key = ? AND what = ?", place
            )
        elif known is None:
            self._db.connection.execute(
                "INSERT INTO alarm VALUES (?, ?, ?, ?, ?)", (*place, since_ns or self._now_ns(), note)
            )
        elif known[0] != note:
            self._db.connection.execute(
                "UPDATE alarm SET note = ?4 WHERE person = ?1 AND server_key = ?2 AND what = ?3",
                (*place, note),
            )
        else:
            return
        self._changed()

    def all(self) -> list[Alarm]:
        """All that stand, the oldest first."""
        rows = self._db.connection.execute(
            "SELECT person, server_key, what, since_ns, note FROM alarm ORDER BY since_ns, server_key, what"
        )
        return [
            Alarm(PublicKey(person), PublicKey(server), Failing(what), since_ns, note)
            for person, server, what, since_ns, note in rows
        ]

    def keep(self, used: Sequence[tuple[PublicKey, PublicKey]]) -> None:
        """Drops what concerns servers (person, server) that their people use no longer."""
        for alarm in self.all():
            if (alarm.person, alarm.server) not in used:
                self.tell(alarm.person, alarm.server, alarm.what, None)
