"""What commands print: for people in words, for programs (`--json`) one object a line.

What a stranger wrote is cleaned before it reaches a terminal: control
characters could move its cursor or change its title.

Source: this project's own design, docs/architecture.md "A person acts".
"""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Mapping
from enum import IntEnum

import click

from mosaic import errors
from mosaic.errors import MosaicError
from mosaic.node.control import Json, JsonObject, error_object


class Exit(IntEnum):
    """Exit codes of all commands."""

    OK = 0
    REFUSED = 1
    USAGE = 2
    UNREACHABLE = 3
    LOCAL = 4
    PARTLY = 5


# The first that fits decides.
_EXITS: tuple[tuple[type[MosaicError], Exit], ...] = (
    (errors.Refused, Exit.REFUSED),
    (errors.PeerError, Exit.UNREACHABLE),
    (errors.LocalError, Exit.LOCAL),
    (errors.WrongPassword, Exit.LOCAL),
    (errors.PairingFailed, Exit.REFUSED),
    (errors.UsageError, Exit.USAGE),
    (errors.InvalidRecord, Exit.REFUSED),
    (errors.InvalidJson, Exit.REFUSED),
    (errors.InvalidKeySchedule, Exit.REFUSED),
    (errors.FormatError, Exit.USAGE),
)


def exit_code(error: MosaicError) -> Exit:
    """The exit code that tells of an error."""
    return next((code for kind, code in _EXITS if isinstance(error, kind)), Exit.LOCAL)


def print_object(item: Mapping[str, Json]) -> None:
    """One JSON object on one line of stdout, at once."""
    sys.stdout.write(json.dumps(item, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def print_error(error: MosaicError, *, as_json: bool) -> None:
    """What went wrong and what to do next, on stderr."""
    if as_json:
        sys.stderr.write(json.dumps(error_object(error), ensure_ascii=False) + "\n")
    else:
        sys.stderr.write(f"mosaic: {clean(str(error))}\n")
        if error.hint:
            sys.stderr.write(f"  {clean(error.hint)}\n")
    sys.stderr.flush()


def say(line: str = "") -> None:
    """A line for people on stdout, at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def notice(line: str) -> None:
    """A line for people on stderr, beside the result."""
    click.echo(line, err=True)


# Joiners, without which some scripts and pictures fall apart.
_HARMLESS = frozenset("\n\t\u200c\u200d")


def clean(text: str) -> str:
    """A text without characters that steer a terminal or turn the direction of what follows."""
    return "".join(
        character
        for character in text
        if character in _HARMLESS or unicodedata.category(character) not in {"Cc", "Cf", "Cs"}
    )


# --- objects in words --------------------------------------------------------------------------------


def text_of(item: Mapping[str, Json], name: str) -> str:
    """A field as clean text, empty when it is not there."""
    value = item.get(name)
    return "" if value is None else clean(str(value))


def short_bytes(text: str) -> str:
    """A number of bytes, short."""
    count = float(text)
    for unit in ("B", "KB", "MB"):
        if count < 1_000:
            return f"{count:.0f} {unit}"
        count /= 1_000
    return f"{count:.1f} GB"


def shown_post(item: JsonObject) -> str:
    """A post as a paragraph: who and when, the text, its reference."""
    who = text_of(item, "author_name") or text_of(item, "author")
    head = f"{who} · {text_of(item, 'time_iso')[:19].replace('T', ' ')} UTC"
    if item.get("edited"):
        head += " · edited"
    if item.get("reply"):
        head += f" · in reply to {text_of(item, 'reply')}"
    body = "\n".join(f"  {line}" for line in text_of(item, "text").splitlines() or [""])
    return f"{head}\n{body}\n  {text_of(item, 'address')}\n"


def shown_record(item: JsonObject) -> str:
    """A record as a paragraph."""
    head = f"{text_of(item, 'kind_name')} · {text_of(item, 'time_iso')[:19].replace('T', ' ')} UTC"
    lines = [head, f"  by {text_of(item, 'author')}"]
    if "text" in item:
        lines += [f"  {line}" for line in text_of(item, "text").splitlines()]
    else:
        lines.append(f"  {text_of(item, 'bytes')} bytes, no text")
    lines.append(f"  {text_of(item, 'id')}\n")
    return "\n".join(lines)


def shown_deliveries(item: JsonObject) -> list[str]:
    """How far a record has come, then each other server; nothing when it goes nowhere else."""
    lines = [f"  {text_of(item, 'standing')}"] if item.get("standing") else []
    deliveries = item.get("deliveries")
    for delivery in deliveries if isinstance(deliveries, list) else []:
        if isinstance(delivery, dict):
            note = f": {text_of(delivery, 'note')}" if delivery.get("note") else ""
            urls = delivery.get("urls")
            where = clean(str(urls[0])) if isinstance(urls, list) and urls else text_of(delivery, "server")
            lines.append(f"    {where}: {text_of(delivery, 'standing')}{note}")
    if item.get("queued") and not item.get("working"):
        lines.append("  What is queued goes out when the node runs: `mosaic serve`.")
    unreached = item.get("unreached")
    lines += [
        f"  waits until a server of theirs is found: {clean(str(key))}"
        for key in (unreached if isinstance(unreached, list) else [])
    ]
    return lines
