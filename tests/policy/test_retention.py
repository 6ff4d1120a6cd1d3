"""Rules about how long and how much is kept: what they are about, what they refuse."""

from __future__ import annotations

import pytest

from mosaic.core.community_kinds import DELETION, SERVER_ACT, VOUCH
from mosaic.core.kind import Kind
from mosaic.core.kinds import CHAT_MESSAGE, KEY_SCHEDULE, MICROBLOG, PROFILE
from mosaic.policy.retention import AuthorClass, Retention, RetentionRule
from mosaic.policy.standing import Standing
from mosaic.policy.submission import Submission, Way
from mosaic.policy.verdict import Accept
from mosaic.testing import Person

ANNA = Person("anna")
DAY = 86_400 * 10**9
NOW = 1_000 * DAY


def retention(of: AuthorClass, *rules: RetentionRule) -> Retention:
    made = Retention(lambda _author: of, lambda: NOW)
    made.follow(rules)
    return made


def accepts(made: Retention, days: int, kind: Kind = MICROBLOG, way: Way = Way.LINK) -> bool:
    record = ANNA.record(NOW - days * DAY, kind=kind)
    return isinstance(made.hook()(Submission(record.data, (), way, Standing.ANONYMOUS, "")), Accept)


def test_what_would_go_again_is_refused_and_what_the_owner_does_is_not() -> None:
    made = retention(AuthorClass.STRANGER, RetentionRule(MICROBLOG, older_than_ns=30 * DAY))
    assert accepts(made, 29)
    assert accepts(made, 30)
    assert not accepts(made, 31)
    assert not accepts(made, 31, way=Way.SYNC)
    assert accepts(made, 31, way=Way.OWNER)
    assert accepts(made, 31, kind=CHAT_MESSAGE)
    made.follow(())
    assert accepts(made, 31)


@pytest.mark.parametrize("kind", [KEY_SCHEDULE, PROFILE, DELETION, VOUCH, SERVER_ACT])
def test_what_others_need_to_judge_records_is_never_taken(kind: Kind) -> None:
    rule = RetentionRule(older_than_ns=1)
    assert not rule.is_about(kind.bytes, AuthorClass.STRANGER)
    assert accepts(retention(AuthorClass.STRANGER, rule), 500, kind=kind)


def test_a_rule_is_about_a_class_of_authors_and_never_about_the_home() -> None:
    for rule in (RetentionRule(), RetentionRule(author=AuthorClass.CONTACT)):
        about = {each for each in AuthorClass if rule.is_about(MICROBLOG.bytes, each)}
        wanted = set(AuthorClass) - {AuthorClass.HOME} if rule.author is None else {rule.author}
        assert about == wanted
    assert accepts(retention(AuthorClass.HOME, RetentionRule(older_than_ns=1)), 500)


def test_a_size_reaches_back_as_far_as_it_was_found_to() -> None:
    rule = RetentionRule(keep_bytes=1_000)
    made = retention(AuthorClass.SERVED, rule)
    assert accepts(made, 500)
    made.was_full(rule, NOW - 10 * DAY)
    made.was_full(rule, NOW - 11 * DAY)
    assert accepts(made, 9)
    assert not accepts(made, 10)
    made.follow((RetentionRule(keep_bytes=2_000),))
    made.follow((rule,))
    assert accepts(made, 10)


def test_what_had_no_room_stays_away_until_much_is_free_and_after_a_restart() -> None:
    rule, horizons = RetentionRule(MICROBLOG, keep_bytes=1_000), dict[str, int]()
    before, after = (
        Retention(lambda _: AuthorClass.STRANGER, lambda: NOW, full_until=horizons) for _ in range(2)
    )
    before.follow((rule,))
    before.was_full(rule, NOW - 10 * DAY)
    before.has_room(rule, 500)
    assert not accepts(before, 10)
    after.follow((rule,))
    assert not accepts(after, 10)
    after.has_room(rule, 499)
    assert accepts(after, 10)
    assert horizons == {}
