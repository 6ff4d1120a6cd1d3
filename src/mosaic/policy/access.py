"""Who may read a record: its author, author and tagged, or everybody.

The last byte of the kind says it (bits 3 and 2). "Tagged" means Notify (0x1)
only. The same rule holds on every path; the store applies it to what is read
from it, `may_read` to what is handed on live.

Source: kind.md, edition §3 (read access).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from mosaic.policy.submission import notified

_READERS: Final = 0x0C
_EVERYBODY: Final = 0x0C
_AUTHOR_AND_TAGGED: Final = 0x04


def is_open(record: bytes) -> bool:
    """Whether everybody may read a valid record."""
    return record[63] & _READERS == _EVERYBODY


def may_read(record: bytes, viewers: Collection[bytes]) -> bool:
    """Whether somebody who has proven these keys (32 bytes each) may read a valid record."""
    readers = record[63] & _READERS
    if readers == _EVERYBODY:
        return True
    if not viewers:
        return False
    if record[64:96] in viewers:
        return True
    return readers == _AUTHOR_AND_TAGGED and any(key in viewers for key in notified(record))
