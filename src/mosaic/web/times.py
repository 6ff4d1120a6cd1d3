"""Times as people read them: short in the line, whole on a closer look.

Source: this project's own design, docs/architecture.md "A person acts".
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True, slots=True)
class When:
    """A time in three forms.

    Args:
        iso: ISO 8601 in UTC, for programs.
        short: As it stands beside a post: `14:02`, `yesterday 14:02`, `21 Nov, 14:02`, `21 Nov 2025`.
        full: All of it, with the zone of this machine.
    """

    iso: str
    short: str
    full: str


def when(iso: str, now: datetime) -> When:
    """A time in the zone of `now`; what can't be read (a leap second) is shown as it is.

    Args:
        iso: ISO 8601 in UTC.
        now: The present, with its zone.
    """
    try:
        time = datetime.fromisoformat(iso).astimezone(now.tzinfo)
    except ValueError:
        return When(iso, iso[:16].replace("T", " "), iso)
    month = _MONTHS[time.month - 1]
    clock = f"{time:%H:%M}"
    if time.date() == now.date():
        short = clock
    elif time.date() == now.date() - timedelta(days=1):
        short = f"yesterday {clock}"
    elif time.year == now.year:
        short = f"{time.day} {month}, {clock}"
    else:
        short = f"{time.day} {month} {time.year}"
    return When(iso, short, f"{time.day} {month} {time.year}, {time:%H:%M:%S %Z}")
