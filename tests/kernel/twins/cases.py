"""How many random cases compare a door with its twin."""

from __future__ import annotations

import os

CASES = int(os.environ.get("MOSAIC_TWIN_CASES", "100000"))


def share(part: float) -> int:
    """That part of a door's cases, 1 at least."""
    return max(1, round(CASES * part))
