"""What a writer does after having read: keep what stands there, write anew, or give way.

Two devices of one person may both publish. Each reads first and writes max + 1;
who finds another text in the place of his own writes over it once more and
then gives way, so that two nodes never overwrite each other for ever.

Source: bootstrap.md (Sequence Numbers), edition §4 (a writer reads first and writes max + 1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mosaic.core.dht_item import DhtItem, next_write
from mosaic.dht.newer import is_readable
from mosaic.dht.sequence_store import Wish


@dataclass(frozen=True, slots=True)
class Keep:
    """The wanted text stands there, or stood there last: this item is written again, so that it stays.

    Args:
        item: The signed item.
        cas: What stands there, 0 = nothing.
    """

    item: DhtItem
    cas: int


@dataclass(frozen=True, slots=True)
class Write:
    """A new item is signed and written.

    Args:
        seq: Its sequence number.
        cas: What stands there, 0 = nothing.
        over: Whether another text stood there.
    """

    seq: int
    cas: int
    over: bool


@dataclass(frozen=True, slots=True)
class GiveWay:
    """Another device published another text later; it is kept.

    Args:
        item: That device's item.
        cas: What stands there, 0 = nothing.
    """

    item: DhtItem
    cas: int


def plan(
    value: bytes,
    heard: Sequence[DhtItem],
    known: DhtItem | None,
    wish: Wish | None,
    *,
    may_overwrite: bool,
) -> Keep | Write | GiveWay:
    """What to do for `value` to stand in the DHT.

    Args:
        value: The wanted text.
        heard: What the DHT answered, verified.
        known: The newest item ever seen of this key and salt, own ones included.
        wish: What was last published from here.
        may_overwrite: Whether another device's text may be written over once more.

    Raises:
        InvalidBootstrap: no sequence number comes after the one that stands there.
    """
    standing = max((item.seq for item in heard), default=0)
    candidates = [*heard, *([known] if known is not None else [])]
    top = max((item.seq for item in candidates), default=0)
    newest = [item for item in candidates if item.seq == top]
    own = next((item for item in newest if item.value == value), None)
    others = [item for item in newest if item.value != value]
    if own is not None and not others:
        return Keep(own, standing)
    if not others:
        return Write(next_write(top).seq, standing, over=False)
    other = max(others, key=lambda item: item.value)
    if own in heard:
        # Two devices wrote the same number at once; in the end the greater text stays, as both can tell.
        wins = may_overwrite or value > other.value
    else:
        # What was published from here before and then replaced by another device is no new wish.
        wins = may_overwrite and (wish is None or wish.value != value)
    if wins or not is_readable(other):
        return Write(next_write(top).seq, standing, over=True)
    return GiveWay(other, standing)
