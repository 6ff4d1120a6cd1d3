"""A stranger with devices, who writes to the member: the author in checks of key schedules.

Source: keyschedule.md, edition §3.
"""

from __future__ import annotations

from mosaic.core import key_schedule
from mosaic.core.key_schedule import Entry, Marker
from mosaic.core.keys import SecretKey
from mosaic.core.kind import Kind
from mosaic.core.record import Record
from mosaic.core.timestamp import Timestamp
from mosaic.testing.exam.stage import Stage
from mosaic.testing.exam.wire import Wire


class Author:
    """A stranger with devices, known to the server as somebody who writes to the member."""

    def __init__(self, stage: Stage, wire: Wire, reader: Wire) -> None:
        self.stage = stage
        self.wire = wire
        self.reader = reader
        self.master = stage.fresh_key()
        self.devices = [stage.fresh_key(), stage.fresh_key()]

    @classmethod
    async def known(cls, stage: Stage) -> Author:
        """Somebody whose first record has been taken."""
        author = cls(stage, await stage.stranger(), await stage.as_member())
        await author.wire.keep(author.record(author.master))
        return author

    def record(
        self,
        signer: SecretKey,
        kind: Kind | None = None,
        *,
        timestamp: int | None = None,
        nonce: bytes | None = None,
    ) -> Record:
        """A record of the author's for the member, signed by one of his keys; `timestamp` in ns."""
        return self.stage.record(
            signer,
            kind or self.stage.kind(),
            author=self.master.public,
            timestamp=timestamp,
            nonce=nonce,
            notify=[self.stage.member.public],
        )

    def schedule(
        self, *marked: tuple[SecretKey, Marker, int], timestamp: int | None = None, nonce: bytes | None = None
    ) -> Record:
        """A schedule made at `timestamp` (ns) that lists keys, each with its marker and time (ns)."""
        entries = [
            Entry.signing(key_schedule.attest(key, self.master.public), marker, Timestamp(since))
            for key, marker, since in marked
        ]
        made = self.stage.now_ns if timestamp is None else timestamp
        return key_schedule.build(self.master, entries, made, nonce=nonce or b"\x80" + bytes(7))

    async def lists(self, *marked: tuple[SecretKey, Marker, int]) -> Record:
        """The same, submitted and taken."""
        schedule = self.schedule(*marked)
        await self.wire.keep(schedule)
        return schedule

    async def finds(self, *records: Record) -> list[bytes]:
        """What the member finds by the ids of records."""
        return await self.reader.get(*(record.data[:48] for record in records))
