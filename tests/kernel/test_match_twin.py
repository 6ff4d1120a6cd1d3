"""The match door against its twin: seeded random cases, 100,000 in all (MOSAIC_TWIN_CASES)."""

from __future__ import annotations

import random

import pytest

from mosaic._kernel import _rust
from mosaic.errors import InvalidFilter
from tests.kernel import filter_samples
from tests.kernel.twins import filter_match
from tests.kernel.twins.cases import share

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def compiled(data: bytes) -> _rust.Filter | None:
    try:
        return _rust.Filter(data)
    except InvalidFilter:
        return None


@pytest.mark.claim("C39", "C40", "C41")
def test_filters_are_parsed_as_the_twin_parses_them() -> None:
    rng = random.Random("filters")
    refused = 0
    for _ in range(share(0.3)):
        data = filter_samples.broken_filter(rng) if rng.randrange(3) else filter_samples.random_filter(rng)
        expected = filter_match.parse(data)
        found = compiled(data)
        assert (found is None) == (expected is None), data.hex()
        if found is not None and expected is not None:
            assert found.narrow == filter_match.narrow(expected)
            first = {kind: int.from_bytes(body, "big") for kind, body in reversed(expected)}
            assert (found.since, found.received_since) == (first.get(0x80), first.get(0x82))
        refused += found is None
    assert 0 < refused < share(0.3)


@pytest.mark.claim("C39", "C40", "C41")
def test_filters_match_as_the_twins_do() -> None:
    rng = random.Random("matches")
    records = [filter_samples.record(rng) for _ in range(300)]
    left, hits = share(0.45), 0
    while left > 0:
        data = filter_samples.random_filter(rng)
        found, expected = _rust.Filter(data), filter_match.parse(data)
        assert expected is not None
        for record in rng.sample(records, min(left, 10)):
            left -= 1
            received = rng.choice([None, *range(999, 1009)])
            matches = filter_match.matches(expected, record, received)
            assert found.matches(record, received) == matches, (data.hex(), record.hex(), received)
            hits += matches
    assert hits > 0


@pytest.mark.claim("C41")
def test_subscriptions_reach_whom_the_naive_ones_reach() -> None:
    rng = random.Random("subscriptions")
    records = [filter_samples.record(rng) for _ in range(300)]
    fast, naive = _rust.Subscriptions(), filter_match.Subscriptions()
    left, hits = share(0.25), 0
    while left > 0:
        if len(naive.open) < 60 and rng.randrange(2):
            data = filter_samples.random_filter(rng)
            number = rng.choice([rng.randrange(80), rng.randrange(1 << 64)])
            elements = filter_match.parse(data)
            assert elements is not None
            if number not in naive.open:
                fast.add(number, _rust.Filter(data))
                naive.open[number] = elements
        elif naive.open:
            number = rng.choice(sorted(naive.open))
            assert fast.remove(number)
            del naive.open[number]
        assert len(fast) == len(naive.open)
        batch = rng.sample(records, min(left, rng.choice([1, 1, 5, 20])))
        times = [rng.randrange(999, 1010) for _ in batch]
        left -= len(batch)
        expected = [naive.match(record, time) for record, time in zip(batch, times, strict=True)]
        assert fast.match(batch, times) == expected
        hits += sum(map(len, expected))
    assert hits > 0
