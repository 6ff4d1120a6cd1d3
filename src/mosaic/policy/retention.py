"""How long and how much a server keeps: rules by kind, class of author, age and size.

What a rule has removed is refused as long as it would be removed again, so
that no other server brings it back each hour. Some things no rule takes: what
the core application knows (key schedules, profiles), Deletions, Vouches, the
log of moderators' acts, what servers say about themselves, whatever the home's
own people wrote, and what they chose to keep.

Source: network.md (what servers keep); this project's own design, docs/architecture.md "Operations".
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from mosaic.core.community_kinds import DELETION, PRIVATE_DELETION, SERVER_ACT, SERVER_INFO, VOUCH
from mosaic.core.kind import Kind
from mosaic.core.kinds import APPLICATION_CORE
from mosaic.policy.submission import Submission, Way
from mosaic.policy.verdict import ACCEPT, Hook, Refuse, Verdict
from mosaic.wire.result_code import ResultCode

_CORE: Final = APPLICATION_CORE.to_bytes(4, "big")
_LASTING: Final = frozenset(
    {each.bytes for each in (DELETION, PRIVATE_DELETION, VOUCH, SERVER_ACT, SERVER_INFO)}
)
_TOO_OLD: Final = Refuse(
    ResultCode.UNAUTHORIZED, "this server does not keep records of this kind and author for so long"
)


def lasts(kind: bytes) -> bool:
    """Whether records of a kind (8 bytes) stay whoever wrote them: others are not understood without them."""
    return kind[:4] == _CORE or kind in _LASTING


class AuthorClass(Enum):
    """How a server stands to an author."""

    HOME = "home"
    """Lives here: no rule is about what he wrote."""
    SERVED = "served"
    CONTACT = "contact"
    """Somebody whom a person served follows or knows."""
    STRANGER = "stranger"


@dataclass(frozen=True, slots=True)
class RetentionRule:
    """What is kept of one sort of records.

    Args:
        kind: Of which kind; None = of all.
        author: Of which authors; None = of all that do not live here.
        older_than_ns: What has a timestamp older than that goes; 0 = no age is too great.
        keep_bytes: The oldest go, so that the others take up no more than that in the log; 0 = no bound.
    """

    kind: Kind | None = None
    author: AuthorClass | None = None
    older_than_ns: int = 0
    keep_bytes: int = 0

    @property
    def name(self) -> str:
        """What no other rule has as well: what it says, in one line."""
        kind = "any" if self.kind is None else self.kind.bytes.hex()
        author = "any" if self.author is None else self.author.value
        return f"{kind} {author} {self.older_than_ns} {self.keep_bytes}"

    def is_about(self, kind: bytes, author: AuthorClass) -> bool:
        """Whether it is about records of a kind (8 bytes) by an author of some class."""
        if author is AuthorClass.HOME or lasts(kind):
            return False
        return self.kind in {None, Kind(kind)} and self.author in {None, author}


@dataclass(slots=True)
class Retention:
    """The rules that hold, and how far the sizes reach back. Belongs to the thread of the event loop.

    Args:
        class_of: How the server stands to an author (32 bytes).
        now_ns: The clock.
        rules: Those that hold now.
        full_until: By the names of rules: up to which timestamp (ns) one found no room; kept over restarts.
        spares: Whether a record was chosen to be kept: then no rule is about it.
    """

    class_of: Callable[[bytes], AuthorClass]
    now_ns: Callable[[], int]
    rules: Sequence[RetentionRule] = ()
    full_until: MutableMapping[str, int] = field(default_factory=dict)
    spares: Callable[[bytes], bool] = lambda _record: False

    def follow(self, rules: Sequence[RetentionRule]) -> None:
        """Other rules hold from now on."""
        former, self.rules = self.rules, tuple(rules)
        for rule in former:
            if rule not in self.rules:
                self.full_until.pop(rule.name, None)

    def too_old(self, rule: RetentionRule) -> int:
        """The timestamp (ns) up to which records are too old for a rule; -1 if none is."""
        return max(self.now_ns() - rule.older_than_ns - 1, -1) if rule.older_than_ns else -1

    def horizon(self, rule: RetentionRule) -> int:
        """The timestamp (ns) up to which a rule keeps nothing; -1 if it keeps all."""
        return max(self.too_old(rule), self.full_until.get(rule.name, -1))

    def was_full(self, rule: RetentionRule, until_ns: int) -> None:
        """A rule's bytes were counted, and there was no room up to a timestamp.

        Args:
            rule: The rule.
            until_ns: The timestamp (ns) of the newest record that had no room.
        """
        if until_ns > self.full_until.get(rule.name, -1):
            self.full_until[rule.name] = until_ns

    def has_room(self, rule: RetentionRule, kept_bytes: int) -> None:
        """A rule's bytes were counted, and all had room.

        What has gone stays away until much room is free: else other servers would bring it back, only for it
        to go again.

        Args:
            rule: The rule.
            kept_bytes: So many bytes of the log are taken.
        """
        if kept_bytes < rule.keep_bytes // 2:
            self.full_until.pop(rule.name, None)

    def hook(self) -> Hook:
        """Refuses what would be removed again; what the owner does is never refused."""

        def keeps(submission: Submission) -> Verdict:
            if not self.rules or submission.way is Way.OWNER:
                return ACCEPT
            record = submission.record
            author, kind = self.class_of(submission.author), record[56:64]
            timestamp = int.from_bytes(record[:8], "big")
            for rule in self.rules:
                if rule.is_about(kind, author) and timestamp <= self.horizon(rule):
                    return ACCEPT if self.spares(record) else _TOO_OLD
            return ACCEPT

        return keeps
