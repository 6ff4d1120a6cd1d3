"""Joining key schedules: what several of one author say together, so that no entry is lost.

Two devices may change a schedule at the same time, each without knowing of the
other; only the greatest (timestamp, id) of both holds then. Whoever makes the
next one puts in all that was ever said. What readers make of contradicting
entries decides here, too: of each key the strictest statement holds, and the
earliest of two of the same kind. So it does not matter in which order, or how
often, anything is joined.

Source: keyschedule.md; edition §3 (Revocation: the strictest holds).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from mosaic.core.key_schedule import KeySchedule
from mosaic.core.schedule_entry import Entry, Marker

KeyName: TypeAlias = tuple[int, int, bytes]
"""Which key an entry is about: its kind, its algorithm, its 32 bytes."""

# The lower, the stricter.
_STRICTNESS = {
    Marker.REVOKED_ALL: 0,
    Marker.REVOKED_PAST: 1,
    Marker.OUT_OF_USE: 2,
    Marker.ACTIVE_SIGNING_KEY: 3,
    Marker.ACTIVE_ENCRYPTION_KEY: 3,
    Marker.ACTIVE_NOSTR_KEY: 3,
}


def name_of(entry: Entry) -> KeyName:
    """Which key an entry is about."""
    return entry.kind, int(entry.algorithm), entry.subkey


def merged(schedules: Iterable[KeySchedule]) -> tuple[Entry, ...]:
    """One entry for each key of some schedules of one author, the oldest keys first.

    Args:
        schedules: In any order; where a key stands is decided by the oldest that lists it.
    """
    ordered = sorted(schedules, key=lambda schedule: schedule.id)
    return joined(entry for schedule in ordered for entry in schedule.entries)


def joined(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """One entry for each key, the strictest that was given, in the order in which keys first stand."""
    strictest: dict[KeyName, Entry] = {}
    for entry in entries:
        name = name_of(entry)
        known = strictest.get(name)
        if known is None or _order(entry) < _order(known):
            strictest[name] = entry
    return tuple(strictest.values())


def lacks(newest: KeySchedule, entries: Iterable[Entry]) -> bool:
    """Whether a schedule says less than some entries: a key is missing, or judged more mildly."""
    said = {name_of(entry): _order(entry) for entry in joined(newest.entries)}
    return any(said.get(name_of(entry), _LAST) > _order(entry) for entry in entries)


def _order(entry: Entry) -> tuple[int, int, bytes]:
    # Attestations are deterministic, but a subkey could make two: the bytes decide then.
    return _STRICTNESS[entry.marker], int(entry.timestamp), entry.data


_LAST = (len(_STRICTNESS), 0, b"")
