"""Kinds: which application a record belongs to, and how servers handle it.

Source: kind.md, edition §3 and §5 (R5).
"""

from __future__ import annotations

import builtins
from dataclasses import dataclass
from enum import IntEnum

from mosaic.errors import InvalidKind

KIND_LENGTH = 8


class Duplicates(IntEnum):
    """What servers do with records of one address (bits 1 and 0)."""

    UNIQUE = 0
    EPHEMERAL = 1
    REPLACEABLE = 2
    VERSIONED = 3


class Readers(IntEnum):
    """Whom servers may give a record (bits 3 and 2; 2 is reserved)."""

    AUTHOR = 0
    AUTHOR_AND_TAGGED = 1
    EVERYBODY = 3


@dataclass(frozen=True, slots=True, order=True, repr=False)
class Kind:
    """The 8 bytes of a kind, big-endian: application (4), number (2), flags (2).

    A known number with other flags is another, unknown kind.

    Raises:
        InvalidKind: not 8 bytes, flag bits 15 to 5 set, or read access 10.
    """

    bytes: builtins.bytes

    def __post_init__(self) -> None:
        if len(self.bytes) != KIND_LENGTH:
            raise InvalidKind(f"a kind has {KIND_LENGTH} bytes, not {len(self.bytes)}")
        flags = self.bytes[7]
        if self.bytes[6] or flags & 0xE0:
            raise InvalidKind("reserved bits (15 to 5) of the kind are set")
        if flags & 0x0C == 0x08:
            raise InvalidKind("the kind has the reserved read access 10")

    @classmethod
    def from_bytes(cls, data: builtins.bytes) -> Kind:
        """The kind in 8 bytes. Raises InvalidKind."""
        return cls(data)

    @classmethod
    def from_parts(
        cls,
        application: int,
        number: int,
        *,
        duplicates: Duplicates,
        readers: Readers,
        printable: bool,
    ) -> Kind:
        """The kind of an application (u32) and a number of its own (u16).

        Raises:
            InvalidKind: a number out of range, or a reserved read access.
        """
        if not (0 <= application < 2**32 and 0 <= number < 2**16):
            raise InvalidKind("the application has 32 bits, its kind number 16")
        if duplicates not in range(4) or readers not in range(4):
            raise InvalidKind("duplicate handling and read access have two bits each")
        flags = duplicates | readers << 2 | printable << 4
        return cls(application.to_bytes(4, "big") + number.to_bytes(2, "big") + flags.to_bytes(2, "big"))

    @property
    def application(self) -> int:
        """The application id (u32)."""
        return int.from_bytes(self.bytes[:4], "big")

    @property
    def number(self) -> int:
        """The application's own number of this kind (u16)."""
        return int.from_bytes(self.bytes[4:6], "big")

    @property
    def duplicates(self) -> Duplicates:
        """What servers do with several records of one address."""
        return Duplicates(self.bytes[7] & 3)

    @property
    def readers(self) -> Readers:
        """Whom servers may give records of this kind."""
        return Readers(self.bytes[7] >> 2 & 3)

    @property
    def printable(self) -> bool:
        """Whether the payload is text for people (UTF-8)."""
        return bool(self.bytes[7] & 0x10)

    def __int__(self) -> int:
        return int.from_bytes(self.bytes, "big")

    def __bytes__(self) -> builtins.bytes:
        return self.bytes

    def __repr__(self) -> str:
        return f"Kind({self.bytes.hex()})"
