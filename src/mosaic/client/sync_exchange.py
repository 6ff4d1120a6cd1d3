"""The comparisons by sync that are open on one connection, and the server's answer to each message.

Source: edition §4 (sync).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from mosaic.client.refusals import refused
from mosaic.client.waiting import Waiting
from mosaic.core.filter import Filter
from mosaic.errors import Disconnected, MosaicError, Refused
from mosaic.protocol.client_session import ClientSession
from mosaic.protocol.sync_events import SyncAnswered, SyncRefused
from mosaic.wire.result_code import ResultCode


def knows_no_sync() -> Refused:
    """The error for a server without the extension: NOT_FOUND, which no SYNC OPEN is answered with."""
    return Refused(
        "the server does not compare records by sync (NOT_FOUND)",
        result=ResultCode.NOT_FOUND,
        hint="What it has can be asked for, and what is here handed in, without comparing.",
    )


class SyncExchange:
    """The open comparisons of a connection.

    Args:
        session: The client's session.
        answer_s: How long the server may take for an answer, in seconds.
        send: Sends a frame, waiting while the server does not read.
        say: Sends a frame without waiting.
    """

    def __init__(
        self,
        session: ClientSession,
        answer_s: float,
        send: Callable[[bytes], Awaitable[None]],
        say: Callable[[bytes], object],
    ) -> None:
        self._session = session
        self._answer_s = answer_s
        self._send = send
        self._say = say
        self._waiting: Waiting[SyncAnswered | SyncRefused] = Waiting()
        self._over = False

    def __bool__(self) -> bool:
        return bool(self._waiting)

    # --- what comes

    def take(self, event: SyncAnswered | SyncRefused) -> None:
        """Takes an answer."""
        self._waiting.resolve(_place(event.query_id), event)

    def unrecognized(self) -> None:
        """The server did not know a message: it may well be this one, which not all servers know."""
        self._waiting.fail(knows_no_sync())

    def fail(self, error: MosaicError) -> None:
        """Nothing more comes."""
        self._over = True
        self._waiting.fail(error)

    # --- what is asked

    async def begin(self, wanted: Filter, message: bytes) -> tuple[int, bytes]:
        """Begins to compare what a filter matches: the query id, and the server's answer to a first message.

        Raises:
            Refused: the server would not; with NOT_FOUND where it does not know how.
            PeerError: no answer came.
            InvalidFilter: no message can hold this filter.
            UsageError: the filter has more than 32,000 bytes.
        """
        query_id, frame = self._session.sync_open(wanted.encode(), message)
        return query_id, await self._answered(query_id, frame)

    async def go_on(self, query_id: int, message: bytes) -> bytes:
        """The server's answer to the next message of a comparison (its query id).

        Raises:
            Refused: the server would not.
            PeerError: no answer came.
        """
        return await self._answered(query_id, self._session.sync_data(query_id, message))

    def close(self, query_id: int) -> None:
        """Nobody wants more of a comparison (its query id). Does nothing where it has ended."""
        if not self._over and (frame := self._session.sync_close(query_id)):
            self._say(frame)

    async def _answered(self, query_id: int, frame: bytes) -> bytes:
        try:
            with self._waiting.answer(_place(query_id)) as future:
                await self._send(frame)
                async with asyncio.timeout(self._answer_s):
                    answer = await future
        except TimeoutError:
            self.close(query_id)
            raise Disconnected("the server did not answer in time") from None
        except BaseException:
            self.close(query_id)
            raise
        if isinstance(answer, SyncRefused):
            raise refused(answer.result, "the server compares no further")
        return answer.message


def _place(query_id: int) -> bytes:
    return query_id.to_bytes(2, "little")
