"""Whom the people served here follow or have among their contacts, by their public records.

Each entry is one record: its nonce is made from the key that it is about, and
that key stands in a Notify or User Mention tag. An empty payload takes an entry
back, and so does a Deletion, or a moderator who removes or hides it. An entry
counts if its signer may sign for its author: what anybody could have signed in
somebody's name counts for nothing. What people keep encrypted is not known
here; whom the home's own people follow the node tells.

Source: edition §4 (Follow, Contact; lists are never one record).
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import aclosing, suppress
from typing import Final

from mosaic.core import deletion, nonce
from mosaic.core.community_kinds import CONTACT, FOLLOW
from mosaic.core.core_tags import TagType
from mosaic.core.filter import Filter
from mosaic.core.keys import PublicKey
from mosaic.core.record import Record
from mosaic.errors import MosaicError
from mosaic.policy.label import Label
from mosaic.store.store import Scan, Store
from mosaic.store.stretches import Stretches

_LOG: Final = logging.getLogger(__name__)
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
        signed: Whether a signer may sign for an author, as is known here: both keys joined (64 bytes).
        changed: Told a key that has become a contact or is none any more.
    """

    def __init__(
        self,
        store: Store,
        served: Callable[[bytes], bool],
        signed: Callable[[bytes], bool],
        changed: Callable[[bytes], None] | None = None,
    ) -> None:
        self._store = store
        self._served = served
        self._signed = signed
        self._changed = changed
        self._named_by: Counter[bytes] = Counter()
        self._names: dict[bytes, set[bytes]] = {}
        self._told: frozenset[bytes] = frozenset()
        self._newer: set[bytes] | None = None
        self._newer_since: set[bytes] = set()
        self._again: dict[bytes, None] = {}
        self.reading: asyncio.Task[None] | None = None
        """Reads what is stored; done when all of it is known. None while the server is not running."""

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

    # --- life

    def start(self) -> None:
        """Begins to read what is stored, beside whatever else goes on; what `note` is told is newer."""
        self.reading = asyncio.create_task(self._read(self._read_all), name="server: contacts")

    async def stop(self) -> None:
        """Reads no further."""
        reading, self.reading = self.reading, None
        if reading is not None:
            reading.cancel()
            with suppress(asyncio.CancelledError):
                await reading

    def judge_anew(self, author: bytes) -> None:
        """What counts of an author (32 bytes) may have changed: what he has written is read anew."""
        if self.reading is None or not self._served(author):
            return
        self._again[author] = None
        if self.reading.done():
            self.reading = asyncio.create_task(self._read(self._read_again), name="server: contacts")

    # --- reading

    async def _read(self, read: Callable[[], Awaitable[None]]) -> None:
        try:
            await read()
        except MosaicError as error:
            _LOG.error("the contacts of the people here could not be read: %s (%s)", error, error.hint)

    async def _read_all(self) -> None:
        scan = self._store.scan(Filter.of(kinds=[FOLLOW, CONTACT]).compiled)
        async with aclosing(self._stored(scan)) as found:
            async for data in found:
                if len(self._named_by) >= _MOST:
                    break
                self._take(data)
        await self._read_again()

    async def _read_again(self) -> None:
        while self._again:
            await self._read_author(next(iter(self._again)))

    async def _read_author(self, author: bytes) -> None:
        del self._again[author]
        wanted = Filter.of(authors=[PublicKey(author)], kinds=[FOLLOW, CONTACT]).compiled
        stored: set[bytes] = set()
        async with aclosing(self._stored(self._store.scan(wanted))) as found:
            async for data in found:
                record = Record(data)
                key = self._named(record)
                if key is not None and record.payload:
                    stored.add(data[56:64] + key)
            # What was written meanwhile is known already.
            for entry in stored ^ self._names.get(author, set()):
                if nonce.from_string(entry[8:]) + entry[:8] + author not in self._newer_since:
                    self._name(author, entry, named=entry in stored)

    async def _stored(self, scan: Scan) -> AsyncGenerator[bytes]:
        """What a scan finds, newest first, but for addresses of which something newer is known."""
        self._newer = newer = self._newer_since = set()
        try:
            async for found in Stretches(scan, _AT_ONCE, _SLICE_NS):
                labels = await asyncio.to_thread(self._store.labels, [position for position, _, _ in found])
                for (_, _, data), label in zip(found, labels, strict=True):
                    if data[48:96] not in newer and not label & Label.HIDDEN:
                        yield data
        finally:
            self._newer = None

    # --- entries

    def note(self, position: int, data: bytes) -> None:
        """A record was stored at a position of the log: it may be an entry, or take entries back."""
        if data[56:64] in _KINDS:
            if self._served(data[64:96]) and self._store.labels([position])[0] & Label.HIDDEN:
                self.judge_anew(data[64:96])
            else:
                self._take(data)
        elif data[56:64] in deletion.KINDS and self._may_name(data[64:96]):
            # By an id alone nobody can tell what it took back.
            self.judge_anew(data[64:96])

    def went(self, records: Iterable[bytes]) -> None:
        """Records are gone, by a moderator's hand or by age: some may have been entries."""
        for author in {data[64:96] for data in records if data[56:64] in _KINDS}:
            self.judge_anew(author)

    def _may_name(self, author: bytes) -> bool:
        """Whether an author (32 bytes) has entries here, as far as is known."""
        return author in self._names or (self.reading is not None and not self.reading.done())

    def _take(self, data: bytes) -> None:
        record = Record(data)
        key = self._named(record)
        if key is None:
            return
        if self._newer is not None:
            self._newer.add(data[48:96])
        self._name(data[64:96], data[56:64] + key, named=bool(record.payload))

    def _named(self, record: Record) -> bytes | None:
        """The key that an entry is about, if it counts here."""
        if not self._served(record.author_bytes) or not self._signed(record.data[64:128]):
            return None
        return named_key(record)

    def _name(self, author: bytes, entry: bytes, *, named: bool) -> None:
        """Somebody names a key from now on, or no longer; an entry is the kind and the key (40 bytes)."""
        if named and entry[8:] not in self._named_by and len(self._named_by) >= _MOST:
            return
        names = self._names.setdefault(author, set())
        if named is not (entry in names):
            key = entry[8:]
            was = key in self._named_by
            if named:
                names.add(entry)
                self._named_by[key] += 1
            else:
                names.discard(entry)
                self._named_by[key] -= 1
                if not self._named_by[key]:
                    del self._named_by[key]
            if self._changed is not None and was != (key in self._named_by):
                self._changed(key)
        if not names:
            del self._names[author]


def named_key(record: Record) -> bytes | None:
    """The key (32 bytes) that a Follow or Contact is about; None where nonce and tags don't agree."""
    wanted = record.address.nonce
    for tag in record.tags_of(TagType.NOTIFY, TagType.USER_MENTION):
        key = tag.value[4:36]
        if len(key) == _KEY and nonce.from_string(key) == wanted:
            return key
    return None
