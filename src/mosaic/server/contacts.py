"""Whom the people served here follow or have among their contacts, by their public records.

Each entry is one record: its nonce is made from the key that it is about, and
that key stands in a Notify or User Mention tag. An empty payload takes an entry
back. What people keep encrypted is not known here; whom the home's own people
follow the node tells.

Source: edition §4 (Follow, Contact; lists are never one record).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

from mosaic.core import nonce
from mosaic.core.community_kinds import CONTACT, FOLLOW
from mosaic.core.core_tags import TagType
from mosaic.core.filter import Filter
from mosaic.core.record import Record
from mosaic.store.store import Store

_KINDS: Final = frozenset({FOLLOW.bytes, CONTACT.bytes})
_AT_ONCE: Final = 1_024
_SLICE_NS: Final = 20_000_000
_MOST: Final = 1_000_000
_KEY: Final = 32


class Contacts:
    """The keys (32 bytes each) that people here name as theirs. Belongs to the event loop's thread.

    Args:
        store: Where their records are.
        served: Whether a master key (32 bytes) is that of somebody here.
        changed: Told a key that has become a contact or is none any more.
    """

    def __init__(
        self, store: Store, served: Callable[[bytes], bool], changed: Callable[[bytes], None] | None = None
    ) -> None:
        self._store = store
        self._served = served
        self._changed = changed
        self._named_by: dict[bytes, set[bytes]] = {}
        self._told: frozenset[bytes] = frozenset()
        self._newer: set[bytes] | None = None

    def __contains__(self, key: object) -> bool:
        return key in self._named_by or key in self._told

    def __len__(self) -> int:
        """How many keys are named in records."""
        return len(self._named_by)

    def tell(self, keys: Iterable[bytes]) -> None:
        """These keys (32 bytes each) are contacts as well, in place of those told before: kept in private."""
        told = frozenset(keys)
        differ, self._told = told ^ self._told, told
        if self._changed is not None:
            for key in differ - self._named_by.keys():
                self._changed(key)

    async def read(self) -> None:
        """Reads what is stored, beside whatever else goes on; what `note` is told meanwhile is newer.

        Raises:
            StoreError: the store failed.
        """
        self._newer = set()
        try:
            scan = self._store.scan(Filter.of(kinds=[FOLLOW, CONTACT]).compiled)
            finished = False
            while not finished and len(self._named_by) < _MOST:
                found, finished = await asyncio.to_thread(scan.records, _AT_ONCE, _SLICE_NS)
                for _, _, data in found:
                    if data[48:96] not in self._newer:
                        self._take(data)
        finally:
            self._newer = None

    def note(self, position: int, data: bytes) -> None:
        """A record was stored at a position of the log: it may be an entry."""
        del position
        if data[56:64] in _KINDS:
            if self._newer is not None:
                self._newer.add(data[48:96])
            self._take(data)

    def _take(self, data: bytes) -> None:
        record = Record(data)
        key = named_key(record) if self._served(record.author_bytes) else None
        if key is None or (key not in self._named_by and len(self._named_by) >= _MOST):
            return
        was = key in self._named_by
        names = self._named_by.setdefault(key, set())
        if record.payload:
            names.add(data[56:96])
        else:
            names.discard(data[56:96])
        if not names:
            del self._named_by[key]
        if self._changed is not None and was != bool(names):
            self._changed(key)


def named_key(record: Record) -> bytes | None:
    """The key (32 bytes) that a Follow or Contact is about; None where nonce and tags don't agree."""
    wanted = record.address.nonce
    for tag in record.tags_of(TagType.NOTIFY, TagType.USER_MENTION):
        key = tag.value[4:36]
        if len(key) == _KEY and nonce.from_string(key) == wanted:
            return key
    return None
