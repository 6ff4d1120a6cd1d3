"""Blobs: taken from the people who live here, given to whoever names their hash.

A long blob came in through a file and goes out from one; it is never whole in
memory.

Source: messages.md (BLOB SUBMISSION, BLOB GET), edition §1.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Final

from mosaic.core import blob_hash
from mosaic.errors import MosaicError
from mosaic.policy.blob_upload import BlobHook
from mosaic.protocol.blob_events import BlobOffered, BlobPartAsked, BlobPartCame
from mosaic.protocol.events import BlobSubmitted
from mosaic.server.blob_book import BlobBook, uploader
from mosaic.server.blob_parts import BlobParts
from mosaic.server.live import Live
from mosaic.server.metrics import Metrics
from mosaic.server.peer import Peer
from mosaic.server.settings import ServerSettings
from mosaic.store.blobs import BlobStore
from mosaic.wire.blob_messages import BlobPartResult
from mosaic.wire.limits import BLOB_PART_LIMIT
from mosaic.wire.result_code import ResultCode, for_error

_LOG: Final = logging.getLogger(__name__)


class BlobService:
    """Answers BLOB SUBMISSION and BLOB GET.

    Args:
        blobs: Where they are kept.
        book: The rules, and who brought what.
        settings: The server's.
        metrics: Counted in.
    """

    def __init__(
        self, blobs: BlobStore, book: BlobBook, settings: Live[ServerSettings], metrics: Metrics
    ) -> None:
        self._blobs = blobs
        self._book = book
        self._settings = settings
        self._metrics = metrics
        self._pool = ThreadPoolExecutor(1, "mosaic-blob")
        self._parts = BlobParts(blobs, book, metrics, self._pool)
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting: dict[Peer, None] = {}

    def ask(self, hooks: Sequence[BlobHook]) -> None:
        """Another policy holds from the next blob on."""
        self._book.ask(hooks)

    async def settled(self) -> None:
        """Waits until every blob that has arrived is kept or refused."""
        while self._tasks:
            await asyncio.wait(self._tasks)
        await self._parts.settled()

    async def stop(self) -> None:
        """Ends the service. Call `settled` first."""
        await asyncio.to_thread(self._pool.shutdown)

    # --- BLOB SUBMISSION

    def submitted(self, peer: Peer, event: BlobSubmitted) -> None:
        """Takes a blob that a peer has sent; the answer comes when it is on disk or refused."""
        task = asyncio.create_task(self._take(peer, event))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _take(self, peer: Peer, event: BlobSubmitted) -> None:
        result = self._refusal(peer, event)
        if result is None:
            key = uploader(peer)
            result = await asyncio.get_running_loop().run_in_executor(
                self._pool, self._keep, event, key, self._book.quota(key)
            )
        else:
            _discard(event)
        if result is ResultCode.ACCEPTED:
            self._metrics.blobs_stored += 1
        else:
            self._metrics.blobs_refused += 1
        if not peer.gone:
            peer.send(peer.session.blob_submission_result(event.hash, result))

    def _refusal(self, peer: Peer, event: BlobSubmitted) -> ResultCode | None:
        refusal = self._book.refusal(peer, event.hash, event.length)
        if refusal is not None:
            return refusal
        if event.path == "":
            _LOG.error("a blob could not be kept: the disk is full")
            return ResultCode.TEMPORARY_ERROR
        true = event.digest if event.body is None else blob_hash.of(event.body)
        return None if true == event.hash else ResultCode.INVALID

    def _keep(self, event: BlobSubmitted, key: bytes, quota: int) -> ResultCode:
        """Puts a blob where it belongs, durably. Runs in the blobs' own thread."""
        try:
            if self._blobs.has(event.hash):
                self._book.brought(event.hash, event.length, key, again=True)
                # Unless it was cleared away just then.
                if self._blobs.has(event.hash):
                    _discard(event)
                    return ResultCode.DUPLICATE
            if not self._book.has_room(key, event.length, quota):
                _discard(event)
                return ResultCode.TOO_LARGE
            path, digest = self._as_file(event)
            self._blobs.adopt(path, digest, event.length, event.hash)
            self._book.brought(event.hash, event.length, key)
        except MosaicError as error:
            return for_error(error)
        except OSError as error:
            _LOG.error("a blob could not be kept: %s", error)
            return ResultCode.TEMPORARY_ERROR
        return ResultCode.ACCEPTED

    def _as_file(self, event: BlobSubmitted) -> tuple[Path, bytes]:
        """The file of a blob and its true hash; a short one is written to a file first."""
        if event.path is not None and event.digest is not None:
            return Path(event.path), event.digest
        body = event.body or b""
        with NamedTemporaryFile(dir=self._blobs.folder, prefix="incoming-", delete=False) as file:
            path = Path(file.name)
        try:
            path.write_bytes(body)
        except OSError:
            path.unlink(missing_ok=True)  # a full disk has no room for half a blob
            raise
        return path, blob_hash.of(body)

    # --- BLOB GET

    def asked(self, peer: Peer, wanted: bytes | BlobPartAsked) -> None:
        """Sends a blob (or a part of one) as the peer takes it, or says why not."""
        if not peer.blobs and not self._is_full(peer):
            self._send(peer, wanted)
        elif len(peer.blobs) < self._settings.current.blobs_waiting_per_link:
            peer.blobs.append(wanted)
            self._waiting[peer] = None
        else:
            _refuse(peer, wanted, ResultCode.TOO_FAST)

    def part(self, peer: Peer, event: BlobOffered | BlobPartCame | BlobPartAsked) -> None:
        """Takes what a peer says about a blob in parts."""
        match event:
            case BlobOffered():
                self._parts.offered(peer, event)
            case BlobPartCame():
                self._parts.came(peer, event)
            case BlobPartAsked():
                self.asked(peer, event)

    async def forget(self, key: bytes) -> int:
        """Removes what a key (32 bytes) has brought and nobody else needs; how many blobs."""
        await self._parts.forget(key)
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._book.forget, key)

    async def sweep(self) -> int:
        """Gives up blobs that have waited too long for their next part; how many."""
        return await self._parts.sweep()

    def drained(self, peer: Peer) -> None:
        """A peer has read enough for the next of the blobs that it waits for."""
        while peer.blobs and not self._is_full(peer):
            self._send(peer, peer.blobs.pop(0))
        if not peer.blobs:
            self._waiting.pop(peer, None)

    def gone(self, peer: Peer) -> None:
        """A link has ended."""
        peer.blobs.clear()
        self._waiting.pop(peer, None)

    def look_after(self) -> None:
        """Goes on with peers whose queue has emptied without anybody saying so."""
        for peer in list(self._waiting):
            self.drained(peer)

    def _is_full(self, peer: Peer) -> bool:
        return peer.network.pending(peer.link) > self._settings.current.queue_bytes // 2

    def _send(self, peer: Peer, wanted: bytes | BlobPartAsked) -> None:
        part = None if isinstance(wanted, bytes) else wanted
        name = wanted if isinstance(wanted, bytes) else wanted.hash
        try:
            length = self._blobs.size(name)
            if length is None:
                _refuse(peer, wanted, ResultCode.NOT_FOUND)
                return
            if part is None:
                head, offset, size = peer.session.blob_result_head(name, length), 0, length
            else:
                offset = part.offset
                size = max(0, min(part.most, BLOB_PART_LIMIT, length - offset))
                head = BlobPartResult.head(name, offset, length, size)
            peer.network.send_file(peer.link, head, str(self._blobs.path(name)), min(offset, length), size)
            self._metrics.blobs_sent += not offset
        except FileNotFoundError:
            _refuse(peer, wanted, ResultCode.NOT_FOUND)
        except (MosaicError, OSError) as error:
            _LOG.error("a blob could not be sent: %s", error)
            _refuse(peer, wanted, ResultCode.TEMPORARY_ERROR)


def _refuse(peer: Peer, wanted: bytes | BlobPartAsked, result: ResultCode) -> None:
    if isinstance(wanted, bytes):
        peer.send(peer.session.blob_result(wanted, result))
    else:
        peer.send(BlobPartResult(wanted.hash, result, wanted.offset, 0).encode())


def _discard(event: BlobSubmitted) -> None:
    """Removes the file of a blob that is not kept."""
    if event.path:
        Path(event.path).unlink(missing_ok=True)
