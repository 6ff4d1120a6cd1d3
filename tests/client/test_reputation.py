"""What is remembered of a server: no lie helps it, one bad moment does not condemn it, it can recover."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.makers import MASTER, NOW

from mosaic.client.reputation import (
    CLOCK_NS,
    UNKNOWN,
    Observation,
    ProcessReputation,
    Repute,
    What,
    ranked,
    tier,
)
from mosaic.core.keys import PublicKey, SecretKey

START = int(NOW)
MINUTE = 60 * 1_000_000_000
DAY = 1_440 * MINUTE
KEYS = [SecretKey.from_seed(bytes([n]) * 32).public for n in range(1, 7)]

observations = st.builds(
    Observation,
    st.sampled_from(list(What)),
    st.integers(min_value=-(2**62), max_value=2**62),
)
histories = st.lists(st.tuples(observations, st.integers(min_value=0, max_value=3 * DAY)), max_size=40)


def lived(history: list[tuple[Observation, int]]) -> tuple[Repute, int]:
    repute, now = UNKNOWN, START
    for seen, later in history:
        now += later
        repute = repute.after(seen, now)
    return repute, now


@given(histories)
def test_a_score_lies_between_0_and_1_whatever_happens(history: list[tuple[Observation, int]]) -> None:
    repute, now = lived(history)
    assert 0 <= repute.score(now) <= 1
    assert 0 <= repute.score(now - DAY) <= 1
    assert 0 <= repute.score(now + 400 * DAY) <= 1


BAD = [What.WRONG, What.WITHHELD, What.STALE, What.CLOCK, What.REFUSED, What.FAILED, What.SLOW]


@given(histories, st.sampled_from(BAD), st.integers(min_value=-(2**62), max_value=2**62))
def test_nothing_bad_raises_a_score(history: list[tuple[Observation, int]], what: What, amount: int) -> None:
    repute, now = lived(history)
    assert repute.after(Observation(what, amount), now).score(now) <= repute.score(now) + 1e-12


@given(histories, st.integers(min_value=1, max_value=200))
def test_a_liar_does_not_buy_himself_off_by_answering(
    history: list[tuple[Observation, int]], answers: int
) -> None:
    honest, now = lived(history)
    liar = honest.after(Observation(What.WRONG), now)
    for _ in range(answers):
        honest = honest.after(Observation(What.REACHED, MINUTE // 600), now)
        liar = liar.after(Observation(What.REACHED, MINUTE // 600), now)
        liar = liar.after(Observation(What.ACCEPTED), now)
    assert liar.score(now) <= honest.score(now)
    if honest.wrong < 5:
        assert liar.score(now) < 0.51


def test_one_bad_moment_does_not_condemn() -> None:
    repute = UNKNOWN
    for number in range(5):
        repute = repute.after(Observation(What.REACHED), START + number * MINUTE)
    for number in range(200):  # all of it within some seconds
        repute = repute.after(Observation(What.FAILED), START + 6 * MINUTE + number * 10_000_000)
    now = START + 6 * MINUTE + 3_000_000_000
    assert not repute.failing(now)
    assert not repute.is_down
    assert tier(repute.score(now)) == 0
    assert tier(UNKNOWN.after(Observation(What.FAILED), START).score(START)) == 0


def test_who_fails_three_times_in_a_row_is_failing_and_recovers_when_it_is_reached() -> None:
    repute = UNKNOWN
    for number in range(2):
        repute = repute.after(Observation(What.FAILED), START + number * MINUTE)
    assert not repute.failing(START + 2 * MINUTE)
    repute = repute.after(Observation(What.FAILED), START + 2 * MINUTE)
    assert repute.failing(START + 2 * MINUTE)
    assert tier(repute.score(START + 2 * MINUTE)) > 0
    assert repute.failing_since_ns == START
    repute = repute.after(Observation(What.REACHED), START + 3 * MINUTE)
    assert not repute.failing(START + 3 * MINUTE)
    for number in range(8):
        repute = repute.after(Observation(What.REACHED), START + (4 + number) * MINUTE)
    assert tier(repute.score(START + 12 * MINUTE)) == 0


def test_who_failed_is_asked_again_after_a_rest_that_grows() -> None:
    repute = UNKNOWN
    for number in range(3):
        repute = repute.after(Observation(What.FAILED), START + number * MINUTE)
    last = START + 2 * MINUTE
    assert repute.failing(last + 9 * MINUTE)
    assert not repute.failing(last + 11 * MINUTE)
    assert repute.is_down
    repute = repute.after(Observation(What.FAILED), last + 11 * MINUTE)
    assert repute.failing(last + 30 * MINUTE)
    for number in range(40):
        repute = repute.after(Observation(What.FAILED), last + number * DAY)
    assert not repute.failing(last + 39 * DAY + 7 * 60 * MINUTE)


def test_wrong_answers_are_forgiven_in_time() -> None:
    repute = UNKNOWN.after(Observation(What.WRONG), START)
    assert tier(repute.score(START)) > 0
    assert repute.score(START + 60 * DAY) > 0.6


@given(st.permutations(range(6)), st.lists(st.floats(min_value=0.5, max_value=1.0), min_size=6, max_size=6))
def test_small_differences_leave_the_order_as_it_is(order: list[int], scores: list[float]) -> None:
    preferred = [KEYS[place] for place in order]
    told = dict(zip(KEYS, scores, strict=True))
    assert ranked(preferred, told.__getitem__) == preferred


@given(st.lists(st.floats(min_value=0, max_value=1), min_size=6, max_size=6))
def test_nobody_who_does_badly_is_asked_before_who_does_well(scores: list[float]) -> None:
    told = dict(zip(KEYS, scores, strict=True))
    tiers = [tier(told[key]) for key in ranked(KEYS, told.__getitem__)]
    assert tiers == sorted(tiers)


def test_a_slow_server_stands_behind_a_fast_one_but_is_not_condemned() -> None:
    fast = UNKNOWN.after(Observation(What.REACHED, MINUTE // 1_000), START)
    slow = UNKNOWN.after(Observation(What.REACHED, MINUTE // 10), START)
    assert slow.score(START) < fast.score(START)
    assert slow.score(START) > 0.2


def test_a_refusal_is_forgotten_when_something_is_taken() -> None:
    repute = UNKNOWN.after(Observation(What.REFUSED, 33), START)
    assert (repute.refusals, repute.refused) == (1, 33)
    assert repute.after(Observation(What.ACCEPTED), START).refusals == 0
    # What a server refuses is its own affair: others are not served worse by it.
    assert repute.score(START) == UNKNOWN.score(START)


@pytest.mark.parametrize(("ahead", "kept"), [(CLOCK_NS - 1, 0), (CLOCK_NS, CLOCK_NS), (-DAY, -DAY)])
def test_a_clock_counts_when_it_is_a_minute_off(ahead: int, kept: int) -> None:
    assert UNKNOWN.after(Observation(What.CLOCK, ahead), START).clock_ns == kept


def test_a_clock_that_was_set_back_makes_nothing_worse() -> None:
    repute = UNKNOWN.after(Observation(What.WRONG), START)
    assert repute.score(START - 300 * DAY) == repute.score(START)


def test_a_program_without_a_home_remembers_as_long_as_it_runs_and_not_without_end() -> None:
    known = ProcessReputation(lambda: START)
    known.noted(MASTER.public, Observation(What.WRONG))
    assert known.score(MASTER.public) < UNKNOWN.score(START)
    assert not known.failing(MASTER.public)
    for number in range(5_000):
        known.noted(PublicKey(number.to_bytes(32, "big")), Observation(What.REACHED))
    assert known.score(MASTER.public) == UNKNOWN.score(START)
