"""`mosaic config`: what is set, where it is from, and whether it is right.

Source: this project's own design, docs/architecture.md "One home".
"""

from __future__ import annotations

from pathlib import Path

import click

from mosaic.cli.configuring import Places, configured, file_of
from mosaic.cli.options import Common, common
from mosaic.cli.output import notice, print_object, say
from mosaic.node import settings_text
from mosaic.node.configuration import DEFAULT, Loaded
from mosaic.node.control import Json, JsonObject
from mosaic.node.settings_advice import missing


@click.command()
@click.option("--check", is_flag=True, help="Only tell whether all of it is right.")
@click.option(
    "--effective", is_flag=True, help="Every setting that counts, as a file that would set the same."
)
@configured
@common
def config(options: Common, *, config: Path | None, preset: str | None, check: bool, effective: bool) -> None:
    """Tell what is set otherwise than by default, and where.

    \b
    Examples:
      mosaic config --check
      mosaic config --effective
      mosaic config --effective --preset public > mosaic.toml

    \f
    Raises:
        SettingsInvalid: something is wrong; all of it is named.
        UsageError: MOSAIC_PROXY names no proxy.
    """
    file = file_of(options.home, config)
    loaded = Places(file, preset).load()
    for warning in (*loaded.warnings, *(missing(loaded.settings) if check else ())):
        notice(f"Warning: {warning}")
    if effective and not options.as_json:
        say(settings_text.text(loaded, explained=True).rstrip())
    elif options.as_json:
        print_object(_object(loaded, everything=effective))
    else:
        where = str(file) if file.exists() else f"{file} (not there, which is fine)"
        say(f"Settings are right: {where}" if check else f"File: {where}")
        if not check:
            _tell_set(loaded)


def _tell_set(loaded: Loaded) -> None:
    if loaded.preset:
        say(f"Preset: {loaded.preset}")
    lines = [
        f"  {path} = {_words(settings_text.shown(entry, loaded.values[path]))}   ({loaded.origin[path]})"
        for path, entry in loaded.entries.items()
        if loaded.origin[path] != DEFAULT
    ]
    for line in lines or ["Everything is as it is by default: `mosaic config --effective` shows it."]:
        say(line)


def _object(loaded: Loaded, *, everything: bool) -> JsonObject:
    values: JsonObject = {
        path: settings_text.shown(entry, loaded.values[path])
        for path, entry in loaded.entries.items()
        if everything or loaded.origin[path] != DEFAULT
    }
    origins: JsonObject = {path: loaded.origin[path] for path in values}
    return {
        "file": str(loaded.file),
        "preset": loaded.preset,
        "values": values,
        "origins": origins,
        "warnings": list[Json](loaded.warnings),
    }


def _words(value: object) -> str:
    return settings_text.toml_text(value)
