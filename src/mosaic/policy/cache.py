"""What of a home's records is only a cache, and what of it goes first when room is short.

    own        who lives here wrote it
    kept       somebody here chose it, or the settings mirror it
    addressed  it notifies somebody who is served: replies, mentions, private messages
    served     somebody wrote it whom the server serves
    needed     others are not understood without it: key schedules, profiles, Deletions, Vouches
    followed   of people who are followed: goes when nothing of others is left, the oldest first
    others     of everybody else: goes first, the oldest first

Only the last two are a cache: the authors' servers have it, and it may be read
from there again. Nothing is refused because it was there once.

Source: this project's own design, docs/architecture.md "What stays, what goes".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from mosaic.policy.retention import lasts
from mosaic.policy.submission import notified

HORIZON: Final = "cache"
"""The name under which it is kept up to when records went, beside those of rules of retention."""


class Share(Enum):
    """What a record is to a home."""

    OWN = "own"
    KEPT = "kept"
    ADDRESSED = "addressed"
    SERVED = "served"
    NEEDED = "needed"
    FOLLOWED = "followed"
    OTHERS = "others"


CACHE: Final = (Share.OTHERS, Share.FOLLOWED)
"""What may go, in this order."""


@dataclass(slots=True)
class Sharing:
    """Tells what records are to a home. Made anew for each walk: it remembers authors.

    Args:
        lives_here: Whether an author (32 bytes) lives here.
        serves: Whether the server serves a key (32 bytes).
        follows: Whether somebody here follows an author (32 bytes).
        keeps: Whether a record was chosen to be kept.
    """

    lives_here: Callable[[bytes], bool]
    serves: Callable[[bytes], bool]
    follows: Callable[[bytes], bool]
    keeps: Callable[[bytes], bool]
    _authors: dict[bytes, Share] = field(default_factory=dict)

    def share(self, record: bytes) -> Share:
        """What a valid record is to the home."""
        author = record[64:96]
        share = self._authors.get(author)
        if share is None:
            share = self._authors[author] = self._of_author(author)
        if share not in CACHE:
            return share
        if self.keeps(record):
            return Share.KEPT
        if any(self.serves(key) for key in notified(record)):
            return Share.ADDRESSED
        return Share.NEEDED if lasts(record[56:64]) else share

    def _of_author(self, author: bytes) -> Share:
        if self.lives_here(author):
            return Share.OWN
        if self.serves(author):
            return Share.SERVED
        return Share.FOLLOWED if self.follows(author) else Share.OTHERS


def most_bytes(cache_bytes: int, quota_bytes: int, short_bytes: int) -> int | None:
    """What the cache may take from now on (bytes), or None if it may stay as it is.

    Where something has to go a tenth more goes, so that the next record does not begin it again.

    Args:
        cache_bytes: What it takes.
        quota_bytes: What it may take; 0 = no bound.
        short_bytes: How much the disk lacks of what is to be free; negative where nothing is lacking.
    """
    bounds = [quota_bytes] if quota_bytes else []
    if short_bytes > 0:
        bounds.append(max(0, cache_bytes - short_bytes))
    most = min(bounds, default=cache_bytes)
    return None if cache_bytes <= most else most * 9 // 10


def stays(sizes: Mapping[Share, int], most: int) -> dict[Share, int]:
    """How many bytes stay of each share of the cache.

    Args:
        sizes: What each takes (bytes).
        most: What they may take together (bytes).
    """
    left, kept = most, {}
    for share in reversed(CACHE):
        kept[share] = min(sizes.get(share, 0), left)
        left -= kept[share]
    return kept
