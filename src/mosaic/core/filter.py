"""A filter: which records are asked for.

An 8-byte head (`[0:2]` whole length in bytes, little-endian, `[2:8]` zero)
and elements (`filter_element`). A record matches when it passes every element;
of a unique element type only the first counts. The matching itself is done by
the kernel, compiled once for each filter.

Source: filter.md; edition §3, §5 (F3, F9, F11), §6.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Self, TypeAlias

from mosaic._kernel import _rust
from mosaic.core.filter_element import (
    ID_PREFIX_BYTES,
    AuthorKeys,
    Exclude,
    ExcludedTags,
    FilterElement,
    IncludedTags,
    Kinds,
    ReceivedSince,
    ReceivedUntil,
    SigningKeys,
    Since,
    Timestamps,
    Until,
    parse_element,
)
from mosaic.core.keys import PublicKey
from mosaic.core.kind import Kind
from mosaic.core.record import Record
from mosaic.core.reference import Id
from mosaic.core.tag import Tag
from mosaic.core.timestamp import Timestamp
from mosaic.errors import InvalidFilter

CompiledFilter: TypeAlias = _rust.Filter
"""A filter in the kernel's form, in which stores and subscriptions take it."""

HEAD_BYTES = 8
MAX_FILTER_BYTES = 65_528
"""The greatest multiple of 8 that the length field holds."""


@dataclass(frozen=True)
class Filter:
    """Elements in their order; without any it matches everything.

    Args:
        elements: All must let a record pass.
    """

    elements: tuple[FilterElement, ...] = field(default=())

    @classmethod
    def of(  # noqa: PLR0913 - one for each element
        cls,
        *,
        authors: Iterable[PublicKey] | None = None,
        signers: Iterable[PublicKey] | None = None,
        kinds: Iterable[Kind] | None = None,
        timestamps: Iterable[Timestamp] | None = None,
        tags: Iterable[Tag] | None = None,
        since: Timestamp | None = None,
        until: Timestamp | None = None,
        received_since: Timestamp | None = None,
        received_until: Timestamp | None = None,
        exclude: Iterable[Id | bytes] | None = None,
        exclude_tags: Iterable[Tag] | None = None,
    ) -> Self:
        """A filter of what is given; ranges include both ends.

        `exclude` takes ids or their first 32 bytes. None leaves an element
        out; an empty collection puts one in that nothing passes (for
        `exclude` and `exclude_tags`: that everything passes).

        Raises:
            InvalidFilter: an id to exclude has fewer than 32 bytes.
        """
        elements: list[FilterElement] = []
        if authors is not None:
            elements.append(AuthorKeys(tuple(authors)))
        if signers is not None:
            elements.append(SigningKeys(tuple(signers)))
        if kinds is not None:
            elements.append(Kinds(tuple(kinds)))
        if timestamps is not None:
            elements.append(Timestamps(tuple(timestamps)))
        if tags is not None:
            elements.append(IncludedTags(tuple(tags)))
        times = (
            (Since, since),
            (Until, until),
            (ReceivedSince, received_since),
            (ReceivedUntil, received_until),
        )
        elements.extend(element(time) for element, time in times if time is not None)
        if exclude is not None:
            elements.append(Exclude(tuple(_prefix(entry) for entry in exclude)))
        if exclude_tags is not None:
            elements.append(ExcludedTags(tuple(exclude_tags)))
        return cls(tuple(elements))

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Reads a whole filter; every rule of the page is checked.

        Raises:
            InvalidFilter: a rule is broken, or bytes follow the filter's own length.
        """
        if len(data) < HEAD_BYTES:
            raise InvalidFilter(f"a filter begins with 8 bytes, there are {len(data)}")
        length = int.from_bytes(data[0:2], "little")
        if length != len(data):
            raise InvalidFilter(f"the filter gives its length as {length}, there are {len(data)} bytes")
        if length % 8:
            raise InvalidFilter(f"the filter's length {length} is no multiple of 8")
        if any(data[2:HEAD_BYTES]):
            raise InvalidFilter("reserved bytes in the head of the filter are not zero")
        elements = []
        offset = HEAD_BYTES
        while offset < length:
            # 2,040 bytes hold any element: slicing that much keeps a long filter linear.
            element, size = parse_element(data[offset : offset + 2_040])
            elements.append(element)
            offset += size
        return cls(tuple(elements))

    def encode(self) -> bytes:
        """The filter's bytes, a multiple of 8, at most 65,528.

        Raises:
            InvalidFilter: an element or the whole would be too long.
        """
        body = b"".join(element.encode() for element in self.elements)
        length = HEAD_BYTES + len(body)
        if length > MAX_FILTER_BYTES:
            raise InvalidFilter(
                f"the filter would have {length:,} bytes, a filter has at most {MAX_FILTER_BYTES:,}",
                hint="Ask with several filters, each with some of the values.",
            )
        return length.to_bytes(2, "little") + bytes(6) + body

    @property
    def narrow(self) -> bool:
        """Whether a narrow element is there; servers may refuse filters without one."""
        return any(element.narrow() for element in self.elements)

    @cached_property
    def compiled(self) -> _rust.Filter:
        """The kernel's form of it. Raises InvalidFilter as `encode`, and for values no filter may hold."""
        return _rust.Filter(self.encode())

    def matches(self, record: Record, received_ns: int | None = None) -> bool:
        """Whether a valid record passes every element.

        `received_ns` is the time of its receipt; without one, the received
        elements let it pass (F8).
        """
        return self.compiled.matches(record.data, received_ns)


def compile_filter(data: bytes) -> CompiledFilter:
    """The kernel's form of a whole filter as it stands in a message, without taking it apart first.

    Raises:
        InvalidFilter: a rule of the page is broken.
    """
    return _rust.Filter(data)


def _prefix(entry: Id | bytes) -> bytes:
    data = entry if isinstance(entry, bytes) else entry.bytes
    if len(data) < ID_PREFIX_BYTES:
        raise InvalidFilter(f"an id to exclude needs its first 32 bytes, there are {len(data)}")
    return data[:ID_PREFIX_BYTES]
