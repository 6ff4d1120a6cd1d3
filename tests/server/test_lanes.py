"""Whose records go into the next batch."""

from __future__ import annotations

from typing import cast

from hypothesis import given
from hypothesis import strategies as st

from mosaic.policy.submission import Way
from mosaic.server.batch import Batch, Bearer
from mosaic.server.lanes import Lanes


class Somebody:
    def __init__(
        self,
        name: str,
        *,
        favoured: bool = False,
        tried: bool = True,
        suspect: bool = False,
        way: Way = Way.LINK,
    ) -> None:
        self.name, self.favoured, self.tried, self.suspect, self.way = name, favoured, tried, suspect, way
        self.gone = False


def add(lanes: Lanes, bearer: Somebody, count: int, begin: int = 0) -> None:
    records = [f"{bearer.name} {number}".encode() for number in range(begin, begin + count)]
    lanes.add(cast("Bearer", bearer), records)


def shares(batch: Batch) -> dict[str, int]:
    return {cast("Somebody", run.bearer).name: run.end - run.begin for run in batch.runs}


def test_whoever_is_alone_gets_what_he_wants() -> None:
    lanes = Lanes()
    assert not lanes
    add(lanes, Somebody("served", favoured=True), 3_000)
    assert shares(lanes.take(2_048)) == {"served": 2_048}
    assert shares(lanes.take(2_048)) == {"served": 952}
    assert not lanes


def test_people_served_go_first_and_others_have_a_part() -> None:
    lanes = Lanes()
    for number in range(100):
        add(lanes, Somebody(f"liar {number}", suspect=True), 100)
        add(lanes, Somebody(f"new {number}", tried=False), 100)
        add(lanes, Somebody(f"stranger {number}"), 100)
    add(lanes, Somebody("served", favoured=True), 1)
    batch = lanes.take(2_048)
    found = shares(batch)
    assert next(iter(found)) == "served"
    assert sum(count for name, count in found.items() if name.startswith("stranger")) == 200
    assert sum(count for name, count in found.items() if name.startswith(("liar", "new"))) == 32
    assert len(batch.records) == 233


def test_of_who_is_not_trusted_few_records_are_looked_at_at_once() -> None:
    lanes = Lanes()
    add(lanes, Somebody("liar", suspect=True), 100)
    assert shares(lanes.take(2_048)) == {"liar": 8}


def test_strangers_who_have_shown_themselves_wait_for_few_others() -> None:
    lanes = Lanes()
    for number in range(100):
        add(lanes, Somebody(f"new {number}", tried=False), 100)
    add(lanes, Somebody("stranger"), 1)
    batch = lanes.take(2_048)
    assert shares(batch)["stranger"] == 1
    assert len(batch.records) == 33
    assert len(lanes.take(2_048).records) == 100


def test_everybody_has_his_turn() -> None:
    lanes = Lanes()
    for number in range(5_000):
        add(lanes, Somebody(str(number)), 2)
    seen: dict[str, int] = {}
    for _ in range(10):
        for name, count in shares(lanes.take(2_048)).items():
            seen[name] = seen.get(name, 0) + count
    assert len(seen) == 5_000
    assert not lanes


def test_who_has_shown_himself_changes_the_lane_with_what_waits() -> None:
    lanes, new = Lanes(), Somebody("new", tried=False)
    add(lanes, new, 1_000)
    assert shares(lanes.take(2_048)) == {"new": 8}
    new.tried = True
    lanes.tidy()
    add(lanes, new, 10, 1_000)
    batch = lanes.take(2_048)
    assert batch.records == [f"new {number}".encode() for number in range(8, 1_010)]


def test_what_nobody_waits_for_is_dropped() -> None:
    lanes, gone = Lanes(), Somebody("gone")
    add(lanes, gone, 10)
    add(lanes, Somebody("there"), 1)
    gone.gone = True
    assert lanes.tidy() == 10 * len(b"gone 0")
    assert shares(lanes.take(2_048)) == {"there": 1}


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 40)), max_size=40), st.integers(1, 64))
def test_each_ones_records_keep_their_order_and_none_is_lost(
    arrivals: list[tuple[int, int]], most: int
) -> None:
    lanes = Lanes()
    people = [
        Somebody("0", favoured=True),
        Somebody("1"),
        Somebody("2", tried=False),
        Somebody("3", suspect=True),
        Somebody("4", way=Way.OWNER),
        Somebody("5", way=Way.SYNC, suspect=True),
    ]
    offered: dict[str, list[bytes]] = {person.name: [] for person in people}
    for who, count in arrivals:
        add(lanes, people[who], count, len(offered[str(who)]))
        offered[str(who)] += [f"{who} {len(offered[str(who)]) + number}".encode() for number in range(count)]
    taken: dict[str, list[bytes]] = {person.name: [] for person in people}
    while lanes:
        lanes.tidy()
        batch = lanes.take(most)
        assert 0 < len(batch.records) <= most
        for run in batch.runs:
            taken[cast("Somebody", run.bearer).name] += batch.records[run.begin : run.end]
    assert taken == offered
