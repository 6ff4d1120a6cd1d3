from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mosaic.policy.rate import RateLimit

SECOND = 1_000_000_000


def test_a_burst_then_the_rate() -> None:
    limit = RateLimit(2, 5)
    assert limit.take("a", 8, 0) == 5
    assert limit.take("a", 1, 0) == 0
    assert limit.take("a", 3, SECOND) == 2
    assert limit.take("a", 9, 100 * SECOND) == 5
    assert limit.take("b", 3, 100 * SECOND) == 3


def test_no_limit() -> None:
    limit = RateLimit(0, 0)
    assert limit.take("a", 10**6, 0) == 10**6


def test_a_clock_that_goes_back_gives_nothing() -> None:
    limit = RateLimit(1, 2)
    assert limit.take("a", 2, 50 * SECOND) == 2
    assert limit.take("a", 2, 10 * SECOND) == 0


def test_the_least_recently_seen_names_are_forgotten() -> None:
    limit = RateLimit(0.001, 1, names=2)
    assert [limit.take(name, 1, 0) for name in "abab"] == [1, 1, 0, 0]
    assert limit.take("c", 1, 0) == 1
    assert limit.take("a", 1, 0) == 1


def test_strangers_who_come_once_leave_nothing_behind() -> None:
    limit = RateLimit(100, 1_000)
    for number in range(5_000):
        limit.take(str(number), 1, number * SECOND // 10)
    assert len(limit) <= 101  # those of the last ten seconds
    assert limit.take("4999", 1_000, 4_999 * SECOND // 10) == 999


@given(
    st.lists(st.tuples(st.integers(1, 50), st.integers(0, 3 * SECOND)), max_size=40),
    st.integers(1, 20),
    st.integers(1, 30),
)
def test_never_more_than_burst_and_rate_allow(
    asked: list[tuple[int, int]], per_second: int, burst: int
) -> None:
    limit = RateLimit(per_second, burst)
    now, granted = 0, 0
    for count, pause in asked:
        now += pause
        granted += limit.take("a", count, now)
        assert granted <= burst + now * per_second / SECOND + 1e-6
