"""Options that many commands share.

Source: this project's own design, docs/architecture.md "A person acts".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from mosaic.node.control import JsonObject
from mosaic.node.home import Home, default_folder

_Command = TypeVar("_Command", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Common:
    """What every command that works in a home knows.

    Args:
        home: The home.
        person: The person who acts (`--as`), or None for the first one.
        as_json: Whether to print for programs.
    """

    home: Home
    person: str | None
    as_json: bool

    def arguments(self, **values: object) -> JsonObject:
        """The arguments of an act; what is None or empty is left out."""
        given: dict[str, Any] = {"as": self.person, **values}
        return {name: value for name, value in given.items() if value is not None and value != []}


def common(command: _Command) -> _Command:
    """Adds `--home`, `--as` and `--json`; the command gets them as one `Common`, its first argument."""

    def run(home: Path | None, acting_as: str | None, as_json: bool, **rest: Any) -> Any:
        return command(Common(Home(home or default_folder()), acting_as, as_json), **rest)

    run.__name__, run.__doc__ = command.__name__, command.__doc__
    run.__click_params__ = getattr(command, "__click_params__", [])  # type: ignore[attr-defined]
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line."),
        click.option(
            "--as", "acting_as", metavar="NAME", help="Who acts, by name or key; else the first person."
        ),
        click.option(
            "--home",
            type=click.Path(path_type=Path, file_okay=False),
            metavar="DIR",
            help="The home; else MOSAIC_HOME, else the usual folder (see `mosaic where`).",
        ),
    ):
        run = option(run)
    return run  # type: ignore[return-value]


_KEY = "The key that the server has to prove. Without a URL: a person's or server's, to be looked up."


def server(command: _Command) -> _Command:
    """Adds `--server` and `--key`, which name another server."""
    for option in (
        click.option(
            "--key",
            metavar="mosrv0…",
            help=_KEY,
        ),
        click.option("--server", metavar="URL", help="Another server, such as mosaictcp://HOST:PORT/."),
    ):
        command = option(command)
    return command


_FILTER = (
    ("--author", "authors", "mopub0…", "Written by this person."),
    ("--signer", "signers", "mopub0…", "Signed by this key."),
    ("--kind", "kinds", "KIND", "Of this kind: post, reply, blog, profile, … or 16 hexadecimal digits."),
    ("--tag", "tags", "TYPE:HEX", "With this tag."),
    ("--without-tag", "exclude_tags", "TYPE:HEX", "Without this tag."),
    ("--at-time", "timestamps", "TIME", "Made at exactly this time."),
    ("--exclude", "exclude", "moref0…", "But not this record."),
)
_TIMES = (
    ("--since", "since", "Made at this time or later (ISO 8601, or how long ago: 2h, 7d)."),
    ("--until", "until", "Made at this time or earlier."),
    ("--received-since", "received_since", "Received by the server at this time or later."),
    ("--received-until", "received_until", "Received by the server at this time or earlier."),
)


def filters(command: _Command) -> _Command:
    """Adds the options that describe a filter; the command gets them as `wanted`, a dict."""

    def run(*arguments: Any, **rest: Any) -> Any:
        wanted: JsonObject = {name: list(rest.pop(name)) for _, name, _, _ in _FILTER}
        wanted |= {name: rest.pop(name) for _, name, _ in _TIMES}
        return command(*arguments, wanted=wanted, **rest)

    run.__name__, run.__doc__ = command.__name__, command.__doc__
    run.__click_params__ = getattr(command, "__click_params__", [])  # type: ignore[attr-defined]
    for flag, name, help_text in reversed(_TIMES):
        run = click.option(flag, name, metavar="TIME", help=help_text)(run)
    for flag, name, metavar, help_text in reversed(_FILTER):
        run = click.option(flag, name, metavar=metavar, multiple=True, help=help_text)(run)
    return run  # type: ignore[return-value]
