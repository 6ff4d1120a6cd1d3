"""What a policy hook may answer, and how a list of hooks decides.

A hook is a plain function from a submission to `Accept` or `Refuse`. Hooks
stand in lists; the first refusal wins. A hook that fails refuses: a mistake in
a rule never lets something in.

Source: this project's own design, docs/architecture.md "A record arrives".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias, TypeVar

from mosaic.policy.submission import Submission
from mosaic.wire.result_code import ResultCode


class Accept(Enum):
    """The rule has nothing against it; there is one such answer."""

    ACCEPT = "accept"


@dataclass(frozen=True, slots=True)
class Refuse:
    """The rule is against it.

    Args:
        result: The code that tells the peer why.
        text: The reason in words, for the operator's log.
    """

    result: ResultCode
    text: str


ACCEPT: Final = Accept.ACCEPT

Verdict: TypeAlias = Accept | Refuse
Hook: TypeAlias = Callable[[Submission], Verdict]
"""A rule about records that come in."""

_Asked = TypeVar("_Asked")


def decide(hooks: Sequence[Callable[[_Asked], Verdict]], asked: _Asked) -> Verdict:
    """The first refusal of `hooks`, in their order, or Accept when there is none.

    A hook that raises refuses with GENERAL_ERROR; its error stands in the text.
    """
    for hook in hooks:
        try:
            verdict = hook(asked)
        except Exception as error:  # noqa: BLE001 - whatever goes wrong in a rule, it refuses
            return Refuse(ResultCode.GENERAL_ERROR, f"a rule failed: {type(error).__name__}: {error}")
        if verdict is not ACCEPT:
            return verdict
    return ACCEPT
