"""The head of an HTTP/1.1 message, read strictly: a start line, fields, a blank line.

A WebSocket begins with one such head each way. Whatever two programs could
read in two ways is refused here: folded lines, bare line feeds, blanks before
a colon, fields that are given twice. (Libraries for HTTP take some of these,
as they must for the web at large; a head without a body needs no more than this.)

Source: RFC 9112 §2 to §5, RFC 6455 §4.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from mosaic.errors import InvalidMessage

HEAD_LIMIT: Final = 8_192
"""The longest head (bytes)."""

_FIELD: Final = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*")
# Tabs and visible characters. Beyond ASCII nothing is read, but some fields of browsers may have it.
_LINE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


@dataclass(frozen=True, slots=True)
class Head:
    """A head in parts.

    Attributes:
        start: The start line.
        fields: The values under each name in lower case, in their order.
    """

    start: str
    fields: dict[str, tuple[str, ...]]

    @classmethod
    def parse(cls, data: bytes) -> Head:
        """The parts of a whole head, up to and with its blank line.

        Raises:
            InvalidMessage: it is too long, breaks off, goes on, or has a line that is no field.
        """
        if len(data) > HEAD_LIMIT:
            raise InvalidMessage(f"the head of the HTTP message is longer than {HEAD_LIMIT} bytes")
        start, *lines = data.decode("latin-1").split("\r\n")
        if lines[-2:] != ["", ""] or "" in lines[:-2]:
            raise InvalidMessage("the head of the HTTP message does not end with its only blank line")
        fields: dict[str, tuple[str, ...]] = {}
        for line in (start, *lines[:-2]):
            if _LINE.fullmatch(line) is None:
                raise InvalidMessage("the head of the HTTP message has control characters")
        for line in lines[:-2]:
            field = _FIELD.fullmatch(line)
            if field is None:
                raise InvalidMessage("a line of the HTTP head is no `Name: value`, or is folded")
            name = field[1].lower()
            fields[name] = (*fields.get(name, ()), field[2])
        return cls(start, fields)

    def one(self, name: str) -> str | None:
        """The value of a field that may stand once, in visible ASCII; None if it does not stand.

        Raises:
            InvalidMessage: it stands twice, or has other characters.
        """
        values = self.fields.get(name.lower(), ())
        if len(values) > 1:
            raise InvalidMessage(f"{name} stands in the HTTP head {len(values)} times")
        if values and not (values[0].isascii() and values[0].isprintable()):
            raise InvalidMessage(f"{name} has characters that it may not have")
        return values[0] if values else None

    def tokens(self, name: str) -> tuple[str, ...]:
        """The members of a field that is a list of tokens, which may stand more than once.

        Raises:
            InvalidMessage: a member is no token.
        """
        members = [
            part.strip(" \t") for value in self.fields.get(name.lower(), ()) for part in value.split(",")
        ]
        if not all(_TOKEN.fullmatch(member) for member in members if member):
            raise InvalidMessage(f"{name} is no list of tokens")
        return tuple(member for member in members if member)

    def has_token(self, name: str, token: str) -> bool:
        """Whether a list of tokens has one, in upper or lower case. Raises InvalidMessage."""
        return token in {member.lower() for member in self.tokens(name)}


def write(start: str, fields: list[tuple[str, str]]) -> bytes:
    """The bytes of a head."""
    lines = [start, *(f"{name}: {value}" for name, value in fields), "", ""]
    return "\r\n".join(lines).encode("ascii")
