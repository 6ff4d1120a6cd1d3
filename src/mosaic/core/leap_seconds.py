"""The leap seconds known when this was released, as data.

Source: timestamps.md; the IANA list that it names, leap-seconds.list, last updated 2025-07-07.
"""

from __future__ import annotations

from typing import Final

# (unix time from which it holds, leap seconds elapsed since 1970 = TAI offset minus 9)
ENTRIES: Final = (
    (63_072_000, 1),
    (78_796_800, 2),
    (94_694_400, 3),
    (126_230_400, 4),
    (157_766_400, 5),
    (189_302_400, 6),
    (220_924_800, 7),
    (252_460_800, 8),
    (283_996_800, 9),
    (315_532_800, 10),
    (362_793_600, 11),
    (394_329_600, 12),
    (425_865_600, 13),
    (489_024_000, 14),
    (567_993_600, 15),
    (631_152_000, 16),
    (662_688_000, 17),
    (709_948_800, 18),
    (741_484_800, 19),
    (773_020_800, 20),
    (820_454_400, 21),
    (867_715_200, 22),
    (915_148_800, 23),
    (1_136_073_600, 24),
    (1_230_768_000, 25),
    (1_341_100_800, 26),
    (1_435_708_800, 27),
    (1_483_228_800, 28),
)

# Unix time until which the list vouches that nothing is missing (2026-06-28).
EXPIRES: Final = 1_782_604_800
