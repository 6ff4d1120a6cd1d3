"""The outbox role: people publish here, and anybody reads without saying who he is.

Source: network.md "Outbox".
"""

from __future__ import annotations

from typing import Final

from mosaic.core.community_kinds import (
    DELETION,
    INVITATION,
    PRIVATE_DELETION,
    PRIVATE_MESSAGE,
    VOUCH,
)
from mosaic.core.kinds import KEY_SCHEDULE, PROFILE
from mosaic.policy.blob_upload import BlobHook, BlobUpload
from mosaic.policy.served import Served
from mosaic.policy.submission import Submission
from mosaic.policy.verdict import ACCEPT, Hook, Refuse, Verdict
from mosaic.wire.result_code import ResultCode

_PAPERS: Final = frozenset(
    kind.bytes for kind in (KEY_SCHEDULE, PROFILE, DELETION, PRIVATE_DELETION, VOUCH, INVITATION)
)
_ELSEWHERE: Final = Refuse(ResultCode.UNAUTHORIZED, "the author is not served here")
_PRIVATE: Final = Refuse(ResultCode.UNAUTHORIZED, "an outbox does not take private messages")
_NO_PAPER: Final = Refuse(
    ResultCode.UNAUTHORIZED, "this server is no outbox: of its own people it takes what says who they are"
)
_NO_KEY: Final = Refuse(ResultCode.REQUIRES_AUTHENTICATION, "the connection has proven no key")
_NOT_OURS: Final = Refuse(ResultCode.UNAUTHORIZED, "the connection is not one of the people served here")


def author_is_served(served: Served) -> Hook:
    """Accepts what somebody who is served wrote, whoever brings it."""

    def hook(submission: Submission) -> Verdict:
        return ACCEPT if served(submission.record[64:96]) else _ELSEWHERE

    return hook


def no_private_message(submission: Submission) -> Verdict:
    """Refuses Private Messages: a key made for one message is no author whom an outbox serves.

    Where everybody is served that key would count as one, and whoever gets hold of it could read.
    """
    return _PRIVATE if submission.kind == PRIVATE_MESSAGE.bytes else ACCEPT


def is_a_paper(submission: Submission) -> Verdict:
    """Accepts key schedules, profiles, Vouches, Deletions and Invitations, which any server needs."""
    return ACCEPT if submission.kind in _PAPERS else _NO_PAPER


def served_people_upload(served: Served) -> BlobHook:
    """Accepts blobs from connections that count as somebody who is served."""

    def hook(upload: BlobUpload) -> Verdict:
        if any(served(key) for key in upload.viewers):
            return ACCEPT
        return _NOT_OURS if upload.viewers else _NO_KEY

    return hook
