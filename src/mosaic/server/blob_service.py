"""Blobs: taken from the people who live here, given to whoever names their hash.

A long blob came in through a file and goes out from one; it is never whole in
memory.

Source: messages.md (BLOB SUBMISSION, BLOB GET), edition §1.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Final, Protocol

from mosaic.core import blob_hash
from mosaic.errors import MosaicError
from mosaic.policy.blob_upload import BlobHook, BlobUpload
from mosaic.policy.verdict import Refuse, decide
from mosaic.protocol.events import BlobSubmitted
from mosaic.server.live import Live
from mosaic.server.metrics import Metrics
from mosaic.server.peer import Peer
from mosaic.server.settings import ServerSettings
from mosaic.server.uploads import Upload, Uploads
from mosaic.wire.result_code import ResultCode, for_error

_LOG: Final = logging.getLogger(__name__)


class Blobs(Protocol):
    """What the service needs of the place where blobs are kept."""

    @property
    def folder(self) -> Path:
        """A folder on the same disk, for what is on its way and for who brought what."""

    def has(self, blob_hash: bytes) -> bool:
        """Whether a blob is kept."""

    def size(self, blob_hash: bytes) -> int | None:
        """A blob's length in bytes, or None if it is not kept."""

    def path(self, blob_hash: bytes) -> Path:
        """The file of a blob."""

    def adopt(self, path: Path, digest: bytes, length: int, expected: bytes) -> None:
        """Takes over a file of `length` bytes as a blob; durable when it returns.

        Raises:
            BlobMismatch: `digest`, the file's true hash, is not `expected`.
            OSError: the disk failed or is full.
        """


class BlobService:
    """Answers BLOB SUBMISSION and BLOB GET.

    Args:
        blobs: Where they are kept.
        uploads: Who brought them.
        hooks: The policy; the first refusal wins.
        settings: The server's.
        metrics: Counted in.
        now_ns: The clock.
    """

    def __init__(
        self,
        blobs: Blobs,
        uploads: Uploads,
        hooks: Sequence[BlobHook],
        settings: Live[ServerSettings],
        metrics: Metrics,
        now_ns: Callable[[], int],
    ) -> None:
        self._blobs = blobs
        self._uploads = uploads
        self._hooks = tuple(hooks)
        self._settings = settings
        self._metrics = metrics
        self._now_ns = now_ns
        self._pool = ThreadPoolExecutor(1, "mosaic-blob")
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting: dict[Peer, None] = {}

    def ask(self, hooks: Sequence[BlobHook]) -> None:
        """Another policy holds from the next blob on."""
        self._hooks = tuple(hooks)

    async def settled(self) -> None:
        """Waits until every blob that has arrived is kept or refused."""
        while self._tasks:
            await asyncio.wait(self._tasks)

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
            uploader = next(iter(peer.viewers[1:] or peer.viewers), bytes(32))
            upload = Upload(event.hash, uploader, self._now_ns(), event.length)
            result = await asyncio.get_running_loop().run_in_executor(self._pool, self._keep, event, upload)
        else:
            _discard(event)
        if result is ResultCode.ACCEPTED:
            self._metrics.blobs_stored += 1
        else:
            self._metrics.blobs_refused += 1
        if not peer.gone:
            peer.send(peer.session.blob_submission_result(event.hash, result))

    def _refusal(self, peer: Peer, event: BlobSubmitted) -> ResultCode | None:
        if event.length > self._settings.current.blob_limit:
            return ResultCode.TOO_LARGE
        verdict = decide(self._hooks, BlobUpload(event.hash, event.length, peer.viewers))
        if isinstance(verdict, Refuse):
            return verdict.result
        true = event.digest if event.body is None else blob_hash.of(event.body)
        if true != event.hash:
            return ResultCode.INVALID
        return None

    def _keep(self, event: BlobSubmitted, upload: Upload) -> ResultCode:
        """Puts a blob where it belongs, durably. Runs in the blobs' own thread."""
        try:
            if self._blobs.has(event.hash):
                _discard(event)
                return ResultCode.DUPLICATE
            path, digest = self._as_file(event)
            self._blobs.adopt(path, digest, event.length, event.hash)
            self._uploads.remember(upload)
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
            file.write(body)
        return Path(file.name), blob_hash.of(body)

    # --- BLOB GET

    def asked(self, peer: Peer, wanted: bytes) -> None:
        """Sends a blob as the peer takes it, or says why not."""
        if not peer.blobs and not self._is_full(peer):
            self._send(peer, wanted)
        elif len(peer.blobs) < self._settings.current.blobs_waiting_per_link:
            peer.blobs.append(wanted)
            self._waiting[peer] = None
        else:
            peer.send(peer.session.blob_result(wanted, ResultCode.TOO_FAST))

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

    def _send(self, peer: Peer, wanted: bytes) -> None:
        try:
            length = self._blobs.size(wanted)
            if length is None:
                peer.send(peer.session.blob_result(wanted, ResultCode.NOT_FOUND))
                return
            head = peer.session.blob_result_head(wanted, length)
            peer.network.send_file(peer.link, head, str(self._blobs.path(wanted)), 0, length)
            self._metrics.blobs_sent += 1
        except FileNotFoundError:
            peer.send(peer.session.blob_result(wanted, ResultCode.NOT_FOUND))
        except (MosaicError, OSError) as error:
            _LOG.error("a blob could not be sent: %s", error)
            peer.send(peer.session.blob_result(wanted, ResultCode.TEMPORARY_ERROR))


def _discard(event: BlobSubmitted) -> None:
    """Removes the file of a blob that is not kept."""
    if event.path is not None:
        Path(event.path).unlink(missing_ok=True)
