"""Every setting by its name in the TOML file, found by walking the settings' frozen dataclasses.

A field's metadata says the rest: `help`; `at`, its place where that is not the
field's own; `unit`; `reload` (False: only a restart changes it); `secret`;
`least` and `most`; `computed` (not to be set).
`reload` of a whole section holds for all in it. Names of durations lose their
`_s`, `_ms`, `_ns`, because their values carry a unit.

Source: this project's own design, docs/architecture.md "One home".
"""

from __future__ import annotations

import dataclasses
import re
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

_DURATION = re.compile(r"_(s|ms|ns)$")
_BYTES = re.compile(r"(?:^|_)bytes(?:_|$)")
_UNITS = re.compile(r",? in (?:nanoseconds|bytes)\b| \((?:ns|ms|bytes)\)")
"""What the help of a number says of its unit: in the file the value itself has one."""
_IN_BYTES = re.compile(r"^bytes\b|\bin bytes\b|\(bytes\)")


@dataclass(frozen=True, slots=True)
class Entry:
    """One setting.

    Args:
        path: Its name in the file: `server.drain`.
        attribute: Where it is in the settings: `server.drain_s`.
        kind: Its type.
        unit: `s`, `ms`, `ns` for durations, `bytes` for sizes, else empty.
        default: Its value where nobody said anything.
        help: What it does, in a line.
        reload: Whether a running node takes a new value.
        secret: Whether its value is shown to nobody.
        least: The least number it may be.
        most: The greatest number it may be; None = any.
        tables: Of a list of tables: the entries of each, with paths and attributes within the table.
    """

    path: str
    attribute: str
    kind: Any
    unit: str
    default: object
    help: str
    reload: bool
    secret: bool
    least: float
    most: float | None
    tables: Mapping[str, Entry] | None = None

    @property
    def section(self) -> str:
        """The table it stands in; empty for those above all tables."""
        return self.path.rpartition(".")[0]

    @property
    def name(self) -> str:
        """Its name within its table."""
        return self.path.rpartition(".")[2]


def entries(defaults: object) -> dict[str, Entry]:
    """All settings below an object of defaults, by their paths, in the order in which they are declared.

    Args:
        defaults: A frozen dataclass; so are those of its fields that hold other settings.
    """
    found: dict[str, Entry] = {}
    for entry in _walk(defaults, "", "", reload=True):
        assert entry.path not in found, f"two settings are called {entry.path}"
        found[entry.path] = entry
    return found


def rebuilt(defaults: Any, values: Mapping[str, object], prefix: str = "") -> Any:
    """Settings with other values.

    Args:
        defaults: The settings as they are.
        values: By attribute; what is not there stays.
        prefix: The attributes' beginning.

    Raises:
        UsageError: values that don't go together.
    """
    changed = {}
    for each in dataclasses.fields(defaults):
        attribute, now = prefix + each.name, getattr(defaults, each.name)
        if attribute in values:
            changed[each.name] = values[attribute]
        elif _holds_settings(now):
            changed[each.name] = rebuilt(now, values, f"{attribute}.")
    return dataclasses.replace(defaults, **changed)


def _walk(defaults: Any, path: str, attribute: str, *, reload: bool) -> Iterator[Entry]:
    hints = typing.get_type_hints(type(defaults))
    for each in dataclasses.fields(defaults):
        if each.metadata.get("computed"):
            continue
        value = getattr(defaults, each.name)
        at = each.metadata.get("at") or f"{path}{_named(each)}"
        live = reload and each.metadata.get("reload", True)
        if _holds_settings(value):
            yield from _walk(value, f"{at}.", f"{attribute}{each.name}.", reload=live)
        else:
            entry = _entry(each, at, attribute + each.name, hints[each.name], value)
            yield dataclasses.replace(entry, reload=live)


def _entry(field: dataclasses.Field[Any], path: str, attribute: str, kind: Any, default: object) -> Entry:
    told = field.metadata
    table = next(iter(typing.get_args(kind)), None) if typing.get_origin(kind) is tuple else None
    return Entry(
        path,
        attribute,
        kind,
        _unit(field, kind),
        default,
        _UNITS.sub("", told.get("help", "")) if _unit(field, kind) else told.get("help", ""),
        told.get("reload", True),
        told.get("secret", False),
        told.get("least", 0),
        told.get("most"),
        _of_tables(table) if _is_table(table) else None,
    )


def _of_tables(kind: Any) -> dict[str, Entry]:
    """The entries of each table in a list of tables; a field without a default has to be given."""
    hints = typing.get_type_hints(kind)
    return {
        (path := each.metadata.get("at") or _named(each)): _entry(
            each, path, each.name, hints[each.name], _default(each)
        )
        for each in dataclasses.fields(kind)
    }


def _default(field: dataclasses.Field[Any]) -> object:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def _named(field: dataclasses.Field[Any]) -> str:
    if field.metadata.get("unit") in {"s", "ms", "ns"} or _DURATION.search(field.name):
        return _DURATION.sub("", field.name)
    return field.name


def _unit(field: dataclasses.Field[Any], kind: Any) -> str:
    if kind not in {int, float}:
        return ""
    if "unit" in field.metadata:
        return str(field.metadata["unit"])
    duration = _DURATION.search(field.name)
    if duration is not None:
        return duration[1]
    is_size = _BYTES.search(field.name) or _IN_BYTES.search(field.metadata.get("help", ""))
    return "bytes" if is_size else ""


MISSING: Final = dataclasses.MISSING
"""The default of what has to be given in a table of a list."""


def _is_table(kind: Any) -> bool:
    return isinstance(kind, type) and dataclasses.is_dataclass(kind) and not hasattr(kind, "parse")


def _holds_settings(value: object) -> bool:
    """Whether a value holds settings of its own; what can be parsed from a text is one itself."""
    return _is_table(type(value))
