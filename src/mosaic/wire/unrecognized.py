"""What either side may send, and what neither side knows.

Source: messages.md "Unrecognized", edition §1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from mosaic.wire.header import HEADER_LENGTH, MessageType
from mosaic.wire.layout import expect_length, frame


@dataclass(frozen=True, slots=True)
class Unrecognized:
    """UNRECOGNIZED 0xF0, 8 bytes: the last message had a type that is not known. Never answered."""

    TYPE: ClassVar = MessageType.UNRECOGNIZED

    def encode(self) -> bytes:
        """The frame."""
        return frame(self.TYPE)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The message in a frame."""
        expect_length(data, HEADER_LENGTH, "UNRECOGNIZED")
        return cls()


@dataclass(frozen=True, slots=True)
class Unknown:
    """A message of a type that is not defined, kept whole: sessions decide what to do about it."""

    data: bytes

    @property
    def type(self) -> int:
        """The type byte."""
        return self.data[0]

    def encode(self) -> bytes:
        """The frame."""
        return self.data
