"""The settings of a node from all places where they may be said, and everything that is wrong with them.

    defaults < preset < mosaic.toml < MOSAIC__SECTION__NAME in the environment < the command line

Whatever stands first in this order is overridden by what stands behind it.
All faults are told at once, each with its line, its section and the name that
was probably meant.

Source: this project's own design, docs/architecture.md "One home".
"""

from __future__ import annotations

import difflib
import os
import stat
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from mosaic.client.proxies import ProxyRules
from mosaic.dht.mode import OFF
from mosaic.errors import SettingsInvalid, UsageError
from mosaic.node import presets, setting_values
from mosaic.node.setting_entries import MISSING, Entry, entries, rebuilt
from mosaic.node.settings import NodeSettings
from mosaic.node.settings_advice import advice
from mosaic.node.toml_text import fault_line, lines_of, too_deep

PREFIX: Final = "MOSAIC__"
"""How the variables begin that set one value each."""
PROXY: Final = "MOSAIC_PROXY"
"""A proxy for all connections, whose password belongs in no file that others read."""
SERVING: Final[Mapping[str, object]] = {"dht.mode": "mainline"}
"""What a serving node takes where nobody said anything; without a DHT where a proxy takes all connections."""
DEFAULT: Final = "default"
"""The origin of what nobody has set."""

_GREATEST_FILE: Final = 262_144
_MOST_FAULTS: Final = 20
"""Faults that are told, and looked for in one table: finding what was meant is work."""
_LONGEST_FAULT: Final = 400
_LONGEST_NAME: Final = 80
"""What is looked at of a name, to find where it stands and what was meant."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings that hold together.

    Args:
        settings: The node's.
        more: Those of rooms above the node, by their section.
        entries: Every setting there is, by path.
        values: Every value by path.
        origin: Where each value is from, in words; `default` for most.
        preset: The preset's name, or empty.
        file: The file, whether it is there or not; None if there is none to look for.
        warnings: What is allowed and probably not meant.
    """

    settings: NodeSettings
    more: Mapping[str, object]
    entries: Mapping[str, Entry] = field(repr=False)
    values: Mapping[str, object] = field(repr=False)
    origin: Mapping[str, str] = field(repr=False)
    preset: str = ""
    file: Path | None = None
    warnings: tuple[str, ...] = ()

    def with_values(self, values: Mapping[str, object]) -> Loaded:
        """The same with other values.

        Args:
            values: By path.

        Raises:
            UsageError: they don't go together.
        """
        settings, more = _built(self.entries, values, self.more)
        return Loaded(
            settings, more, self.entries, values, self.origin, self.preset, self.file, self.warnings
        )


@dataclass(slots=True)
class _Reading:
    """One reading of all places: what was found so far, and what is wrong."""

    known: Mapping[str, Entry]
    values: dict[str, object]
    origin: dict[str, str]
    faults: list[str] = field(default_factory=list)

    def table(self, table: Mapping[str, Any], lines: Mapping[str, int], origin: str) -> None:
        """Takes a table as TOML has it."""
        for path, value in _leaves(table, self.known):
            if len(self.faults) > _MOST_FAULTS:
                break
            where = _where(path, lines)
            entry = self.known.get(path)
            if entry is None:
                self.faults.append(f"{where}{self._unknown(path)}")
            else:
                self.take(entry, value, where, origin, lines)

    def take(
        self, entry: Entry, value: object, where: str, origin: str, lines: Mapping[str, int] | None = None
    ) -> None:
        """Takes one value as TOML has it."""
        if entry.tables is not None:
            self.values[entry.path] = tuple(self._rows(entry, value, lines or {}))
        else:
            try:
                self.values[entry.path] = _checked(entry, value)
            except ValueError as error:
                self.faults.append(f"{where}`{entry.name}` {error}{_shown(entry, value)}")
                return
        self.origin[entry.path] = origin

    def _rows(self, entry: Entry, value: object, lines: Mapping[str, int]) -> Iterator[object]:
        assert entry.tables is not None
        if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
            where = _where(entry.path, lines)
            self.faults.append(f"{where}`{entry.path}` is a list of tables: [[{entry.path}]]")
            return
        for number, row in enumerate(value, 1):
            if len(self.faults) > _MOST_FAULTS:
                break
            yield from self._row(entry, entry.tables, f"{entry.path}[{number}]", row, lines)

    def _row(
        self,
        entry: Entry,
        known: Mapping[str, Entry],
        path: str,
        row: Mapping[str, Any],
        lines: Mapping[str, int],
    ) -> Iterator[object]:
        given = {}
        for name, said in row.items():
            where, within = _where(f"{path}.{name}", lines), known.get(name)
            if within is None:
                self.faults.append(f"{where}there is no `{name}`{_nearest(name, known)}")
                if len(self.faults) > _MOST_FAULTS:
                    break
                continue
            try:
                given[within.attribute] = _checked(within, said)
            except ValueError as error:
                self.faults.append(f"{where}`{name}` {error}{_shown(within, said)}")
        missing = [name for name, each in known.items() if each.default is MISSING and name not in row]
        if missing:
            where = _where(path, lines)
            self.faults.append(f"{where}{' and '.join(f'`{name}`' for name in missing)} must be given")
        elif len(given) == len(row):
            try:
                yield _kind_of_rows(entry)(**given)
            except UsageError as error:
                self.faults.append(f"{_where(path, lines)}{error}")

    def _unknown(self, path: str) -> str:
        section, _, name = path.rpartition(".")
        names = [entry.name for entry in self.known.values() if entry.section == section]
        elsewhere = [entry.path for entry in self.known.values() if entry.name == name]
        if not names and section:
            sections = {entry.section for entry in self.known.values()} | set(self.known)
            return f"there is no section [{section}]{_nearest(section, sections)}"
        if elsewhere:
            return f"there is no `{name}` here; it is `{elsewhere[0]}`"
        return f"there is no `{name}`{_nearest(name, names or self.known)}"


def load(
    file: Path | None,
    *,
    preset: str | None = None,
    env: Mapping[str, str] | None = None,
    given: Mapping[str, object] | None = None,
    defaults: Mapping[str, object] | None = None,
    more: Mapping[str, object] | None = None,
) -> Loaded:
    """Reads all places.

    Args:
        file: The TOML file; one that is not there says nothing.
        preset: The name of a preset; None = as the file or MOSAIC__PRESET says.
        env: Variables, of which MOSAIC__… and MOSAIC_PROXY count.
        given: What the command line says, by path, as TOML would have it.
        defaults: What the command takes instead of the settings' own defaults, by path.
        more: Default settings of rooms above the node, by their section.

    Raises:
        SettingsInvalid: the file can't be read, or something is wrong; all of it is said.
        UsageError: what the command line or the environment says does not go together.
    """
    env = {} if env is None else env
    more = {} if more is None else more
    known = _known(more)
    reading = _Reading(
        known,
        {path: entry.default for path, entry in known.items()},
        dict.fromkeys(known, DEFAULT),
    )
    for path, value in (defaults or {}).items():
        reading.take(known[path], value, "", DEFAULT)
    table, lines, warnings = _file(file)
    chosen = preset or env.get(f"{PREFIX}PRESET") or table.pop("preset", "")
    table.pop("preset", None)
    if chosen:
        reading.table(_preset(chosen, lines), {}, f"preset {chosen}")
    reading.table(table, lines, str(file))
    _environment(reading, env)
    for path, value in (given or {}).items():
        reading.take(known[path], value, "on the command line, ", "command line")
    if reading.faults and not any(fault.startswith("on the command line") for fault in reading.faults):
        raise _invalid(file, reading.faults)
    if reading.faults:
        raise UsageError("\n  ".join(reading.faults), hint="`mosaic serve --help` tells what may be said.")
    if reading.origin["dht.mode"] == DEFAULT and goes_all_by_proxy(reading.values):
        reading.values["dht.mode"] = OFF
    try:
        settings, above = _built(known, reading.values, more)
    except UsageError as error:
        if str(file) in reading.origin.values():
            raise SettingsInvalid(str(error), hint=error.hint) from error
        raise
    warnings += advice(settings)
    return Loaded(settings, above, known, reading.values, reading.origin, str(chosen), file, tuple(warnings))


def goes_all_by_proxy(values: Mapping[str, object]) -> bool:
    """Whether a proxy is set for all links, by path of the settings.

    Raises:
        UsageError: the proxy is none.
    """
    return ProxyRules.parse(str(values["client.proxy"])).take_all


# --- the places --------------------------------------------------------------------------------------


def _file(file: Path | None) -> tuple[dict[str, Any], Mapping[str, int], list[str]]:
    if file is None:
        return {}, {}, []
    try:
        with file.open("rb") as opened:
            data = opened.read(_GREATEST_FILE + 1)
            readable = opened.fileno() >= 0 and os.fstat(opened.fileno()).st_mode & stat.S_IROTH
    except FileNotFoundError:
        return {}, {}, []
    except OSError as error:
        raise SettingsInvalid(f"{file} can't be read: {error.strerror}") from error
    if len(data) > _GREATEST_FILE:
        raise SettingsInvalid(
            f"{file} is longer than {_GREATEST_FILE:,} bytes",
            hint="Is it the file of settings that was meant?",
        )
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise SettingsInvalid(f"{file} is not UTF-8") from None
    if line := too_deep(text):
        raise _invalid(file, [f"line {line}: this name has more parts than any setting has"])
    try:
        table = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        line = fault_line(error) if isinstance(error, tomllib.TOMLDecodeError) else 0
        where = f"line {line}: " if line else ""
        raise _invalid(file, [f"{where}this is no TOML: {error}"]) from error
    proxy = str(table.get("client", {}).get("proxy", "")) if isinstance(table.get("client"), dict) else ""
    warnings = []
    if readable and "@" in proxy:
        warnings.append(
            f"{file} holds a password and everybody on this machine may read it: chmod 600 {file}"
        )
    return table, lines_of(text), warnings


def _preset(name: object, lines: Mapping[str, int]) -> dict[str, Any]:
    names = presets.names()
    if name not in names:
        fault = f"{_where('preset', lines)}there is no preset {name!r}{_nearest(str(name), names)}"
        raise SettingsInvalid(fault, hint=f"There are {', '.join(names)}.")
    return tomllib.loads(presets.text(str(name)))


def _environment(reading: _Reading, env: Mapping[str, str]) -> None:
    proxy = env.get(PROXY)
    if proxy:
        reading.take(reading.known["client.proxy"], proxy, f"{PROXY}: ", PROXY)
    variables = {entry.path.replace(".", "__").upper(): entry for entry in reading.known.values()}
    for variable, text in sorted(env.items()):
        name = variable.removeprefix(PREFIX)
        if not variable.startswith(PREFIX) or name == "PRESET":
            continue
        entry = variables.get(name)
        if entry is None:
            reading.faults.append(f"{variable}: there is no such setting{_nearest(name, variables, PREFIX)}")
        else:
            reading.take(entry, _of_variable(entry, text), f"{variable}: ", variable)


def _of_variable(entry: Entry, text: str) -> object:
    """The value in a variable: as TOML, or else the text itself."""
    if entry.kind is str:
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


# --- one value -------------------------------------------------------------------------------------


def _checked(entry: Entry, value: object) -> object:
    """A value as the settings have it. Raises ValueError with what it should be."""
    found = setting_values.read(value, entry.kind, entry.unit)
    if isinstance(found, int | float) and not isinstance(found, bool):
        least, most = entry.least, entry.most
        if found < least or (most is not None and found > most):
            low, high = (
                "" if bound is None else setting_values.written(bound, entry.kind, entry.unit)
                for bound in (least, most)
            )
            raise ValueError(
                f"has to be {low} or more" if most is None else f"has to be from {low} to {high}"
            )
    return found


def _shown(entry: Entry, value: object) -> str:
    return "" if entry.secret else f", not {value!r}"


def _leaves(
    table: Mapping[str, Any], known: Mapping[str, Entry], path: str = ""
) -> Iterator[tuple[str, Any]]:
    """The values of a table by their paths; a table in which nothing is known counts as a value."""
    for name, value in table.items():
        at = f"{path}{name}"
        if isinstance(value, dict) and at not in known and any(each.startswith(f"{at}.") for each in known):
            yield from _leaves(value, known, f"{at}.")
        elif isinstance(value, dict) and at not in known:
            yield f"{at}.", value
        else:
            yield at, value


def _built(
    known: Mapping[str, Entry], values: Mapping[str, object], more: Mapping[str, object]
) -> tuple[NodeSettings, dict[str, object]]:
    """The settings themselves. Raises UsageError if values don't go together."""
    by_attribute = {entry.attribute: values[path] for path, entry in known.items()}
    settings = rebuilt(NodeSettings(), by_attribute)
    assert isinstance(settings, NodeSettings)
    above = {
        name: rebuilt(
            default, {k.partition(":")[2]: v for k, v in by_attribute.items() if k.startswith(f"{name}:")}
        )
        for name, default in more.items()
    }
    return settings, above


def _known(more: Mapping[str, object]) -> dict[str, Entry]:
    known = entries(NodeSettings())
    for name, default in more.items():
        for path, entry in entries(default).items():
            known[f"{name}.{path}"] = _moved(entry, name)
    return known


def _moved(entry: Entry, name: str) -> Entry:
    # Rooms above the node are made once.
    return replace(entry, path=f"{name}.{entry.path}", attribute=f"{name}:{entry.attribute}", reload=False)


def _kind_of_rows(entry: Entry) -> Any:
    return entry.kind.__args__[0]


# --- words -------------------------------------------------------------------------------------------


def _where(path: str, lines: Mapping[str, int]) -> str:
    """`line 12, [server]: `, as far as it is known."""
    bare = path.rstrip(".")
    at, line = bare[:_LONGEST_NAME], 0
    while at and not line:
        line = lines.get(at, 0)
        at = at.rpartition(".")[0]
    section = bare if path.endswith(".") else bare.rpartition(".")[0]
    parts = [f"line {line}" if line else "", f"[{section}]" if section else ""]
    told = ", ".join(part for part in parts if part)
    return f"{told}: " if told else ""


def _nearest(name: str, names: Iterable[str], prefix: str = "") -> str:
    near = difflib.get_close_matches(name[:_LONGEST_NAME], list(names), n=1, cutoff=0.5)
    return f"; did you mean `{prefix}{near[0]}`?" if near else ""


def _invalid(file: Path | None, faults: list[str]) -> SettingsInvalid:
    faults = [fault if len(fault) <= _LONGEST_FAULT else f"{fault[:_LONGEST_FAULT]}…" for fault in faults]
    if len(faults) == 1:
        where = f"{file}, " if faults[0].startswith("line ") else ""
        return SettingsInvalid(f"{where}{faults[0]}")
    count = f"{len(faults)}" if len(faults) <= _MOST_FAULTS else f"more than {_MOST_FAULTS}"
    return SettingsInvalid("\n  ".join([f"{count} settings are wrong ({file}):", *faults[:_MOST_FAULTS]]))
