"""What the operations of timestamps.json mean here. 64-bit integers are decimal strings.

Source: timestamps.md; edition §5 (T1, T2).
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from mosaic.core.conformance.case import Case, Operation, Operations, Values
from mosaic.core.timestamp import LEAP_TABLE, SECOND, Timestamp


def _values(timestamp: Timestamp) -> Values:
    return {
        "nanoseconds": str(timestamp),
        "bytes": timestamp.to_bytes().hex(),
        "inverse_bytes": timestamp.to_inverse_bytes().hex(),
    }


def op_from_unixtime(case: Case) -> Values:
    """A unix time to a timestamp."""
    return _values(Timestamp.from_unix(int(case["seconds"]), int(case["subsec_nanoseconds"])))


def op_to_unixtime(case: Case) -> Values:
    """A timestamp to the unix time."""
    timestamp = Timestamp(int(case["nanoseconds"]))
    seconds, nanoseconds = timestamp.to_unix()
    return {
        "seconds": str(seconds),
        "subsec_nanoseconds": str(nanoseconds),
        "in_leap_second": LEAP_TABLE.is_leap(timestamp // SECOND),
    }


def op_from_bytes(case: Case) -> Values:
    """Eight bytes to a timestamp."""
    return _values(Timestamp.from_bytes(bytes.fromhex(case["bytes"])))


def op_from_inverse_bytes(case: Case) -> Values:
    """Eight bytes that sort newest first to a timestamp."""
    return {"nanoseconds": str(Timestamp.from_inverse_bytes(bytes.fromhex(case["bytes"])))}


def op_from_nanoseconds(case: Case) -> Values:
    """A number to a timestamp."""
    return {"nanoseconds": str(Timestamp(int(case["nanoseconds"])))}


OPERATIONS: Final[Operations] = MappingProxyType(
    {
        ("timestamps", "from_unixtime"): Operation(op_from_unixtime),
        ("timestamps", "to_unixtime"): Operation(op_to_unixtime),
        ("timestamps", "from_bytes"): Operation(op_from_bytes),
        ("timestamps", "from_inverse_bytes"): Operation(op_from_inverse_bytes),
        ("timestamps", "from_nanoseconds"): Operation(op_from_nanoseconds),
    }
)
