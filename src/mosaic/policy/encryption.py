"""The encryption role: private messages lie here until their recipient fetches them.

Nobody but those whom a record notifies reads it, and nobody else can tell that
it is there: the label ONLY_TAGGED holds on every path.

Source: network.md "Encryption"; edition §3 (only Notify keys read), §4 (private messages).
"""

from __future__ import annotations

from typing import Final

from mosaic.policy.addressed import NOBODY, READERS, READERS_AUTHOR_AND_TAGGED, is_addressed
from mosaic.policy.label import Label
from mosaic.policy.served import Served
from mosaic.policy.submission import Submission, Way
from mosaic.policy.verdict import ACCEPT, Accept, Hook, Refuse, Verdict
from mosaic.wire.result_code import ResultCode

_ONLY_TAGGED: Final = Accept(Label.ONLY_TAGGED)
_NOT_PRIVATE: Final = Refuse(ResultCode.UNAUTHORIZED, "its kind is not for its author and those tagged alone")


def is_for_author_and_tagged(submission: Submission) -> Verdict:
    """Refuses records of kinds that others than their author and those tagged may read, or he alone."""
    return ACCEPT if submission.record[63] & READERS == READERS_AUTHOR_AND_TAGGED else _NOT_PRIVATE


def notifies_somebody_served(served: Served) -> Hook:
    """Accepts what notifies somebody who is served.

    What the node brings itself is taken whomever it is meant for, as long as
    its kind is a private one: it must get the label here, too.
    """

    def hook(submission: Submission) -> Verdict:
        if is_addressed(submission, served):
            return ACCEPT
        brought = submission.way is not Way.LINK
        return is_for_author_and_tagged(submission) if brought else NOBODY

    return hook


def only_tagged_read(submission: Submission) -> Verdict:
    """Accepts with the label ONLY_TAGGED."""
    del submission
    return _ONLY_TAGGED
