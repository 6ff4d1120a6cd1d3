"""Which server keeps back what another one gives."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mosaic.client.withheld import Later, kept_back
from mosaic.core.keys import PublicKey, SecretKey

ONE, TWO, THREE = (SecretKey.from_seed(bytes([n]) * 32).public for n in range(1, 4))
SERVERS = st.sampled_from([ONE, TWO, THREE])
RECORDS = st.frozensets(st.integers(min_value=0, max_value=6))


def test_who_does_not_give_what_another_gives_keeps_it_back() -> None:
    asked = {ONE: frozenset({1, 2}), TWO: frozenset({1, 2})}
    assert kept_back(asked, {ONE: frozenset({1, 2}), TWO: frozenset({1})}) == {TWO: frozenset({2})}


def test_what_nobody_gives_is_nobodys_fault() -> None:
    asked = {ONE: frozenset({1}), TWO: frozenset({1})}
    assert kept_back(asked, {ONE: frozenset(), TWO: frozenset()}) == {}


def test_who_was_not_asked_or_not_reached_keeps_nothing_back() -> None:
    assert kept_back({ONE: frozenset({1})}, {ONE: frozenset({1})}) == {}
    assert kept_back({ONE: frozenset({1}), TWO: frozenset({2})}, {ONE: frozenset({1, 2})}) == {
        TWO: frozenset({2})
    }


@given(st.dictionaries(SERVERS, RECORDS), st.dictionaries(SERVERS, RECORDS))
def test_only_what_was_asked_for_and_given_elsewhere_counts(
    asked: dict[PublicKey, frozenset[int]], given_: dict[PublicKey, frozenset[int]]
) -> None:
    for server, ones in kept_back(asked, given_).items():
        assert ones
        assert ones <= asked[server]
        assert not ones & given_.get(server, frozenset())
        for one in ones:
            assert any(one in there for other, there in given_.items() if other != server)


def test_what_waits_comes_once_and_when_it_is_time() -> None:
    later: Later[str] = Later(10)
    later.note(["a"], 0)
    later.note(["a", "b"], 5)
    assert later.due(9) == []
    assert later.due(10) == ["a"]
    assert later.due(100) == ["b"]
    assert later.due(100) == []


def test_not_without_end_is_kept() -> None:
    later: Later[int] = Later(0)
    later.note(range(10_000), 0)
    assert len(later) == 4_096
    assert later.due(0)[-1] == 9_999
