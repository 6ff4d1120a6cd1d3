"""What a policy hook is asked about: one record that comes in, and by which way.

Source: record.md (layout), edition §3.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from typing import Final

from mosaic.policy.standing import Standing

_TAGS_START: Final = 152
_NOTIFY: Final = b"\x01\x00"
_NOTIFY_LENGTH: Final = 40


class Way(IntEnum):
    """How a record reached the server."""

    LINK = 0
    """A peer submitted it over a link."""
    OWNER = 1
    """The node itself hands it in for one of its people."""
    MIRROR = 2
    """The node read it from another server, an outbox of its author's as a rule."""
    SYNC = 3
    """It was found missing here when the node compared itself with another server."""
    IMPORT = 4
    """It stands in a file that the operator imports."""


class Submission:
    """One record that was checked, with the keys that its bearer has proven.

    Fields are read from the record's bytes when asked for.

    Args:
        record: The record's bytes; layout, hash and signature are known to be right.
        viewers: The keys that the connection counts as (32 bytes each), none if anonymous.
        way: How it came.
        standing: How the server stands to who brings it.
        address: The group of addresses that it came from, empty if it came from within the node.
    """

    __slots__ = ("address", "record", "standing", "viewers", "way")

    def __init__(
        self,
        record: bytes,
        viewers: tuple[bytes, ...] = (),
        way: Way = Way.LINK,
        standing: Standing = Standing.ANONYMOUS,
        address: str = "",
    ) -> None:
        self.record = record
        self.viewers = viewers
        self.way = way
        self.standing = standing
        self.address = address

    @property
    def author(self) -> bytes:
        """The author's master key (32 bytes)."""
        return self.record[64:96]

    @property
    def signer(self) -> bytes:
        """The key that signed it (32 bytes)."""
        return self.record[96:128]

    @property
    def kind(self) -> bytes:
        """The kind (8 bytes)."""
        return self.record[56:64]

    @property
    def notified(self) -> Iterator[bytes]:
        """The keys (32 bytes) that its Notify tags name."""
        return notified(self.record)


def notified(record: bytes) -> Iterator[bytes]:
    """The keys (32 bytes) that a valid record's Notify tags (0x1) name, in their order.

    A Notify tag that is too short for a key names nobody.
    """
    at = _TAGS_START
    end = at + int.from_bytes(record[144:146], "little")
    while at < end:
        length = int.from_bytes(record[at : at + 2], "little")
        if length >= _NOTIFY_LENGTH and record[at + 2 : at + 4] == _NOTIFY:
            yield record[at + 8 : at + 40]
        at += max(length, 4)


__all__ = ["Submission", "Way", "notified"]
