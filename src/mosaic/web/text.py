"""What strangers wrote, as HTML: nothing but text and links.

Source: this project's own design, docs/architecture.md "A person acts".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from markupsafe import Markup, escape

_LINK: Final = re.compile(r"https?://[^\s<>\"'`]+")
_EXCERPT: Final = 110
_COMMAND: Final = re.compile(r"`([^`]+)`")


def linked(text: str) -> Markup:
    """The text with its web addresses as links, which tell the other site nothing of this page."""
    return Markup("").join(_parts(text))


def _parts(text: str) -> Iterator[Markup]:
    place = 0
    for match in _LINK.finditer(text):
        address = match[0].rstrip(".,;:!?)]}…")
        yield escape(text[place : match.start()])
        yield Markup('<a href="{0}" rel="noopener noreferrer nofollow" target="_blank">{0}</a>').format(
            address
        )
        place = match.start() + len(address)
    yield escape(text[place:])


def excerpt(text: str) -> str:
    """The beginning of a text, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= _EXCERPT else line[: _EXCERPT - 1].rstrip() + "…"


def short_key(key: str) -> str:
    """Both ends of a key: enough to compare, short enough for a line."""
    return key if len(key) <= 20 else f"{key[:12]}…{key[-6:]}"


def short_bytes(count: int) -> str:
    """A number of bytes, short; `count` bytes."""
    size = float(count)
    for unit in ("bytes", "KB", "MB"):
        if size < 1_000:
            return f"{size:.0f} {unit}"
        size /= 1_000
    return f"{size:.1f} GB"


def commands(text: str) -> Markup:
    """A sentence of the node's with its commands, which stand between backticks, as such."""
    parts = _COMMAND.split(text)
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if number % 2 else escape(part)
        for number, part in enumerate(parts)
    )
