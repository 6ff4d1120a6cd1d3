"""The roles that a server may have, each a list of small rules.

Within a role every rule must accept. Of several roles the first that accepts
decides, with the labels of its rules; the order is outbox, encryption, inbox,
chat, so that a record gets the narrowest readers that its kind asks for. A rule
that fails refuses: no other role is asked then.

What the node brings itself (its people's acts, mirrors, sync, an import) is
taken even when no role would take it from a stranger, but it gets the labels
of the role that it belongs to.

Source: network.md (Server Roles), chat.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol, TypeAlias

from mosaic.core.bootstrap import Usage
from mosaic.policy import chat as chat_rules
from mosaic.policy import encryption as encryption_rules
from mosaic.policy import inbox as inbox_rules
from mosaic.policy.addressed import not_for_its_author_alone
from mosaic.policy.blob_upload import BlobHook, BlobUpload
from mosaic.policy.introductions import Introductions
from mosaic.policy.outbox import (
    author_is_served,
    is_a_paper,
    no_private_message,
    served_people_upload,
)
from mosaic.policy.served import Served
from mosaic.policy.submission import Submission, Way
from mosaic.policy.verdict import ACCEPT, Accept, Hook, Refuse, Verdict, decide
from mosaic.policy.withhold import Withhold, held_back
from mosaic.wire.result_code import ResultCode

Readers: TypeAlias = Literal["everybody", "recipient"]
"""Who reads what came to an inbox."""

_NO_ROLE: Final = Refuse(ResultCode.UNAUTHORIZED, "the server has no role that takes it")


@dataclass(frozen=True, slots=True)
class Role:
    """One role of a server.

    Args:
        name: What people call it.
        usage: Its bit in a bootstrap; chat has none.
        accepts: The rules for records, in their order; all must accept.
        uploads: The rules for blobs.
        sentences: What each rule does, in words: first of `accepts`, then of `uploads`.
    """

    name: str
    usage: Usage | None
    accepts: tuple[Hook, ...]
    uploads: tuple[BlobHook, ...]
    sentences: tuple[str, ...]

    @property
    def rules(self) -> tuple[tuple[Hook | BlobHook, str], ...]:
        """Each rule with its sentence."""
        return tuple(zip((*self.accepts, *self.uploads), self.sentences, strict=True))


def outbox(served: Served) -> Role:
    """People publish here; whatever their kind lets everybody read, everybody reads."""
    return Role(
        "outbox",
        Usage.OUTBOX,
        (no_private_message, author_is_served(served)),
        (served_people_upload(served),),
        (
            "An outbox leaves Private Messages to the other roles, also where everybody is served.",
            "An outbox takes every record of the people it serves, whoever brings it.",
            "An outbox takes blobs from connections that count as somebody it serves.",
        ),
    )


def papers(served: Served) -> Role:
    """What every server of a person needs about him, whatever its roles."""
    return Role(
        "papers",
        None,
        (author_is_served(served), is_a_paper),
        (),
        (
            "A server that is no outbox takes papers from the people it serves, and from nobody else.",
            "Papers are key schedules, profiles, Vouches, Deletions and Invitations.",
        ),
    )


def encryption(served: Served, *, all_kinds: bool = False) -> Role:
    """Private messages for the people served; only those whom they notify read them.

    Args:
        served: Whom the server serves.
        all_kinds: Whether records of public kinds are taken, too, and become as private.
    """
    kinds: Hook = not_for_its_author_alone if all_kinds else encryption_rules.is_for_author_and_tagged
    which = (
        "An encryption server without another role takes every kind but those for their author alone."
        if all_kinds
        else "An encryption server with other roles takes kinds for author and tagged alone."
    )
    return Role(
        "encryption",
        Usage.ENCRYPTION,
        (kinds, encryption_rules.notifies_somebody_served(served), encryption_rules.only_tagged_read),
        (served_people_upload(served),),
        (
            which,
            "An encryption server takes what notifies somebody it serves, from anybody and without a key.",
            "What an encryption server takes is read by those whom it notifies, and by nobody else.",
            "An encryption server takes blobs from connections that count as somebody it serves.",
        ),
    )


def inbox(
    served: Served,
    introductions: Introductions,
    *,
    readers: Readers = "everybody",
    withhold: Withhold | None = None,
) -> Role:
    """Strangers leave here what they write to the people served.

    Args:
        served: Whom the server serves.
        introductions: Whose key schedules, profiles, Deletions and Vouches are taken.
        readers: Whether everybody reads what came, or those alone whom it notifies.
        withhold: What is held back until it is approved; None = nothing.
    """
    accepts: list[tuple[Hook, str]] = [
        (
            inbox_rules.reaches_somebody_served(served, introductions),
            "An inbox takes from anybody, without a key, what notifies somebody it serves, and papers on it.",
        ),
        (not_for_its_author_alone, "An inbox refuses what only its author could read."),
    ]
    if readers == "recipient":
        accepts.append(
            (
                inbox_rules.for_recipients_alone,
                "An inbox that is set so lets only those read what came whom it notifies.",
            )
        )
    if withhold is not None:
        accepts.append(
            (
                held_back(withhold),
                "An inbox that is set so holds back what strangers write until it is approved.",
            )
        )
    return Role(
        "inbox",
        Usage.INBOX,
        tuple(hook for hook, _ in accepts),
        (served_people_upload(served),),
        (
            *(sentence for _, sentence in accepts),
            "An inbox takes blobs from connections that count as somebody it serves.",
        ),
    )


def chat(served: Served, introductions: Introductions) -> Role:
    """Messages of the moment, by the people served and to them."""
    return Role(
        "chat",
        None,
        (
            chat_rules.is_chat(introductions),
            chat_rules.between_people_served(served, introductions),
        ),
        (),
        (
            "A chat server takes Chat Messages and Passing Messages, and what tells whose they are.",
            "A chat server takes them from people it serves, and from anybody when they notify one of them.",
        ),
    )


class Choice(Protocol):
    """Which roles a server has; the operator chooses."""

    @property
    def outbox(self) -> bool:
        """Takes what the people it serves publish."""

    @property
    def inbox(self) -> bool:
        """Takes what strangers write to the people it serves."""

    @property
    def encryption(self) -> bool:
        """Takes private messages for the people it serves."""

    @property
    def chat(self) -> bool:
        """Takes chat messages by and to the people it serves."""

    @property
    def inbox_readers(self) -> Readers:
        """Who reads what came to the inbox."""


def roles_of(
    choice: Choice, served: Served, introductions: Introductions, withhold: Withhold | None = None
) -> tuple[Role, ...]:
    """The roles of a server in the order in which they are asked.

    Args:
        choice: Which.
        served: Whom the server serves.
        introductions: Whose key schedules, profiles, Deletions and Vouches are taken of strangers.
        withhold: What the inbox holds back; None = nothing.
    """
    alone = not (choice.outbox or choice.inbox or choice.chat)
    found = [outbox(served) if choice.outbox else papers(served)]
    if choice.encryption:
        found.append(encryption(served, all_kinds=alone))
    if choice.inbox:
        found.append(inbox(served, introductions, readers=choice.inbox_readers, withhold=withhold))
    if choice.chat:
        found.append(chat(served, introductions))
    return tuple(found)


def any_of(roles: Sequence[Role]) -> Hook:
    """Accepts what one of the roles accepts, with its labels; else refuses as the last role did."""
    lists = tuple(role.accepts for role in roles)

    def hook(submission: Submission) -> Verdict:
        verdict: Verdict = _NO_ROLE
        for accepts in lists:
            verdict = decide(accepts, submission)
            if isinstance(verdict, Accept) or verdict.result is ResultCode.GENERAL_ERROR:
                return verdict
        return verdict if submission.way is Way.LINK else ACCEPT

    return hook


def any_upload(roles: Sequence[Role]) -> BlobHook:
    """Accepts a blob that one of the roles accepts; else refuses as the last role did that takes blobs."""
    lists = tuple(role.uploads for role in roles if role.uploads)

    def hook(upload: BlobUpload) -> Verdict:
        verdict: Verdict = _NO_ROLE
        for uploads in lists:
            verdict = decide(uploads, upload)
            if isinstance(verdict, Accept) or verdict.result is ResultCode.GENERAL_ERROR:
                return verdict
        return verdict

    return hook
