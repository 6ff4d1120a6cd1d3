"""Who may read a record: its author, author and tagged, or everybody.

The last byte of the kind says it (bits 3 and 2). "Tagged" means Notify (0x1)
only. A label that the server noted beside the record narrows that: then only
those whom it notifies read it, or nobody. The same rule holds on every path;
the store applies it to what is read from it, `may_read` to what is handed on
live.

Source: kind.md, edition §3 (read access), §4 (encryption role).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from mosaic.policy.label import Label
from mosaic.policy.submission import notified

_READERS: Final = 0x0C
_EVERYBODY: Final = 0x0C
_AUTHOR: Final = 0x00
_AUTHOR_AND_TAGGED: Final = 0x04


def is_open(record: bytes, label: int = 0) -> bool:
    """Whether everybody may read a valid record that has this label."""
    return not label and record[63] & _READERS == _EVERYBODY


def may_read(record: bytes, viewers: Collection[bytes] | None, label: int = 0) -> bool:
    """Whether somebody may read a valid record.

    Args:
        record: The record.
        viewers: The keys (32 bytes each) that he has proven; None: the owner of the store, who reads all.
        label: The record's label, see `mosaic.policy.label`.
    """
    if viewers is None:
        return True
    if label:
        return _may_read_labelled(record, viewers, label)
    readers = record[63] & _READERS
    if readers == _EVERYBODY:
        return True
    if not viewers:
        return False
    if record[64:96] in viewers:
        return True
    return readers == _AUTHOR_AND_TAGGED and any(key in viewers for key in notified(record))


def _may_read_labelled(record: bytes, viewers: Collection[bytes], label: int) -> bool:
    if label & Label.HIDDEN or record[63] & _READERS == _AUTHOR:
        return False
    return any(key in viewers for key in notified(record))
