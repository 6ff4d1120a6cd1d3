"""What a server keeps, as its operator says it: the tables [[retention.rule]].

Source: this project's own design, docs/architecture.md "Operations".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from mosaic.errors import MosaicError, UsageError
from mosaic.node.arguments import parse_kind
from mosaic.policy.retention import AuthorClass, RetentionRule


@dataclass(frozen=True, slots=True)
class RuleSettings:
    """What is kept of one sort of records; one table [[retention.rule]] each.

    Raises:
        UsageError: the kind is none, or the rule keeps everything.
    """

    kind: str = field(
        default="",
        metadata={"help": "of which kind: a name such as post, or 16 hexadecimal digits; empty: of all"},
    )
    author: Literal["served", "contact", "stranger", "any"] = field(
        default="any",
        metadata={"help": "of which authors: served, contact (known to them), stranger, or any"},
    )
    older_than_s: float = field(
        default=0.0, metadata={"help": "what is older than that goes; 0: no age is too great"}
    )
    keep_bytes: int = field(
        default=0, metadata={"help": "the oldest go, so that the others take up no more; 0: no bound"}
    )

    def __post_init__(self) -> None:
        if not self.older_than_s and not self.keep_bytes:
            raise UsageError(
                "a rule of [[retention.rule]] without `older_than` and `keep_bytes` keeps everything"
            )
        self.rule()

    def rule(self) -> RetentionRule:
        """The rule as the server has it. Raises UsageError."""
        try:
            kind = parse_kind(self.kind) if self.kind else None
        except MosaicError as error:
            raise UsageError(f"`kind` of a [[retention.rule]] is none: {error}") from error
        author = None if self.author == "any" else AuthorClass(self.author)
        return RetentionRule(kind, author, round(self.older_than_s * 1_000_000_000), self.keep_bytes)


@dataclass(frozen=True, slots=True)
class RetentionSettings:
    """What goes with time. What the home's own people wrote stays, and what others need to judge records."""

    rule: tuple[RuleSettings, ...] = field(
        default=(), metadata={"help": "what is not kept for ever; what any of the rules does not keep goes"}
    )

    def rules(self) -> tuple[RetentionRule, ...]:
        """The rules as the server has them."""
        return tuple(each.rule() for each in self.rule)
