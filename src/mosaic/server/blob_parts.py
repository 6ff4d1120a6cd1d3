"""Blobs that come in parts: offered, then part by part, each answered by how much is there.

A link that breaks loses nothing: the next offer of the same blob by the same
person is answered by where it goes on.

Source: messages.md "BLOB Submission"; the messages for parts: `mosaic.wire.blob_messages`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Final

from mosaic.errors import BlobMismatch, MosaicError
from mosaic.protocol.blob_events import BlobOffered, BlobPartCame
from mosaic.server.blob_book import BlobBook, uploader
from mosaic.server.metrics import Metrics
from mosaic.server.peer import Peer
from mosaic.store.blobs import BlobStore
from mosaic.store.partial_blobs import PartialBlobs
from mosaic.wire.blob_messages import BlobOfferResult
from mosaic.wire.result_code import ResultCode, for_error

_LOG: Final = logging.getLogger(__name__)
OFFERS_PER_LINK: Final = 4
"""How many blobs one link may have under way in parts."""
PARTS_PER_LINK: Final = 8
"""How many offers and parts of one link may wait for the disk."""
PARTS: Final = 64
"""How many offers and parts of all links may wait for the disk; each has 1 MiB at most."""


class BlobParts:
    """Answers BLOB OFFER and BLOB PART.

    Args:
        blobs: Where they are kept when they are whole.
        book: The rules, and who brought what.
        metrics: Counted in.
        pool: One thread, in which files are written.
    """

    def __init__(self, blobs: BlobStore, book: BlobBook, metrics: Metrics, pool: Executor) -> None:
        self._blobs = blobs
        self._partial = PartialBlobs(blobs)
        self._book = book
        self._metrics = metrics
        self._pool = pool
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting = 0

    async def settled(self) -> None:
        """Waits until every part that has arrived is written or refused."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def sweep(self) -> int:
        """Gives up what has waited for its next part for a day; how many."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._partial.sweep)

    async def forget(self, key: bytes) -> None:
        """Gives up all that a key (32 bytes) has begun. Raises OSError."""
        await asyncio.get_running_loop().run_in_executor(self._pool, self._partial.forget, key)

    def offered(self, peer: Peer, event: BlobOffered) -> None:
        """Takes an offer; the answer says how much of the blob is here."""
        refusal = self._book.refusal(peer, event.hash, event.length)
        if refusal is None and event.hash not in peer.offers and len(peer.offers) >= OFFERS_PER_LINK:
            refusal = ResultCode.TOO_FAST
        if refusal is not None:
            self._metrics.blobs_refused += 1
            _answer(peer, event.hash, refusal, 0)
            return
        if not self._has_place(peer, event.hash):
            return
        peer.offers[event.hash] = event.length
        key = uploader(peer)
        quota = self._book.quota(key)
        self._do(peer, event.hash, lambda: self._begin(event.hash, event.length, key, quota))

    def came(self, peer: Peer, event: BlobPartCame) -> None:
        """Takes a part of a blob that was offered on the same link."""
        length = peer.offers.get(event.hash)
        if length is None:
            _answer(peer, event.hash, ResultCode.NOT_FOUND, 0)
            return
        if self._has_place(peer, event.hash):
            key = uploader(peer)
            quota = self._book.quota(key)
            self._do(peer, event.hash, lambda: self._append(event, length, key, quota))

    # --- in the blobs' own thread

    def _begin(self, blob_hash: bytes, length: int, key: bytes, quota: int) -> tuple[ResultCode, int]:
        if self._blobs.has(blob_hash):
            self._book.brought(blob_hash, length, key, again=True)
            # Unless it was cleared away just then.
            if self._blobs.has(blob_hash):
                return ResultCode.DUPLICATE, length
        if not self._book.has_room(key, length, quota):
            return ResultCode.TOO_LARGE, 0
        held = self._partial.begin(blob_hash, key)
        if held > length:
            self._partial.drop(blob_hash, key)
            held = self._partial.begin(blob_hash, key)
        return self._finished(blob_hash, length, key, quota) if held == length else (ResultCode.SUCCESS, held)

    def _append(self, part: BlobPartCame, length: int, key: bytes, quota: int) -> tuple[ResultCode, int]:
        if part.offset + len(part.data) > length:
            self._partial.drop(part.hash, key)
            return ResultCode.INVALID, 0
        held = self._partial.append(part.hash, key, part.offset, part.data)
        if held is None:
            return ResultCode.NOT_FOUND, 0
        return self._finished(part.hash, length, key, quota) if held == length else (ResultCode.SUCCESS, held)

    def _finished(self, blob_hash: bytes, length: int, key: bytes, quota: int) -> tuple[ResultCode, int]:
        # Others that were begun meanwhile, each of which had room, may be whole by now.
        if not self._book.has_room(key, length, quota):
            self._partial.drop(blob_hash, key)
            return ResultCode.TOO_LARGE, 0
        self._partial.finish(blob_hash, key)
        self._book.brought(blob_hash, length, key)
        return ResultCode.ACCEPTED, length

    # --- inside

    def _has_place(self, peer: Peer, blob_hash: bytes) -> bool:
        """Whether one more piece of work may wait for the blobs' thread; answers TOO_FAST if not."""
        if peer.parts_waiting < PARTS_PER_LINK and self._waiting < PARTS:
            return True
        _answer(peer, blob_hash, ResultCode.TOO_FAST, 0)
        return False

    def _do(self, peer: Peer, blob_hash: bytes, work: Callable[[], tuple[ResultCode, int]]) -> None:
        """Does work in the blobs' thread, in the order in which it came, and answers with what came of it."""
        peer.parts_waiting += 1
        self._waiting += 1
        future = asyncio.get_running_loop().run_in_executor(self._pool, _attempt, work)

        async def answer() -> None:
            result, held = await future
            peer.parts_waiting -= 1
            self._waiting -= 1
            if result is not ResultCode.SUCCESS:
                peer.offers.pop(blob_hash, None)
                if result is ResultCode.ACCEPTED:
                    self._metrics.blobs_stored += 1
                else:
                    self._metrics.blobs_refused += 1
            _answer(peer, blob_hash, result, held)

        task = asyncio.create_task(answer())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _attempt(work: Callable[[], tuple[ResultCode, int]]) -> tuple[ResultCode, int]:
    try:
        return work()
    except BlobMismatch:
        return ResultCode.INVALID, 0
    except MosaicError as error:
        return for_error(error), 0
    except OSError as error:
        _LOG.error("a part of a blob could not be kept: %s", error)
        return ResultCode.TEMPORARY_ERROR, 0


def _answer(peer: Peer, blob_hash: bytes, result: ResultCode, held: int) -> None:
    if not peer.gone:
        peer.send(BlobOfferResult(blob_hash, result, held).encode())
