"""Where each name stands in a TOML text, which the standard reader does not tell; whether one is too deep.

For `lines_of` the text was read before, so it is TOML: what is looked for is
only where statements begin, past strings, comments and lists of several lines.
`too_deep` looks before the text is read, and so takes any text.

Source: this project's own design, docs/architecture.md "One home".
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from typing import Final

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_QUOTES: Final = ('"""', "'''", '"', "'")
_DEEPEST: Final = 16
"""Parts of a dotted name; the reader's work grows with their square. No setting has more than three."""


def lines_of(text: str) -> Mapping[str, int]:
    """The line (from 1) of each table and each key, by its dotted path; `mirror[1].url` in lists of tables.

    Args:
        text: A valid TOML text.
    """
    found: dict[str, int] = {}
    counts: dict[str, int] = {}
    table = ""
    for line, statement in _statements(text):
        if statement.startswith("[["):
            path = _dotted(statement[2:])
            counts[path] = counts.get(path, 0) + 1
            table = f"{path}[{counts[path]}]"
            found.setdefault(path, line)
            found[table] = line
        elif statement.startswith("["):
            table = _dotted(statement[1:])
            found.setdefault(table, line)
        else:
            key = _dotted(statement)
            found[f"{table}.{key}" if table else key] = line
    return found


def too_deep(text: str) -> int:
    """The line (from 1) of the first name with more parts than any setting has; 0 if there is none.

    Args:
        text: Any text. What is behind the place where it stops to be TOML is not judged rightly.
    """
    at, dots = 0, 0
    while at < len(text):
        character = text[at]
        if character == "#":
            at = _end(text, at, "\n")
        elif character in "\"'":
            at = _string_end(text, at)
        elif bare := _BARE.match(text, at):
            at = bare.end()
        else:
            # Between the parts of a name stand dots and blanks, and nothing else.
            dots = dots + 1 if character == "." else dots if character in " \t" else 0
            if dots >= _DEEPEST:
                return text.count("\n", 0, at) + 1
            at += 1
    return 0


def fault_line(error: tomllib.TOMLDecodeError) -> int:
    """The line (from 1) of a fault that the reader found; 0 if it does not say."""
    said = re.search(r"at line (\d+)", str(error))
    return int(said[1]) if said else 0


def _statements(text: str) -> list[tuple[int, str]]:
    """Each statement's line and text (the text of one that goes on over lines: from its first)."""
    statements: list[tuple[int, str]] = []
    at, depth, begins = 0, 0, True
    line, counted = 1, 0
    while at < len(text):
        character = text[at]
        if character == "#":
            at = _end(text, at, "\n")
        elif begins and not character.isspace():
            line, counted = line + text.count("\n", counted, at), at
            statements.append((line, text[at : _end(text, at, "\n")]))
            begins = False
            # A table's header is not a list.
            at = _end(text, at, "\n") if character == "[" else _key_end(text, at)
        elif character in "\"'":
            at = _string_end(text, at)
        else:
            depth += (character in "[{") - (character in "]}")
            begins = begins or (character == "\n" and depth <= 0)
            at += 1
    return statements


def _end(text: str, at: int, what: str) -> int:
    found = text.find(what, at)
    return len(text) if found < 0 else found


def _key_end(text: str, at: int) -> int:
    """Behind the `=` of a statement; quoted parts of its key may hold one."""
    while at < len(text) and text[at] != "=":
        at = _string_end(text, at) if text[at] in "\"'" else at + 1
    return at + 1


def _string_end(text: str, at: int) -> int:
    quote = next(quote for quote in _QUOTES if text.startswith(quote, at))
    at += len(quote)
    while at < len(text) and not text.startswith(quote, at):
        at += 2 if text[at] == "\\" and quote[0] == '"' else 1
    return at + len(quote)


def _dotted(text: str) -> str:
    """A dotted key at the beginning of a text, its parts without quotes."""
    parts, at = [], 0
    while at < len(text):
        character = text[at]
        if character in " \t.":
            at += 1
        elif character in "\"'":
            end = _string_end(text, at)
            parts.append(text[at + 1 : end - 1])
            at = end
        elif bare := _BARE.match(text, at):
            parts.append(bare[0])
            at = bare.end()
        else:
            break
    return ".".join(parts)
