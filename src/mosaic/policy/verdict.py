"""What a policy hook may answer, and how a list of hooks decides.

A hook is a plain function from a submission to `Accept` or `Refuse`. Hooks
stand in lists; the first refusal wins. A hook that fails refuses: a mistake in
a rule never lets something in.

Source: this project's own design, docs/architecture.md "A record arrives".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias, TypeVar

from mosaic.policy.label import Label
from mosaic.policy.submission import Submission
from mosaic.wire.result_code import ResultCode


@dataclass(frozen=True, slots=True)
class Accept:
    """The rule has nothing against it.

    Args:
        label: What the store shall note beside the record; bits of `mosaic.policy.label.Label`.
    """

    label: int = Label.NONE


@dataclass(frozen=True, slots=True)
class Refuse:
    """The rule is against it.

    Args:
        result: The code that tells the peer why.
        text: The reason in words, for the operator's log.
    """

    result: ResultCode
    text: str


ACCEPT: Final = Accept()

Verdict: TypeAlias = Accept | Refuse
Hook: TypeAlias = Callable[[Submission], Verdict]
"""A rule about records that come in."""

_Asked = TypeVar("_Asked")


def decide(hooks: Sequence[Callable[[_Asked], Verdict]], asked: _Asked) -> Verdict:
    """The first refusal of `hooks`, in their order, or Accept with all their labels when there is none.

    A hook that raises refuses with GENERAL_ERROR; its error stands in the text.
    """
    label = 0
    for hook in hooks:
        try:
            verdict = hook(asked)
            if verdict is ACCEPT:
                continue
            if isinstance(verdict, Refuse):
                return verdict
            label |= verdict.label
        except Exception as error:  # noqa: BLE001 - whatever goes wrong in a rule, it refuses
            return Refuse(ResultCode.GENERAL_ERROR, f"a rule failed: {type(error).__name__}: {error}")
    return Accept(label) if label else ACCEPT


def both(first: Verdict, second: Verdict) -> Verdict:
    """The refusal of one of two verdicts, the first one's before the second's, or Accept with both labels."""
    if isinstance(first, Refuse):
        return first
    if isinstance(second, Refuse) or not first.label:
        return second
    return Accept(first.label | second.label)
