"""A small mosaic for each key, so that two people of one name can be told apart at a glance.

Source: this project's own design, docs/architecture.md "A person acts".
"""

from __future__ import annotations

import functools
import hashlib
from typing import Final

from markupsafe import Markup

# Pairs that stay apart from each other and from paper, by day and by night.
_COLOURS: Final = (
    ("#0b7a6c", "#e0a93f"),
    ("#c8553d", "#3f7cac"),
    ("#6a4c93", "#5cb8a8"),
    ("#2f6690", "#e07a5f"),
    ("#8a5a18", "#4f9d69"),
    ("#a23b72", "#e3a857"),
    ("#3d6b35", "#cf6a87"),
    ("#4059ad", "#d99b2b"),
)
_SIDE: Final = 5
_FRAME: Final = '<svg class="tiles" viewBox="-.3 -.3 5.5 5.5" aria-hidden="true" focusable="false">{}</svg>'


@functools.lru_cache(maxsize=1024)
def tiles(key: str) -> Markup:
    """An image of `key` as SVG, the same for the same key. It says nothing that the name does not."""
    drawn = hashlib.blake2b(key.encode(), digest_size=16).digest()
    first, second = _COLOURS[drawn[15] % len(_COLOURS)]
    cells = []
    for number in range(_SIDE * 3):
        row, column = divmod(number, 3)
        shade = drawn[number] % 5
        if shade == 0:
            continue
        fill = first if shade < 4 else second
        cells += [
            f'<rect x="{x}" y="{row}" width=".9" height=".9" fill="{fill}"/>'
            for x in {column, _SIDE - 1 - column}
        ]
    # Nothing of the key itself is in it: only numbers and colours from above.
    return Markup(_FRAME.format("".join(sorted(cells))))  # noqa: S704
