"""Blobs as a client asks for them: BLOB SUBMISSION and BLOB GET, and whether what comes back answers them.

Several requests may name the same blob; each answer counts for one of them. A
blob is its hash: bytes that have another one are a violation.

Source: messages.md (BLOB SUBMISSION, BLOB GET, BLOB RESULT), edition §1.
"""

from __future__ import annotations

from mosaic.core import blob_hash as blob_hashes
from mosaic.errors import InvalidMessage
from mosaic.protocol.awaited import Awaited
from mosaic.protocol.blob_events import BlobHeld, BlobPartArrived
from mosaic.protocol.events import BlobAnswered, BlobArrived, Violation
from mosaic.wire.blob_messages import BlobOffer, BlobOfferResult, BlobPart, BlobPartGet, BlobPartResult
from mosaic.wire.client_messages import BlobGet, BlobSubmission
from mosaic.wire.header import MessageType, parse_header
from mosaic.wire.limits import BLOB_HEAD
from mosaic.wire.result_code import ResultCode, defined
from mosaic.wire.server_messages import BlobResult

_OTHER_HASH = "a blob does not have the hash that was asked for"


class BlobRequests:
    """The blobs that a client has sent or asked for and that are not answered yet."""

    __slots__ = ("_asked", "_offered", "_parts", "_sent")

    def __init__(self) -> None:
        self._sent = Awaited()
        self._asked = Awaited()
        self._offered = Awaited()
        self._parts = Awaited()

    def __len__(self) -> int:
        """For how many different blobs an answer is to come, those sent and those asked for."""
        return len(self._sent) + len(self._asked) + len(self._offered) + len(self._parts)

    def put_head(self, blob_hash: bytes, length: int) -> bytes:
        """The first 40 bytes of a BLOB SUBMISSION; the blob's `length` bytes must follow."""
        head = BlobSubmission.head(blob_hash, length)
        self._sent.add(blob_hash)
        return head

    def get(self, blob_hash: bytes) -> bytes:
        """A BLOB GET."""
        frame = BlobGet(blob_hash).encode()
        self._asked.add(blob_hash)
        return frame

    def offer(self, blob_hash: bytes, length: int) -> bytes:
        """A BLOB OFFER of a blob of `length` bytes."""
        frame = BlobOffer(blob_hash, length).encode()
        self._offered.add(blob_hash)
        return frame

    def part(self, blob_hash: bytes, offset: int, data: bytes) -> bytes:
        """A BLOB PART with the bytes at `offset` of a blob that was offered."""
        frame = BlobPart(blob_hash, offset, data).encode()
        self._offered.add(blob_hash)
        return frame

    def part_get(self, blob_hash: bytes, offset: int, most: int) -> bytes:
        """A BLOB PART GET for at most `most` bytes from `offset` on."""
        frame = BlobPartGet(blob_hash, offset, most).encode()
        self._parts.add(_place(blob_hash, offset))
        return frame

    def held(self, message: BlobOfferResult) -> BlobHeld | None:
        """What a BLOB OFFER RESULT means; None if nothing was offered."""
        if not self._offered.take(message.hash):
            return None
        return BlobHeld(message.hash, message.result, message.held)

    def part_arrived(self, message: BlobPartResult) -> BlobPartArrived | None:
        """What a BLOB PART RESULT means; None if it was not asked for."""
        if not self._parts.take(_place(message.hash, message.offset)):
            return None
        return BlobPartArrived(message.hash, message.result, message.offset, message.length, message.data)

    def unrecognized(self) -> None:
        """The server does not know parts: what was offered or asked for in parts is not answered."""
        self._offered.clear()
        self._parts.clear()

    def answered(self, blob_hash: bytes, result: ResultCode) -> BlobAnswered | None:
        """What a BLOB SUBMISSION RESULT means; None if nothing was sent for it."""
        return BlobAnswered(blob_hash, result) if self._sent.take(blob_hash) else None

    def arrived(self, message: BlobResult) -> BlobArrived | Violation | None:
        """What a BLOB RESULT in memory means; None if it was not asked for."""
        if not self._asked.take(message.hash):
            return None
        if not message.result.is_success:
            return BlobArrived(message.hash, message.result)
        if blob_hashes.of(message.blob) != message.hash:
            return Violation(_OTHER_HASH)
        return BlobArrived(message.hash, message.result, len(message.blob), body=message.blob)

    def spooled(self, prefix: bytes, path: str, digest: bytes, length: int) -> BlobArrived | Violation | None:
        """What a BLOB RESULT whose body went to a file means; None if it was not asked for.

        Args:
            prefix: The first 40 bytes of the frame.
            path: The file.
            digest: The BLAKE3-256 hash of the file.
            length: The length of the file in bytes.
        """
        header = parse_header(prefix)
        if header.type != MessageType.BLOB_RESULT or len(prefix) != BLOB_HEAD:
            return Violation(f"a message of type 0x{header.type:02x} in a file")
        try:
            result = defined(header.result)
        except InvalidMessage as error:
            return Violation(str(error))
        if not result.is_success:
            return Violation(f"BLOB RESULT {result.name} carries a blob")
        wanted = prefix[8:BLOB_HEAD]
        if not self._asked.take(wanted):
            return None
        if digest != wanted:
            return Violation(_OTHER_HASH)
        return BlobArrived(wanted, result, length, path=path)

    def clear(self) -> None:
        """Forgets all: the session is over."""
        self._sent.clear()
        self._asked.clear()
        self._offered.clear()
        self._parts.clear()


def _place(blob_hash: bytes, offset: int) -> bytes:
    """The name of a part among those that are awaited."""
    return blob_hash + offset.to_bytes(8, "big")
