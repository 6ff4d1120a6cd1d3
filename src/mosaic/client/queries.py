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
from mosaic.errors import MosaicError, UsageError
from mosaic.protocol import events
from mosaic.protocol.client_session import ClientSession

_REFERENCES_IN_A_GET = 1_000
_SECOND = 1_000_000_000


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
            async with contextlib.aclosing(self._read(query_id, frame, answers)) as items:
                found.extend([item async for item in items if isinstance(item, Record)])
        return found

    async def sync_get(self, prefixes: Sequence[bytes]) -> AsyncGenerator[Record, None]:
        """The records whose ids begin with `prefixes`. See `Connection.sync_get`."""
        names = frozenset(prefixes)
        answers = Answers(lambda record: record.data[:32] in names, self._settings.unread_bytes)
        query_id, frame = self._session.sync_get(tuple(prefixes))
        async with contextlib.aclosing(self._read(query_id, frame, answers)) as items:
            async for item in items:
                if isinstance(item, Record):
                    yield item

    async def query(self, wanted: Filter, limit: int = 0) -> AsyncGenerator[Record, None]:
        """What a filter matches, newest first. See `Connection.query`."""
        query_id, frame = self._session.query(wanted.encode(), _limit(limit))
        came = 0
        async with contextlib.aclosing(self._read(query_id, frame, self._filtered(wanted))) as items:
            async for item in items:
                if isinstance(item, Record):
                    came += 1
                    if limit and came > limit:
                        return  # who asked for a few is not prepared for whatever a server gives
                    yield item

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

    async def _read(
        self, query_id: int, frame: bytes, answers: Answers
    ) -> AsyncGenerator[Record | CaughtUp, None]:
        self._answers[query_id] = answers
        try:
            await self._send(frame)
            while (item := await answers.next()) is not None:
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
