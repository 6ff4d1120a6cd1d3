"""What must outlive a restart: the greatest sequence number ever seen, and what was written here.

Source: edition §4 (DHT RESPONSE).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from mosaic.core.dht_item import DhtItem
from mosaic.core.keys import PublicKey


@dataclass(frozen=True, slots=True)
class Known:
    """The newest item of a key and salt that was ever seen.

    Args:
        item: The item. Its sequence number is never gone behind.
        checked_ns: When the DHT was last asked about it and answered, ns; 0 = never.
    """

    item: DhtItem
    checked_ns: int


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody who lives here last wanted to be published, once it was.

    Args:
        value: The text.
        seq: The sequence number under which it was read back.
    """

    value: bytes
    seq: int


class SequenceStore(Protocol):
    """Keeps both on disk. All calls are short and come from one thread; `save` is on disk when it returns.

    What nobody has asked about for months may be forgotten, if it is not of a key that lives here.
    """

    def known(self, key: PublicKey, salt: bytes) -> Known | None:
        """The newest item seen, None if there was none."""
        ...

    def save(self, known: Known) -> None:
        """Puts an item in the place of the one that is kept of its key and salt.

        The caller has made sure that it is newer or the same, and that there is a bootstrap in it.
        """
        ...

    def wish(self, key: PublicKey, salt: bytes) -> Wish | None:
        """What was last published from here, None if nothing was."""
        ...

    def save_wish(self, key: PublicKey, salt: bytes, wish: Wish) -> None:
        """Keeps what was published from here."""
        ...


class MemorySequenceStore:
    """Keeps both in memory: for commands that end soon, and for tests."""

    def __init__(self) -> None:
        self._known: dict[tuple[PublicKey, bytes], Known] = {}
        self._wishes: dict[tuple[PublicKey, bytes], Wish] = {}

    def known(self, key: PublicKey, salt: bytes) -> Known | None:
        """See `SequenceStore.known`."""
        return self._known.get((key, salt))

    def save(self, known: Known) -> None:
        """See `SequenceStore.save`."""
        self._known[known.item.key, known.item.salt] = known

    def wish(self, key: PublicKey, salt: bytes) -> Wish | None:
        """See `SequenceStore.wish`."""
        return self._wishes.get((key, salt))

    def save_wish(self, key: PublicKey, salt: bytes, wish: Wish) -> None:
        """See `SequenceStore.save_wish`."""
        self._wishes[key, salt] = wish
