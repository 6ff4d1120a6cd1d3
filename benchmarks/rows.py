"""What a benchmark tells: one row for each figure."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import TypeAlias

Row: TypeAlias = dict[str, str | float]


def row(name: str, unit: str, values: Sequence[float], limit: float) -> Row:
    """A row of all rounds' values beside the limit that was found in the same run.

    `ratio` is median / limit.
    """
    median = statistics.median(values)
    return {
        "name": name,
        "unit": unit,
        "min": round(min(values), 3),
        "median": round(median, 3),
        "max": round(max(values), 3),
        "limit": round(limit, 3),
        "ratio": round(median / limit, 3),
    }
