"""Whether a record is meant for somebody whom the server serves: Notify (0x1) only.

Source: network.md (inbox, encryption); core_tags.md (Notify).
"""

from __future__ import annotations

from typing import Final

from mosaic.policy.served import Served
from mosaic.policy.submission import Submission
from mosaic.policy.verdict import ACCEPT, Refuse, Verdict
from mosaic.wire.result_code import ResultCode

READERS: Final = 0x0C
"""The bits of a kind's last byte that say who may read."""
READERS_AUTHOR: Final = 0x00
READERS_AUTHOR_AND_TAGGED: Final = 0x04

NOBODY: Final = Refuse(ResultCode.UNAUTHORIZED, "nobody whom this server serves wrote it or is notified")
_AUTHORS_OWN: Final = Refuse(
    ResultCode.UNAUTHORIZED, "nobody but its author could read it, and he is not served here"
)


def is_addressed(submission: Submission, served: Served) -> bool:
    """Whether the record notifies somebody who is served."""
    return any(served(key) for key in submission.notified)


def not_for_its_author_alone(submission: Submission) -> Verdict:
    """Refuses records that only their author may read."""
    return _AUTHORS_OWN if submission.record[63] & READERS == READERS_AUTHOR else ACCEPT
