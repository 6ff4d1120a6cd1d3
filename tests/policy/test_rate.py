from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mosaic.policy.rate import NetworkRate, RateLimit, Spending, around

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


def test_a_network_has_a_bound_beside_those_of_its_addresses() -> None:
    rate = NetworkRate(10, 10)

    def take(address: str, count: int, now_ns: int = 0) -> int:
        return rate.take(around(address), count, now_ns)

    assert take("10.0.0.1", 99) == 10
    assert take("10.0.0.1", 1) == 0
    assert [take(f"10.0.0.{last}", 10) for last in range(2, 6)] == [
        10,
        10,
        10,
        0,
    ]  # the /24 has four times as much
    assert [take(f"10.0.{third}.1", 10) for third in range(1, 14)] == [10] * 12 + [0]  # the /16 sixteen times
    assert take("10.1.0.1", 10) == 10
    # What a wider network refused was not taken from the narrower ones.
    assert take("10.0.13.1", 10, SECOND) == 10


def test_whose_address_is_unknown_has_no_bound_by_network() -> None:
    assert NetworkRate(1, 1).take(around(""), 1_000, 0) == 1_000
    assert NetworkRate(0, 0).take(around("10.0.0.1"), 1_000, 0) == 1_000


def test_networks_around_an_address() -> None:
    assert around("10.1.2.3") == (
        (bytes((10, 1, 2, 3)), 32),
        (bytes((10, 1, 2, 0)), 24),
        (bytes((10, 1, 0, 0)), 16),
    )
    assert [size for _, size in around("2001:db8:1:2::/64")] == [64, 48, 32]
    assert around("2001:db8:1:2::/64")[2][0] == bytes.fromhex("20010db8") + bytes(12)


def test_a_budget_is_charged_afterwards_and_refills() -> None:
    budget = Spending(names=2)
    assert budget.left("a", 10, 100, 0) == 100
    budget.charge("a", 130, 10, 100, 0)
    assert budget.left("a", 10, 100, 0) == -30
    assert budget.left("a", 10, 100, 4 * SECOND) == 10
    budget.charge("a", 10_000, 10, 100, 4 * SECOND)
    assert budget.left("a", 10, 100, 4 * SECOND) == -100  # nobody pays for ever
    assert budget.left("a", 10, 100, 60 * SECOND) == 100
    for name in "bc":
        budget.charge(name, 50, 10, 100, 0)
    assert budget.left("a", 10, 100, 4 * SECOND) == 100
