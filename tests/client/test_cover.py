"""Where people are read: each at one of his outboxes, at few servers, and seldom anywhere else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.client.cover import Cover, cover, usable
from mosaic.core.keys import PublicKey, SecretKey

SERVERS = [SecretKey.from_seed(bytes([n]) * 32).public for n in range(1, 9)]
PEOPLE = [SecretKey.from_seed(bytes([n]) * 32).public for n in range(100, 130)]

outboxes = st.dictionaries(
    st.sampled_from(PEOPLE), st.lists(st.sampled_from(SERVERS), max_size=5, unique=True), max_size=20
)
scores = st.fixed_dictionaries({server: st.sampled_from([0.0, 0.25, 0.75, 1.0]) for server in SERVERS})


def where(covered: Cover) -> dict[PublicKey, PublicKey]:
    return {person: server for server, people in covered.items() for person in people}


def smallest(choices: Mapping[PublicKey, Sequence[PublicKey]]) -> int:
    return next(
        size
        for size in range(len(SERVERS) + 1)
        if any(all(set(some) & set(one) for one in choices.values()) for some in combinations(SERVERS, size))
    )


@pytest.mark.claim("C82")
@given(outboxes, scores)
def test_each_person_is_read_at_one_of_the_first_three_outboxes(
    given_outboxes: dict[PublicKey, list[PublicKey]], score: dict[PublicKey, float]
) -> None:
    covered = cover(given_outboxes, score.__getitem__)
    assert sum(map(len, covered.values())) == len(where(covered))
    assert set(where(covered)) == {person for person, servers in given_outboxes.items() if servers}
    for person, server in where(covered).items():
        first = given_outboxes[person][:3]
        assert server in first
        # One that does not do is read only where there is no other.
        assert score[server] > 0 or not any(score[one] for one in first)


@given(outboxes)
def test_it_is_the_same_in_whatever_order_people_are_given(
    given_outboxes: dict[PublicKey, list[PublicKey]],
) -> None:
    backwards = dict(reversed(list(given_outboxes.items())))
    assert cover(given_outboxes, lambda _: 1.0) == cover(backwards, lambda _: 1.0)


@given(outboxes)
def test_few_servers_are_read(given_outboxes: dict[PublicKey, list[PublicKey]]) -> None:
    choices = {person: servers[:3] for person, servers in given_outboxes.items() if servers}
    # Greedy is at most 1 + 1/2 + … + 1/n times as large as the smallest for n people at a server.
    most = sum(1 / n for n in range(1, len(choices) + 1))
    assert len(cover(given_outboxes, lambda _: 1.0)) <= smallest(choices) * max(1.0, most)


@given(
    outboxes,
    st.sampled_from(PEOPLE),
    st.lists(st.sampled_from(SERVERS), min_size=1, max_size=3, unique=True),
)
def test_who_comes_later_moves_nobody(
    given_outboxes: dict[PublicKey, list[PublicKey]], new: PublicKey, servers: list[PublicKey]
) -> None:
    given_outboxes.pop(new, None)
    before = where(cover(given_outboxes, lambda _: 1.0))
    after = where(cover({**given_outboxes, new: servers}, lambda _: 1.0, before))
    assert {person: after[person] for person in before} == before
    # And a server that is read anyway is read for him as well.
    if set(servers) & set(before.values()):
        assert after[new] in set(before.values())


@given(outboxes, st.sampled_from(SERVERS))
def test_a_server_that_fails_moves_only_those_who_are_read_there(
    given_outboxes: dict[PublicKey, list[PublicKey]], failing: PublicKey
) -> None:
    before = where(cover(given_outboxes, lambda _: 1.0))
    after = where(cover(given_outboxes, lambda server: float(server != failing), before))
    assert {one for one in before if after[one] != before[one]} <= {
        one for one in before if before[one] == failing
    }
    # When it does well again nobody is moved back.
    again = where(cover(given_outboxes, lambda _: 1.0, after))
    assert again == after


def test_everything_is_chosen_anew_when_much_fewer_servers_would_do() -> None:
    common, *others = SERVERS
    each = {person: [common, others[place % 7]] for place, person in enumerate(PEOPLE)}
    spread = {person: others[place % 7] for place, person in enumerate(PEOPLE)}
    assert set(cover(each, lambda _: 1.0, spread)) == {common}


def test_whoever_has_no_server_that_does_is_read_somewhere_all_the_same() -> None:
    assert usable(SERVERS, lambda _: 0.0) == tuple(SERVERS[:3])
    assert where(cover({PEOPLE[0]: SERVERS[3:5]}, lambda _: 0.0)).keys() == {PEOPLE[0]}
