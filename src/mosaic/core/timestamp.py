"""Timestamps: nanoseconds since 1970 with leap seconds, and the calendar around them.

Source: timestamps.md, edition §3 and §5 (T1, T2).
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from typing import Final, Literal, SupportsIndex

from mosaic.core import leap_seconds
from mosaic.errors import FormatError, InvalidTimestamp

SECOND: Final = 1_000_000_000
MAX_NS: Final = 2**63 - 1

_NTP_EPOCH = 2_208_988_800
_TAI_OFFSET_1970 = 9
_DAY = 86_400


@dataclass(frozen=True, slots=True)
class LeapTable:
    """Which leap seconds there were.

    Args:
        entries: (unix seconds from which it holds, leap seconds elapsed), both rising.
        expires: Unix seconds until which the table is known to be whole. It works on
            past this time with its last entry; ask `expired` to warn.
    """

    entries: tuple[tuple[int, int], ...]
    expires: int

    @classmethod
    def parse(cls, text: str) -> LeapTable:
        """The table in the text of IANA's `leap-seconds.list`.

        Raises:
            FormatError: no expiry line (`#@`), no entries, an entry that is not two numbers, or entries
                that do not rise by one second each.
        """
        entries: list[tuple[int, int]] = []
        expires: int | None = None
        for line in text.splitlines():
            if line.startswith("#@"):
                expires = _number(line[2:].strip()) - _NTP_EPOCH
            fields = line.split("#", 1)[0].split()
            if not fields:
                continue
            if len(fields) != 2:
                raise FormatError("a line of the leap second list is not two numbers", hint=_LIST_HINT)
            entries.append((_number(fields[0]) - _NTP_EPOCH, _number(fields[1]) - _TAI_OFFSET_1970))
        if expires is None or not entries:
            raise FormatError("the leap second list has no entries or no expiry line", hint=_LIST_HINT)
        previous = (0, 0)
        for entry in entries:
            if entry[0] <= previous[0] or abs(entry[1] - previous[1]) != 1:
                raise FormatError(
                    "the leap second list does not change by one second at a time", hint=_LIST_HINT
                )
            previous = entry
        return cls(tuple(entries), expires)

    def at_unix(self, seconds: int) -> int:
        """Leap seconds elapsed at a unix time."""
        place = bisect_right(self.entries, (seconds, MAX_NS))
        return self.entries[place - 1][1] if place else 0

    def at_elapsed(self, seconds: int) -> int:
        """Leap seconds elapsed at a Mosaic time in whole seconds; a leap second itself does not count yet."""
        for start, count in reversed(self.entries):
            if seconds >= start + count:
                return count
        return 0

    def is_leap(self, seconds: int) -> bool:
        """Whether a Mosaic time in whole seconds lies in a leap second (23:59:60)."""
        before = 0
        for start, count in self.entries:
            if start + before <= seconds < start + count:
                return True
            before = count
        return False

    def expired(self, now: int) -> bool:
        """Whether newer leap seconds may be missing at the timestamp `now` (ns)."""
        return now >= (self.expires + self.at_unix(self.expires)) * SECOND


_LIST_HINT = "Use the unchanged text of leap-seconds.list as IANA publishes it."

LEAP_TABLE: Final = LeapTable(leap_seconds.ENTRIES, leap_seconds.EXPIRES)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 19):
        raise FormatError("a number of the leap second list is malformed", hint=_LIST_HINT)
    return int(text)


class Timestamp(int):
    """A moment: nanoseconds since the start of 1970, leap seconds counted, up to the year 2262.

    An int, so that it compares and adds as one; sums are plain ints again.

    Raises:
        InvalidTimestamp: under 0 or over 2⁶³ - 1.
    """

    __slots__ = ()

    def __new__(cls, ns: SupportsIndex) -> Timestamp:  # noqa: D102  # the class says it
        self = super().__new__(cls, ns)
        if not 0 <= self <= MAX_NS:
            raise InvalidTimestamp("the time lies outside of 1970 to 2262")
        return self

    @classmethod
    def from_unix(cls, seconds: int, nanoseconds: int = 0, table: LeapTable = LEAP_TABLE) -> Timestamp:
        """The timestamp of a unix time.

        Args:
            seconds: Unix seconds (UTC, leap seconds not counted).
            nanoseconds: 0 to 999,999,999 beyond them.
            table: The leap seconds; past its end the last offset holds.

        Raises:
            InvalidTimestamp: out of range.
        """
        if seconds < 0 or not 0 <= nanoseconds < SECOND:
            raise InvalidTimestamp("the unix time lies before 1970 or has no fraction under a second")
        return cls((seconds + table.at_unix(seconds)) * SECOND + nanoseconds)

    def to_unix(self, table: LeapTable = LEAP_TABLE) -> tuple[int, int]:
        """(unix seconds, nanoseconds).

        A leap second has no unix time of its own; it reads as the second after it.
        """
        seconds, nanoseconds = divmod(int(self), SECOND)
        return seconds - table.at_elapsed(seconds), nanoseconds

    @classmethod
    def from_bytes(cls, data: bytes) -> Timestamp:  # type: ignore[override]  # its length and order are given
        """The timestamp in 8 bytes, big-endian.

        Raises:
            InvalidTimestamp: another length, or the top bit set.
        """
        if len(data) != 8:
            raise InvalidTimestamp(f"a timestamp has 8 bytes, not {len(data)}")
        return cls(int.from_bytes(data, "big"))

    def to_bytes(
        self,
        length: SupportsIndex = 8,
        byteorder: Literal["little", "big"] = "big",
        *,
        signed: bool = False,
    ) -> bytes:
        """The 8 bytes of a timestamp, big-endian."""
        return super().to_bytes(length, byteorder, signed=signed)

    @classmethod
    def from_inverse_bytes(cls, data: bytes) -> Timestamp:
        """The timestamp in 8 bytes of `to_inverse_bytes`. Raises InvalidTimestamp."""
        return cls(MAX_NS - cls.from_bytes(data))

    def to_inverse_bytes(self) -> bytes:
        """8 bytes (2⁶³ - 1 minus the value, big-endian) that sort newest first."""
        return (MAX_NS - self).to_bytes(8, "big")

    @property
    def ns(self) -> int:
        """The nanoseconds as a plain int."""
        return int(self)

    @classmethod
    def parse_iso(cls, text: str, table: LeapTable = LEAP_TABLE) -> Timestamp:
        """The timestamp of an ISO 8601 time, such as `2026-01-02T03:04:05.678Z` or `…+01:00`.

        Seconds and their fraction (1 to 9 digits) may be left out; the zone may not. `23:59:60` is read
        where the table has a leap second.

        Raises:
            InvalidTimestamp: another form, a date or time that does not exist, out of range.
        """
        match = _ISO.fullmatch(text)
        if match is None:
            raise InvalidTimestamp(
                "the text is not a time with its zone", hint="Write it as 2026-01-02T03:04:05.678Z."
            )
        year, month, day, hour, minute = (int(match[name]) for name in ("y", "mo", "d", "h", "mi"))
        second = int(match["s"] or 0)
        nanoseconds = int((match["f"] or "").ljust(9, "0"))
        zone = int(match["zh"] or 0) * 60 + int(match["zm"] or 0)
        if not (1 <= month <= 12 and 1 <= day <= _days_in_month(year, month)):
            raise InvalidTimestamp("there is no such date")
        if hour > 23 or minute > 59 or second > 60 or int(match["zm"] or 0) > 59 or zone > 24 * 60:
            raise InvalidTimestamp("there is no such time of day")
        minutes = hour * 60 + minute + (zone if match["sign"] == "-" else -zone)
        start_of_minute = _days_from_civil(year, month, day) * _DAY + minutes * 60
        if second < 60:
            return cls.from_unix(start_of_minute + second, nanoseconds, table)
        leap = start_of_minute + 59 + table.at_unix(start_of_minute + 59) + 1
        if start_of_minute < 0 or not table.is_leap(leap):
            raise InvalidTimestamp("there was no leap second then")
        return cls(leap * SECOND + nanoseconds)

    def iso(self, digits: int = 9, table: LeapTable = LEAP_TABLE) -> str:
        """The time in UTC as ISO 8601, `2026-01-02T03:04:05.678901234Z`; a leap second as `23:59:60`.

        Args:
            digits: Digits after the point, 0 to 9 (cut off, not rounded).
            table: The leap seconds.
        """
        seconds, nanoseconds = divmod(int(self), SECOND)
        leap = table.is_leap(seconds)
        unix = seconds - table.at_elapsed(seconds) - leap
        days, rest = divmod(unix, _DAY)
        year, month, day = _civil_from_days(days)
        hour, minute, second = rest // 3600, rest // 60 % 60, rest % 60 + leap
        fraction = f".{nanoseconds:09d}"[: digits + 1] if digits > 0 else ""
        return f"{year:04d}-{month:02d}-{day:02d}T{hour:02d}:{minute:02d}:{second:02d}{fraction}Z"


_ISO = re.compile(
    r"(?P<y>[0-9]{4})-(?P<mo>[0-9]{2})-(?P<d>[0-9]{2})[Tt ](?P<h>[0-9]{2}):(?P<mi>[0-9]{2})"
    r"(?::(?P<s>[0-9]{2})(?:[.,](?P<f>[0-9]{1,9}))?)?(?:[Zz]|(?P<sign>[+-])(?P<zh>[0-9]{2}):?(?P<zm>[0-9]{2}))"
)

# Days before each month in a year that begins with March, so that the leap day comes last.
_DAYS_BEFORE = (0, 31, 61, 92, 122, 153, 184, 214, 245, 275, 306, 337)
_EPOCH_DAYS = 719_468  # from 0000-03-01 to 1970-01-01


def _days_in_month(year: int, month: int) -> int:
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return 30 if month in {4, 6, 9, 11} else 31


def _days_from_civil(year: int, month: int, day: int) -> int:
    """Days from 1970-01-01 to a date of the Gregorian calendar."""
    since_march = (month - 3) % 12
    year -= month < 3
    return (
        year * 365 + year // 4 - year // 100 + year // 400 + _DAYS_BEFORE[since_march] + day - 1 - _EPOCH_DAYS
    )


def _civil_from_days(days: int) -> tuple[int, int, int]:
    """(year, month, day) of the Gregorian calendar, for days since 1970-01-01."""
    days += _EPOCH_DAYS
    year = days * 400 // 146_097 + 1
    while (start := year * 365 + year // 4 - year // 100 + year // 400) > days:
        year -= 1
    since_march = bisect_right(_DAYS_BEFORE, days - start) - 1
    day = days - start - _DAYS_BEFORE[since_march] + 1
    month = (since_march + 2) % 12 + 1
    return year + (month < 3), month, day
