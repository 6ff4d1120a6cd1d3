"""What tells people here whose a stranger's record is: his key schedule and his profile.

They notify nobody, so they would be a way to fill the disk. They are taken
from those who are known here, because a record of theirs is stored or was
taken lately, and from others at a slow pace for each address: a reply's sender
hands his key schedule in before the reply.

Source: keyschedule.md, profile.md; edition §3 (who may sign).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from mosaic.core.community_kinds import DELETION, VOUCH
from mosaic.core.kinds import KEY_SCHEDULE, PROFILE
from mosaic.policy.rate import RateLimit
from mosaic.policy.submission import Submission

INTRODUCTIONS: Final = frozenset({KEY_SCHEDULE.bytes, PROFILE.bytes})
AFTERWARDS: Final = frozenset({DELETION.bytes, VOUCH.bytes})
"""What somebody says later about his own records: only who is known here has any."""

_HOUR_NS: Final = 3_600_000_000_000
_REMEMBERED: Final = 65_536


class Introductions:
    """Whose key schedules, profiles, Deletions and Vouches are taken though they notify nobody.

    Args:
        stored: Whether a record of an author (32 bytes) is in the store.
        now_ns: The clock.
        an_hour: How many of strangers of whom nothing is known are taken from one address in an hour.
    """

    __slots__ = ("_now_ns", "_pace", "_seen", "_stored")

    def __init__(
        self, stored: Callable[[bytes], bool], now_ns: Callable[[], int], *, an_hour: int = 120
    ) -> None:
        self._stored = stored
        self._now_ns = now_ns
        self._pace = RateLimit(an_hour / 3_600, max(1, an_hour // 2))
        self._seen: OrderedDict[bytes, int] = OrderedDict()

    def note(self, author: bytes) -> None:
        """A record of this author (32 bytes) is about to be taken."""
        self._seen[author] = self._now_ns()
        self._seen.move_to_end(author)
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)

    def takes(self, submission: Submission) -> bool:
        """Whether a record is taken for what it says about its author or about his other records."""
        kind = submission.kind
        if kind in INTRODUCTIONS:
            return self._knows(submission.author) or self._in_pace(submission)
        return kind in AFTERWARDS and self._knows(submission.author)

    def _knows(self, author: bytes) -> bool:
        seen_ns = self._seen.get(author)
        if seen_ns is not None and self._now_ns() - seen_ns <= _HOUR_NS:
            return True
        return self._stored(author)

    def _in_pace(self, submission: Submission) -> bool:
        return self._pace.take(submission.address, 1, self._now_ns()) > 0
