from __future__ import annotations

import pytest

from mosaic.core.timestamp import LEAP_TABLE, Timestamp
from mosaic.node.clock import Clock
from mosaic.node.entropy import entropy

SECOND = 10**9


class Machine:
    def __init__(self, seconds: int) -> None:
        self.ns = seconds * SECOND

    def __call__(self) -> int:
        return self.ns


@pytest.mark.claim("C31")
def test_the_time_counts_leap_seconds_as_the_table_says() -> None:
    machine = Machine(1_483_228_790)  # ten seconds before the leap second of 2017 has passed
    clock = Clock(machine)
    for _ in range(40):
        assert clock.now() == Timestamp.from_unix(machine.ns // SECOND, machine.ns % SECOND)
        machine.ns += SECOND // 2 + 7


def test_a_clock_that_is_set_back_or_forward_is_followed() -> None:
    machine = Machine(1_600_000_000)
    clock = Clock(machine)
    for seconds in (1_600_000_000, 1_000_000_000, 1_700_000_000, 78_796_799, 78_796_801):
        machine.ns = seconds * SECOND
        assert clock.now() == Timestamp.from_unix(seconds)


@pytest.mark.claim("C31")
def test_past_the_end_of_the_table_the_clock_works_on_and_warns() -> None:
    before, after = Machine(LEAP_TABLE.expires - 60), Machine(LEAP_TABLE.expires + 60)
    assert Clock(before).warning() is None
    warning = Clock(after).warning()
    assert warning is not None
    assert "leap seconds" in warning
    assert Clock(after).now_ns() - Clock(before).now_ns() == 120 * SECOND


def test_entropy_has_the_length_that_is_asked_for() -> None:
    assert [len(entropy(length)) for length in (0, 1, 32)] == [0, 1, 32]
    assert entropy(32) != entropy(32)
