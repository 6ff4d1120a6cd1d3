"""Settings as text: all that count (`mosaic config --effective`), and the page that explains them.

Source: this project's own design, docs/architecture.md "One home".
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal, get_args, get_origin

import tomlkit
from tomlkit.items import AoT, Table

from mosaic.node import presets, setting_values
from mosaic.node.configuration import DEFAULT, Loaded
from mosaic.node.setting_entries import MISSING, Entry

HIDDEN: Final = "(not shown)"
"""In place of a secret."""
_WIDTH: Final = 100
_HEAD: Final = """\
# Settings

Made by `make docs` from the settings themselves.

Everything has a default, so a node needs no file. What should be otherwise stands in `mosaic.toml` in the
home, or in the file that `--config` or `MOSAIC_CONFIG` names. A preset (`preset = "public"` at the top, or
`--preset`) sets several at once. What is said more closely counts: defaults, then the preset, the file,
variables (`MOSAIC__SERVER__CONNECTIONS=500`), and the command line.

Durations are texts such as `"90s"`, `"15m"`, `"2h"`, `"7d"`, or a number of seconds; sizes are texts such as
`"64 KiB"`, `"10 MB"`, or a number of bytes. `mosaic config --check` finds what is wrong, `mosaic config
--effective` tells what counts and where it is from.

A running node takes a changed file by itself, and at once with `mosaic admin reload` or SIGHUP; a file with
faults changes nothing. What says *restart* below counts from the next start on."""


def text(loaded: Loaded, *, explained: bool = False) -> str:
    """Every setting with its value, as a TOML file that would set the same.

    Args:
        loaded: The settings.
        explained: Whether each has its line of help above it.
    """
    document = tomlkit.document()
    if loaded.preset:
        document.add("preset", tomlkit.item(loaded.preset))
    for section, entries in by_section(loaded.entries).items():
        table = _table_at(document, section) if section else document
        for entry in entries:
            if explained:
                for line in textwrap.wrap(entry.help, _WIDTH):
                    table.add(tomlkit.comment(line))
            _add(table, entry, loaded)
    return tomlkit.dumps(document)


def shown(entry: Entry, value: object) -> Any:
    """A value as TOML has it; a secret's only as far as it is there."""
    if entry.secret:
        return HIDDEN if value else ""
    if entry.tables is not None:
        assert isinstance(value, tuple)
        return [_row(entry, row) for row in value]
    return setting_values.written(value, entry.kind, entry.unit)


def by_section(entries: Mapping[str, Entry]) -> dict[str, list[Entry]]:
    """The settings of each section, in order; those above all sections (lists of tables) last."""
    sections: dict[str, list[Entry]] = {}
    for entry in sorted(entries.values(), key=lambda each: not each.section):
        sections.setdefault(entry.section, []).append(entry)
    return sections


def _add(table: Table | tomlkit.TOMLDocument, entry: Entry, loaded: Loaded) -> None:
    value = loaded.values[entry.path]
    if entry.tables is not None:
        rows: AoT = tomlkit.aot()
        assert isinstance(value, tuple)
        for row in value:
            rows.append(tomlkit.item(_row(entry, row)))
        if value:
            table.add(entry.name, rows)
        return
    if entry.secret and value:
        table.add(tomlkit.comment(f"{entry.name} is set and not shown"))
        return
    item = tomlkit.item(shown(entry, value))
    origin = loaded.origin[entry.path]
    if origin != DEFAULT:
        item.comment(f"from the {origin}" if not origin.startswith(("MOSAIC", "/")) else f"from {origin}")
    table.add(entry.name, item)


def _row(entry: Entry, row: object) -> dict[str, Any]:
    assert entry.tables is not None
    found = {}
    for name, within in entry.tables.items():
        value = getattr(row, within.attribute)
        if within.default is MISSING or value != within.default:
            found[name] = HIDDEN if within.secret else setting_values.written(value, within.kind, within.unit)
    return found


def _table_at(document: tomlkit.TOMLDocument, section: str) -> Table:
    table: Any = document
    for part in section.split("."):
        if part not in table:
            table.add(part, tomlkit.table())
        table = table[part]
    assert isinstance(table, Table)
    return table


# --- the page of the documentation -------------------------------------------------------------------


def page(loaded: Loaded) -> str:
    """docs/settings.md: every setting with its default and what it does, and the presets.

    Args:
        loaded: The defaults of a serving node.
    """
    return "\n".join([_HEAD, *_tables(loaded), *_presets()]) + "\n"


def _tables(loaded: Loaded) -> Iterator[str]:
    for section, entries in by_section(loaded.entries).items():
        title = f"[{section}]" if section else ", ".join(f"[[{entry.name}]]" for entry in entries)
        yield from ("", f"## {title}", "", "| name | default | what it does |", "| --- | --- | --- |")
        for entry in entries:
            yield _line(entry, loaded.values[entry.path])
            for within in (entry.tables or {}).values():
                default = None if within.default is MISSING else within.default
                yield _line(within, default, of=f"{entry.name}.", required=within.default is MISSING)


def _line(entry: Entry, value: object, *, of: str = "", required: bool = False) -> str:
    told = entry.help
    if get_origin(entry.kind) is Literal:
        told += " (" + ", ".join(f"`{choice}`" for choice in get_args(entry.kind)) + ")"
    if not entry.reload and not of:
        told += " *restart*"
    default = "must be given" if required else f"`{toml_text(shown(entry, value))}`"
    return f"| `{of}{entry.name}` | {default} | {told.replace('|', '&#124;')} |"


def toml_text(value: Any) -> str:
    """A value as it stands in a TOML file."""
    return str(tomlkit.item(value).as_string())


def _presets() -> Iterator[str]:
    yield from ("", "## Presets")
    for name in presets.names():
        yield from ("", f"### {name}", "", "```toml", presets.text(name).rstrip(), "```")
