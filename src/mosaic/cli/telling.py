"""What the commands of `mosaic admin` share: running an act, options, words.

Source: network.md (roles, people served); this project's own design, docs/architecture.md "Operations".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import click

from mosaic.cli.acting import act
from mosaic.cli.options import Common
from mosaic.cli.output import clean, notice, print_object, say
from mosaic.node.control import Json, JsonObject
from mosaic.node.setting_values import duration_ns

Shown = Callable[[JsonObject], Iterator[str]]
"""Puts what an act gives into lines."""


def tell(options: Common, name: str, arguments: JsonObject, shown: Shown, none: str = "") -> list[JsonObject]:
    """Runs an act, prints what it gives, or `none` if that is nothing, and gives it back."""
    told = []
    for item in act(options.home, name, arguments):
        told.append(item)
        if options.as_json:
            print_object(item)
            continue
        for line in shown(item):
            say(line)
    if not told and none and not options.as_json:
        notice(none)
    return told


REASON: Final = click.option("--reason", metavar="TEXT", help="Why, for the log.")
UNTIL: Final = click.option(
    "--until", metavar="TIME", help="Until when: 2027-01-31, or how long from now: 30d."
)


def parsed_ns(text: str) -> int:
    """A duration (ns) that an option names. Raises click.BadParameter."""
    try:
        return duration_ns(int(text) if text.isdigit() else text)
    except ValueError as error:
        raise click.BadParameter(f"{text!r} {error}") from error


def word(value: Json) -> str:
    """A value in words, lists with commas."""
    if isinstance(value, list):
        return ",".join(map(word, value))
    return clean(str(value))
