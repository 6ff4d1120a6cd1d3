"""The records at hand, as the people of this home see them: `social.records.Records`.

Reads the node's own store. What a key signed that its author never named, or
that was taken back, is not shown: a server that was read may have withheld the
schedule that says so.

Source: record.md (clients check the subkey); edition §3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from mosaic.core.filter import Filter
from mosaic.core.key_schedule import KeySchedule, Verdict, parse
from mosaic.core.keys import PublicKey
from mosaic.core.kinds import KEY_SCHEDULE
from mosaic.core.record import Record
from mosaic.core.reference import Reference
from mosaic.errors import InvalidKeySchedule
from mosaic.store.record_source import RecordSource, StoredRecord


class OwnRecords:
    """What the own store holds, for readers who have proven some keys.

    Args:
        source: Reads the store.
        viewers: The master keys (32 bytes) whose eyes it is read with; None = the owner's, who may read all.
        wanted: Told of authors (32 bytes) whose schedule is missing.
    """

    def __init__(
        self,
        source: RecordSource,
        viewers: Callable[[], Sequence[bytes] | None],
        wanted: Callable[[bytes], None] = lambda _: None,
    ) -> None:
        self._source = source
        self._viewers = viewers
        self._wanted = wanted

    def newest_first(self, wanted: Filter, limit: int = 0) -> Iterator[Record]:
        """What the filter matches and may be shown, newest first; at most `limit` records (0 = all)."""
        schedules: dict[bytes, KeySchedule | None] = {}
        found = 0
        for stored in self._source.query(wanted, self._viewers(), 0):
            if self._may_show(stored, schedules):
                yield stored.record
                found += 1
                if found == limit:
                    return

    def prefixes(self, wanted: Filter, limit: int) -> list[bytes]:
        """What the filter matches, shown or not, by the first 32 bytes of each id; the newest `limit`."""
        return [stored.record.data[:32] for stored in self._source.query(wanted, self._viewers(), limit)]

    def at(self, reference: Reference) -> list[Record]:
        """What a reference names and may be shown, newest first."""
        schedules: dict[bytes, KeySchedule | None] = {}
        found = self._source.get(reference, self._viewers())
        return [stored.record for stored in found if self._may_show(stored, schedules)]

    def schedule(self, author: PublicKey) -> KeySchedule | None:
        """The greatest key schedule of an author that is at hand."""
        record = self.schedule_record(author)
        return None if record is None else parse(record)

    def schedule_record(self, author: PublicKey) -> Record | None:
        """The record of the greatest valid key schedule of an author that is at hand."""
        wanted = Filter.of(authors=[author], signers=[author], kinds=[KEY_SCHEDULE])
        for stored in self._source.query(wanted, self._viewers(), 0):
            try:
                parse(stored.record)
            except InvalidKeySchedule:
                continue
            return stored.record
        return None

    def _may_show(self, stored: StoredRecord, schedules: dict[bytes, KeySchedule | None]) -> bool:
        record = stored.record
        author = record.author_bytes
        if record.signer_bytes == author:
            return True
        if author not in schedules:
            schedules[author] = self.schedule(record.author)
            if schedules[author] is None:
                self._wanted(author)
        schedule = schedules[author]
        # By its own time alone: the server has judged when it was received, by what it knew of that.
        return schedule is not None and schedule.judge(record, record.timestamp) is Verdict.VALID
