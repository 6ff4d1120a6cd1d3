from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.core.makers import MASTER, NOW, OTHER, SUBKEY, post

from mosaic.core import core_tags
from mosaic.core.community_tags import CommunityTag, hashtag
from mosaic.core.proof_of_work import Search, work_tag
from mosaic.core.record import Record
from mosaic.core.tag import Tag
from mosaic.core.timestamp import Timestamp
from mosaic.errors import InvalidSecretKey, UsageError
from mosaic.policy.work import work_bits

LATER = Timestamp(NOW + 5)


def done(record: Record, bits: int) -> Record:
    search = Search(record, bits, LATER)
    assert search.look(1 << 22)
    return search.sealed(SUBKEY if record.signer == SUBKEY.public else MASTER)


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 9),
    st.binary(max_size=3_000),
    st.lists(st.builds(Tag, st.integers(0x300, 0x310), st.binary(max_size=40)), max_size=4),
    st.booleans(),
)
def test_the_record_says_the_same_and_shows_the_work(
    bits: int, payload: bytes, tags: list[Tag], by_device: bool
) -> None:
    record = post(SUBKEY if by_device else MASTER, payload=payload, tags=tags)
    again = Record.parse(done(record, bits).data)
    assert work_bits(again.data) == bits
    assert (again.payload, again.address, again.signer) == (payload, record.address, record.signer)
    assert again.timestamp == LATER
    assert again.tags[1:] == record.tags
    assert again.tags[0].type == CommunityTag.WORK


def test_former_work_is_left_out() -> None:
    record = post(tags=[hashtag("a"), work_tag(bytes(8), 3), core_tags.notify(OTHER.public)])
    again = done(done(record, 4), 6)
    assert [tag.type == CommunityTag.WORK for tag in again.tags] == [True, False, False]


def test_the_same_search_in_other_steps_finds_the_same() -> None:
    small = Search(post(), 8, LATER)
    while not small.look(7):
        pass
    assert small.sealed(MASTER) == done(post(), 8)


def test_what_is_not_found_yet_and_other_keys_make_no_record() -> None:
    search = Search(post(), 60, LATER)
    assert not search.look(10)
    with pytest.raises(UsageError, match="not done yet"):
        search.sealed(MASTER)
    search = Search(post(), 1, LATER)
    assert search.look(1_000)
    with pytest.raises(InvalidSecretKey):
        search.sealed(OTHER)


@pytest.mark.parametrize("bits", [0, 65, -1])
def test_bits_that_nobody_searches_for_are_refused(bits: int) -> None:
    with pytest.raises(UsageError):
        Search(post(), bits, LATER)


def test_a_long_record_is_searched_as_well() -> None:
    again = done(post(payload=bytes(900_000)), 10)
    assert work_bits(Record.parse(again.data).data) == 10
