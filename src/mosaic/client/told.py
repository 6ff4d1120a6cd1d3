"""What the other end gave as its reason, as words that may stand in a sentence, a log or a terminal.

Source: this project's own design, docs/architecture.md "A person acts".
"""

from __future__ import annotations

from typing import Final

_MOST: Final = 300


def told(data: bytes) -> str:
    """One line of printable text, of 300 characters at most.

    Whoever ends a QUIC connection may give any text as his reason: it must not
    steer a terminal, nor look like lines of our own.

    Args:
        data: UTF-8, or what somebody sent in its place.
    """
    text = data.decode("utf-8", "replace")
    line = "".join(character if character.isprintable() else " " for character in text[: 2 * _MOST])
    line = " ".join(line.split())
    return line if len(line) <= _MOST else line[: _MOST - 1] + "…"
