"""The eleven elements of a filter, one class for each.

An element is an 8-byte head (type, length in 8-byte words with the head, six
zero bytes) and a body. Every element restricts what a filter matches; those
with a type under 0x80 are *narrow*: they select few records among many.

    0x1 AuthorKeys     0x80 Since            0x83 ReceivedUntil
    0x2 SigningKeys    0x81 Until            0x84 Exclude
    0x3 Kinds          0x82 ReceivedSince    0x85 ExcludedTags
    0x4 Timestamps
    0x5 IncludedTags

Source: filter.md; edition §3, §5 (F1 to F10, G2, K4, R5).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Self

from mosaic.core.keys import PublicKey
from mosaic.core.kind import Kind
from mosaic.core.tag import PADDING, Tag
from mosaic.core.timestamp import Timestamp
from mosaic.errors import FormatError, InvalidFilter

HEAD_BYTES = 8
WORD_BYTES = 8
MAX_ELEMENT_BYTES = 255 * WORD_BYTES
"""2,040 bytes: the length byte counts words and cannot say more than 255."""
MAX_BODY_BYTES = MAX_ELEMENT_BYTES - HEAD_BYTES
ID_PREFIX_BYTES = 32


@dataclass(frozen=True, slots=True)
class FilterElement(ABC):
    """What all elements share; the subclasses hold the values."""

    TYPE: ClassVar[int]
    NAME: ClassVar[str]
    UNIQUE: ClassVar[bool] = True
    """Of a unique type only the first element of a filter counts."""

    @classmethod
    def narrow(cls) -> bool:
        """Whether elements of this type select few records (type under 0x80)."""
        return cls.TYPE < 0x80

    @abstractmethod
    def body(self) -> bytes:
        """What follows the 8-byte head, a multiple of 8 bytes."""

    @classmethod
    @abstractmethod
    def from_body(cls, body: bytes) -> Self:
        """Reads the bytes after the head; they are whole words.

        Raises:
            InvalidFilter: the body breaks a rule of this element.
        """

    def encode(self) -> bytes:
        """The whole element with its head, a multiple of 8 and at most 2,040 bytes.

        Raises:
            InvalidFilter: it would be longer.
        """
        body = self.body()
        if len(body) > MAX_BODY_BYTES:
            raise InvalidFilter(
                f"the {self.NAME} element would have {HEAD_BYTES + len(body):,} bytes,"
                f" an element has at most {MAX_ELEMENT_BYTES:,}",
                hint="Ask with several filters, each with some of the values.",
            )
        return bytes((self.TYPE, 1 + len(body) // WORD_BYTES, 0, 0, 0, 0, 0, 0)) + body


@dataclass(frozen=True, slots=True)
class _KeysElement(FilterElement):
    keys: tuple[PublicKey, ...]

    def body(self) -> bytes:
        return b"".join(key.bytes for key in self.keys)

    @classmethod
    def from_body(cls, body: bytes) -> Self:
        return cls(tuple(_key(cls.NAME, part) for part in _parts(cls.NAME, body, 32)))


@dataclass(frozen=True, slots=True)
class AuthorKeys(_KeysElement):
    """Records by any of these authors; at most 63 keys."""

    TYPE = 0x01
    NAME = "author keys"


@dataclass(frozen=True, slots=True)
class SigningKeys(_KeysElement):
    """Records signed by any of these keys; at most 63 keys."""

    TYPE = 0x02
    NAME = "signing keys"


@dataclass(frozen=True, slots=True)
class Kinds(FilterElement):
    """Records of any of these kinds (all 8 bytes count); at most 254. Big-endian (F1)."""

    TYPE = 0x03
    NAME = "kinds"
    kinds: tuple[Kind, ...]

    def body(self) -> bytes:
        """8 bytes for each kind."""
        return b"".join(kind.bytes for kind in self.kinds)

    @classmethod
    def from_body(cls, body: bytes) -> Self:
        """Raises InvalidFilter for reserved bits in a kind."""
        return cls(tuple(_kind(part) for part in _parts(cls.NAME, body, 8)))


@dataclass(frozen=True, slots=True)
class Timestamps(FilterElement):
    """Records with exactly one of these timestamps; at most 254."""

    TYPE = 0x04
    NAME = "timestamps"
    timestamps: tuple[Timestamp, ...]

    def body(self) -> bytes:
        """8 bytes, big-endian, for each timestamp."""
        return b"".join(timestamp.to_bytes() for timestamp in self.timestamps)

    @classmethod
    def from_body(cls, body: bytes) -> Self:
        """Raises InvalidFilter where a top bit is set."""
        return cls(tuple(_timestamp(cls.NAME, part) for part in _parts(cls.NAME, body, 8)))


@dataclass(frozen=True, slots=True)
class _TagsElement(FilterElement):
    UNIQUE = False
    tags: tuple[Tag, ...]

    def body(self) -> bytes:
        joined = b"".join(tag.encode() for tag in self.tags)
        return joined + bytes(-len(joined) % WORD_BYTES)

    @classmethod
    def from_body(cls, body: bytes) -> Self:
        return cls(tuple(_tags(cls.NAME, body)))


@dataclass(frozen=True, slots=True)
class IncludedTags(_TagsElement):
    """Records that have one of these tags, whole and byte for byte."""

    TYPE = 0x05
    NAME = "included tags"


@dataclass(frozen=True, slots=True)
class _TimeElement(FilterElement):
    timestamp: Timestamp

    def body(self) -> bytes:
        return self.timestamp.to_bytes()

    @classmethod
    def from_body(cls, body: bytes) -> Self:
        if len(body) != 8:
            raise InvalidFilter(f"the {cls.NAME} element has {len(body)} bytes of body instead of 8")
        return cls(_timestamp(cls.NAME, body))


@dataclass(frozen=True, slots=True)
class Since(_TimeElement):
    """Records with this timestamp or a later one."""

    TYPE = 0x80
    NAME = "since"


@dataclass(frozen=True, slots=True)
class Until(_TimeElement):
    """Records with this timestamp or an earlier one."""

    TYPE = 0x81
    NAME = "until"


@dataclass(frozen=True, slots=True)
class ReceivedSince(_TimeElement):
    """Records that the server received at this time or later."""

    TYPE = 0x82
    NAME = "received since"


@dataclass(frozen=True, slots=True)
class ReceivedUntil(_TimeElement):
    """Records that the server received at this time or before."""

    TYPE = 0x83
    NAME = "received until"


@dataclass(frozen=True, slots=True)
class Exclude(FilterElement):
    """All but the records whose id begins with one of these 32-byte prefixes; at most 63."""

    TYPE = 0x84
    NAME = "exclude"
    prefixes: tuple[bytes, ...]

    def body(self) -> bytes:
        """32 bytes for each prefix."""
        return b"".join(self.prefixes)

    @classmethod
    def from_body(cls, body: bytes) -> Self:
        """Raises InvalidFilter for a prefix whose top bit is set: that begins an address."""
        prefixes = tuple(_parts(cls.NAME, body, ID_PREFIX_BYTES))
        if any(prefix[0] & 0x80 for prefix in prefixes):
            raise InvalidFilter("the exclude element names an address, only ids can be excluded")
        return cls(prefixes)


@dataclass(frozen=True, slots=True)
class ExcludedTags(_TagsElement):
    """Records that have none of these tags."""

    TYPE = 0x85
    NAME = "excluded tags"


ELEMENTS: dict[int, type[FilterElement]] = {
    element.TYPE: element
    for element in (
        AuthorKeys,
        SigningKeys,
        Kinds,
        Timestamps,
        IncludedTags,
        Since,
        Until,
        ReceivedSince,
        ReceivedUntil,
        Exclude,
        ExcludedTags,
    )
}
"""All types that are defined; another one makes a filter invalid."""


def parse_element(data: bytes) -> tuple[FilterElement, int]:
    """Reads the element at the start of `data`; bytes after it are left alone.

    Returns:
        The element and its length in bytes.

    Raises:
        InvalidFilter: it is cut short, of an unknown type, or breaks a rule.
    """
    if len(data) < HEAD_BYTES:
        raise InvalidFilter(f"a filter element begins with 8 bytes, there are {len(data)}")
    length = data[1] * WORD_BYTES
    if length == 0:
        raise InvalidFilter("a filter element gives its length as 0")
    if length > len(data):
        raise InvalidFilter(f"a filter element of {length} bytes is cut short after {len(data)}")
    if any(data[2:HEAD_BYTES]):
        raise InvalidFilter("reserved bytes in the head of a filter element are not zero")
    element = ELEMENTS.get(data[0])
    if element is None:
        raise InvalidFilter(
            f"no filter element has the type 0x{data[0]:02x}",
            hint="The other side may know a newer protocol; leave this element out.",
        )
    return element.from_body(bytes(data[HEAD_BYTES:length])), length


def _parts(name: str, body: bytes, size: int) -> Iterator[bytes]:
    if len(body) % size:
        raise InvalidFilter(f"the {name} element's body of {len(body)} bytes is no multiple of {size}")
    return (body[start : start + size] for start in range(0, len(body), size))


def _key(name: str, data: bytes) -> PublicKey:
    try:
        return PublicKey.from_bytes(data)
    except FormatError as error:
        raise InvalidFilter(f"the {name} element names an unacceptable key: {error}") from error


def _kind(data: bytes) -> Kind:
    try:
        return Kind.from_bytes(data)
    except FormatError as error:
        raise InvalidFilter(f"the kinds element names an invalid kind: {error}") from error


def _timestamp(name: str, data: bytes) -> Timestamp:
    try:
        return Timestamp.from_bytes(data)
    except FormatError as error:
        raise InvalidFilter(f"the {name} element holds an invalid timestamp: {error}") from error


def _tags(name: str, body: bytes) -> Iterator[Tag]:
    """The tags of a body up to its zero padding."""
    offset = 0
    while offset < len(body):
        rest = len(body) - offset
        length = int.from_bytes(body[offset : offset + 2], "little")
        if length == 0 or rest < 4:
            if any(body[offset:]):
                raise InvalidFilter(f"the {name} element ends in bytes that are neither a tag nor zero")
            return
        if length < 4:
            raise InvalidFilter(f"the {name} element holds a tag of length {length}, it must be 4 or more")
        if length > rest:
            raise InvalidFilter(f"the {name} element holds a tag that runs over its end")
        tag_type = int.from_bytes(body[offset + 2 : offset + 4], "little")
        if tag_type != PADDING:
            yield Tag(tag_type, body[offset + 4 : offset + length])
        offset += length
