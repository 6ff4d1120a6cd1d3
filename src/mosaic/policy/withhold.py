"""What an inbox holds back until somebody approves it.

What is held back is seen by those whom it notifies, and by nobody else, not
even by its author: he would learn that it is held.

Source: network.md "Inbox" (they MAY withhold serving messages prior to moderation).
"""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Final, TypeAlias

from mosaic.policy.introductions import AFTERWARDS, INTRODUCTIONS
from mosaic.policy.label import Label
from mosaic.policy.standing import Standing
from mosaic.policy.submission import Submission, Way
from mosaic.policy.verdict import ACCEPT, Accept, Hook, Verdict

Withhold: TypeAlias = Callable[[Submission], bool]
"""Whether a record that an inbox takes is held back."""

_HELD_BACK: Final = Accept(Label.WITHHELD)
_CHOSEN: Final = frozenset({Way.OWNER, Way.MIRROR})
"""What the people here read from outboxes they chose, and their own acts."""


def never(submission: Submission) -> bool:
    """Holds nothing back."""
    del submission
    return False


def always(submission: Submission) -> bool:
    """Holds back whatever was not chosen by the people here."""
    return submission.way not in _CHOSEN


def strangers(contacts: Container[bytes]) -> Withhold:
    """Holds back what strangers bring, unless its author is a contact of somebody here.

    Args:
        contacts: The keys (32 bytes each) that people here follow or have among their contacts.
    """

    def withhold(submission: Submission) -> bool:
        if submission.way in _CHOSEN or submission.author in contacts:
            return False
        return submission.way is not Way.LINK or submission.standing <= Standing.STRANGER

    return withhold


def held_back(withhold: Withhold) -> Hook:
    """Accepts everything, with the label WITHHELD on what is held back.

    Key schedules and profiles are not: without them nobody could judge what they belong to. Nor are
    Deletions and Vouches that notify nobody: they are taken from those alone who have a record here,
    and what somebody takes back is to go elsewhere, too.
    """

    def hook(submission: Submission) -> Verdict:
        return ACCEPT if _is_about_its_author(submission) or not withhold(submission) else _HELD_BACK

    return hook


def _is_about_its_author(submission: Submission) -> bool:
    """Whether a record says something about its author or his other records, and is a message to nobody."""
    if submission.kind in INTRODUCTIONS:
        return True
    return submission.kind in AFTERWARDS and not any(submission.notified)
