"""Runs of SUBMISSIONs: the messages that come most, read without decoding one at a time.

    [0] 0x05; [4:8] total length; [8:] the record, 216 bytes at least, first bit 0

Source: messages.md "Submission", edition §1.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct
from typing import Final

from mosaic.wire.header import HEADER_LENGTH, MessageType
from mosaic.wire.limits import RECORD_MINIMUM

SUBMISSION: Final = int(MessageType.SUBMISSION)
"""The first byte of each."""
_SHORTEST: Final = HEADER_LENGTH + RECORD_MINIMUM
_length_of = Struct("<I").unpack_from


def records_of_run(frames: Sequence[bytes], start: int = 0) -> list[bytes]:
    """The records of the run of submissions with which `frames[start:]` begins, not yet checked.

    Stops at the first frame that is something else or not well-formed. The
    number of records is the number of frames taken.
    """
    records: list[bytes] = []
    for at in range(start, len(frames)):
        frame = frames[at]
        if (
            len(frame) < _SHORTEST
            or frame[0] != SUBMISSION
            or frame[8] >= 0x80
            or _length_of(frame, 4)[0] != len(frame)
        ):
            break
        records.append(frame[8:])
    return records
