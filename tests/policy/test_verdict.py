from __future__ import annotations

from mosaic.policy.label import Label
from mosaic.policy.submission import Submission
from mosaic.policy.verdict import ACCEPT, Accept, Hook, Refuse, Verdict, decide
from mosaic.testing import FakeClock, Person
from mosaic.wire.result_code import ResultCode

SUBMISSION = Submission(Person("anna").record(FakeClock().now_ns()).data)
FIRST = Refuse(ResultCode.UNAUTHORIZED, "first")
SECOND = Refuse(ResultCode.TOO_FAST, "second")


def answering(verdict: Verdict, asked: list[Verdict]) -> Hook:
    def hook(submission: Submission) -> Verdict:
        assert submission is SUBMISSION
        asked.append(verdict)
        return verdict

    return hook


def failing(submission: Submission) -> Verdict:
    raise ZeroDivisionError("a mistake")


def test_without_rules_everything_is_accepted() -> None:
    assert decide([], SUBMISSION) is ACCEPT


def test_the_first_refusal_wins_and_the_rest_is_not_asked() -> None:
    asked: list[Verdict] = []
    hooks = [answering(verdict, asked) for verdict in (ACCEPT, FIRST, SECOND)]
    assert decide(hooks, SUBMISSION) is FIRST
    assert asked == [ACCEPT, FIRST]


def test_a_rule_that_fails_refuses_and_says_why() -> None:
    verdict = decide([failing], SUBMISSION)
    assert isinstance(verdict, Refuse)
    assert verdict.result is ResultCode.GENERAL_ERROR
    assert "ZeroDivisionError: a mistake" in verdict.text


def test_the_labels_of_all_rules_that_accept_count_together() -> None:
    labels: list[Verdict] = [Accept(Label.WITHHELD), ACCEPT, Accept(Label.ONLY_TAGGED)]
    verdict = decide([answering(each, []) for each in labels], SUBMISSION)
    assert verdict == Accept(Label.WITHHELD | Label.ONLY_TAGGED)
    assert decide([answering(each, []) for each in (*labels, FIRST)], SUBMISSION) is FIRST
