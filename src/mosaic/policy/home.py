"""The rules of a home server, until it is given a role.

The home's own people write; anyone may submit what notifies one of them, with
his key schedule, without which nobody could tell whether it is his, and his
profile, without which nobody could tell his name; what everybody may read,
everybody reads. What the node itself brings is welcome.

Source: network.md (outbox, inbox), keyschedule.md; edition §3 (who may sign).
"""

from __future__ import annotations

from collections.abc import Callable

from mosaic.core.kinds import KEY_SCHEDULE, PROFILE
from mosaic.policy.blob_upload import BlobUpload
from mosaic.policy.submission import Submission, Way
from mosaic.policy.verdict import ACCEPT, Hook, Refuse, Verdict
from mosaic.wire.result_code import ResultCode

_STRANGER = Refuse(ResultCode.UNAUTHORIZED, "the author does not live here and nobody who does is notified")
_NO_KEY = Refuse(ResultCode.REQUIRES_AUTHENTICATION, "the connection has proven no key")
_NOT_OURS = Refuse(ResultCode.UNAUTHORIZED, "the connection is not one of the people who live here")


_ABOUT_THE_AUTHOR = frozenset({KEY_SCHEDULE.bytes, PROFILE.bytes})


def own_people_or_notified(served: Callable[[bytes], bool]) -> Hook:
    """Accepts what the home's people wrote, what notifies one of them, schedules, profiles, what we bring.

    Args:
        served: Whether a master key (32 bytes) lives here.
    """

    def hook(submission: Submission) -> Verdict:
        if served(submission.record[64:96]) or submission.way is not Way.LINK:
            return ACCEPT
        if submission.kind in _ABOUT_THE_AUTHOR:
            return ACCEPT
        if any(served(key) for key in submission.notified):
            return ACCEPT
        return _STRANGER

    return hook


def own_people_upload(served: Callable[[bytes], bool]) -> Callable[[BlobUpload], Verdict]:
    """Accepts blobs from connections that count as one of the home's people.

    Args:
        served: Whether a master key (32 bytes) lives here.
    """

    def hook(upload: BlobUpload) -> Verdict:
        if any(served(key) for key in upload.viewers):
            return ACCEPT
        return _NOT_OURS if upload.viewers else _NO_KEY

    return hook


def home_hooks(served: Callable[[bytes], bool]) -> list[Hook]:
    """The whole policy for records, as a list that others can be added to."""
    return [own_people_or_notified(served)]
