"""Tags: what servers index, each a type and an opaque value.

Source: tags.md, tag_types.md, record.md (tags section), edition §3 and §5 (G1, G2, G5, R6, R8).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from mosaic.errors import InvalidTag

HEADER_LENGTH: Final = 4
MAX_LENGTH: Final = 65_535
MAX_VALUE_LENGTH: Final = MAX_LENGTH - HEADER_LENGTH
MAX_SECTION_LENGTH: Final = 65_535

# Not a tag: it marks bytes that readers skip.
PADDING: Final = 0


@dataclass(frozen=True, slots=True, order=True)
class Tag:
    """One tag.

    Args:
        type: u16; 0 marks padding and is no tag.
        value: 0 to 65,531 bytes.

    Raises:
        InvalidTag: out of these bounds.
    """

    type: int
    value: bytes

    def __post_init__(self) -> None:
        if not 0 < self.type < 2**16:
            raise InvalidTag(f"a tag's type is 1 to 65535, not {self.type}")
        if len(self.value) > MAX_VALUE_LENGTH:
            raise InvalidTag(f"a tag's value has at most {MAX_VALUE_LENGTH} bytes, not {len(self.value)}")

    @classmethod
    def from_bytes(cls, data: bytes) -> Tag:
        """The tag at the beginning of `data`; what follows is not looked at.

        Raises:
            InvalidTag: cut off, a length under 4, or padding (type 0).
        """
        length, tag_type = _header(data, 0)
        return cls(tag_type, data[HEADER_LENGTH:length])

    def encode(self) -> bytes:
        """Its wire form: length (u16), type (u16), value."""
        return self.length.to_bytes(2, "little") + self.type.to_bytes(2, "little") + self.value

    @property
    def length(self) -> int:
        """The length of the wire form, 4 to 65,535 bytes."""
        return HEADER_LENGTH + len(self.value)


def tags_from_section(data: bytes) -> tuple[Tag, ...]:
    """The tags of a tags section without its padding, in order; padding markers (type 0) are left out.

    Raises:
        InvalidTag: a length under 4, a tag that runs over the end, 1 to 3 bytes left over.
    """
    tags = []
    place = 0
    while place < len(data):
        length, tag_type = _header(data, place)
        if tag_type != PADDING:
            tags.append(Tag(tag_type, data[place + HEADER_LENGTH : place + length]))
        place += length
    return tuple(tags)


def section(tags: Iterable[Tag]) -> bytes:
    """The tags section of these tags, without padding.

    Raises:
        InvalidTag: over 65,535 bytes together.
    """
    data = b"".join(tag.encode() for tag in tags)
    if len(data) > MAX_SECTION_LENGTH:
        raise InvalidTag(
            f"the tags have {len(data)} bytes together, {MAX_SECTION_LENGTH} are allowed",
            hint="Leave tags out; what need not be found belongs in the payload.",
        )
    return data


def _header(data: bytes, place: int) -> tuple[int, int]:
    """(length, type) of the tag at `place`, which lies whole inside of `data`."""
    if len(data) - place < HEADER_LENGTH:
        raise InvalidTag("fewer bytes are left over than a tag has at least")
    length = int.from_bytes(data[place : place + 2], "little")
    if length < HEADER_LENGTH:
        raise InvalidTag(f"a tag announces a length of {length}, at least {HEADER_LENGTH} is needed")
    if length > len(data) - place:
        raise InvalidTag("a tag runs over the end of its section")
    return length, int.from_bytes(data[place + 2 : place + 4], "little")
