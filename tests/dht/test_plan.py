"""What a writer does after having read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.core.dht_item import MAX_SEQ, USER_SALT, DhtItem
from mosaic.dht.plan import GiveWay, Keep, Write, plan
from mosaic.dht.sequence_store import Wish
from mosaic.errors import InvalidBootstrap
from tests.dht.samples import secret, user, user_item

OURS, THEIRS = user(1).text.encode(), user(2).text.encode()


def ours(seq: int) -> DhtItem:
    return user_item(1, seq, 1)


def theirs(seq: int) -> DhtItem:
    return user_item(1, seq, 2)


@pytest.mark.claim("C14")
def test_the_first_number_is_1_and_nothing_may_stand_there() -> None:
    assert plan(OURS, [], None, None, may_overwrite=True) == Write(1, 0, over=False)


@pytest.mark.claim("C14")
def test_a_change_is_max_plus_1_over_what_stands_there() -> None:
    assert plan(OURS, [theirs(3), theirs(4)], theirs(2), None, may_overwrite=True) == Write(5, 4, over=True)
    # What was seen once counts, even if the DHT has forgotten it or shows an older one.
    assert plan(OURS, [theirs(3)], theirs(9), None, may_overwrite=True) == Write(10, 3, over=True)
    assert plan(OURS, [], theirs(9), None, may_overwrite=True) == Write(10, 0, over=True)


@pytest.mark.claim("C19")
def test_the_same_text_is_kept_as_it_is() -> None:
    assert plan(OURS, [ours(4)], None, None, may_overwrite=True) == Keep(ours(4), 4)
    # Another device was faster with the same text: nothing to do.
    assert plan(OURS, [theirs(4), ours(5)], ours(4), Wish(OURS, 4), may_overwrite=False) == Keep(ours(5), 5)
    # The DHT has forgotten it, or shows an older one.
    assert plan(OURS, [], ours(4), Wish(OURS, 4), may_overwrite=True) == Keep(ours(4), 0)
    assert plan(OURS, [theirs(3)], ours(4), Wish(OURS, 4), may_overwrite=True) == Keep(ours(4), 3)


def test_who_was_replaced_gives_way() -> None:
    wish = Wish(OURS, 4)
    assert plan(OURS, [theirs(5)], ours(4), wish, may_overwrite=True) == GiveWay(theirs(5), 5)
    # A new wish takes its place, but only so many times.
    assert plan(OURS, [theirs(5)], ours(4), Wish(b"U\n", 4), may_overwrite=True) == Write(6, 5, over=True)
    assert plan(OURS, [theirs(5)], ours(4), None, may_overwrite=False) == GiveWay(theirs(5), 5)


def test_the_same_number_twice() -> None:
    assert plan(OURS, [ours(5), theirs(5)], ours(5), None, may_overwrite=True) == Write(6, 5, over=True)
    decided = [plan(value, [ours(5), theirs(5)], None, None, may_overwrite=False) for value in (OURS, THEIRS)]
    # An own item that never reached the DHT is no reason to go on fighting.
    assert plan(OURS, [theirs(5)], ours(5), None, may_overwrite=False) == GiveWay(theirs(5), 5)
    greater = max(ours(5), theirs(5), key=lambda item: item.value)
    assert decided.count(Write(6, 5, over=True)) == 1
    assert decided.count(GiveWay(greater, 5)) == 1


def test_garbage_under_the_own_key_is_always_replaced() -> None:
    garbage = DhtItem.sign(secret(1), USER_SALT, 8, b"\xff\xfe")
    wish = Wish(OURS, 4)
    assert plan(OURS, [garbage], ours(4), wish, may_overwrite=False) == Write(9, 8, over=True)


def test_no_number_comes_after_the_last() -> None:
    with pytest.raises(InvalidBootstrap):
        plan(OURS, [theirs(MAX_SEQ)], None, None, may_overwrite=True)


@pytest.mark.claim("C14")
@given(
    st.lists(st.tuples(st.integers(0, 6), st.booleans()), max_size=5),
    st.none() | st.tuples(st.integers(0, 6), st.booleans()),
    st.none() | st.tuples(st.integers(0, 6), st.booleans()),
    st.booleans(),
)
def test_numbers_only_rise(
    heard: list[tuple[int, bool]],
    known: tuple[int, bool] | None,
    wish: tuple[int, bool] | None,
    may_overwrite: bool,
) -> None:
    items = [ours(seq) if own else theirs(seq) for seq, own in heard]
    newest = None if known is None else ours(known[0]) if known[1] else theirs(known[0])
    wished = None if wish is None else Wish(OURS if wish[1] else THEIRS, wish[0])
    decided = plan(OURS, items, newest, wished, may_overwrite=may_overwrite)
    seen = max((item.seq for item in [*items, *([newest] if newest else [])]), default=0)
    assert decided.cas == max((item.seq for item in items), default=0)
    if isinstance(decided, Write):
        assert decided.seq == seen + 1
    else:
        assert decided.item.seq == seen
        assert isinstance(decided, Keep) == (decided.item.value == OURS)
