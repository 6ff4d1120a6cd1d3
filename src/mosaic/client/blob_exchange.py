"""Blobs of one connection: handing them in, fetching them into files.

Long ones go in parts, so that they go on where a link broke them off: towards
the server, which tells how much it has; from it, at the end of the file that
is there. A server that does not know parts gets and gives blobs whole.

Source: messages.md (BLOB SUBMISSION, BLOB GET); `mosaic.wire.blob_messages`.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections import deque
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import BinaryIO, Final, TypeVar

from mosaic.client.refusals import refused
from mosaic.client.waiting import Waiting
from mosaic.core import blob_hash as blob_hashes
from mosaic.errors import BlobMismatch, BlobTooLarge, Disconnected, MosaicError, PeerError
from mosaic.protocol import events
from mosaic.protocol.blob_events import BlobHeld, BlobPartArrived
from mosaic.protocol.client_session import ClientSession
from mosaic.wire.limits import BLOB_LIMIT_MAXIMUM, BLOB_PART_LIMIT
from mosaic.wire.result_code import ResultCode

IN_PARTS: Final = 1_048_576
"""Blobs of this length (bytes) and longer ones are handed in in parts."""
IN_FLIGHT: Final = 4
"""How many parts are on their way at once."""
_SLOWEST: Final = 8_192
"""Bytes a second that a server gives at least: other things that it says meanwhile are no part of a blob."""

_T = TypeVar("_T")


class _NoParts(PeerError):
    """The server does not know blobs in parts."""


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
        self._offering: Waiting[BlobHeld] = Waiting()
        self._fetching: Waiting[BlobPartArrived] = Waiting()

    def __bool__(self) -> bool:
        return bool(self._putting or self._getting or self._offering or self._fetching)

    def take(self, event: events.BlobAnswered | events.BlobArrived | BlobHeld | BlobPartArrived) -> None:
        """Takes an answer of the server's; a blob that nobody waits for is dropped."""
        if isinstance(event, BlobHeld):
            self._offering.resolve(event.hash, event)
        elif isinstance(event, BlobPartArrived):
            self._fetching.resolve(event.hash + event.offset.to_bytes(8, "big"), event)
        elif isinstance(event, events.BlobAnswered):
            self._putting.resolve(event.hash, event.result)
        elif not self._getting.resolve(event.hash, event) and event.path is not None:
            Path(event.path).unlink(missing_ok=True)

    def fail(self, error: MosaicError) -> None:
        """The connection is over."""
        self._putting.fail(error)
        self._getting.fail(error)
        self._offering.fail(error)
        self._fetching.fail(error)

    def unrecognized(self) -> bool:
        """The server did not know a message; whether it may have been about parts, which are given up."""
        if not self._offering and not self._fetching:
            return False
        self._offering.fail(_NoParts())
        self._fetching.fail(_NoParts())
        return True

    async def put(self, path: Path, blob_hash: bytes, length: int) -> ResultCode:
        """Hands in the blob in a file; the server's answer, whether success or not.

        Args:
            path: The file, which must not change meanwhile.
            blob_hash: Its BLAKE3-256 hash (32 bytes).
            length: Its length in bytes.

        Raises:
            PeerError: no answer came. Called again, it goes on where it was.
            BlobMismatch: the file has become shorter.
        """
        if length >= IN_PARTS:
            with contextlib.suppress(_NoParts):
                return await self._put_parts(path, blob_hash, length)
        with self._putting.answer(blob_hash) as future:
            self._send_file(self._session.blob_put_head(blob_hash, length), str(path), length)
            return await self._answered(future)

    async def _put_parts(self, path: Path, blob_hash: bytes, length: int) -> ResultCode:
        answer = await self._held(blob_hash, self._session.blob_parts.offer(blob_hash, length))
        with path.open("rb") as file:
            while answer.result is ResultCode.SUCCESS:
                begin = answer.held
                answers = await self._send_parts(file, blob_hash, begin, length)
                answer = answers[-1]
                # What was lost or refused in between shows in the last answer, from where it goes on.
                if answer.result is ResultCode.SUCCESS and answer.held <= begin:
                    raise Disconnected("the server takes no more of the blob")
        return answer.result

    async def _send_parts(self, file: BinaryIO, blob_hash: bytes, begin: int, length: int) -> list[BlobHeld]:
        """Sends the parts from `begin` on with some on their way at once; their answers, up to a bad one."""
        answers: list[BlobHeld] = []
        waiting: deque[asyncio.Task[BlobHeld]] = deque()
        at = begin
        try:
            while at < length or waiting:
                while at < length and len(waiting) < IN_FLIGHT:
                    file.seek(at)
                    data = file.read(min(BLOB_PART_LIMIT, length - at))
                    if not data:
                        raise BlobMismatch("the file became shorter while it was sent")
                    frame = self._session.blob_parts.part(blob_hash, at, data)
                    waiting.append(asyncio.create_task(self._held(blob_hash, frame)))
                    # The tasks begin in this order, so the parts go out in it.
                    await asyncio.sleep(0)
                    at += len(data)
                answers.append(await waiting.popleft())
                if answers[-1].result is not ResultCode.SUCCESS:
                    break
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
        return answers

    async def _held(self, blob_hash: bytes, frame: bytes) -> BlobHeld:
        with self._offering.answer(blob_hash) as future:
            await self._send(frame)
            return await self._answered(future)

    async def get(self, blob_hash: bytes, into: Path, most: int = BLOB_LIMIT_MAXIMUM) -> int:
        """Fetches a blob into a file; its length in bytes.

        What is in the file already is taken for its beginning.

        Args:
            blob_hash: Its BLAKE3-256 hash (32 bytes).
            into: The file.
            most: How long it may be (bytes); nobody knows before whether a server tells the truth.

        Raises:
            Refused: the server does not have it or does not give it.
            BlobTooLarge: it is longer, or the server says so.
            BlobMismatch: what came is something else; the file is gone.
            PeerError: no answer came. Called again with the same file, it goes on where it was.
        """
        with contextlib.suppress(_NoParts):
            return await self._get_parts(blob_hash, into, most)
        with self._getting.answer(blob_hash) as future:
            await self._send(self._session.blob_get(blob_hash))
            arrived = await self._answered(future)
        if not arrived.result.is_success:
            raise refused(arrived.result)
        if arrived.length > most:
            if arrived.path is not None:
                _remove(Path(arrived.path))
            raise _too_large(arrived.length, most)
        _keep(arrived, into)
        return arrived.length

    async def _get_parts(self, blob_hash: bytes, into: Path, most: int) -> int:
        held = _size_of(into)
        first = await self._part(blob_hash, held)
        if not first.result.is_success:
            raise refused(first.result)
        length = first.length
        if length > most:
            raise _too_large(length, most)
        with into.open("ab") as file:
            file.truncate(min(held, length))
            file.write(first.data)
            at = held + len(first.data)
            while at < length:
                places = range(at, length, BLOB_PART_LIMIT)[:IN_FLIGHT]
                for part in await asyncio.gather(*(self._part(blob_hash, place) for place in places)):
                    if not part.result.is_success:
                        raise refused(part.result)
                    if part.length != length or part.offset != at or not part.data:
                        raise BlobMismatch("the parts that came don't fit together")
                    file.write(part.data)
                    at += len(part.data)
        digest, found = await asyncio.to_thread(_hash_of, into)
        if digest != blob_hash:
            _remove(into)
            raise BlobMismatch
        return found

    async def _part(self, blob_hash: bytes, offset: int) -> BlobPartArrived:
        name = blob_hash + offset.to_bytes(8, "big")
        try:
            with self._fetching.answer(name) as future:
                async with asyncio.timeout(self._answer_s + IN_FLIGHT * BLOB_PART_LIMIT / _SLOWEST):
                    await self._send(self._session.blob_parts.part_get(blob_hash, offset, BLOB_PART_LIMIT))
                    return await self._answered(future)
        except TimeoutError:
            raise Disconnected("the server gives next to nothing of the blob") from None

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


def _too_large(length: int, most: int) -> BlobTooLarge:
    return BlobTooLarge(
        f"the blob has {length:,} bytes, {most:,} are taken here",
        hint="`blob_limit` in the settings of the server says how long one may be.",
    )


def _size_of(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


def _hash_of(path: Path) -> tuple[bytes, int]:
    with path.open("rb") as file:
        return blob_hashes.of_chunks(iter(lambda: file.read(BLOB_PART_LIMIT), b""))
