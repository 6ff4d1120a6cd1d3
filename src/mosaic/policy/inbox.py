"""The inbox role: strangers leave here what they write to somebody who is served.

Source: network.md "Inbox".
"""

from __future__ import annotations

from typing import Final

from mosaic.policy.addressed import NOBODY, is_addressed
from mosaic.policy.introductions import AFTERWARDS, INTRODUCTIONS, Introductions
from mosaic.policy.label import Label
from mosaic.policy.served import Served
from mosaic.policy.submission import Submission
from mosaic.policy.verdict import ACCEPT, Accept, Hook, Verdict

_TO_RECIPIENTS: Final = Accept(Label.ONLY_TAGGED)
_NOT_NARROWED: Final = INTRODUCTIONS | AFTERWARDS


def reaches_somebody_served(served: Served, introductions: Introductions) -> Hook:
    """Accepts what notifies somebody who is served, and what tells whose that is.

    Args:
        served: Whom the server serves.
        introductions: Whose key schedules, profiles, Deletions and Vouches are taken.
    """

    def hook(submission: Submission) -> Verdict:
        if is_addressed(submission, served):
            introductions.note(submission.author)
            return ACCEPT
        return ACCEPT if introductions.takes(submission) else NOBODY

    return hook


def for_recipients_alone(submission: Submission) -> Verdict:
    """Accepts with the label ONLY_TAGGED: what came to the inbox is read by those whom it notifies.

    What tells whose a record is stays open.
    """
    return ACCEPT if submission.kind in _NOT_NARROWED else _TO_RECIPIENTS
