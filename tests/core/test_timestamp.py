from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.strategies import any_text, timestamps

from mosaic.core import leap_seconds
from mosaic.core.timestamp import LEAP_TABLE, MAX_NS, SECOND, LeapTable, Timestamp
from mosaic.errors import FormatError, InvalidTimestamp

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LAST_UNIX = MAX_NS // SECOND - 29

LIST = """\
#	Updated through IERS Bulletin C
#$	3960835200
#@	3991593600
#
2272060800      10      # 1 Jan 1972
2287785600      11      # 1 Jul 1972
2303683200      12      # 1 Jan 1973
#h	dc2e6b0b 5aade95d
"""


@pytest.mark.claim("C31")
@given(timestamps)
def test_bytes_are_big_endian(timestamp: Timestamp) -> None:
    assert Timestamp.from_bytes(timestamp.to_bytes()) == timestamp
    assert timestamp.to_bytes() == timestamp.ns.to_bytes(8, "big")
    assert Timestamp.from_inverse_bytes(timestamp.to_inverse_bytes()) == timestamp


@pytest.mark.claim("C31")
def test_the_example_of_the_page() -> None:
    timestamp = Timestamp.from_unix(1_732_829_887)
    assert timestamp == 1_732_829_915_000_000_000
    assert timestamp.to_bytes().hex() == "180c3fa073bece00"


@pytest.mark.claim("C31")
@pytest.mark.parametrize("ns", [-1, MAX_NS + 1, 2**64, -(2**63)])
def test_times_end_in_1970_and_2262(ns: int) -> None:
    with pytest.raises(InvalidTimestamp):
        Timestamp(ns)
    assert Timestamp(0).iso(0) == "1970-01-01T00:00:00Z"
    assert Timestamp(MAX_NS).iso(0).startswith("2262-04-11")


@given(st.binary(max_size=12))
def test_any_bytes_are_a_time_or_refused(data: bytes) -> None:
    try:
        timestamp = Timestamp.from_bytes(data)
    except InvalidTimestamp:
        assert len(data) != 8 or data[0] & 0x80
        return
    assert timestamp.to_bytes() == data


@pytest.mark.claim("C31")
@given(st.integers(0, LAST_UNIX), st.integers(0, SECOND - 1))
def test_unix_times_survive(seconds: int, nanoseconds: int) -> None:
    timestamp = Timestamp.from_unix(seconds, nanoseconds)
    elapsed = sum(seconds >= start for start, _ in leap_seconds.ENTRIES)
    assert timestamp == (seconds + elapsed) * SECOND + nanoseconds
    assert timestamp.to_unix() == (seconds, nanoseconds)


@pytest.mark.claim("C31")
@pytest.mark.parametrize("entry", leap_seconds.ENTRIES)
def test_a_leap_second_counts_from_the_second_of_its_entry(entry: tuple[int, int]) -> None:
    start, count = entry
    before, after = Timestamp.from_unix(start - 1), Timestamp.from_unix(start)
    assert after - before == 2 * SECOND
    assert after == (start + count) * SECOND
    inside = Timestamp(before + SECOND)
    assert inside.iso(0).endswith(":59:60Z")
    assert before.iso(0).endswith(":59:59Z")
    assert after.iso(0).endswith("T00:00:00Z")
    assert Timestamp.parse_iso(inside.iso()) == inside


@pytest.mark.parametrize(
    ("seconds", "nanoseconds"), [(-1, 0), (0, -1), (0, SECOND), (LAST_UNIX + 2, 0), (2**64, 0), (5, 2**64)]
)
def test_unix_times_out_of_range(seconds: int, nanoseconds: int) -> None:
    with pytest.raises(InvalidTimestamp):
        Timestamp.from_unix(seconds, nanoseconds)


@given(st.integers(0, LAST_UNIX))
def test_the_calendar_is_that_of_the_library(seconds: int) -> None:
    expected = (EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
    timestamp = Timestamp.from_unix(seconds)
    assert timestamp.iso(0) == expected
    assert Timestamp.parse_iso(expected) == timestamp


@given(timestamps)
def test_iso_survives(timestamp: Timestamp) -> None:
    assert Timestamp.parse_iso(timestamp.iso()) == timestamp


@given(st.integers(10**6, LAST_UNIX - 10**6), st.integers(-14 * 60, 14 * 60))
def test_iso_with_another_zone(seconds: int, minutes: int) -> None:
    there = (EPOCH + timedelta(seconds=seconds, minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%S")
    zone = f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"
    assert Timestamp.parse_iso(there + zone) == Timestamp.from_unix(seconds)


def test_iso_digits() -> None:
    timestamp = Timestamp.from_unix(1_000_000_000, 123_456_789)
    assert timestamp.iso(3) == "2001-09-09T01:46:40.123Z"
    assert timestamp.iso() == "2001-09-09T01:46:40.123456789Z"
    assert Timestamp.parse_iso("2001-09-09T01:46Z") == Timestamp.from_unix(999_999_960)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-01-02",
        "2026-01-02T03:04:05",
        "2026-02-29T00:00:00Z",
        "2100-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-01-00T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T00:60:00Z",
        "2026-01-01T00:00:61Z",
        "2026-06-30T23:59:60Z",
        "2016-12-31T23:58:60Z",
        "1969-12-31T23:59:59Z",
        "1969-12-31T23:59:60Z",
        "2262-04-12T00:00:00Z",
        "2026-01-01T00:00:00.1234567890Z",
        "2026-01-01T00:00:00+01:60",
        "\uff12026-01-01T00:00:00Z",
    ],
)
def test_times_that_do_not_exist(text: str) -> None:
    with pytest.raises(InvalidTimestamp):
        Timestamp.parse_iso(text)


@given(any_text)
def test_any_text_is_refused_cleanly(text: str) -> None:
    with pytest.raises(InvalidTimestamp):
        Timestamp.parse_iso(text)


@pytest.mark.claim("C31")
def test_the_clock_works_on_past_the_end_of_the_table_and_can_tell() -> None:
    last = LEAP_TABLE.entries[-1][1]
    later = Timestamp.from_unix(LEAP_TABLE.expires + 10**8)
    assert later == (LEAP_TABLE.expires + 10**8 + last) * SECOND
    assert LEAP_TABLE.expired(later)
    assert LEAP_TABLE.expired(Timestamp.from_unix(LEAP_TABLE.expires))
    assert not LEAP_TABLE.expired(Timestamp.from_unix(LEAP_TABLE.expires - 1))


def test_the_table_is_read_from_the_list_of_iana() -> None:
    table = LeapTable.parse(LIST)
    assert table == LeapTable(LEAP_TABLE.entries[:3], 1_782_604_800)
    longer = LeapTable.parse(LIST + "2335219200 13\n")
    assert Timestamp.from_unix(126_230_400, 0, longer) == Timestamp.from_unix(126_230_400, 0, table) + SECOND


def test_a_leap_second_may_be_taken_out_again() -> None:
    table = LeapTable(((1_000, 1), (2_000, 0)), 3_000)
    assert Timestamp.from_unix(1_500, 0, table) == 1_501 * SECOND
    assert Timestamp.from_unix(2_000, 0, table) == 2_000 * SECOND
    assert Timestamp(2_000 * SECOND).to_unix(table) == (2_000, 0)
    assert Timestamp(1_999 * SECOND).to_unix(table) == (1_998, 0)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<html>not found</html>",
        LIST.replace("#@", "##"),
        LIST.replace("11  ", "13  "),
        LIST.replace("2303683200", "2203683200"),
        LIST + "1 2 3\n",
        LIST.replace("3991593600", "soon"),
        LIST + "9" * 5000 + " 13\n",
    ],
)
def test_other_texts_are_no_table(text: str) -> None:
    with pytest.raises(FormatError):
        LeapTable.parse(text)


@given(any_text)
def test_any_text_is_no_table(text: str) -> None:
    with pytest.raises(FormatError):
        LeapTable.parse(text)
