"""Blobs of one connection: handing them in, fetching them into files.

Source: messages.md (BLOB PUT, BLOB RESULT, BLOB GET, BLOB); edition §3.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from mosaic.client.refusals import refused
from mosaic.client.waiting import Waiting
from mosaic.errors import BlobMismatch, Disconnected, MosaicError
from mosaic.protocol import events
from mosaic.protocol.client_session import ClientSession
from mosaic.wire.result_code import ResultCode

_T = TypeVar("_T")


class BlobExchange:
    """Puts and gets blobs; `Connection.blobs`.

    Args:
        session: The client's session.
        answer_s: How long nothing may move in either direction, seconds.
        send: Sends a frame, waiting while the server does not read.
        send_file: Sends a head and the first `length` bytes of a file.
        moved: When the server was last heard of (ns), and what waits towards it (bytes).
    """

    def __init__(
        self,
        session: ClientSession,
        answer_s: float,
        send: Callable[[bytes], Awaitable[None]],
        send_file: Callable[[bytes, str, int], None],
        moved: Callable[[], tuple[int, int]],
    ) -> None:
        self._session = session
        self._answer_s = answer_s
        self._send = send
        self._send_file = send_file
        self._moved = moved
        self._putting: Waiting[ResultCode] = Waiting()
        self._getting: Waiting[events.BlobArrived] = Waiting()

    def __bool__(self) -> bool:
        return bool(self._putting or self._getting)

    def take(self, event: events.BlobAnswered | events.BlobArrived) -> None:
        """Takes an answer of the server's; a blob that nobody waits for is dropped."""
        if isinstance(event, events.BlobAnswered):
            self._putting.resolve(event.hash, event.result)
        elif not self._getting.resolve(event.hash, event) and event.path is not None:
            Path(event.path).unlink(missing_ok=True)

    def fail(self, error: MosaicError) -> None:
        """The connection is over."""
        self._putting.fail(error)
        self._getting.fail(error)

    async def put(self, path: Path, blob_hash: bytes, length: int) -> ResultCode:
        """Hands in the blob in a file; the server's answer, whether success or not.

        Args:
            path: The file, which must not change meanwhile.
            blob_hash: Its BLAKE3-256 hash (32 bytes).
            length: Its length in bytes.

        Raises:
            PeerError: no answer came.
        """
        with self._putting.answer(blob_hash) as future:
            self._send_file(self._session.blob_put_head(blob_hash, length), str(path), length)
            return await self._answered(future)

    async def get(self, blob_hash: bytes, into: Path) -> int:
        """Fetches a blob into a file; its length in bytes.

        Raises:
            Refused: the server does not have it or does not give it.
            BlobMismatch: what came is something else.
            PeerError: no answer came.
        """
        with self._getting.answer(blob_hash) as future:
            await self._send(self._session.blob_get(blob_hash))
            arrived = await self._answered(future)
        if not arrived.result.is_success:
            raise refused(arrived.result)
        _keep(arrived, into)
        return arrived.length

    async def _answered(self, future: asyncio.Future[_T]) -> _T:
        """Waits for an answer for as long as bytes move in either direction."""
        before = (-1, -1)
        while True:
            heard, _ = self._moved()
            try:
                async with asyncio.timeout(self._answer_s):
                    return await asyncio.shield(future)
            except TimeoutError:
                now = self._moved()
                if now == (heard, before[1]):
                    raise Disconnected("the server did not answer in time") from None
                before = now


def _keep(arrived: events.BlobArrived, into: Path) -> None:
    if arrived.path is not None:
        # The folders may lie on different disks.
        shutil.move(arrived.path, into)
    elif arrived.body is not None:
        into.write_bytes(arrived.body)
    else:
        raise BlobMismatch("the answer holds no blob")
