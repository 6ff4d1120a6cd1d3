"""One link of an exam: frames are sent as they are given, what comes back is kept until it is taken.

Nothing is smoothed over: bad frames go out as they are, and a frame of the
server's that can't be read is a deviation of its own.

Source: messages.md, edition §1.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from mosaic.core.filter import Filter
from mosaic.core.record import Record
from mosaic.errors import InvalidMessage
from mosaic.testing.exam.check import Deviation
from mosaic.testing.exam.switchboard import Switchboard
from mosaic.transport.events import (
    DIAL_FAILED,
    DIAL_FOREIGN_CERTIFICATE,
    DIAL_REFUSED_FORM,
    DIAL_WRONG_KEY,
    LINK_CLOSED,
    LINK_OPENED,
    LINK_REFUSED_LENGTH,
    LINK_UPGRADE,
)
from mosaic.wire import client_messages as ask
from mosaic.wire import server_messages as tell
from mosaic.wire.codec import Message, decode
from mosaic.wire.result_code import ResultCode

DIAL_ENDED: Final = frozenset({DIAL_FAILED, DIAL_FOREIGN_CERTIFICATE, DIAL_REFUSED_FORM, DIAL_WRONG_KEY})
PAUSES_S: Final = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
"""How long the exam waits, time after time, for a server that says it goes too fast."""
_LATER: Final = frozenset({ResultCode.TOO_FAST, ResultCode.TEMPORARY_ERROR})
_Message = TypeVar("_Message")


@dataclass(frozen=True, slots=True)
class Came:
    """One frame that came: as it was, and what it means (None if it can't be read)."""

    frame: bytes
    message: Message | None


class Wire:
    """One link to the server.

    Args:
        board: The network that carries it.
        patience_s: How long to wait for anything, in seconds.
        stored: Told of each record (its bytes) that the server says to have kept.

    Attributes:
        link: Its number, once it is dialled.
        server_key: What the server has proven (32 bytes), once it is open.
        inbox: What has come and was not taken yet.
        ended: Whether the link is over.
        ack: The server's answer to HELLO, once greeted.
        note: Says that a record may be on the server, so that it is cleared away.
    """

    def __init__(
        self, board: Switchboard, patience_s: float, stored: Callable[[bytes], None] = lambda _: None
    ) -> None:
        self.board = board
        self.patience_s = patience_s
        self.link = -1
        self.server_key = b""
        self.inbox: list[Came] = []
        self.ended = False
        self.is_open = False
        self.failure: tuple[int, bytes] | None = None
        self.upgrade: bytes | None = None
        self.ack: tell.HelloAck | None = None
        self.note = stored
        self._changed = asyncio.Event()
        self._query = 1_000

    # --- what the network tells

    def heard(self, what: int, data: bytes) -> None:
        """Takes what happened on the link."""
        if what < LINK_OPENED or what == LINK_REFUSED_LENGTH:
            try:
                self.inbox.append(Came(data, decode(data)))
            except InvalidMessage:
                self.inbox.append(Came(data, None))
        elif what == LINK_OPENED:
            self.is_open, self.server_key = True, data
        elif what == LINK_UPGRADE:
            self.upgrade = data
        elif what == LINK_CLOSED:
            self.ended = True
        elif what in DIAL_ENDED:
            self.failure, self.ended = (what, data), True
        self._changed.set()

    # --- waiting

    async def until(self, holds: Callable[[], bool], wanted: str, patience_s: float | None = None) -> None:
        """Waits until something holds that only what comes in can change.

        Raises:
            Deviation: it took too long.
        """
        try:
            async with asyncio.timeout(patience_s or self.patience_s):
                while not holds():
                    self._changed.clear()
                    if not holds():
                        await self._changed.wait()
        except TimeoutError:
            raise Deviation(
                f"expected {wanted}; nothing like it came within {patience_s or self.patience_s:g} s,"
                f" only {self._listed()}"
            ) from None

    def _listed(self) -> str:
        return ", ".join(told(each) for each in self.inbox[:8]) or "nothing at all"

    async def take(
        self, kind: type[_Message], query_id: int | None = None, patience_s: float | None = None
    ) -> _Message:
        """The oldest message of a class (and of a query id), waited for and removed.

        Raises:
            Deviation: the link ended, the server said CLOSING, or it took too long.
        """
        name = kind.__name__ if query_id is None else f"{kind.__name__} of query {query_id}"

        def place() -> int | None:
            for at, came in enumerate(self.inbox):
                if isinstance(came.message, kind) and query_id in {
                    None,
                    getattr(came.message, "query_id", None),
                }:
                    return at
            return None

        def settled() -> bool:
            return place() is not None or self.ended or self._is_closing()

        await self.until(settled, name, patience_s)
        at = place()
        if at is None:
            how = "the link ended" if self.ended else "the server is closing the link"
            raise Deviation(f"expected {name}; {how} after {self._listed()}")
        message = self.inbox.pop(at).message
        assert isinstance(message, kind)
        return message

    async def next(self) -> Came:
        """Whatever comes next, removed. Raises Deviation if nothing comes or the link has ended."""
        await self.until(lambda: bool(self.inbox) or self.ended, "an answer")
        if not self.inbox:
            raise Deviation("expected an answer; the link ended without one")
        return self.inbox.pop(0)

    def _is_closing(self) -> bool:
        return any(isinstance(came.message, tell.Closing) for came in self.inbox)

    async def closing(self, *allowed: ResultCode, patience_s: float | None = None) -> ResultCode:
        """Waits for CLOSING and for the end of the link.

        Args:
            allowed: Results that it may carry; none for any.
            patience_s: How long to wait.

        Raises:
            Deviation: something else came, or the link stayed open.
        """
        closing = await self.take(tell.Closing, patience_s=patience_s)
        if allowed and closing.result not in allowed:
            names = " or ".join(each.name for each in allowed)
            raise Deviation(f"expected CLOSING {names}; it carries {closing.result.name}")
        await self.until(lambda: self.ended, "the end of the link after CLOSING")
        return closing.result

    # --- sending

    def send(self, *messages: Message | bytes) -> None:
        """Sends messages, or bytes as they are, joined."""
        frames = [each if isinstance(each, bytes) else each.encode() for each in messages]
        self.board.network.send(self.link, b"".join(frames))

    def hang_up(self) -> None:
        """Cuts the link."""
        self.board.forget(self.link)
        self.ended = True

    async def hello(self, applications: Sequence[int] = (0, 1), version: int = 0) -> tell.HelloAck:
        """Says HELLO with `applications` (u32 ids) and a major `version`. Raises Deviation without answer."""
        self.send(ask.Hello(version, tuple(applications)))
        self.ack = await self.take(tell.HelloAck)
        return self.ack

    async def settled(self) -> None:
        """Waits until the server has read everything that was sent before: a second HELLO is answered."""
        self.send(ask.Hello(0))
        await self.take(tell.HelloAck)

    # --- records

    async def submit(self, *records: Record | bytes) -> list[ResultCode]:
        """Submits records together; what became of each, in their order.

        Who is told to come more slowly waits and asks again. Raises Deviation if a result is missing.
        """
        data = [record if isinstance(record, bytes) else record.data for record in records]
        results = await self._submit(data)
        for pause in PAUSES_S:
            again = [at for at, result in enumerate(results) if result in _LATER]
            if not again:
                break
            await asyncio.sleep(pause)
            for at, result in zip(again, await self._submit([data[at] for at in again]), strict=True):
                results[at] = result
        for each, result in zip(data, results, strict=True):
            if result is ResultCode.ACCEPTED:
                self.note(each)
        return results

    async def _submit(self, data: Sequence[bytes]) -> list[ResultCode]:
        self.send(*(ask.Submission(each) for each in data))
        answers: dict[bytes, list[ResultCode]] = {}
        for _ in data:
            answer = await self.take(tell.SubmissionResult)
            answers.setdefault(answer.prefix, []).append(answer.result)
        if any(not answers.get(each[:32]) for each in data):
            raise Deviation("expected a SUBMISSION RESULT for each record, named by its first 32 bytes")
        # Of one record that was sent twice the answers come in their order.
        return [left.pop(0) if len(left) > 1 else left[0] for left in (answers[each[:32]] for each in data)]

    async def keep(self, *records: Record | bytes) -> None:
        """Submits records that the server must take. Raises Deviation if one is not ACCEPTED."""
        for result in await self.submit(*records):
            if result is not ResultCode.ACCEPTED:
                raise Deviation(f"expected SUBMISSION RESULT ACCEPTED; it carries {result.name}")

    async def refused(self, record: Record | bytes, *allowed: ResultCode) -> ResultCode:
        """Submits a record that the server must not take; why it did not.

        Args:
            record: The record.
            allowed: Results that it may carry; none for any that is no success.

        Raises:
            Deviation: it was taken, or the result is another.
        """
        result = (await self.submit(record))[0]
        if result in allowed or (not allowed and not result.is_success):
            return result
        names = " or ".join(each.name for each in allowed) or "a refusal"
        raise Deviation(f"expected SUBMISSION RESULT {names}; it carries {result.name}")

    # --- questions

    def next_id(self) -> int:
        """A query id that this link has not used."""
        self._query += 1
        return self._query

    def records(self, query_id: int) -> list[bytes]:
        """The records under a `query_id` that have come so far, removed."""
        found: list[bytes] = []
        rest: list[Came] = []
        for came in self.inbox:
            if isinstance(came.message, tell.Record) and came.message.query_id == query_id:
                found.append(came.message.record)
            else:
                rest.append(came)
        self.inbox = rest
        return found

    async def ask(self, question: ask.Query | ask.Get) -> tuple[list[bytes], ResultCode]:
        """Asks and waits for the end: the records, and how it ended."""
        self.send(question)
        closed = await self.take(tell.QueryClosed, question.query_id)
        return self.records(question.query_id), closed.result

    async def query(self, wanted: Filter | bytes, limit: int = 0) -> list[bytes]:
        """At most `limit` records (0: all) that a filter matches. Raises Deviation if it ends badly."""
        records, result = await self.query_result(wanted, limit)
        if result is not ResultCode.SUCCESS:
            raise Deviation(f"expected QUERY CLOSED SUCCESS; it carries {result.name}")
        return records

    async def query_result(self, wanted: Filter | bytes, limit: int = 0) -> tuple[list[bytes], ResultCode]:
        """At most `limit` records that a filter matches, and how it ended; asks again after TOO_FAST."""
        data = wanted if isinstance(wanted, bytes) else wanted.encode()
        answer = await self.ask(ask.Query(self.next_id(), limit, data))
        for pause in PAUSES_S:
            if answer[1] is not ResultCode.TOO_FAST:
                break
            await asyncio.sleep(pause)
            answer = await self.ask(ask.Query(self.next_id(), limit, data))
        return answer

    async def get(self, *references: bytes) -> list[bytes]:
        """The records of references. Raises Deviation if it is refused."""
        records, result = await self.ask(ask.Get(self.next_id(), references))
        # That finding nothing is a SUCCESS, too, has a check of its own.
        if result not in {ResultCode.SUCCESS, ResultCode.NOT_FOUND}:
            raise Deviation(f"expected QUERY CLOSED SUCCESS of a GET; it carries {result.name}")
        return records

    async def subscribe(self, wanted: Filter, limit: int = 0) -> tuple[int, list[bytes]]:
        """Opens a subscription with a `limit` of stored records (0: none): its id, and what was stored."""
        query_id = self.next_id()
        self.send(ask.Subscribe(query_id, limit, wanted.encode()))
        await self.completed(query_id)
        return query_id, self.records(query_id)

    async def completed(self, query_id: int) -> None:
        """Waits for LOCALLY COMPLETE under a `query_id`. Raises Deviation if it is closed instead."""

        def settled() -> bool:
            return self.ended or any(
                isinstance(came.message, tell.LocallyComplete | tell.QueryClosed)
                and came.message.query_id == query_id
                for came in self.inbox
            )

        await self.until(settled, f"LocallyComplete of query {query_id}")
        closed = next((c.message for c in self.inbox if isinstance(c.message, tell.QueryClosed)), None)
        if closed is not None and closed.query_id == query_id:
            raise Deviation(
                f"expected LOCALLY COMPLETE; the subscription was closed with {closed.result.name}"
            )
        await self.take(tell.LocallyComplete, query_id)

    async def live(self, query_id: int, last: bytes) -> list[bytes]:
        """What has come under a `query_id` up to a record that is known to come last; removed.

        Raises:
            Deviation: that record does not come.
        """
        found: list[bytes] = []

        def complete() -> bool:
            found.extend(self.records(query_id))
            return last in found or self.ended

        await self.until(complete, f"the record {last[:8].hex()} of subscription {query_id}")
        if last not in found:
            raise Deviation("expected a live record; the link ended")
        return found

    # --- blobs

    async def put_blob(self, blob_hash: bytes, blob: bytes) -> ResultCode:
        """Sends a blob; what became of it."""
        self.send(ask.BlobSubmission(blob_hash, blob))
        return (await self.take(tell.BlobSubmissionResult)).result

    async def get_blob(self, blob_hash: bytes) -> tell.BlobResult:
        """Asks for a blob; the answer."""
        self.send(ask.BlobGet(blob_hash))
        return await self.take(tell.BlobResult)


def told(came: Came) -> str:
    """A frame in a few words, for people."""
    message = came.message
    if message is None:
        return f"unreadable bytes {came.frame[:16].hex()}"
    result = getattr(message, "result", None)
    return type(message).__name__ if result is None else f"{type(message).__name__} {result.name}"
