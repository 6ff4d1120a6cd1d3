"""The operations of key_schedules.json: the text's form and the library's 48-byte one.

Source: keyschedule.md; edition §5 (Y1 to Y4).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from mosaic.core import foreign_schedule, key_schedule
from mosaic.core.conformance.case import Case, Operation, Operations, Values
from mosaic.core.conformance.record_operations import rebuilt, record_of
from mosaic.core.keys import SecretKey
from mosaic.core.schedule_entry import Entry, Marker, attest
from mosaic.errors import ForeignKeySchedule, InvalidKeySchedule


def op_marker(case: Case) -> Values:
    """Number of a marker, and what a timestamp is to it."""
    marker = Marker[re.sub(r"(?<=[a-z])(?=[A-Z])", "_", case["constant"]).upper()]
    return {
        "code": int(marker),
        "requires_a_timestamp": marker.requires_timestamp,
        "uses_a_timestamp": marker.uses_timestamp,
    }


def op_entry(case: Case) -> Values:
    """The verdict on key, marker and time, and what is kept of them.

    Raises:
        InvalidKeySchedule: no such marker, or it lacks its timestamp.
    """
    return {"stored": _stored(case["entry"])}


def op_old_format_record(case: Case) -> Values:
    """A record with 48-byte entries is reported as foreign, with what it says.

    Raises:
        ValueError: the record is read as anything else, or its entries are not those that went in.
        InvalidKeySchedule: an entry that went in is none.
    """
    record = record_of(case)
    values = rebuilt(case, record) | {"entries": _cut(record.payload)}
    try:
        schedule = key_schedule.parse(record)
        if schedule.entries or record.payload:
            raise ValueError("a schedule of 48-byte entries was taken for one of typed entries")
    except ForeignKeySchedule:
        pass  # as it must be
    except InvalidKeySchedule as refusal:
        return values | {"valid": False, "refusal": refusal}
    read = [_foreign(entry) for entry in foreign_schedule.read(record)]
    if "entries_in" in case and [_stored(entry) for entry in case["entries_in"]] != read:
        raise ValueError("the entries are not those that went in")
    return values | {"entries": read}


def op_spec_format_record(case: Case) -> Values:
    """Typed entries to a record, byte for byte, and back.

    Raises:
        ValueError: the record itself is not valid.
    """
    record = record_of(case)
    values = rebuilt(case, record)
    try:
        schedule = key_schedule.parse(record)
    except InvalidKeySchedule as refusal:
        return values | {"valid": False, "refusal": refusal}
    if "entries" not in case:
        return values
    master = SecretKey.from_seed(bytes.fromhex(case["signing_seed"]))
    entries = [_made(entry, master) for entry in case["entries"]]
    built = key_schedule.build(master, entries, record.timestamp, nonce=record.nonce)
    seeds = [entry["subkey_seed"] for entry in case["entries"]]
    return values | {
        "payload": built.payload.hex(),
        "record": built.data.hex(),
        "entries": [_told(entry, seed) for entry, seed in zip(schedule.entries, seeds, strict=True)],
    }


OPERATIONS: Operations = {
    ("key_schedules", "marker"): Operation(op_marker),
    ("key_schedules", "entry"): Operation(op_entry),
    ("key_schedules", "old_format_record"): Operation(op_old_format_record),
    ("key_schedules", "spec_format_record"): Operation(op_spec_format_record),
}


def _stored(entry: Mapping[str, Any]) -> dict[str, object]:
    """An entry of the older form with the time that its marker keeps."""
    try:
        marker = Marker(entry["marker"])
    except ValueError:
        raise InvalidKeySchedule(f"no marker has the number {entry['marker']}") from None
    time = int(entry["timestamp"]) if marker.uses_timestamp else 0
    if marker.requires_timestamp and time == 0:
        raise InvalidKeySchedule(f"an entry with {marker.name} has no timestamp")
    return {"public_key": entry["public_key"], "marker": int(marker), "timestamp": str(time)}


def _cut(payload: bytes) -> list[dict[str, object]]:
    """What stands in whole 48-byte entries, whether or not it may stand there."""
    size = foreign_schedule.ENTRY_BYTES
    parts = [payload[start : start + size] for start in range(0, len(payload) // size * size, size)]
    return [
        {
            "public_key": part[0:32].hex(),
            "marker": int.from_bytes(part[32:34], "little"),
            "timestamp": str(int.from_bytes(part[40:48], "big")),
        }
        for part in parts
    ]


def _foreign(entry: foreign_schedule.ForeignEntry) -> dict[str, object]:
    time = str(int(entry.timestamp))
    return {"public_key": entry.key.bytes.hex(), "marker": int(entry.marker), "timestamp": time}


def _made(entry: Mapping[str, Any], master: SecretKey) -> Entry:
    marker, time = Marker(entry["marker"]), int(entry["timestamp"])
    if entry["subkey_seed"] is None:
        return Entry.encryption(bytes.fromhex(entry["subkey"]), marker, time)
    subkey = SecretKey.from_seed(bytes.fromhex(entry["subkey_seed"]))
    return Entry.signing(attest(subkey, master.public), marker, time)


def _told(entry: Entry, seed: str | None) -> dict[str, object]:
    return {
        "kind": entry.kind,
        "marker": int(entry.marker),
        "timestamp": str(int(entry.timestamp)),
        "subkey": entry.subkey.hex(),
        "subkey_seed": seed,
        "data": entry.data.hex(),
    }
