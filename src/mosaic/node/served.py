"""Whom this node's server serves: who lives here, whom the operator lists, who comes with an invitation.

    home, list   who lives in this home, and whom `mosaic admin serve` has put on the list
    everyone     and whoever else comes; limits still tell apart who lives here or is listed
    invitations  and whoever brings a code of `mosaic admin invite`: then he is on the list
    hook         and whom the operator's own function names, or his program

The list lies in `private.db`; it is held in memory, so that asking costs no
query, and written through.

Source: network.md (the people that a server serves); this project's own design, docs/architecture.md
"One home".
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from mosaic.core import blob_hash, human
from mosaic.core.keys import PublicKey
from mosaic.errors import UsageError
from mosaic.node.private_db import PrivateDb
from mosaic.policy.served import Served

Who: TypeAlias = Literal["home", "everyone", "list", "invitations", "hook"]

_CODE_BYTES: Final = 20
_ANSWERS: Final = 8_192
_ANSWER_NS: Final = 60_000_000_000


@dataclass(frozen=True, slots=True)
class ServedPerson:
    """Somebody on the list.

    Args:
        key: The master key.
        note: What the operator noted.
        since_ns: Since when (a Mosaic timestamp).
        until_ns: Until when, None for ever.
        by: How the key came on the list: `operator` or `invitation`.
        blob_bytes: How many bytes of blobs the person may keep here, None for the setting's.
    """

    key: PublicKey
    note: str
    since_ns: int
    until_ns: int | None
    by: str
    blob_bytes: int | None


class ServedPeople:
    """Who is served. Belongs to the thread of the event loop.

    Args:
        db: Where the list is.
        lives_here: Whether a master key (32 bytes) is that of somebody in this home.
        now_ns: The clock.
        entropy: Random bytes of a length, for codes.
    """

    def __init__(
        self,
        db: PrivateDb,
        lives_here: Callable[[bytes], bool],
        now_ns: Callable[[], int],
        entropy: Callable[[int], bytes],
    ) -> None:
        self._db = db.connection
        self._lives_here = lives_here
        self._now_ns = now_ns
        self._entropy = entropy
        self._who: Who = "home"
        self._hook: Served | None = None
        self._answers: OrderedDict[bytes, tuple[bool, int]] = OrderedDict()
        self._until: dict[bytes, int | None] = {
            bytes(key): until for key, until in self._db.execute("SELECT key, until_ns FROM served")
        }
        self._changed: list[Callable[[], None]] = []

    # --- who is served -----------------------------------------------------------------------------

    def choose(self, who: Who, hook: Served | None = None) -> None:
        """Says who is served from now on.

        Args:
            who: As in the settings.
            hook: The operator's function, where `who` is hook; None there means everybody, since the
                operator's program judges each record.
        """
        self._who, self._hook = who, hook
        self._answers.clear()
        self._tell()

    def watch(self, changed: Callable[[], None]) -> None:
        """Calls `changed` whenever somebody comes on the list or goes."""
        self._changed.append(changed)

    def is_ours(self, key: bytes) -> bool:
        """Whether a master key (32 bytes) lives here or is listed: he has the widest limits."""
        if self._lives_here(key):
            return True
        if key not in self._until:
            return False
        until_ns = self._until[key]
        return until_ns is None or self._now_ns() <= until_ns

    def serves(self, key: bytes) -> bool:
        """Whether the server does for a master key (32 bytes) what its roles promise."""
        if self.is_ours(key):
            return True
        if self._who == "everyone":
            return True
        return self._who == "hook" and self._by_hook(key)

    def _by_hook(self, key: bytes) -> bool:
        if self._hook is None:
            return True
        now_ns = self._now_ns()
        answer, asked_ns = self._answers.get(key, (False, -_ANSWER_NS))
        if now_ns - asked_ns >= _ANSWER_NS:
            # A function that fails refuses: the roles' rules see the error.
            answer = bool(self._hook(key))
            self._answers[key] = (answer, now_ns)
            self._answers.move_to_end(key)
            if len(self._answers) > _ANSWERS:
                self._answers.popitem(last=False)
        return answer

    def _tell(self) -> None:
        for changed in self._changed:
            changed()

    # --- the list ----------------------------------------------------------------------------------

    def serve(
        self,
        key: PublicKey,
        *,
        note: str = "",
        until_ns: int | None = None,
        blob_bytes: int | None = None,
        by: str = "operator",
    ) -> bool:
        """Puts a person on the list, or changes what is noted; whether the person is new there.

        Args:
            key: The master key.
            note: For the operator.
            until_ns: The end (a Mosaic timestamp), None for ever.
            blob_bytes: What the person's blobs may take (bytes), None for the setting's.
            by: How the key came on the list.
        """
        new = key.bytes not in self._until
        self._db.execute(
            "INSERT INTO served VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET"
            " note = excluded.note, until_ns = excluded.until_ns, blob_bytes = excluded.blob_bytes",
            (key.bytes, note, self._now_ns(), until_ns, by, blob_bytes),
        )
        self._until[key.bytes] = until_ns
        self._tell()
        return new

    def unserve(self, key: PublicKey) -> bool:
        """Takes a person off the list; whether he was on it. What he wrote stays."""
        self._db.execute("DELETE FROM served WHERE key = ?", (key.bytes,))
        there = key.bytes in self._until
        self._until.pop(key.bytes, None)
        self._tell()
        return there

    def listed(self) -> list[ServedPerson]:
        """The list, the oldest first."""
        rows = self._db.execute(
            "SELECT key, note, since_ns, until_ns, by, blob_bytes FROM served ORDER BY since_ns, key"
        )
        return [ServedPerson(PublicKey(bytes(key)), *rest) for key, *rest in rows]

    def blob_bytes(self, key: bytes) -> int | None:
        """What the blobs of a master key (32 bytes) may take by the list (bytes), None for the setting's."""
        row = self._db.execute("SELECT blob_bytes FROM served WHERE key = ?", (key,)).fetchone()
        return None if row is None else row[0]

    def keys(self) -> Iterable[bytes]:
        """The master keys (32 bytes each) on the list whose time has not ended."""
        now_ns = self._now_ns()
        return [key for key, until_ns in self._until.items() if until_ns is None or now_ns <= until_ns]

    # --- invitations -------------------------------------------------------------------------------

    def invite(self, *, uses: int = 1, until_ns: int | None = None, note: str = "") -> str:
        """Makes a code with which people come on the list by themselves; it is told once and not kept.

        Args:
            uses: How many people may use it.
            until_ns: Until when (a Mosaic timestamp), None for ever.
            note: For the operator; whoever uses the code gets it.

        Raises:
            UsageError: nobody could use it.
        """
        if uses < 1:
            raise UsageError("an invitation is for one person at least")
        code = human.z_base_32(self._entropy(_CODE_BYTES))
        self._db.execute(
            "INSERT INTO invitation VALUES (?, ?, ?, ?, ?)",
            (blob_hash.of(code.encode()), note, uses, self._now_ns(), until_ns),
        )
        return code

    def redeem(self, key: PublicKey, code: bytes) -> bool:
        """Puts whoever brings a code on the list, once for each use; whether he is on it now."""
        if self._who != "invitations":
            return False
        if self.is_ours(key.bytes):
            return True
        name = blob_hash.of(code.strip())
        row = self._db.execute(
            "UPDATE invitation SET uses = uses - 1 WHERE hash = ? AND uses > 0"
            " AND (until_ns IS NULL OR until_ns >= ?) RETURNING note",
            (name, self._now_ns()),
        ).fetchall()
        if not row:
            return False
        self._db.execute("DELETE FROM invitation WHERE hash = ? AND uses <= 0", (name,))
        self.serve(key, note=row[0][0], by="invitation")
        return True

    def invitations(self) -> list[tuple[str, int, int, int | None]]:
        """The open invitations: note, uses left, when it was made and its end (Mosaic timestamps)."""
        rows = self._db.execute("SELECT note, uses, made_ns, until_ns FROM invitation ORDER BY made_ns")
        return [(note, uses, made_ns, until_ns) for note, uses, made_ns, until_ns in rows]
