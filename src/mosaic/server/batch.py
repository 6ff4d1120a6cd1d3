"""Records on their way through intake: who brings them, and what becomes of each.

Source: this project's own design, docs/architecture.md "A record arrives".
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from mosaic.policy.standing import Standing
from mosaic.policy.submission import Way
from mosaic.policy.verdict import Verdict
from mosaic.wire.result_code import ResultCode


class Bearer(Protocol):
    """Who brings records: a link, or the node itself."""

    @property
    def viewers(self) -> tuple[bytes, ...]:
        """The keys (32 bytes each) that the bearer counts as, none if anonymous."""

    @property
    def way(self) -> Way:
        """By which way records come."""

    @property
    def received_by_ns(self) -> int | None:
        """By when (ns) an outbox of the author has received what comes, if one says so."""

    @property
    def standing(self) -> Standing:
        """How the server stands to the bearer."""

    @property
    def address(self) -> str:
        """The group of addresses that the bearer comes from, empty within the node."""

    @property
    def suspect(self) -> bool:
        """Whether a record with a false signature came from there lately."""

    @property
    def tried(self) -> bool:
        """Whether records came from there that were looked at, none with a false signature."""

    @property
    def favoured(self) -> bool:
        """Whether it goes before strangers: somebody served or a contact of one."""

    @property
    def gone(self) -> bool:
        """Whether nobody is there any more to be answered."""

    def answer(self, records: Sequence[bytes], results: bytes) -> None:
        """Tells what became of records, one result code (a byte) for each."""

    def caught(self) -> None:
        """A record with a false hash or signature came from there."""


class DirectBearer:
    """The node itself: its own acts, or what it read from another server.

    Args:
        way: OWNER for acts of people here, else how the records were found.
        viewers: The keys (32 bytes each) of the person who acts, if anybody does.
        received_by_ns: By when an outbox of the author says that it received the records (ns), if one does.
        count: How many records it brings.
    """

    __slots__ = ("_count", "_results", "answered", "received_by_ns", "suspect", "viewers", "way")

    standing: Final = Standing.SERVED
    address: Final = ""
    tried: Final = True
    favoured: Final = True
    gone: Final = False

    def __init__(
        self,
        way: Way,
        viewers: tuple[bytes, ...] = (),
        received_by_ns: int | None = None,
        count: int = 1,
    ) -> None:
        self._count = count
        self._results: list[ResultCode] = []
        self.way = way
        self.viewers = viewers
        self.received_by_ns = received_by_ns
        self.suspect = way is not Way.OWNER
        self.answered: asyncio.Future[list[ResultCode]] = asyncio.get_running_loop().create_future()

    def answer(self, records: Sequence[bytes], results: bytes) -> None:
        """Hands the results to who waits for them, when the last of them is there."""
        del records
        self._results += [ResultCode(result) for result in results]
        if len(self._results) >= self._count and not self.answered.done():
            self.answered.set_result(self._results)

    def caught(self) -> None:
        """Nothing to do: what comes from elsewhere has batches of its own already."""


NOT_STORED: Final = -1
"""The position of an ephemeral record."""


@dataclass(slots=True)
class Run:
    """Neighbouring records of a batch that came from one bearer.

    Args:
        bearer: Who brought them.
        begin: The index of the first one in the batch.
        end: The index behind the last one.
    """

    bearer: Bearer
    begin: int
    end: int


@dataclass(slots=True)
class Batch:
    """Records that are checked and written together.

    Args:
        records: Of all runs, in order.
        runs: Who brought which, without gaps.
        verdicts: The kernel's, one byte for each record (0 = valid).
        results: One result code for each record.
        screened: What the operator's program said about each record, if it was asked.
        begun_ns: When it was taken up (a clock that never jumps, ns).
    """

    records: list[bytes]
    runs: list[Run]
    verdicts: bytes = b""
    results: bytearray = field(default_factory=bytearray)
    screened: list[Verdict] | None = None
    begun_ns: int = field(default_factory=time.monotonic_ns)

    def bearer_of(self, index: int) -> Bearer:
        """Who brought the record at an index."""
        return next(run.bearer for run in self.runs if index < run.end)


@dataclass(slots=True)
class Segment:
    """The part of a batch that is judged and written at once.

    Args:
        end: The index in the batch behind its last record.
        indexes: Of the records to be written, in order.
        records: Those records.
        modes: How each stands to others at its address.
        labels: What is noted beside each about who may read it (`mosaic.policy.label`).
        live: Indexes of ephemeral records to be passed on, with their labels.
        schedule: The index of the key schedule that is the whole segment, if it is one.
        closed: Whether its last record decides about those behind it, which wait until it is written.
        signers: Of addresses at which keys sign that nobody can verify yet: who signs there.
    """

    end: int = 0
    indexes: list[int] = field(default_factory=list)
    records: list[bytes] = field(default_factory=list)
    modes: bytearray = field(default_factory=bytearray)
    labels: bytearray = field(default_factory=bytearray)
    live: dict[int, int] = field(default_factory=dict)
    schedule: int | None = None
    closed: bool = False
    signers: dict[bytes, set[bytes]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Committed:
    """Records in the order of the log, to be handed on to subscribers.

    Args:
        records: Stored and ephemeral ones.
        received_ns: When each was received.
        positions: Where each stands in the log; NOT_STORED for ephemeral ones.
        labels: What is noted beside each about who may read it.
        end: The position behind the last of them, as the store said after writing.
        former: What was noted beside each before, where they were stored already and are now read by more.
    """

    records: list[bytes]
    received_ns: list[int]
    positions: list[int]
    labels: bytes
    end: int
    former: bytes = b""
