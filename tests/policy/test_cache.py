"""What is a cache and what is not, what goes first, and how much of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.core.community_kinds import DELETION, VOUCH
from mosaic.core.keys import PublicKey
from mosaic.core.kind import Kind, Readers
from mosaic.core.kinds import KEY_SCHEDULE, MICROBLOG, PROFILE
from mosaic.policy.cache import CACHE, Share, Sharing, most_bytes, stays
from mosaic.testing import Person
from mosaic.testing.people import kind_of

ME, GUEST, FRIEND, STRANGER = (Person(name) for name in ("me", "guest", "friend", "stranger"))


def sharing(*kept: bytes) -> Sharing:
    return Sharing(
        lives_here=ME.key_bytes.__eq__,
        serves={ME.key_bytes, GUEST.key_bytes}.__contains__,
        follows=FRIEND.key_bytes.__eq__,
        keeps=lambda record: record[:48] in kept,
    )


def share(who: Person, *, notify: tuple[PublicKey, ...] = (), kind: Kind = MICROBLOG) -> Share:
    return sharing().share(who.record(1, kind=kind, notify=notify).data)


@pytest.mark.parametrize(
    ("who", "expected"),
    [
        (ME, Share.OWN),
        (GUEST, Share.SERVED),
        (FRIEND, Share.FOLLOWED),
        (STRANGER, Share.OTHERS),
    ],
)
def test_who_wrote_it_says_what_it_is(who: Person, expected: Share) -> None:
    assert share(who) is expected


@pytest.mark.parametrize("who", [FRIEND, STRANGER])
def test_what_is_meant_for_somebody_here_is_no_cache(who: Person) -> None:
    private = kind_of(readers=Readers.AUTHOR_AND_TAGGED)
    assert share(who, notify=(STRANGER.key, ME.key)) is Share.ADDRESSED
    assert share(who, notify=(GUEST.key,), kind=private) is Share.ADDRESSED
    assert share(who, notify=(STRANGER.key,)) in CACHE


@pytest.mark.parametrize("kind", [KEY_SCHEDULE, PROFILE, DELETION, VOUCH])
def test_without_what_others_are_not_understood_stays(kind: Kind) -> None:
    assert share(STRANGER, kind=kind) is Share.NEEDED


def test_what_was_chosen_is_kept_and_nothing_else_of_its_author() -> None:
    one, other = STRANGER.record(1), STRANGER.record(2)
    of_mine = sharing(one.id.bytes)
    assert of_mine.share(one.data) is Share.KEPT
    assert of_mine.share(other.data) is Share.OTHERS


@given(st.integers(0, 1 << 40), st.integers(0, 1 << 40), st.integers(-(1 << 40), 1 << 40))
def test_bounds_hold_and_nothing_goes_without_need(takes: int, quota: int, short: int) -> None:
    most = most_bytes(takes, quota, short)
    if most is None:
        assert not quota or takes <= quota
        assert short <= 0 or not takes
    else:
        assert most < takes
        assert not quota or most <= quota
        assert short <= 0 or most <= max(0, takes - short)


def test_without_a_quota_only_the_disk_says_what_goes() -> None:
    assert most_bytes(1 << 40, 0, -1) is None
    assert most_bytes(1_000, 0, 100) == 810
    assert most_bytes(1_000, 900, 2_000) == 0
    assert most_bytes(900, 900, 0) is None


@given(st.integers(0, 1 << 30), st.integers(0, 1 << 30), st.integers(0, 1 << 31))
def test_of_people_followed_nothing_goes_before_all_else_has_gone(
    followed: int, others: int, most: int
) -> None:
    kept = stays({Share.FOLLOWED: followed, Share.OTHERS: others, Share.OWN: 1 << 40}, most)
    assert set(kept) == set(CACHE)
    assert sum(kept.values()) == min(most, followed + others)
    assert kept[Share.FOLLOWED] == followed or not kept[Share.OTHERS]
