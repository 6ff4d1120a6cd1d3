"""Bootstraps: the short texts in the DHT that say where somebody is to be found.

Two readers. The strict one (`parse`) is for what we or our user wrote: every
line must hold. The lenient one (`read`) is for what comes from the DHT: a line
that does not parse is skipped, so that a newer format does not hide the rest.

Source: bootstrap.md, edition §3 and §5 (B1 to B6, K1, U1 to U5).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import IntFlag
from typing import ClassVar, Final, TypeVar

from mosaic.core.dht_item import MAX_VALUE_BYTES as MAX_BYTES
from mosaic.core.dht_item import SERVER_SALT, USER_SALT, DhtItem, WritePlan, next_write, signed_bytes, target
from mosaic.core.keys import PublicKey
from mosaic.core.url import ServerUrl
from mosaic.errors import FormatError, InvalidBootstrap, InvalidText

__all__ = [
    "MAX_BYTES",
    "SERVER_SALT",
    "USED_PER_ROLE",
    "USER_SALT",
    "DhtItem",
    "ServerBootstrap",
    "ServerUse",
    "Usage",
    "UserBootstrap",
    "WritePlan",
    "next_write",
    "read",
    "signed_bytes",
    "target",
]

USED_PER_ROLE: Final = 3

_Entry = TypeVar("_Entry")


class Usage(IntFlag):
    """What a person uses a server for; any sum of these from 1 to 7."""

    OUTBOX = 1
    INBOX = 2
    ENCRYPTION = 4


@dataclass(frozen=True, slots=True)
class ServerUse:
    """One line of a user bootstrap.

    Args:
        usage: 1 to 7.
        key: The server's key.

    Raises:
        InvalidBootstrap: another usage.
    """

    usage: Usage
    key: PublicKey

    def __post_init__(self) -> None:
        if not 1 <= self.usage <= 7:
            raise InvalidBootstrap("a server's usage is a sum of outbox 1, inbox 2 and encryption 4")
        object.__setattr__(self, "usage", Usage(self.usage))

    @classmethod
    def parse(cls, line: str) -> ServerUse:
        """One line: a usage from 1 to 7, one space, a key as mosrv0 (mopub0 is read too).

        Raises:
            FormatError: anything else.
        """
        if len(line) < 2 or line[0] not in "1234567" or line[1] != " ":
            raise InvalidBootstrap("the line does not begin with a usage from 1 to 7 and one space")
        key = line[2:]
        if not key.startswith("mo"):
            raise InvalidText("the key does not begin with mosrv0")
        return cls(Usage(int(line[0])), PublicKey.parse(key))

    def __str__(self) -> str:
        return f"{int(self.usage)} {self.key.server_text}"


@dataclass(frozen=True, slots=True)
class UserBootstrap:
    """Which servers a person uses and for what, preferred ones first.

    Args:
        entries: The lines in their order.
    """

    entries: tuple[ServerUse, ...]

    salt: ClassVar[bytes] = USER_SALT

    @classmethod
    def parse(cls, text: str) -> UserBootstrap:
        """The strict reader.

        Raises:
            InvalidBootstrap: over 983 bytes, the first line is not `U`, no further line, or a bad one.
        """
        return cls(_strict(text, "U", ServerUse.parse))

    @classmethod
    def read(cls, data: bytes) -> UserBootstrap:
        """The lenient reader, for what comes from the DHT.

        Raises:
            InvalidBootstrap: over 983 bytes, not UTF-8, or the first line is not `U`.
        """
        return cls(_lenient(data, "U", ServerUse.parse))

    @property
    def text(self) -> str:
        """The text of these entries. Raises InvalidBootstrap over 983 bytes."""
        return _written("U", self.entries)

    def publishable(self) -> bytes:
        """The text as it may be published.

        Raises:
            InvalidBootstrap: over 983 bytes, or without at least one outbox and one inbox.
        """
        if not self.outboxes or not self.inboxes:
            raise InvalidBootstrap(
                "at least one outbox and one inbox are needed", hint="Name a server for each of the two."
            )
        return self.text.encode()

    @property
    def outboxes(self) -> tuple[PublicKey, ...]:
        """The servers where this person publishes: the first three distinct ones."""
        return self.servers(Usage.OUTBOX)

    @property
    def inboxes(self) -> tuple[PublicKey, ...]:
        """The servers where this person receives: the first three distinct ones."""
        return self.servers(Usage.INBOX)

    @property
    def encryption(self) -> tuple[PublicKey, ...]:
        """The servers where this person receives private messages: the first three; none means he can't."""
        return self.servers(Usage.ENCRYPTION)

    def servers(self, usage: Usage, limit: int = USED_PER_ROLE) -> tuple[PublicKey, ...]:
        """The first `limit` distinct servers of a usage."""
        keys = dict.fromkeys(entry.key for entry in self.entries if entry.usage & usage)
        return tuple(keys)[:limit]


@dataclass(frozen=True, slots=True)
class ServerBootstrap:
    """Where a server listens, preferred addresses first. It is its own outbox, inbox and encryption server.

    Args:
        urls: The lines in their order.
    """

    urls: tuple[ServerUrl, ...]

    salt: ClassVar[bytes] = SERVER_SALT

    @classmethod
    def parse(cls, text: str) -> ServerBootstrap:
        """The strict reader.

        Raises:
            InvalidBootstrap: over 983 bytes, the first line is not `S`, no further line, or a bad one.
        """
        return cls(_strict(text, "S", ServerUrl.parse))

    @classmethod
    def read(cls, data: bytes) -> ServerBootstrap:
        """The lenient reader, for what comes from the DHT.

        Raises:
            InvalidBootstrap: over 983 bytes, not UTF-8, or the first line is not `S`.
        """
        return cls(_lenient(data, "S", ServerUrl.parse))

    @classmethod
    def fitting(cls, urls: Iterable[ServerUrl]) -> ServerBootstrap:
        """As many of these URLs, in their order, as one bootstrap holds."""
        taken: list[ServerUrl] = []
        room = MAX_BYTES - 1
        for url in urls:
            room -= 1 + len(str(url))
            if room < 0:
                break
            taken.append(url)
        return cls(tuple(taken))

    @property
    def text(self) -> str:
        """The text of these URLs. Raises InvalidBootstrap over 983 bytes."""
        return _written("S", self.urls)

    def publishable(self) -> bytes:
        """The text as it may be published. Raises InvalidBootstrap over 983 bytes, or without any URL."""
        if not self.urls:
            raise InvalidBootstrap("a server needs at least one URL", hint="Let it listen on some address.")
        return self.text.encode()


def read(data: bytes) -> UserBootstrap | ServerBootstrap:
    """The lenient reader for either: its first line tells which. Raises InvalidBootstrap."""
    return ServerBootstrap.read(data) if data[:1] == b"S" else UserBootstrap.read(data)


def _strict(text: str, first: str, parse: Callable[[str], _Entry]) -> tuple[_Entry, ...]:
    try:
        length = len(text.encode())
    except UnicodeEncodeError:
        raise InvalidBootstrap("the text holds half of a character (a lone surrogate)") from None
    lines = _lines(text, length, first)
    if not lines:
        raise InvalidBootstrap("no server is listed after the first line")
    entries = []
    for number, line in enumerate(lines, start=2):
        try:
            entries.append(parse(line))
        except FormatError as error:
            raise InvalidBootstrap(f"line {number}: {error}", hint=error.hint) from None
    return tuple(entries)


def _lenient(data: bytes, first: str, parse: Callable[[str], _Entry]) -> tuple[_Entry, ...]:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise InvalidBootstrap("the bootstrap is not UTF-8") from None
    entries = []
    for line in _lines(text, len(data), first):
        try:
            entries.append(parse(line))
        except FormatError:
            continue
    return tuple(entries)


def _lines(text: str, length: int, first: str) -> list[str]:
    """The lines after the first."""
    if length > MAX_BYTES:
        raise InvalidBootstrap(f"a bootstrap has at most {MAX_BYTES} bytes, not {length}")
    lines = text.split("\n")
    if lines[0] != first:
        raise InvalidBootstrap(f"the first line is not {first}")
    return lines[1:]


def _written(first: str, entries: Iterable[object]) -> str:
    text = "\n".join((first, *map(str, entries)))
    if len(text) > MAX_BYTES:
        raise InvalidBootstrap(
            f"the bootstrap would have {len(text)} bytes, {MAX_BYTES} are allowed",
            hint="Leave some servers out; the first three of a kind are used.",
        )
    return text
