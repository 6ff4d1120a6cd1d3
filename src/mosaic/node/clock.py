"""The one clock: Mosaic timestamps from the machine's time.

A Mosaic timestamp counts nanoseconds since 1970 with the leap seconds that
lie between. The offset to Unix time changes only at an entry of the
leap-second table, so it is looked up once a minute and added in between.

Source: timestamps.md, edition §3 (the clock works on past the end of the table).
"""

from __future__ import annotations

import time
from collections.abc import Callable

from mosaic.core.timestamp import LEAP_TABLE, Timestamp

_LOOK_UP_EVERY_NS = 60 * 1_000_000_000


class Clock:
    """Gives the time as Mosaic timestamps.

    Args:
        unix_ns: The machine's time, nanoseconds since 1970 without leap seconds.
    """

    __slots__ = ("_offset_ns", "_unix_ns", "_valid_from_ns")

    def __init__(self, unix_ns: Callable[[], int] = time.time_ns) -> None:
        self._unix_ns = unix_ns
        self._valid_from_ns = -_LOOK_UP_EVERY_NS
        self._offset_ns = 0

    def now_ns(self) -> int:
        """The time now, in nanoseconds as a Mosaic timestamp counts them."""
        unix = self._unix_ns()
        if not 0 <= unix - self._valid_from_ns < _LOOK_UP_EVERY_NS:
            # At a whole minute, since leap seconds are put in between minutes.
            start = unix - unix % _LOOK_UP_EVERY_NS
            self._offset_ns = Timestamp.from_unix(start // 1_000_000_000, 0).ns - start
            self._valid_from_ns = start
        return unix + self._offset_ns

    def now(self) -> Timestamp:
        """The time now."""
        return Timestamp(self.now_ns())

    @staticmethod
    def time_of_day(ns: int) -> str:
        """A Mosaic timestamp in ns as the clock on the wall here shows it: `13:20`."""
        seconds, _ = Timestamp(ns).to_unix()
        return time.strftime("%H:%M", time.localtime(seconds))

    def warning(self) -> str | None:
        """What is wrong with the clock, as a sentence, or None.

        The leap-second table ends some day; past it the last offset is kept,
        which is right until a new leap second is announced.
        """
        if not LEAP_TABLE.expired(self.now_ns()):
            return None
        return (
            "the table of leap seconds is out of date; times stay right until a new leap second is announced:"
            " update Mosaic to get a newer table"
        )
