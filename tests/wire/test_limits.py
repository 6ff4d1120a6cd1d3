from __future__ import annotations

import pytest

from mosaic.errors import UsageError
from mosaic.wire.header import MessageType
from mosaic.wire.limits import BLOB_LIMIT_MAXIMUM, SPOOL_PREFIX, frame_limits


@pytest.mark.claim("C89")
def test_every_type_has_a_fixed_maximum() -> None:
    limits = frame_limits(blob=1000)
    special = {0x05: 1_048_584, 0x80: 1_048_584, 0x02: 65_552, 0x03: 65_552, 0x07: 1040, 0x86: 1040}
    special |= {0x2A: 1_048_624, 0xAB: 1_048_632}
    assert limits == [special.get(kind, 65_536) for kind in range(256)]


def test_only_blobs_go_to_files() -> None:
    blobs = (MessageType.BLOB_SUBMISSION, MessageType.BLOB_RESULT)
    assert [40 if kind in blobs else 0 for kind in range(256)] == SPOOL_PREFIX


def test_an_operator_may_choose_smaller_records_but_not_larger_ones() -> None:
    assert frame_limits(record=216)[0x05] == 224
    assert frame_limits(blob=BLOB_LIMIT_MAXIMUM)[0x07] == 2**32 - 1
    for record, blob in ((215, 0), (1_048_577, 0), (216, -1), (216, BLOB_LIMIT_MAXIMUM + 1)):
        with pytest.raises(UsageError):
            frame_limits(record=record, blob=blob)
