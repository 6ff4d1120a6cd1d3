"""What an operator does to stored records: show, hide, drop, remove, erase.

All of it goes through the writer, so that nothing is written in between, and
what becomes readable is handed on to whoever could not read it before.

Source: network.md (moderation by providers), edition §3 (read access); this project's own design,
docs/architecture.md "What a server takes".
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from mosaic.core import deletion
from mosaic.core.community_kinds import PRIVATE_MESSAGE, SERVER_ACT
from mosaic.core.core_tags import notify, notify_keys
from mosaic.core.filter import CompiledFilter, Filter
from mosaic.core.keys import PublicKey
from mosaic.core.record import Record
from mosaic.core.timestamp import Timestamp
from mosaic.policy.label import Label
from mosaic.policy.retention import Retention
from mosaic.server.batch import Committed
from mosaic.server.cache_work import CacheWork
from mosaic.server.retention_work import RetentionWork
from mosaic.server.writer import Writer
from mosaic.store.store import Scan, Store, all_of
from mosaic.store.stretches import Stretches

_AT_ONCE: Final = 1_024
_SLICE_NS: Final = 50_000_000
_LASTING: Final = deletion.KINDS | {SERVER_ACT.bytes}
"""What a filter never removes: without its Deletion, what an author has deleted could come again."""


class Erasures(Protocol):
    """Where it stands written which authors were erased, and up to when; the node implements it."""

    def note(self, key: bytes, until_ns: int, by: str) -> None:
        """From now on nothing of a key (32 bytes) with a timestamp up to `until_ns` is taken; durable."""


class BlobEraser(Protocol):
    """Removes what an erased person uploaded."""

    async def __call__(self, key: bytes) -> int:
        """Removes blobs that a key (32 bytes) uploaded and nobody else names; how many."""


class Held(NamedTuple):
    """A record that is withheld or hidden: its position, its label, its bytes."""

    position: int
    label: Label
    record: bytes


@dataclass(frozen=True, slots=True)
class Erased:
    """What an erasure did.

    Args:
        records: How many records are gone.
        blobs: How many blobs are gone.
        bytes_freed: So many bytes of the log were given back.
        until_ns: Nothing of the key with a timestamp up to then is taken again (ns).
    """

    records: int
    blobs: int
    bytes_freed: int
    until_ns: int


class _Found(NamedTuple):
    position: int
    received_ns: int
    record: bytes


class Moderation:
    """An operator's hand on what is stored. Belongs to the thread of the event loop.

    Args:
        store: Where records are.
        writer: Makes the changes.
        publish: Takes what became readable, in the order of the log.
        removed: Told records that are gone.
        now_ns: The clock.
    """

    def __init__(
        self,
        store: Store,
        writer: Writer,
        *,
        publish: Callable[[Committed], Awaitable[None]],
        removed: Callable[[Sequence[bytes]], None],
        now_ns: Callable[[], int],
    ) -> None:
        self._store = store
        self._writer = writer
        self._publish = publish
        self._removed = removed
        self._now_ns = now_ns
        self.erasures: Erasures | None = None
        """Where erasures are written down; without it, what is erased may come again."""
        self.blobs: BlobEraser | None = None
        """Removes blobs of the erased, where blobs are kept."""

    # --- looking

    async def held(self, label: Label = Label.WITHHELD, *, limit: int = 100, after: int = 0) -> list[Held]:
        """Records that are withheld (or hidden), in the order in which they came.

        Deletions that are withheld, messages to somebody, are left out: there is nothing to approve in them.

        Args:
            label: WITHHELD or HIDDEN.
            limit: The most records to be given.
            after: Only positions behind it.
        """
        found: list[Held] = []
        while len(found) < limit:
            more, after = await self._labelled(label, after=after, limit=limit - len(found))
            if label is Label.WITHHELD:
                more = [one for one in more if one.record[56:64] not in deletion.KINDS]
            found += more
            if not after:
                break
        return found

    async def _labelled(self, label: Label, *, after: int, limit: int) -> tuple[list[Held], int]:
        """Records with a label behind a position, and the position behind which there may be more, or 0."""

        def read() -> tuple[list[Held], int]:
            positions = self._store.labelled(label, after=after, limit=limit)
            records = self._store.read(positions)
            rows = zip(positions, self._store.labels(positions), records, strict=True)
            found = [Held(at, Label(its), record) for at, its, record in rows if record is not None]
            return found, positions[-1] if positions else 0

        return await asyncio.to_thread(read)

    # --- labels

    async def approve(self, ids: Sequence[bytes] = (), *, author: bytes | None = None) -> int:
        """Lets withheld records be read as their kind says; how many were withheld.

        They keep their received times, and are handed on to those who could not read them before.

        Args:
            ids: Of the records: 48 bytes each, or the first 32.
            author: All that is withheld of an author (32 bytes) as well.
        """
        if author is not None:
            held = await self._all_held()
            ids = [*ids, *(one.record[:48] for one in held if one.record[64:96] == author)]
        return await self._relabel(ids, lambda label: label & ~Label.WITHHELD)

    async def hide(self, ids: Sequence[bytes]) -> int:
        """Shows records (by id, or its first 32 bytes) to the owner alone; how many were shown before."""
        return await self._relabel(ids, lambda label: label | Label.HIDDEN)

    async def show(self, ids: Sequence[bytes]) -> int:
        """Takes hiding back; how many records were hidden."""
        return await self._relabel(ids, lambda label: label & ~Label.HIDDEN)

    async def _all_held(self) -> list[Held]:
        found: list[Held] = []
        more, after = await self._labelled(Label.WITHHELD, after=0, limit=_AT_ONCE)
        while after:
            found += more
            more, after = await self._labelled(Label.WITHHELD, after=after, limit=_AT_ONCE)
        return found

    async def _relabel(self, ids: Sequence[bytes], become: Callable[[Label], Label]) -> int:
        """Puts records under other labels, in one change for each label that comes out."""

        def work() -> tuple[int, Committed]:
            found = _all_of(self._store.lookup(list(dict.fromkeys(ids))))
            labels = self._store.labels([one.position for one in found])
            moves: dict[Label, list[tuple[_Found, Label]]] = {}
            for one, its in zip(found, labels, strict=True):
                new = become(Label(its))
                if new != its:
                    moves.setdefault(new, []).append((one, Label(its)))
            rows: list[tuple[int, _Found, Label, Label]] = []
            for new, each in moves.items():
                positions = self._store.readmit([one.position for one, _ in each], new)
                rows += [
                    (position, one, new, former)
                    for position, (one, former) in zip(positions, each, strict=True)
                    if position
                ]
            rows.sort(key=lambda row: row[0])
            return len(rows), Committed(
                [one.record for _, one, _, _ in rows],
                [one.received_ns for _, one, _, _ in rows],
                [position for position, _, _, _ in rows],
                bytes(new for _, _, new, _ in rows),
                self._store.end,
                former=bytes(former for _, _, _, former in rows),
            )

        async def hand_on(done: tuple[int, Committed]) -> None:
            if done[0]:
                await self._publish(done[1])

        return (await self._writer.change(work, then=hand_on))[0]

    # --- removing

    def retain(self, retention: Retention) -> RetentionWork:
        """What removes what some rules no longer keep, whenever it is asked to."""
        return RetentionWork(self._store, self._writer, retention, self._removed)

    def cache(self) -> CacheWork:
        """What measures the cache and lets the oldest of it go, whenever it is asked to."""
        return CacheWork(self._store, self._writer, self._removed)

    async def drop(self, ids: Sequence[bytes]) -> int:
        """Removes records (by id, or its first 32 bytes) and refuses them for good; how many were there."""
        return await self._take_away(lambda: _all_of(self._store.lookup(list(ids))), refuse=True)

    async def remove(self, wanted: Filter, *, dry_run: bool) -> int:
        """Removes what a filter matches and refuses it for good; moderators' acts and Deletions stay.

        Args:
            wanted: What is to go.
            dry_run: Only count.

        Returns:
            How many records were, or would be, removed.

        Raises:
            InvalidFilter: the filter can't be compiled.
        """
        compiled = wanted.compiled
        if dry_run:
            sums = await asyncio.to_thread(self._store.tally, compiled)
            return sum(records for _, kind, records, _ in sums if kind not in _LASTING)
        return await self._remove_all(compiled, refuse=True, keep_lasting=True)

    async def erase(self, key: bytes, *, by: str, with_messages: bool = False) -> Erased:
        """Removes all that a key has written or signed, so that it neither is read nor comes again.

        Backups that were made before still hold it.

        Args:
            key: The author's master key (32 bytes).
            by: Who does it, for the record of erasures.
            with_messages: Private messages to nobody but this key go, too: for whoever asks for himself.
        """
        public = PublicKey(key)
        by_author = Filter.of(authors=[public]).compiled
        until_ns = self._now_ns()
        newest, _ = self._store.scan(by_author, limit=1).records(1, _SLICE_NS)
        if newest:
            until_ns = max(until_ns, int.from_bytes(newest[0][2][:8], "big"))
        if self.erasures is not None:
            self.erasures.note(key, until_ns, by)
        # What was judged before that is written by now, and found.
        await self._writer.change(lambda: None)
        records = await self._remove_all(by_author, refuse=False)
        # What stands under another author's name would not be refused as the erased one's. Another author's
        # Deletions and acts stay, or what he has taken back could come again.
        by_signer = Filter.of(signers=[public]).compiled
        records += await self._remove_all(by_signer, refuse=True, keep_lasting=True)
        if with_messages:
            to_it = Filter.of(kinds=[PRIVATE_MESSAGE], tags=[notify(public)]).compiled
            records += await self._remove_all(to_it, refuse=True, only_to=public)
        blobs = 0 if self.blobs is None else await self.blobs(key)
        freed = await asyncio.to_thread(lambda: self._store.compact(min_dead_ratio=0.0, roll=True))
        return Erased(records, blobs, freed, until_ns)

    async def finish_erasure(self, key: bytes, until_ns: int) -> int:
        """Removes what an erasure has left that was broken off, as by a crash; how many records.

        Args:
            key: The master key (32 bytes) that was erased.
            until_ns: Up to which timestamp (ns): what is newer was written since.
        """
        public, until = PublicKey(key), Timestamp(until_ns)
        records = await self._remove_all(Filter.of(authors=[public], until=until).compiled, refuse=False)
        by_signer = Filter.of(signers=[public], until=until).compiled
        records += await self._remove_all(by_signer, refuse=True, keep_lasting=True)
        if records:
            await asyncio.to_thread(lambda: self._store.compact(min_dead_ratio=0.0, roll=True))
        return records

    async def _remove_all(
        self,
        wanted: CompiledFilter,
        *,
        refuse: bool,
        keep_lasting: bool = False,
        only_to: PublicKey | None = None,
    ) -> int:
        """Removes what a filter matches, in parts between which others are written.

        Looks again until nothing is found: what was judged before may have been written since.
        """

        def may_go(found: _Found) -> bool:
            if keep_lasting and found.record[56:64] in _LASTING:
                return False
            return only_to is None or notify_keys(Record(found.record)) == (only_to,)

        removed = 0
        while True:
            before = removed
            async for rows in Stretches(self._store.scan(wanted), _AT_ONCE, _SLICE_NS):
                doomed = [found for found in (_Found(*row) for row in rows) if may_go(found)]
                if doomed:
                    removed += await self._take_away(lambda doomed=doomed: doomed, refuse=refuse)  # type: ignore[misc]
            if removed == before:
                return removed

    async def _take_away(self, find: Callable[[], list[_Found]], *, refuse: bool) -> int:
        def work() -> tuple[int, list[bytes]]:
            doomed = find()
            removed = self._store.remove([found.position for found in doomed], refuse=refuse)
            return removed, [found.record for found in doomed]

        async def tell(done: tuple[int, list[bytes]]) -> None:
            self._removed(done[1])

        return (await self._writer.change(work, then=tell))[0]


def _all_of(scan: Scan) -> list[_Found]:
    return [_Found(*row) for row in all_of(scan)]
