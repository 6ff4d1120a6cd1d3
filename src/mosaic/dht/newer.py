"""Which answer counts.

Source: edition §4 (the greatest sequence number ever seen; lower ones, and an equal one with
another text, are ignored), §3 (the lenient reader).
"""

from __future__ import annotations

from mosaic.core.bootstrap import ServerBootstrap, UserBootstrap
from mosaic.core.dht_item import SERVER_SALT, DhtItem
from mosaic.dht.sequence_store import Known
from mosaic.errors import InvalidBootstrap


def is_newer(item: DhtItem, known: Known | None) -> bool:
    """Whether an answer takes the place of what is known: only with a greater sequence number."""
    return item.seq >= 0 and (known is None or item.seq > known.item.seq)


def read_item(item: DhtItem) -> UserBootstrap | ServerBootstrap:
    """The bootstrap in an item, as its salt says: a server's under `msb24`, a user's under `mub25`.

    Raises:
        InvalidBootstrap: not UTF-8, over 983 bytes, or another kind of bootstrap than the salt's.
    """
    if item.salt == SERVER_SALT:
        return ServerBootstrap.read(item.value)
    return UserBootstrap.read(item.value)


def is_readable(item: DhtItem) -> bool:
    """Whether there is a bootstrap in an item."""
    try:
        read_item(item)
    except InvalidBootstrap:
        return False
    return True
