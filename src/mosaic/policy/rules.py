"""Rules that hold before any role is asked, whoever is served.

Source: edition §4 (private messages), §5; messages.md (bans).
"""

from __future__ import annotations

from collections.abc import Callable, Sized
from typing import Final

from mosaic.core.community_kinds import CHANNEL_KEY, DIRECT_MESSAGE
from mosaic.policy.submission import Submission, Way
from mosaic.policy.verdict import ACCEPT, Hook, Refuse, Verdict
from mosaic.wire.result_code import ResultCode

_BARE: Final = frozenset({DIRECT_MESSAGE.bytes, CHANNEL_KEY.bytes})
_LEFT_OPEN: Final = Refuse(
    ResultCode.INVALID, "messages of this kind travel only inside an encrypted Private Message"
)
_ERASED: Final = Refuse(
    ResultCode.UNAUTHORIZED, "all that this author wrote up to a later time was erased here"
)
_TIGHT: Final = Refuse(
    ResultCode.TEMPORARY_ERROR, "the disk has little room left, and you are not known here: try again later"
)


def no_bare_private_kinds(submission: Submission) -> Verdict:
    """Refuses Direct Messages and Channel Keys that are not inside a Private Message."""
    return _LEFT_OPEN if submission.record[56:64] in _BARE else ACCEPT


def not_erased(until_of: Callable[[bytes], int | None]) -> Hook:
    """Refuses what an erased author wrote before the erasure.

    Args:
        until_of: The timestamp (ns) up to which all of an author (32 bytes) was erased, None if nothing was.
    """

    def hook(submission: Submission) -> Verdict:
        until_ns = until_of(submission.author)
        if until_ns is None or int.from_bytes(submission.record[:8], "big") > until_ns:
            return ACCEPT
        return _ERASED

    return hook


def waits_for_room(is_tight: Callable[[], bool], known: Callable[[bytes], bool]) -> Hook:
    """Puts off what strangers bring over links while the disk has less room than is to be free.

    It may notify somebody who is served and so would never go again: whoever is not known could fill the disk
    with it, until people served here can't write any more.

    Args:
        is_tight: Whether the disk has too little room, as it was found lately.
        known: Whether an author (32 bytes) is served, a contact of somebody who is, or followed.
    """

    def hook(submission: Submission) -> Verdict:
        if submission.way is not Way.LINK or not is_tight() or known(submission.author):
            return ACCEPT
        return _TIGHT

    return hook


def not_banned(of_key: Callable[[bytes], Refuse | None], banned: Sized | None = None) -> Hook:
    """Refuses what a banned key wrote or signed, by whichever way it comes but the owner's own acts.

    Args:
        of_key: The refusal for a key (32 bytes) that is banned now, else None.
        banned: The keys that may be banned, as they are at any time: while there are none, none is asked for.
    """

    def hook(submission: Submission) -> Verdict:
        if submission.way is Way.OWNER or (banned is not None and not banned):
            return ACCEPT
        author, signer = submission.record[64:96], submission.record[96:128]
        refused = of_key(author)
        if refused is None and signer != author:
            refused = of_key(signer)
        return refused or ACCEPT

    return hook
