"""Values of settings as people write them: durations, sizes, choices; read, and written again.

A duration is a number of seconds or a text such as `"2h"`, `"1h 30m"` or
`"250 ms"`; a size is a number of bytes or a text such as `"64 KiB"`.

Source: this project's own design, docs/architecture.md "One home".
"""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Sequence
from enum import Enum
from typing import Any, Final, Literal

from mosaic.errors import MosaicError

_TIMES: Final = {
    "w": 604_800_000_000_000,
    "d": 86_400_000_000_000,
    "h": 3_600_000_000_000,
    "m": 60_000_000_000,
    "s": 1_000_000_000,
    "ms": 1_000_000,
    "us": 1_000,
    "ns": 1,
}
_SIZES: Final = {
    "TiB": 1 << 40,
    "GiB": 1 << 30,
    "MiB": 1 << 20,
    "KiB": 1 << 10,
    "TB": 10**12,
    "GB": 10**9,
    "MB": 10**6,
    "kB": 10**3,
    "B": 1,
}
_FOLDED: Final = {name.lower(): value for name, value in _SIZES.items()}
_NS: Final = {"s": 1_000_000_000, "ms": 1_000_000, "ns": 1}
_PART = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-zA-Z]+)\s*")
_DURATION = 'has to be a duration: "30s", "15m", "2h", "7d", or a number of seconds'
_SIZE = 'has to be a size: "64 KiB", "10 MB", "1 GiB", or a number of bytes'
_LARGEST: Final = 2**63 - 1


def read(value: object, kind: Any, unit: str) -> object:
    """A value as the settings have it.

    Args:
        value: As TOML has it.
        kind: The type of the setting.
        unit: `s`, `ms` or `ns` for durations, `bytes` for sizes, else empty.

    Raises:
        ValueError: it is none; the message says what it has to be.
    """
    if unit in _NS:
        return _as_number(duration_ns(value) / _NS[unit], kind)
    if unit == "bytes":
        return _as_number(size(value), kind)
    if kind is bool:
        return _expect(value, bool, "has to be true or false")
    if kind is int:
        return _number(value, int, "has to be a whole number")
    if kind is float:
        return float(_number(value, (int, float), "has to be a number"))
    if kind is str:
        return _expect(value, str, 'has to be a text: "…"')
    return _composed(value, kind)


def _composed(value: object, kind: Any) -> object:
    origin = typing.get_origin(kind)
    if origin is Literal:
        return _choice(value, typing.get_args(kind))
    if origin is tuple:
        wanted = typing.get_args(kind)[0]
        listed = _expect(value, list, 'has to be a list: ["…", "…"]')
        return tuple(read(each, wanted, "") for each in listed)
    if origin in {types.UnionType, typing.Union}:
        (wanted,) = (each for each in typing.get_args(kind) if each is not type(None))
        return None if value == "" else read(value, wanted, "")
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(_choice(value, [each.value for each in kind]))
    text = _expect(value, str, 'has to be a text: "…"')
    try:
        return kind.parse(text)
    except MosaicError as error:
        raise ValueError(f"does not fit: {error}") from error


def written(value: object, kind: Any, unit: str) -> Any:
    """A value as TOML has it: the other way around of `read`.

    Args:
        value: As the settings have it.
        kind: The type of the setting.
        unit: As for `read`.
    """
    if unit in _NS:
        assert isinstance(value, int | float)
        return duration_text(round(value * _NS[unit]))
    if unit == "bytes":
        assert isinstance(value, int)
        return size_text(value)
    if value is None:
        return ""
    if isinstance(value, tuple):
        return [written(each, kind, "") for each in value]
    if isinstance(value, Enum):
        return value.value
    return value if isinstance(value, bool | int | float | str) else str(value)


# --- durations and sizes ---------------------------------------------------------------------------


def duration_ns(value: object) -> int:
    """A duration in ns, from a number of seconds or a text.

    Raises:
        ValueError: it is none.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        if not 0 <= value <= _LARGEST / 10**9:
            raise ValueError(_DURATION)
        return round(value * 10**9)
    return round(_parts(value, _TIMES, _DURATION))


def duration_text(ns: int) -> str:
    """A duration (ns) in its largest whole unit."""
    if not ns:
        return "0s"
    unit = next(name for name, length in _TIMES.items() if name != "w" and ns % length == 0)
    return f"{ns // _TIMES[unit]}{unit}"


def size(value: object) -> int:
    """A size in bytes, from a number or a text.

    Raises:
        ValueError: it is none.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        if not 0 <= value <= _LARGEST:
            raise ValueError(_SIZE)
        return value
    return round(_parts(value.lower() if isinstance(value, str) else value, _FOLDED, _SIZE))


def size_text(size_bytes: int) -> str:
    """A size (bytes) in its largest whole binary unit."""
    for name, length in _SIZES.items():
        if name.endswith("iB") and size_bytes and size_bytes % length == 0:
            return f"{size_bytes // length} {name}"
    return f"{size_bytes} B"


def _parts(value: object, units: typing.Mapping[str, int], expected: str) -> float:
    """The sum of all parts of a text such as `1h 30m`."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError(expected)
    at, total = 0, 0.0
    while at < len(value):
        part = _PART.match(value, at)
        if part is None or part[2] not in units:
            raise ValueError(expected)
        total += float(part[1]) * units[part[2]]
        at = part.end()
    if total > _LARGEST:
        raise ValueError(expected)
    return total


# --- plain values ------------------------------------------------------------------------------------


def _as_number(value: float, kind: Any) -> float | int:
    if kind is float:
        return float(value)
    if value != int(value):
        raise ValueError("has to be a whole number of nanoseconds or milliseconds")
    return int(value)


def _number(value: object, kind: Any, expected: str) -> Any:
    if isinstance(value, bool) or not isinstance(value, kind) or abs(value) > _LARGEST:
        raise ValueError(expected)
    return value


def _expect(value: object, kind: type, expected: str) -> Any:
    if isinstance(value, kind):
        return value
    raise ValueError(expected)


def _choice(value: object, choices: Sequence[object]) -> Any:
    if value not in choices or isinstance(value, bool):
        raise ValueError("has to be one of " + ", ".join(f'"{choice}"' for choice in choices))
    return value
