"""Invitations: whoever brings a code that the operator gave out is served from then on.

The code stands in a record of its own kind, signed by the master key, so that
nobody can be put on a list by somebody else. The record is ephemeral: the code
is never stored.

Source: this project's own design, docs/architecture.md "What a server takes".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from mosaic.core.community_kinds import INVITATION
from mosaic.core.record import Record
from mosaic.policy.submission import Submission
from mosaic.policy.verdict import ACCEPT, Hook, Refuse, Verdict
from mosaic.wire.result_code import ResultCode

_INVITATION: Final = INVITATION.bytes
_NO_SUCH: Final = Refuse(ResultCode.UNAUTHORIZED, "there is no such invitation, or it is used up")
_NOT_MASTER: Final = Refuse(ResultCode.UNAUTHORIZED, "an invitation is answered with the master key")
_MOST: Final = 256


def redeems_invitations(redeem: Callable[[bytes, bytes], bool]) -> Hook:
    """Accepts everything but invitations, and those with a code that counts.

    Args:
        redeem: Takes a master key (32 bytes) and a code; whether the key is served now.
    """

    def hook(submission: Submission) -> Verdict:
        if submission.record[56:64] != _INVITATION:
            return ACCEPT
        if submission.author != submission.signer:
            return _NOT_MASTER
        return ACCEPT if redeem(submission.author, Record(submission.record).payload[:_MOST]) else _NO_SUCH

    return hook
