"""Changes of somebody's servers that take a while, as private.db keeps them: what, and how far each is.

    copy ──> hand_in ──> swap ──> keep ──> done        broken off by its owner: cancelled

Source: bootstrap.md (users can change servers at any time; caches are rechecked after an hour).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from mosaic.core.bootstrap import ServerUse, Usage, UserBootstrap
from mosaic.core.keys import PublicKey
from mosaic.core.url import ServerUrl
from mosaic.errors import UsageError
from mosaic.node.private_db import PrivateDb

_REMEMBERED: Final = 50
_AS_BEFORE: Final = Usage(0)


class Step(Enum):
    """What is to be done next."""

    COPY = "copy"
    """Fetch what the former server has of the person and for him."""
    HAND_IN = "hand_in"
    """Hand in at the new server what it lacks, and count."""
    SWAP = "swap"
    """Sign and publish the other bootstrap."""
    KEEP = "keep"
    """Read from the former server and write to it as before, until nobody has the former bootstrap."""
    DONE = "done"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Change:
    """What somebody wants to change.

    Args:
        old: The server to be given up, or None.
        new: The server to be used, or None.
        uses: What for; 0 = for what the former one was used, or for everything.
        url: Where the new one is, if the DHT does not tell.
        invitation: The code by which its operator lets people in.
    """

    old: PublicKey | None
    new: PublicKey | None
    uses: Usage = _AS_BEFORE
    url: ServerUrl | None = None
    invitation: str | None = None


@dataclass(frozen=True, slots=True)
class Move:
    """One change.

    Args:
        number: Its number in this home.
        person: Whose servers.
        old: The server that is given up; None if one is only added.
        new: The server that takes its place; None if one is only given up.
        uses: What the new one is used for, or the former one was.
        step: What is to be done next.
        begun_ns: When it began (ns).
        until_ns: Until when the former server is kept (ns); 0 before the bootstrap was swapped.
        reached: Whether the former server could be read.
        fetched: Records that came from the former server.
        handed: Records that the new one took, or had.
        lacking: Records that it refused.
        note: Why it does not go on just now, in words; empty while nothing is wrong.
    """

    number: int
    person: PublicKey
    old: PublicKey | None
    new: PublicKey | None
    uses: Usage
    step: Step
    begun_ns: int
    until_ns: int = 0
    reached: bool = False
    fetched: int = 0
    handed: int = 0
    lacking: int = 0
    note: str = ""

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to be done."""
        return self.step in {Step.DONE, Step.CANCELLED}

    @property
    def is_swapped(self) -> bool:
        """Whether the other bootstrap is published."""
        return self.until_ns > 0


class Moves:
    """The changes of all people of a home, in the table `move`. Each call is durable when it returns.

    Args:
        db: The private database.
    """

    def __init__(self, db: PrivateDb) -> None:
        self._db = db

    def begin(
        self, person: PublicKey, old: PublicKey | None, new: PublicKey | None, uses: Usage, now_ns: int
    ) -> Move:
        """A change begins.

        Raises:
            UsageError: another one of that person's is under way and has not published anything yet.
        """
        for other in self.under_way(person):
            if not other.is_swapped:
                raise UsageError(
                    "another change of your servers is under way",
                    hint="`mosaic servers moves` shows it; `mosaic servers resume` goes on with it,"
                    " `mosaic servers cancel` gives it up.",
                )
        step = Step.HAND_IN if old is None else Step.COPY
        done = self._db.connection.execute(
            "INSERT INTO move (person, old, new, uses, step, begun_ns) VALUES (?, ?, ?, ?, ?, ?)",
            (
                person.bytes,
                None if old is None else old.bytes,
                None if new is None else new.bytes,
                int(uses),
                step.value,
                now_ns,
            ),
        )
        self._db.connection.execute(
            "DELETE FROM move WHERE step IN ('done', 'cancelled') AND number <= ?",
            ((done.lastrowid or 0) - _REMEMBERED,),
        )
        return Move(done.lastrowid or 0, person, old, new, uses, step, now_ns)

    def note(self, move: Move) -> Move:
        """Keeps how far a change is; the same change.

        Raises:
            UsageError: it was given up meanwhile, and goes on no more.
        """
        noted = self._db.connection.execute(
            "UPDATE move SET step = ?, until_ns = ?, reached = ?, fetched = ?, handed = ?, lacking = ?,"
            " note = ? WHERE number = ? AND step != 'cancelled'",
            (
                move.step.value,
                move.until_ns,
                move.reached,
                move.fetched,
                move.handed,
                move.lacking,
                move.note,
                move.number,
            ),
        )
        if not noted.rowcount:
            raise UsageError(
                "this change of servers was given up", hint="`mosaic servers moves` shows all of them."
            )
        return move

    def all(self, person: PublicKey | None = None) -> Sequence[Move]:
        """All that are remembered, of everybody or of one person, the oldest first."""
        rows = self._db.connection.execute(
            "SELECT number, person, old, new, uses, step, begun_ns, until_ns, reached, fetched, handed,"
            " lacking, note FROM move WHERE ?1 IS NULL OR person = ?1 ORDER BY number",
            (None if person is None else person.bytes,),
        )
        return [_move(row) for row in rows]

    def under_way(self, person: PublicKey | None = None) -> Sequence[Move]:
        """Those that are not over."""
        return [move for move in self.all(person) if not move.is_over]

    def at(self, number: int) -> Move:
        """The change of a number, as it is now. Raises UsageError if there is none."""
        for move in self.all():
            if move.number == number:
                return move
        raise UsageError("there is no such change of servers", hint="`mosaic servers moves` shows all.")

    def kept(self, person: PublicKey) -> Sequence[PublicKey]:
        """Servers that somebody has given up and that are written to until nobody looks there any more."""
        return [
            move.old
            for move in self.under_way(person)
            if move.old is not None and move.step is Step.KEEP and move.reached
        ]


def swapped(bootstrap: UserBootstrap, move: Move) -> UserBootstrap:
    """A bootstrap after a change: the new server at the place of the former one, each server once.

    Args:
        bootstrap: As it is now.
        move: The change.

    Raises:
        InvalidBootstrap: no outbox or no inbox would be left.
    """
    entries = list(bootstrap.entries)
    place = next((at for at, one in enumerate(entries) if one.key == move.old), len(entries))
    if move.old is not None:
        entries = [one for one in entries if one.key != move.old]
    if move.new is not None:
        known = next((one for one in entries if one.key == move.new), None)
        new = ServerUse(move.uses | (known.usage if known and move.old else Usage(0)), move.new)
        if known is None:
            entries.insert(place, new)
        else:
            entries[entries.index(known)] = new
    after = UserBootstrap(tuple(entries))
    after.publishable()
    return after


def is_looked_at(told: UserBootstrap, server: PublicKey) -> None:
    """Sees that a server is among the three of each role that others look at.

    Args:
        told: What others are told.
        server: The server.

    Raises:
        UsageError: it would be a fourth one of a role, of which nobody would read anything.
    """
    for usage in Usage:
        listed = {one.key for one in told.entries if one.usage & usage}
        if server in listed and server not in told.servers(usage):
            role = (usage.name or "").lower()
            raise UsageError(
                f"you have three servers as {role} already: nobody would look at a fourth",
                hint="`mosaic servers move OLD NEW` puts it in the place of one of them.",
            )


def back(move: Move) -> Move:
    """The change that undoes one."""
    return replace(move, old=move.new, new=move.old)


def _move(row: tuple[object, ...]) -> Move:
    number, person, old, new, uses, step, begun, until, reached, fetched, handed, lacking, note = row
    assert isinstance(person, bytes)
    return Move(
        number=_int(number),
        person=PublicKey(person),
        old=PublicKey(old) if isinstance(old, bytes) else None,
        new=PublicKey(new) if isinstance(new, bytes) else None,
        uses=Usage(_int(uses)),
        step=Step(step),
        begun_ns=_int(begun),
        until_ns=_int(until),
        reached=bool(reached),
        fetched=_int(fetched),
        handed=_int(handed),
        lacking=_int(lacking),
        note=str(note),
    )


def _int(value: object) -> int:
    assert isinstance(value, int)
    return value
