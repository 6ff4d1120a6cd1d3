"""Records handed in over one connection, and what the server answers.

Source: messages.md (SUBMISSION, SUBMISSION RESULT), edition §1.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from mosaic.client.settings import ClientSettings
from mosaic.client.waiting import Waiting
from mosaic.errors import Disconnected, MosaicError
from mosaic.protocol import events
from mosaic.protocol.client_session import ClientSession
from mosaic.wire.result_code import ResultCode


class Unanswered(Disconnected):
    """No answer came in time."""


class Submissions:
    """The open submissions of a connection.

    Args:
        session: The client's session.
        settings: Choices of the client.
        send: Sends a frame, waiting while the server does not read.
    """

    def __init__(
        self, session: ClientSession, settings: ClientSettings, send: Callable[[bytes], Awaitable[None]]
    ) -> None:
        self._session = session
        self._settings = settings
        self._send = send
        self._waiting: Waiting[ResultCode] = Waiting()

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def take(self, event: events.SubmissionAnswered) -> None:
        """Takes an answer."""
        self._waiting.resolve(event.prefix, event.result)

    def fail(self, error: MosaicError) -> None:
        """Nothing more comes."""
        self._waiting.fail(error)

    async def submit(self, record: bytes) -> ResultCode:
        """Hands in a record; the server's answer, whether success or not.

        Raises:
            Unanswered: no answer came in time.
            PeerError: no answer came.
        """
        with self._waiting.answer(record[:32]) as future:
            await self._send(self._session.submit(record))
            try:
                async with asyncio.timeout(self._settings.answer_s):
                    return await future
            except TimeoutError:
                raise Unanswered("the server did not answer in time") from None

    async def submit_all(self, records: Sequence[bytes]) -> list[ResultCode]:
        """Hands in many records at once; the answers in the same order. Raises PeerError."""
        room = asyncio.Semaphore(self._settings.submissions_in_flight)

        async def one(record: bytes) -> ResultCode:
            async with room:
                return await self.submit(record)

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(one(record)) for record in records]
        except ExceptionGroup as failed:
            # All of them fail for one reason: the connection's.
            raise failed.exceptions[0] from None
        return [task.result() for task in tasks]
