"""Proof of work: what a stranger's record shows to have cost, where a server asks for it.

A Work tag claims a number of bits and is varied until the id has so many zero
bits behind its timestamp. It counts for three days around the record's
timestamp, so that nobody works ahead for years.

Source: edition §4 (proof of work).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from mosaic.policy.introductions import INTRODUCTIONS

WORK_TAG: Final = 0x4D02
"""The tag's type: 8 free bytes, the bits claimed (u8), 3 zero bytes."""
COUNTS_NS: Final = 72 * 3_600 * 1_000_000_000
_TAGS_START: Final = 152
_TAG_HEAD: Final = 4
_CLAIM: Final = 12
"""Where the claim stands in the tag; its three zero bytes lie behind it."""
_TAG: Final = 16
_WORK: Final = WORK_TAG.to_bytes(2, "little")


def work_bits(record: bytes) -> int:
    """The bits that a record claims and shows; 0 without a Work tag, or when its id shows fewer.

    Args:
        record: Bytes with the layout of a record, its hash perhaps not yet checked.
    """
    claimed = _claimed(record)
    if not claimed:
        return 0
    shown = int.from_bytes(record[8:48], "big")
    zeros = 320 - shown.bit_length()
    return claimed if zeros >= claimed else 0


def _claimed(record: bytes) -> int:
    at, end = _TAGS_START, _TAGS_START + int.from_bytes(record[144:146], "little")
    while at + _TAG_HEAD <= min(end, len(record)):
        length = int.from_bytes(record[at : at + 2], "little")
        if record[at + 2 : at + 4] == _WORK and length == _TAG:
            claim = record[at + _CLAIM : at + _TAG]
            return claim[0] if len(claim) == 4 and claim[1:] == bytes(3) else 0
        at += max(length, _TAG_HEAD)
    return 0


class WorkRule:
    """Whether a record shows the work that is asked.

    Args:
        known: Whether a key (32 bytes) is that of somebody whom the server serves, or a contact of one: of
            their records no work is asked, whoever brings them.
    """

    __slots__ = ("_known",)

    def __init__(self, known: Callable[[bytes], bool]) -> None:
        self._known = known

    def done(self, record: bytes, bits: int, now_ns: int) -> bool:
        """Whether a record shows so many bits, or needs none.

        Costs a few slices: it is asked before any hash or signature is checked. Key schedules and profiles
        need none: they were made once, long before, and say whose the records are in which the work is.
        """
        if record[56:64] in INTRODUCTIONS or self._known(record[64:96]):
            return True
        if abs(now_ns - int.from_bytes(record[:8], "big")) >= COUNTS_NS:
            return False
        return work_bits(record) >= bits
