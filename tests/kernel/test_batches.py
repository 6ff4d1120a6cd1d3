"""Batch checks give the verdicts of single checks, whatever stands where."""

from __future__ import annotations

import random
from functools import cache

import pytest

from mosaic._kernel import _rust
from tests.kernel import odd_records
from tests.kernel.odd_records import Case, failing, holding, honest, refused_at_once, shuffled
from tests.kernel.twins import record_check

pytestmark = pytest.mark.claim("C9", "C25")

LARGEST = 300

# Where the kernel changes its way of adding up, and the sizes that callers use.
TURNING_POINTS = (1, 2, 3, 4, 5, 7, 8, 94, 95, 96, 128, 190, 191, 256, LARGEST)


def parted(cases: list[Case]) -> tuple[list[bytes], bytes]:
    return [record for record, _ in cases], bytes(verdict for _, verdict in cases)


def at_every_position(cases: list[Case], size: int) -> None:
    """Every case stands at every position of a batch of `size`, among those that follow it."""
    records, verdicts = parted(cases * (2 + size // len(cases)))
    for start in range(len(cases)):
        found = _rust.check(records[start : start + size], batch=size)
        assert found == verdicts[start : start + size], (start, size)


@cache
def good_records() -> tuple[bytes, ...]:
    return tuple(parted(shuffled((*honest(), *holding())))[0])


def one_bad_at(positions: range, size: int) -> None:
    """A false equation stands at each of the positions; everything else holds."""
    records = list(good_records()[:size])
    bad = failing()[(size + positions.start) % len(failing())][0]
    expected = bytearray(size)
    for position in positions:
        records[position] = bad
        expected[position] = record_check.SIGNATURE
    assert _rust.check(records, batch=size) == expected, (positions, size)


def test_the_odd_records_have_their_verdicts_singly() -> None:
    for cases in (holding(), refused_at_once(), failing(), honest(20)):
        records, verdicts = parted(list(cases))
        assert _rust.check(records, batch=1) == verdicts
        assert bytes(record_check.check(record) for record in records) == verdicts


@pytest.mark.parametrize("size", TURNING_POINTS)
def test_odd_records_at_some_positions(size: int) -> None:
    cases = shuffled((*holding(), *refused_at_once(), *honest(20)))
    at_every_position(cases[:: max(1, len(cases) // 8)], size)
    for position in {0, size // 2, size - 1}:
        one_bad_at(range(position, size, size), size)


def test_all_may_be_bad() -> None:
    bad = parted(list(failing()) * 20)[0]
    for size in (1, 4, 64, 256):
        assert set(_rust.check(bad, batch=size)) == {record_check.SIGNATURE}


def test_threads_change_nothing() -> None:
    cases = shuffled((*holding(), *refused_at_once(), *failing(), *honest()))
    records, verdicts = parted(cases * 3)
    for threads in (1, 2, 3, 7):
        for batch in (1, 50, 128, 256, 5000):
            assert _rust.check(records, batch=batch, threads=threads) == verdicts


def test_mixed_sizes_and_orders() -> None:
    rng = random.Random("mixed")
    cases = (*holding(), *refused_at_once(), *failing(), *honest())
    for _ in range(60):
        records, verdicts = parted([rng.choice(cases) for _ in range(rng.randrange(1, LARGEST))])
        assert _rust.check(records, batch=rng.randrange(1, LARGEST)) == verdicts


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_odd_records_at_every_position_of_every_size() -> None:
    cases = shuffled((*holding(), *refused_at_once(), *odd_records.honest(20)))
    for size in range(1, LARGEST + 1):
        at_every_position(cases, size)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_false_equation_at_every_position_of_every_size() -> None:
    for size in range(1, LARGEST + 1):
        alone = size <= 64 or size in TURNING_POINTS
        step = size if alone else 10
        for start in range(step):
            one_bad_at(range(start, size, step), size)
