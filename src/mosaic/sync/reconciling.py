"""Comparing two sets of records with few bytes, by Negentropy: messages in, messages out.

    initiator                                     responder
    begin() ──── SYNC OPEN: filter, message ────> answer(message)
    take()  <─────────── SYNC DATA ────────────── message
    …       ───────────  SYNC DATA ─────────────> answer(message)

Both sides make a set of what the same filter matches and the other side may
get; the initiator learns what only one of them has. Each step looks at the set
once (about 5 ms a million records), so callers on an event loop leave it to a
thread.

Source: edition §4 (sync).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mosaic._kernel import _rust

if TYPE_CHECKING:
    from mosaic.store.store import Scan

ITEM_BYTES: Final = 32
"""The bytes of an id that name a record in a sync."""


class SyncSet:
    """The records of one side, by the first 32 bytes of their ids.

    Args:
        most: How many there may be.
    """

    __slots__ = ("_items",)

    def __init__(self, most: int) -> None:
        self._items = _rust.SyncSet(most=most)

    def __len__(self) -> int:
        """How many records it holds."""
        return len(self._items)

    def add(self, scan: Scan, max_ns: int) -> bool:
        """Takes in what a scan of a store gives, for about `max_ns` of work; whether it is finished.

        What takes no part in sync is left out, whoever asks: what only its author may hand in, what is
        held back and what is hidden.

        Raises:
            StoreCrowded: there are more than `most`.
            StoreError: the store failed.
            UsageError: the set is sealed.
        """
        # Scans are opaque to all but the store that made them; the kernel's are the only ones there are.
        return self._items.add(scan, max_ns)  # type: ignore[arg-type]

    def seal(self) -> None:
        """Ends adding. Only sets that are sealed are compared."""
        self._items.seal()

    @property
    def kernel(self) -> _rust.SyncSet:
        """The kernel's form."""
        return self._items


@dataclass(frozen=True, slots=True)
class Learned:
    """What a message has told the initiator.

    Attributes:
        answer: The next message; None when all is known.
        ours: Ids (32 bytes each, joined) of records that only this side has.
        theirs: Ids (32 bytes each, joined) of records that only the other side has.
    """

    answer: bytes | None
    ours: bytes
    theirs: bytes


def split_ids(joined: bytes, most: int | None = None) -> tuple[bytes, ...]:
    """The single ids (32 bytes each) of some that are joined; the first `most` of them if that is given."""
    end = len(joined) if most is None else min(len(joined), most * ITEM_BYTES)
    return tuple(joined[at : at + ITEM_BYTES] for at in range(0, end, ITEM_BYTES))


class Initiator:
    """The side that asks.

    Args:
        items: A sealed set.
        most_needed: How many records the other side may have that are not in it.

    Raises:
        UsageError: the set is not sealed.
    """

    __slots__ = ("_machine",)

    def __init__(self, items: SyncSet, most_needed: int) -> None:
        self._machine = _rust.Reconciliation(items.kernel, initiator=True, most_needed=most_needed)

    def begin(self) -> bytes:
        """The first message. Raises UsageError the second time."""
        return self._machine.begin()

    def take(self, message: bytes) -> Learned:
        """Takes the other side's message.

        Raises:
            InvalidMessage: it is none, or its messages come to no end.
            StoreCrowded: the other side has more than `most_needed`.
            UsageError: this is over.
        """
        return Learned(*self._machine.take(message))


class Responder:
    """The side that is asked.

    Args:
        items: A sealed set; several responders may look at one.

    Raises:
        UsageError: the set is not sealed.
    """

    __slots__ = ("_machine",)

    def __init__(self, items: SyncSet) -> None:
        self._machine = _rust.Reconciliation(items.kernel, initiator=False)

    def answer(self, message: bytes) -> bytes:
        """The answer to the initiator's message.

        Raises:
            InvalidMessage: it is none. This is over.
            UsageError: this is over.
        """
        answer, _, _ = self._machine.take(message)
        return answer or b""
