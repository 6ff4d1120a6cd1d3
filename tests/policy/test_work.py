from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mosaic.core.tag import Tag
from mosaic.policy.work import COUNTS_NS, WORK_TAG, WorkRule, work_bits
from mosaic.testing import Person

ANNA = Person("anna")
NOW = 1_800_000_000_000_000_000


def tag(bits: int, free: int = 0, end: bytes = bytes(3)) -> Tag:
    return Tag(WORK_TAG, free.to_bytes(8, "big") + bytes((bits,)) + end)


def worked(bits: int, claimed: int | None = None, timestamp: int = NOW) -> bytes:
    """A record that shows at least so many bits."""
    for free in range(1 << 20):
        data = ANNA.record(timestamp, tags=[tag(bits if claimed is None else claimed, free)]).data
        if not int.from_bytes(data[8:48], "big") >> (320 - bits):
            return data
    raise AssertionError


def test_a_record_has_done_the_work_that_it_claims_and_shows() -> None:
    record = worked(6)
    assert work_bits(record) == 6
    assert WorkRule(lambda _: False).done(record, 6, NOW)
    assert not WorkRule(lambda _: False).done(record, 7, NOW)


def test_what_is_only_shown_or_only_claimed_does_not_count() -> None:
    assert work_bits(worked(6, claimed=0)) == 0
    assert work_bits(ANNA.record(NOW).data) == 0
    assert work_bits(ANNA.record(NOW, tags=[tag(200)]).data) == 0
    assert work_bits(ANNA.record(NOW, tags=[tag(0)]).data) == 0
    assert work_bits(ANNA.record(NOW, tags=[tag(1, end=b"\0\0\1")]).data) == 0


def test_work_counts_for_three_days_around_the_record() -> None:
    record, rule = worked(4), WorkRule(lambda _: False)
    assert rule.done(record, 4, NOW + COUNTS_NS - 1)
    assert not rule.done(record, 4, NOW + COUNTS_NS)
    assert not rule.done(record, 4, NOW - COUNTS_NS)


def test_of_people_who_are_known_none_is_asked() -> None:
    assert WorkRule(lambda key: key == ANNA.key_bytes).done(ANNA.record(NOW).data, 20, NOW)


@given(st.binary(min_size=216, max_size=600))
def test_any_bytes_have_an_answer(data: bytes) -> None:
    assert 0 <= work_bits(data) <= 255


def test_key_schedules_and_profiles_need_none_however_old() -> None:
    rule = WorkRule(lambda _key: False)
    schedule = ANNA.schedule(NOW)
    assert rule.done(schedule.data, 20, NOW + 30 * COUNTS_NS)
    assert not rule.done(ANNA.record(NOW).data, 20, NOW)
