"""Where a command's settings come from: its options, variables, the file, a preset.

Every command goes this way, so that the same rules hold in a command and in
the node that runs.

Source: this project's own design, docs/architecture.md "One home".
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from mosaic.errors import SettingsInvalid
from mosaic.node import configuration, presets
from mosaic.node.configuration import Loaded
from mosaic.node.home import SETTINGS, Home
from mosaic.node.settings import NodeSettings
from mosaic.web.settings import WebSettings

_Command = TypeVar("_Command", bound=Callable[..., Any])

VARIABLE: Final = "MOSAIC_CONFIG"
"""The file of settings, where no --config names it."""


@dataclass(frozen=True, slots=True)
class Places:
    """All places where settings are said; can be read again and again.

    Args:
        file: The file of settings, whether it is there or not.
        preset: The preset that was named, if one was.
        given: What the command line sets, by the settings' paths.
        defaults: What the command takes where nobody said anything.
    """

    file: Path
    preset: str | None = None
    given: Mapping[str, object] = field(default_factory=dict)
    defaults: Mapping[str, object] = field(default_factory=lambda: configuration.SERVING)

    def load(self) -> Loaded:
        """Reads all of them.

        Raises:
            SettingsInvalid: something in them is wrong.
            UsageError: what the command line says does not go together.
        """
        return configuration.load(
            self.file,
            preset=self.preset,
            env=os.environ,
            given=self.given,
            defaults=self.defaults,
            more={"page": WebSettings()},
        )


def configured(command: _Command) -> _Command:
    """Adds `--config` and `--preset`."""
    command = click.option(
        "--preset",
        type=click.Choice(presets.names()),
        help="Settings for a kind of server; see docs/settings.md.",
    )(command)
    return click.option(
        "--config",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help=f"The file of settings; else {VARIABLE}, else mosaic.toml in the home.",
    )(command)


def file_of(home: Home, config: Path | None) -> Path:
    """The file of a home's settings.

    Args:
        home: The home.
        config: The file that the command line names, if it does.

    Raises:
        SettingsInvalid: a file that was named is not there.
    """
    named = config or (Path(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None)
    if named is None:
        return home.folder / SETTINGS
    if not named.is_file():
        raise SettingsInvalid(
            f"there is no file {named}",
            hint=f"Name the file of settings with --config FILE or {VARIABLE}, or leave both out.",
        )
    return named.absolute()


def settings_of(home: Home, dht: str | None = "off") -> NodeSettings:
    """The settings of a command that acts in a home by itself.

    Args:
        home: The home.
        dht: Which DHT: `off`, `mainline`, HOST:PORT; None = the one of the home's settings.

    Raises:
        SettingsInvalid: something in them is wrong.
        UsageError: MOSAIC_PROXY names no proxy.
    """
    given = {} if dht is None else {"dht.mode": dht}
    return Places(file_of(home, None), given=given).load().settings
