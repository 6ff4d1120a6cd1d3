"""What one connection asks for records: GET, QUERY and SUBSCRIBE, and the answers to each.

Records are validated in batches as they arrive, before anybody sees them. Who
stops to read an answer tells the server, and the query id stays taken until
the server has ended it.

Source: messages.md (GET, QUERY, SUBSCRIBE, UNSUBSCRIBE), record.md (clients validate too); edition §1, §3.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

from mosaic.client.answers import Answers, CaughtUp
from mosaic.client.held_back import HeldBack
from mosaic.client.settings import ClientSettings
from mosaic.core import validation
from mosaic.core.filter import Filter
from mosaic.core.record import Record
from mosaic.core.reference import Reference
from mosaic.errors import Disconnected, MosaicError, UsageError
from mosaic.protocol import events
from mosaic.protocol.client_session import ClientSession

_REFERENCES_IN_A_GET = 1_000
_SECOND = 1_000_000_000
_ID_FIRST = 0x80
"""References whose first byte is less are ids: each names one record, an address any number."""
_SCANNING = 4
"""So many times longer may it take to look through a store than to find what is named."""
_SLOWEST = 1_024
"""Bytes a second that an answer brings at least, on the whole, while somebody waits for it."""


class Queries:
    """The open queries of a connection.

    Args:
        session: The client's session.
        settings: Choices of the client.
        send: Sends a frame, waiting while the server does not read.
        say: Sends a frame without waiting.
    """

    def __init__(
        self,
        session: ClientSession,
        settings: ClientSettings,
        send: Callable[[bytes], Awaitable[None]],
        say: Callable[[bytes], object],
    ) -> None:
        self._session = session
        self._settings = settings
        self._send = send
        self._say = say
        self._answers: dict[int, Answers] = {}
        self._held_back = HeldBack(settings.unread_bytes)
        self._over = False
        self.dropped = 0
        """Records that the server sent and that were not valid."""
        self.wrong: Callable[[str], None] = lambda _: None
        """Told, in words, of records that no server may send."""

    def __bool__(self) -> bool:
        return bool(self._answers)

    @property
    def held_since_ns(self) -> int | None:
        """When the oldest record came that is not shown yet because its time has not come; None for none."""
        return self._held_back.since_ns

    # --- what is asked

    async def get(self, references: Sequence[Reference]) -> list[Record]:
        """The records that references name, as far as the server gives them. Raises PeerError."""
        found: list[Record] = []
        for start in range(0, len(references), _REFERENCES_IN_A_GET):
            part = tuple(reference.bytes for reference in references[start : start + _REFERENCES_IN_A_GET])
            names = frozenset(part)

            def asked_for(record: Record, names: frozenset[bytes] = names) -> bool:
                return record.data[:48] in names or record.data[48:96] in names

            answers = Answers(asked_for, self._settings.unread_bytes)
            query_id, frame = self._session.get(part)
            # What stands at addresses may be without end, and all of it is in memory at once.
            left = self._settings.unread_bytes
            left += sum(validation.MAX_RECORD_BYTES for name in part if name[0] < _ID_FIRST)
            async with contextlib.aclosing(self._answered(query_id, frame, answers)) as items:
                async for record in items:
                    left -= len(record)
                    if left < 0:
                        break
                    found.append(record)
        return found

    async def sync_get(self, prefixes: Sequence[bytes]) -> AsyncGenerator[Record, None]:
        """The records whose ids begin with `prefixes`. See `Connection.sync_get`."""
        names = frozenset(prefixes)
        answers = Answers(lambda record: record.data[:32] in names, self._settings.unread_bytes)
        query_id, frame = self._session.sync_get(tuple(prefixes))
        async with contextlib.aclosing(self._answered(query_id, frame, answers)) as items:
            async for record in items:
                yield record

    async def query(self, wanted: Filter, limit: int = 0) -> AsyncGenerator[Record, None]:
        """What a filter matches, newest first. See `Connection.query`."""
        query_id, frame = self._session.query(wanted.encode(), _limit(limit))
        came = 0
        items = self._answered(query_id, frame, self._filtered(wanted), _SCANNING)
        async with contextlib.aclosing(items):
            async for record in items:
                came += 1
                if limit and came > limit:
                    return  # who asked for a few is not prepared for whatever a server gives
                yield record

    async def subscribe(self, wanted: Filter, limit: int = 0) -> AsyncGenerator[Record | CaughtUp, None]:
        """What a filter matches: what is stored, newest first, then CaughtUp, then live records.

        Ends only by an error. See `Connection.subscribe`.
        """
        query_id, frame = self._session.subscribe(wanted.encode(), _limit(limit))
        async with contextlib.aclosing(self._read(query_id, frame, self._filtered(wanted))) as items:
            async for item in items:
                yield item

    async def ping(self, answer_s: float) -> None:
        """Asks for nothing, to see that the server is there. Raises PeerError or TimeoutError."""
        query_id, frame = self._session.get(())
        answers = Answers(lambda _: False, 0)
        async with asyncio.timeout(answer_s):
            async with contextlib.aclosing(self._read(query_id, frame, answers)) as items:
                async for _ in items:
                    pass

    # --- what comes

    def take_records(self, arrived: Sequence[tuple[int, bytes]], now: int) -> None:
        """Checks records in one go and hands the valid ones on.

        Args:
            arrived: Query ids and records, in order.
            now: The time, in ns.
        """
        latest = now + self._settings.ahead_s * _SECOND
        verdicts = validation.check_batch([data for _, data in arrived])
        for (query_id, data), verdict in zip(arrived, verdicts, strict=True):
            answers = self._answers.get(query_id)
            if verdict:
                self.dropped += 1
                self.wrong("it sent a record that is not valid, or whose signature is false")
            elif answers is not None:
                record = Record(data)
                if record.timestamp > latest:
                    wait_ns = record.timestamp - latest
                    self.dropped += not self._held_back.keep(record, wait_ns, answers, now)
                    continue
                unasked = answers.unasked
                if not answers.put(record):
                    answers.give_up()
                    self._end(query_id)
                elif answers.unasked > unasked:
                    self.wrong("it sent a record that nobody asked for")

    def take(self, event: events.LocallyCompleted | events.QueryEnded) -> None:
        """Takes what the server says of a query beside its records."""
        answers = self._answers.get(event.query_id)
        if isinstance(event, events.QueryEnded):
            self._answers.pop(event.query_id, None)
            if answers is not None:
                answers.close(event.result)
        elif answers is not None:
            answers.caught_up()

    def fail(self, error: MosaicError) -> None:
        """The connection is over."""
        self._over = True
        for answers in self._answers.values():
            answers.fail(error)
        self._answers.clear()
        self._held_back.drop()

    # --- inside

    def _filtered(self, wanted: Filter) -> Answers:
        return Answers(wanted.matches, self._settings.unread_bytes)

    async def _answered(
        self, query_id: int, frame: bytes, answers: Answers, times: int = 1
    ) -> AsyncGenerator[Record, None]:
        """Records until the server has ended its answer, which it has to do in time.

        Args:
            query_id: The query's.
            frame: What asks.
            answers: What comes.
            times: How many times longer than usual it may take.

        Raises:
            PeerError: the server would not, went away, or did not end its answer in time.
        """
        items = self._read(query_id, frame, answers, self._settings.answer_s * times)
        async with contextlib.aclosing(items):
            async for item in items:
                if isinstance(item, Record):
                    yield item

    async def _read(
        self, query_id: int, frame: bytes, answers: Answers, patience_s: float | None = None
    ) -> AsyncGenerator[Record | CaughtUp, None]:
        """What comes, until the answer ends.

        Nobody waits for ever for a server that is there and says no more, or as
        good as nothing: how long is waited in all is bounded by what comes.

        Args:
            query_id: The query's.
            frame: What asks.
            answers: What comes.
            patience_s: How long may be waited for nothing (seconds); None for what never ends.
        """
        clock = asyncio.get_running_loop().time
        self._answers[query_id] = answers
        try:
            await self._send(frame)
            while True:
                if patience_s is not None and answers.is_awaited:
                    begun_s = clock()
                    try:
                        async with asyncio.timeout(max(0.0, patience_s)):
                            item = await answers.next()
                    except TimeoutError:
                        raise Disconnected("the server did not answer in time") from None
                    patience_s -= clock() - begun_s
                else:
                    item = await answers.next()
                if item is None:
                    return
                if patience_s is not None and isinstance(item, Record):
                    patience_s += len(item) / _SLOWEST
                yield item
        finally:
            self.dropped += answers.dropped
            if not answers.is_over:
                answers.fail(None)
                self._end(query_id)

    def _end(self, query_id: int) -> None:
        """Tells the server that nobody listens any more. The id stays taken until it has answered."""
        if self._over or query_id not in self._answers:
            return
        if frame := self._session.unsubscribe(query_id):
            self._say(frame)


def _limit(limit: int) -> int:
    if not 0 <= limit <= 65_535:
        raise UsageError(f"a limit is 0 to 65535, not {limit}")
    return limit
