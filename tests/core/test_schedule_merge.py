from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.core import key_schedule
from mosaic.core.key_schedule import Entry, KeySchedule, Marker, attest
from mosaic.core.keys import SecretKey
from mosaic.core.schedule_entry import ATTESTATION
from mosaic.core.schedule_merge import joined, lacks, merged, name_of
from mosaic.core.timestamp import Timestamp

MASTER = SecretKey.from_seed(bytes([1]) * 32)
DEVICES = [attest(SecretKey.from_seed(bytes([2, number]) + bytes(30)), MASTER.public) for number in range(4)]
BOXES = [bytes([3, number]) + bytes(30) for number in range(3)]
SIGNING = (Marker.ACTIVE_SIGNING_KEY, Marker.OUT_OF_USE, Marker.REVOKED_PAST, Marker.REVOKED_ALL)

signing = st.builds(
    Entry.signing, st.sampled_from(DEVICES), st.sampled_from(SIGNING), st.integers(1, 5).map(Timestamp)
)
encryption = st.builds(
    Entry.encryption,
    st.sampled_from(BOXES),
    st.sampled_from((Marker.ACTIVE_ENCRYPTION_KEY, Marker.OUT_OF_USE)),
    st.integers(1, 5).map(Timestamp),
)
entries = st.lists(signing | encryption, max_size=8)


def schedule(listed: list[Entry], time: int) -> KeySchedule:
    return key_schedule.parse(key_schedule.build(MASTER, listed, time))


@pytest.mark.claim("C4")
@given(st.lists(entries, min_size=1, max_size=4))
def test_what_was_ever_said_about_a_key_is_said_by_the_joined_schedule(lists: list[list[Entry]]) -> None:
    schedules = [schedule(listed, 10 + number) for number, listed in enumerate(lists)]
    together = schedule(list(merged(schedules)), 99)
    assert {entry.subkey for entry in together.entries} == {e.subkey for one in lists for e in one}
    for entry in (entry for one in lists for entry in one):
        if entry.kind == ATTESTATION:
            key = name_of(entry)[2]
            strictest = min(one._signers[key] for one in schedules if key in one._signers)
            assert together._signers[key] == strictest
    ended = {e.subkey for one in lists for e in one if e.marker is Marker.OUT_OF_USE}
    assert not ended & set(together.encryption_keys())
    assert not any(lacks(together, one.entries) for one in schedules)


@given(entries, entries, entries)
def test_neither_order_nor_repetition_matters(one: list[Entry], two: list[Entry], three: list[Entry]) -> None:
    together = set(joined([*one, *two, *three]))
    assert set(joined([*three, *two, *one, *two])) == together
    assert set(joined([*joined([*one, *two]), *three])) == together


@given(entries, entries)
def test_a_schedule_lacks_what_another_says_more_strictly(one: list[Entry], two: list[Entry]) -> None:
    assert lacks(schedule(one, 1), two) == (set(joined([*one, *two])) != set(joined(one)))


def test_keys_stand_in_the_order_in_which_they_came() -> None:
    early = schedule([Entry.signing(DEVICES[2]), Entry.signing(DEVICES[0])], 1)
    late = schedule([Entry.signing(DEVICES[0], Marker.OUT_OF_USE, 5), Entry.signing(DEVICES[1])], 2)
    found = merged([late, early])
    assert [entry.data for entry in found] == [DEVICES[2], DEVICES[0], DEVICES[1]]
    assert [entry.marker for entry in found] == [
        Marker.ACTIVE_SIGNING_KEY,
        Marker.OUT_OF_USE,
        Marker.ACTIVE_SIGNING_KEY,
    ]
