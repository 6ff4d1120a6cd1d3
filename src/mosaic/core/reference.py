"""References: an id names one exact record, an address all that stand at one place.

The first bit tells them apart: 0 is an id, 1 an address. Both are 48 bytes and
may be mixed freely.

Source: reference.md, record.md, edition §3 and §5 (R4, R5, K4).
"""

from __future__ import annotations

import builtins
from dataclasses import dataclass
from typing import Final, TypeAlias

from mosaic.core import human
from mosaic.core.keys import PublicKey
from mosaic.core.kind import Kind
from mosaic.core.timestamp import Timestamp
from mosaic.errors import InvalidKey, InvalidKind, InvalidReference

REFERENCE_LENGTH: Final = 48
HASH_LENGTH: Final = 40
PREFIX_LENGTH: Final = 32


def _check_length(data: bytes) -> None:
    if len(data) != REFERENCE_LENGTH:
        raise InvalidReference(f"a reference has {REFERENCE_LENGTH} bytes, not {len(data)}")


@dataclass(frozen=True, slots=True, order=True, repr=False)
class Id:
    """A reference to one exact record: its timestamp (8 bytes) and 40 bytes of its hash. Sorts in time order.

    Raises:
        InvalidReference: not 48 bytes, or the first bit is 1.
    """

    bytes: builtins.bytes

    def __post_init__(self) -> None:
        _check_length(self.bytes)
        if self.bytes[0] & 0x80:
            raise InvalidReference(
                "this is an address, not an id: its first bit is 1",
                hint="Give a record's id; `mosaic get` with the address shows those that stand there.",
            )

    @classmethod
    def from_parts(cls, timestamp: int, hash40: builtins.bytes) -> Id:
        """The id of a timestamp (ns) and the first 40 bytes of a record's hash.

        Raises:
            InvalidReference: another length of the hash.
            InvalidTimestamp: out of range.
        """
        return cls(Timestamp(timestamp).to_bytes() + hash40)

    @classmethod
    def from_bytes(cls, data: builtins.bytes) -> Id:
        """The id in 48 bytes. Raises InvalidReference."""
        return cls(data)

    @classmethod
    def parse(cls, text: str) -> Id:
        """The id in `moref0…`. Raises InvalidText or InvalidReference."""
        return cls(human.decode(human.REFERENCE, text, REFERENCE_LENGTH))

    @property
    def timestamp(self) -> Timestamp:
        """The record's timestamp."""
        return Timestamp.from_bytes(self.bytes[:8])

    @property
    def hash(self) -> builtins.bytes:
        """The first 40 bytes of the record's hash."""
        return self.bytes[8:]

    @property
    def prefix(self) -> builtins.bytes:
        """The first 32 bytes, by which submission results and exclude elements name a record."""
        return self.bytes[:PREFIX_LENGTH]

    @property
    def text(self) -> str:
        """`moref0…` (83 characters)."""
        return human.encode(human.REFERENCE, self.bytes)

    def __bytes__(self) -> builtins.bytes:
        return self.bytes

    def __repr__(self) -> str:
        return f"Id({self.text})"


@dataclass(frozen=True, slots=True, order=True, repr=False)
class Address:
    """A reference to a place: nonce (8 bytes), kind (8), author (32).

    The constructor takes bytes whose kind and author were judged already, as
    those of a valid record are; `from_bytes` and `parse` judge.

    Raises:
        InvalidReference: not 48 bytes, or the first bit is 0.
    """

    bytes: builtins.bytes

    def __post_init__(self) -> None:
        _check_length(self.bytes)
        if not self.bytes[0] & 0x80:
            raise InvalidReference("this is an id, not an address: its first bit is 0")

    @classmethod
    def from_parts(cls, nonce: builtins.bytes, kind: Kind, author: PublicKey) -> Address:
        """The address of a nonce (8 bytes, first bit 1), a kind and an author. Raises InvalidReference."""
        return cls(nonce + kind.bytes + author.bytes)

    @classmethod
    def from_bytes(cls, data: builtins.bytes) -> Address:
        """The address in 48 bytes from elsewhere.

        Raises:
            InvalidReference: another length, the first bit is 0, the kind or the author's key may not be.
        """
        address = cls(data)
        try:
            Kind(data[8:16])
            PublicKey.from_bytes(data[16:])
        except (InvalidKind, InvalidKey) as error:
            raise InvalidReference(f"the address does not hold: {error}") from None
        return address

    @classmethod
    def parse(cls, text: str) -> Address:
        """The address in `moref0…`. Raises InvalidText or InvalidReference."""
        return cls.from_bytes(human.decode(human.REFERENCE, text, REFERENCE_LENGTH))

    @property
    def nonce(self) -> builtins.bytes:
        """The 8 bytes that tell it from the author's other addresses of this kind."""
        return self.bytes[:8]

    @property
    def kind(self) -> Kind:
        """The kind of what stands there."""
        return Kind(self.bytes[8:16])

    @property
    def author(self) -> PublicKey:
        """The master key of who wrote it."""
        return PublicKey(self.bytes[16:])

    @property
    def text(self) -> str:
        """`moref0…` (83 characters)."""
        return human.encode(human.REFERENCE, self.bytes)

    def __bytes__(self) -> builtins.bytes:
        return self.bytes

    def __repr__(self) -> str:
        return f"Address({self.text})"


Reference: TypeAlias = Id | Address


def from_bytes(data: bytes) -> Reference:
    """The id or address in 48 bytes. Raises InvalidReference."""
    _check_length(data)
    return Address.from_bytes(data) if data[0] & 0x80 else Id(data)


def parse(text: str) -> Reference:
    """The id or address in `moref0…`. Raises InvalidText or InvalidReference."""
    return from_bytes(human.decode(human.REFERENCE, text, REFERENCE_LENGTH))
