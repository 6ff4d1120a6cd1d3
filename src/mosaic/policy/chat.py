"""The chat role: messages of the moment between people who are served and those who write to them.

Source: chat.md; edition §4 (Passing Message, hubs).
"""

from __future__ import annotations

from typing import Final

from mosaic.core.community_kinds import PASSING_MESSAGE
from mosaic.core.kinds import CHAT_MESSAGE
from mosaic.policy.addressed import NOBODY, is_addressed
from mosaic.policy.introductions import Introductions
from mosaic.policy.served import Served
from mosaic.policy.submission import Submission
from mosaic.policy.verdict import ACCEPT, Hook, Refuse, Verdict
from mosaic.wire.result_code import ResultCode

CHAT_KINDS: Final = frozenset({CHAT_MESSAGE.bytes, PASSING_MESSAGE.bytes})

_NOT_CHAT: Final = Refuse(ResultCode.UNAUTHORIZED, "it is no chat message")


def is_chat(introductions: Introductions) -> Hook:
    """Accepts Chat Messages and Passing Messages, and what tells whose they are."""

    def hook(submission: Submission) -> Verdict:
        return ACCEPT if submission.kind in CHAT_KINDS or introductions.takes(submission) else _NOT_CHAT

    return hook


def between_people_served(served: Served, introductions: Introductions) -> Hook:
    """Accepts what somebody who is served wrote, or what notifies one of them, a hub as a rule."""

    def hook(submission: Submission) -> Verdict:
        if submission.kind not in CHAT_KINDS:
            return ACCEPT
        if served(submission.author) or is_addressed(submission, served):
            introductions.note(submission.author)
            return ACCEPT
        return NOBODY

    return hook
