"""The fan-out against ten naive lines."""

from __future__ import annotations

import random

import pytest

from mosaic.core.filter import Filter
from mosaic.core.kind import Duplicates, Readers
from mosaic.core.tag import Tag
from mosaic.core.timestamp import Timestamp
from mosaic.fanout.fanout import Fanout
from mosaic.testing import FakeClock, Person
from mosaic.testing.people import kind_of

NOW = FakeClock().now_ns()
PEOPLE = [Person(name) for name in "abcdef"]
KINDS = [kind_of(number=number) for number in range(4)]
TAGS = [Tag(0x4D00, bytes([number])) for number in range(5)]


def some(rng: random.Random, values: list) -> list | None:  # type: ignore[type-arg]
    return rng.sample(values, rng.randrange(1, 3)) if rng.random() < 0.5 else None


def random_filter(rng: random.Random) -> Filter:
    return Filter.of(
        authors=some(rng, [person.key for person in PEOPLE]),
        kinds=some(rng, KINDS),
        tags=some(rng, TAGS),
        since=Timestamp(NOW + rng.randrange(-50, 50)) if rng.random() < 0.2 else None,
        received_until=Timestamp(NOW + rng.randrange(-50, 50)) if rng.random() < 0.2 else None,
        exclude_tags=some(rng, TAGS) if rng.random() < 0.2 else None,
    )


@pytest.mark.parametrize("seed", range(5))
def test_a_record_reaches_what_it_matches(seed: int) -> None:
    rng = random.Random(seed)
    records = [
        rng.choice(PEOPLE).record(
            NOW + rng.randrange(-50, 50), kind=rng.choice(KINDS), tags=some(rng, TAGS) or ()
        )
        for _ in range(60)
    ]
    fanout = Fanout()
    naive: dict[int, Filter] = {}
    for number in range(1, 200):
        naive[number] = random_filter(rng)
        fanout.open(number, naive[number].compiled)
        if rng.random() < 0.3:
            closed = rng.choice(list(naive))
            del naive[closed]
            assert fanout.close(closed)
            assert not fanout.close(closed)
        assert len(fanout) == len(naive)
        batch = rng.sample(records, 3)
        received = [NOW + rng.randrange(-50, 50) for _ in batch]
        expected = [
            [each for each, wanted in sorted(naive.items()) if wanted.matches(record, time)]
            for record, time in zip(batch, received, strict=True)
        ]
        assert fanout.reach([record.data for record in batch], received) == expected


def test_kinds_of_all_readers_and_handlings_are_reached() -> None:
    fanout = Fanout()
    fanout.open(1, Filter.of(authors=[PEOPLE[0].key]).compiled)
    kinds = [
        kind_of(duplicates=duplicates, readers=readers) for duplicates in Duplicates for readers in Readers
    ]
    records = [PEOPLE[0].record(NOW, kind=kind).data for kind in kinds]
    assert fanout.reach(records, [NOW] * len(records)) == [[1]] * len(records)
