"""Who may sign for whom, as a reader judges it: by the author's key schedule.

A record that is valid by itself may still be signed by a key that its author
never named, or took back. Servers check what they hold schedules for; a reader
checks all, with the greatest schedule that he has ever seen of an author.

Source: keyschedule.md, record.md (clients check too); edition §3.
"""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence
from typing import Protocol

from mosaic.core import key_schedule, vouch
from mosaic.core.community_kinds import VOUCH
from mosaic.core.filter import Filter
from mosaic.core.key_schedule import KeySchedule, Marker, Standing, Verdict
from mosaic.core.keys import PublicKey
from mosaic.core.kinds import KEY_SCHEDULE, PROFILE
from mosaic.core.record import Record
from mosaic.errors import InvalidContent, InvalidKeySchedule

_AUTHORS_IN_A_FILTER = 63
_VOUCHES = 8
_MOST_VOUCHED = 200_000
"""How many ids of Vouches are remembered at most: 8 Vouches hold 174,000."""
_MOST_ASKED = 4_096
_ASK_AGAIN_NS = 60 * 1_000_000_000


class Source(Protocol):
    """Where schedules and received times are asked for: a connection."""

    def query(self, wanted: Filter, limit: int = 0) -> AsyncIterator[Record]:
        """What a filter matches, newest first; at most `limit` records (0 = all). Raises PeerError."""


class Authority:
    """Judges who may sign for whom.

    Args:
        now_ns: The clock.
        remembered: Gives the greatest schedule of an author that was seen before, in earlier runs, too.
        outboxes: Gives the servers that an author is known to use as outboxes, and others that are trusted;
            empty if none is known. When something was received counts by their word alone.

    Attributes:
        learned: Key schedules that were seen and are greater than what was remembered, by author; who
            remembers takes them from here.
    """

    def __init__(
        self,
        now_ns: Callable[[], int],
        remembered: Callable[[PublicKey], KeySchedule | None] = lambda _: None,
        outboxes: Callable[[PublicKey], Collection[PublicKey]] = lambda _: (),
    ) -> None:
        self._now_ns = now_ns
        self._remembered = remembered
        self._outboxes = outboxes
        self._schedules: dict[bytes, KeySchedule | None] = {}
        self._asked: dict[bytes, int] = {}
        self._vouches: OrderedDict[bytes, tuple[int, frozenset[bytes]]] = OrderedDict()
        self.learned: dict[bytes, Record] = {}

    def learn(self, record: Record) -> None:
        """Takes a key schedule that was seen; never goes back behind a greater one."""
        if record.kind != KEY_SCHEDULE or record.signer_bytes != record.author_bytes:
            return
        known = self.schedule(record.author)
        if known is not None and known.id >= record.id:
            return
        try:
            schedule = key_schedule.parse(record)
        except InvalidKeySchedule:
            return
        self._schedules[record.author_bytes] = schedule
        self.learned[record.author_bytes] = record

    def schedule(self, author: PublicKey) -> KeySchedule | None:
        """The greatest schedule of an author that was seen."""
        if author.bytes not in self._schedules:
            self._schedules[author.bytes] = self._remembered(author)
        return self._schedules[author.bytes]

    async def ask(self, source: Source, authors: Iterable[PublicKey]) -> None:
        """Asks for the schedules of authors, each at most once a minute."""
        before = self._now_ns() - _ASK_AGAIN_NS
        wanted = sorted({author for author in authors if self._asked.get(author.bytes, before) <= before})
        for start in range(0, len(wanted), _AUTHORS_IN_A_FILTER):
            part = wanted[start : start + _AUTHORS_IN_A_FILTER]
            self._asked.update((author.bytes, self._now_ns()) for author in part)
            if len(self._asked) > _MOST_ASKED:
                self._asked = {author: at for author, at in self._asked.items() if at > before}
            async for record in source.query(Filter.of(authors=part, kinds=[KEY_SCHEDULE])):
                self.learn(record)

    async def accepted(self, source: Source, records: Sequence[Record]) -> list[Record]:
        """Those of some (valid) records that a reader may show, in the same order.

        Args:
            source: The server that gave them, asked for schedules and received times.
            records: Valid records.
        """
        for record in records:
            self.learn(record)
        # Who is not listed yet may have a newer schedule.
        await self.ask(source, {record.author for record in records if not self._is_listed(record)})
        return [record for record in records if await self._accepts(source, record)]

    def _is_listed(self, record: Record) -> bool:
        if record.signer_bytes == record.author_bytes:
            return True
        schedule = self.schedule(record.author)
        return schedule is not None and schedule.standing(record.signer) is not Standing.UNLISTED

    async def _accepts(self, source: Source, record: Record) -> bool:
        if record.kind in {KEY_SCHEDULE, PROFILE} and record.signer_bytes != record.author_bytes:
            return False
        schedule = self.schedule(record.author)
        if schedule is None:
            return record.signer_bytes == record.author_bytes
        verdict = schedule.judge(record, self._now_ns())
        if verdict is not Verdict.REVOKED:
            return verdict is Verdict.VALID
        # Received by us too late to count; the author's server may have had it in time.
        if schedule.judge(record, record.timestamp) is not Verdict.VALID:
            return False
        if await self._was_received(source, record, schedule):
            return True
        return record.id.bytes in await self._vouched(source, record.author)

    async def _vouched(self, source: Source, author: PublicKey) -> frozenset[bytes]:
        """The ids (48 bytes each) that an author's newest Vouches name; asked for once a minute."""
        asked_ns, ids = self._vouches.get(author.bytes, (0, frozenset()))
        if asked_ns and self._now_ns() - asked_ns < _ASK_AGAIN_NS:
            return ids
        wanted = Filter.of(authors=[author], signers=[author], kinds=[VOUCH])
        found: set[bytes] = set()
        async for record in source.query(wanted, _VOUCHES):
            with contextlib.suppress(InvalidContent):
                found |= vouch.parse(record)
        if len(found | ids) <= _MOST_VOUCHED:
            found |= ids
        # Else: whoever vouches without end is believed in the newest.
        self._vouches[author.bytes] = self._now_ns(), frozenset(found)
        self._vouches.move_to_end(author.bytes)
        kept = sum(len(each) + 1 for _, each in self._vouches.values())
        while len(self._vouches) > 1 and kept > _MOST_VOUCHED:
            _, (_, gone) = self._vouches.popitem(last=False)
            kept -= len(gone) + 1
        return frozenset(found)

    async def _was_received(self, source: Source, record: Record, schedule: KeySchedule) -> bool:
        """Whether the server had a record before its signer's key was taken back, if it may say so.

        A thief can date what he signs as he likes, and have a server of his own say when it came.
        """
        known, asked = self._outboxes(record.author), getattr(source, "server_key", None)
        if known and asked is not None and asked not in known:
            return False
        revoked = [
            entry.timestamp
            for entry in schedule.entries
            if entry.subkey == record.signer_bytes and entry.marker is Marker.REVOKED_PAST
        ]
        wanted = Filter.of(
            authors=[record.author],
            signers=[record.signer],
            timestamps=[record.timestamp],
            received_until=min(revoked),
        )
        async for found in source.query(wanted):
            if found.id == record.id:
                return True
        return False
