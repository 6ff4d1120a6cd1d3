"""Whether a blob may come, and who brought which: what whole blobs and parts of blobs have in common.

Source: messages.md "BLOB Submission"; quotas: this project's own design, docs/architecture.md "One home".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from mosaic.policy.blob_upload import BlobHook, BlobUpload
from mosaic.policy.verdict import Refuse, decide
from mosaic.server.live import Live
from mosaic.server.peer import Peer
from mosaic.server.settings import ServerSettings
from mosaic.server.uploads import Upload, Uploads
from mosaic.store.blob_ledger import BlobLedger
from mosaic.wire.result_code import ResultCode


class BlobBook:
    """The rules for blobs, and the memory of who brought them.

    Args:
        uploads: The file of those who brought any.
        ledger: Counts what each person has; None counts nothing.
        hooks: The policy; the first refusal wins.
        settings: The server's.
        now_ns: The clock.
    """

    def __init__(
        self,
        uploads: Uploads,
        ledger: BlobLedger | None,
        hooks: Sequence[BlobHook],
        settings: Live[ServerSettings],
        now_ns: Callable[[], int],
    ) -> None:
        self._uploads = uploads
        self._ledger = ledger
        self._hooks = tuple(hooks)
        self._settings = settings
        self._now_ns = now_ns
        self.quota_of: Callable[[bytes], int | None] = lambda _: None
        """What one person (a key of 32 bytes) may have, in bytes; None: what the settings say for all."""

    def ask(self, hooks: Sequence[BlobHook]) -> None:
        """Other rules hold from now on."""
        self._hooks = tuple(hooks)

    def refusal(self, peer: Peer, blob_hash: bytes, length: int) -> ResultCode | None:
        """Why a blob of `length` bytes is not taken from a peer; None if it is."""
        if length > min(self._settings.current.blob_limit, peer.limits.blob_bytes):
            return ResultCode.TOO_LARGE
        verdict = decide(self._hooks, BlobUpload(blob_hash, length, peer.viewers))
        return verdict.result if isinstance(verdict, Refuse) else None

    def quota(self, key: bytes) -> int:
        """How many bytes of blobs somebody may have; 0 = any number. In the thread of the event loop."""
        own = self.quota_of(key)
        return self._settings.current.blob_quota if own is None else own

    def has_room(self, key: bytes, length: int, quota: int) -> bool:
        """Whether a blob of `length` bytes fits into somebody's quota (bytes, 0 = any number). Blocks."""
        return not quota or self._ledger is None or self._ledger.used_by(key).bytes + length <= quota

    def forget(self, key: bytes) -> int:
        """Removes what a key has brought and nobody else needs; how many blobs. Blocks; raises OSError."""
        self._uploads.forget(key)
        return 0 if self._ledger is None else len(self._ledger.forget(key))

    def brought(self, blob_hash: bytes, length: int, key: bytes, *, again: bool = False) -> None:
        """Notes durably that a key has brought a blob of `length` bytes that is kept. Blocks.

        `again`: the blob was there before, perhaps from the same key.

        Raises:
            OSError: the disk failed.
        """
        now_ns = self._now_ns()
        new = not again if self._ledger is None else self._ledger.brought(blob_hash, length, key, now_ns)
        if not new:
            return
        self._uploads.remember(Upload(blob_hash, key, now_ns, length))


def uploader(peer: Peer) -> bytes:
    """For whom a peer brings blobs: the master key that it counts as, else its own (32 bytes, or zeros)."""
    return next(iter(peer.viewers[1:] or peer.viewers), bytes(32))


def uploads_of(folder: Path) -> Uploads:
    """The file of those who brought blobs, in the blobs' folder."""
    return Uploads(folder / "uploads")
