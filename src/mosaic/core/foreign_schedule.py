"""Key schedules in the older form of 48-byte entries, told apart from forged ones.

    [0:32] key    [32:34] marker, little-endian    [34:40] zero    [40:48] timestamp

Such a schedule proves nothing about its subkeys (there are no attestations),
so nobody is judged by it; it is recognised so that its author can be told.

Source: edition §5 (Y1, Y3, Y4).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from mosaic.core.core_tags import subkeys
from mosaic.core.keys import PublicKey
from mosaic.core.kinds import KEY_SCHEDULE
from mosaic.core.record import Record
from mosaic.core.schedule_entry import Marker
from mosaic.core.timestamp import Timestamp
from mosaic.errors import FormatError, InvalidKeySchedule

ENTRY_BYTES: Final = 48


@dataclass(frozen=True, slots=True)
class ForeignEntry:
    """One entry of the older form.

    Args:
        key: An acceptable Ed25519 key.
        marker: What is said about it.
        timestamp: Since when, ns; 0 where there is none.
    """

    key: PublicKey
    marker: Marker
    timestamp: Timestamp


def read(record: Record) -> tuple[ForeignEntry, ...]:
    """The entries of a valid record in the older form.

    Raises:
        InvalidKeySchedule: it is no well-formed schedule of that form either.
    """
    if record.kind != KEY_SCHEDULE or record.signer_bytes != record.author_bytes:
        raise InvalidKeySchedule("it is no key schedule that its master key signed")
    payload = record.payload
    if record.compressed or len(payload) % ENTRY_BYTES:
        raise InvalidKeySchedule(f"{len(payload)} bytes are no entries of {ENTRY_BYTES} bytes")
    parts = (payload[start : start + ENTRY_BYTES] for start in range(0, len(payload), ENTRY_BYTES))
    entries = tuple(_entry(part) for part in parts)
    if not {entry.key.bytes for entry in entries} <= set(subkeys(record)):
        raise InvalidKeySchedule("a subkey has no subkey tag")
    return entries


def _entry(data: bytes) -> ForeignEntry:
    try:
        key = PublicKey.from_bytes(data[0:32])
        marker = Marker(int.from_bytes(data[32:34], "little"))
        timestamp = Timestamp.from_bytes(data[40:48])
    except (FormatError, ValueError) as error:
        raise InvalidKeySchedule(f"an entry of 48 bytes does not hold: {error}") from error
    if any(data[34:40]) or (marker.requires_timestamp and timestamp == 0):
        raise InvalidKeySchedule("an entry of 48 bytes has reserved bytes set or lacks its timestamp")
    return ForeignEntry(key, marker, timestamp)
