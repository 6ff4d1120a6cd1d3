"""Whether anything of an author is stored here already.

Source: this project's own design, docs/architecture.md "What a server takes".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from mosaic.core.filter import Filter
from mosaic.core.keys import PublicKey
from mosaic.store.store import Store

_SLICE_NS: Final = 5_000_000


def has_stored(store: Store) -> Callable[[bytes], bool]:
    """Tells of a master key (32 bytes) whether a record by it is served here.

    The function raises StoreError when the store fails.
    """

    def stored(author: bytes) -> bool:
        scan = store.scan(Filter.of(authors=[PublicKey(author)]).compiled, limit=1)
        found, _ = scan.records(1, _SLICE_NS)
        return bool(found)

    return stored
