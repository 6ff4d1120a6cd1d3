"""CBOR maps from strangers, taken apart before anything is decoded.

The walk finds where each key and value of a map begins and ends; it holds no
more than a counter for each level, so that neither depth nor announced lengths
cost anything. What is known is then decoded one by one; the rest can be kept
as it came.

Source: RFC 8949; edition §3.
"""

from __future__ import annotations

from typing import Final

from mosaic.errors import FormatError

MAX_DEPTH: Final = 16
MAX_ITEMS: Final = 10_000

_BYTES, TEXT, _ARRAY, _MAP, TAG, _OTHER = 2, 3, 4, 5, 6, 7
_BREAK = 0xFF
_OPEN = -1  # as a count: until the break


def map_entries(data: bytes) -> list[tuple[bytes, bytes]]:
    """(key, value) of a CBOR map that fills `data`, each as its own CBOR, in the order of the map.

    Raises:
        FormatError: not one map, not well-formed, bytes after it, over 16 levels deep or over 10,000 items.
    """
    walk = _Walk(data)
    major, count = walk.head()
    if major != _MAP:
        raise FormatError("the CBOR is not a map")
    entries = []
    while count != 0:
        if count == _OPEN and walk.at_break():
            break
        start = walk.place
        walk.item()
        middle = walk.place
        walk.item()
        entries.append((data[start:middle], data[middle : walk.place]))
        count -= count != _OPEN
    if walk.place != len(data):
        raise FormatError("bytes follow the CBOR map")
    return entries


def map_head(count: int) -> bytes:
    """The canonical head of a map of `count` (under 65,536) entries."""
    if count < 24:
        return bytes((_MAP << 5 | count,))
    return bytes((_MAP << 5 | 24, count)) if count < 256 else bytes((_MAP << 5 | 25, *divmod(count, 256)))


class _Walk:
    """A place in CBOR that moves on item by item."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.place = 0
        self.items = 0

    def head(self) -> tuple[int, int]:
        """Major type and argument of the head here, moving past it; `_OPEN` for an indefinite length."""
        self.items += 1
        if self.items > MAX_ITEMS:
            raise FormatError(f"the CBOR has over {MAX_ITEMS} items")
        first = self.take(1)[0]
        major, info = first >> 5, first & 0x1F
        if info < 24:
            return major, info
        if info < 28:
            argument = int.from_bytes(self.take(1 << (info - 24)), "big")
            if major == _OTHER and info == 24 and argument < 32:
                raise FormatError("the CBOR has a simple value in two bytes that needs one")
            return major, argument
        if info == 31 and _BYTES <= major <= _MAP:
            return major, _OPEN
        raise FormatError("the CBOR has a head that may not be")

    def take(self, count: int) -> bytes:
        """The next `count` bytes."""
        if count > len(self.data) - self.place:
            raise FormatError("the CBOR is cut off")
        self.place += count
        return self.data[self.place - count : self.place]

    def at_break(self) -> bool:
        """Whether an indefinite item ends here, moving past its break."""
        if self.place < len(self.data) and self.data[self.place] == _BREAK:
            self.place += 1
            return True
        return False

    def item(self, depth: int = 1) -> None:
        """Moves past one whole item."""
        if depth > MAX_DEPTH:
            raise FormatError(f"the CBOR is nested over {MAX_DEPTH} levels")
        major, count = self.head()
        if major in {_BYTES, TEXT}:
            if count == _OPEN:
                self.chunks(major)
            else:
                self.take(count)
        elif major == TAG:
            self.item(depth + 1)
        elif major in {_ARRAY, _MAP}:
            self.members(count, 1 if major == _ARRAY else 2, depth)

    def members(self, count: int, width: int, depth: int) -> None:
        """Moves past the members of an array (width 1) or map (width 2)."""
        while count != 0:
            if count == _OPEN and self.at_break():
                return
            for _ in range(width):
                self.item(depth + 1)
            count -= count != _OPEN

    def chunks(self, major: int) -> None:
        """Moves past the chunks of a string of indefinite length."""
        while not self.at_break():
            chunk, length = self.head()
            if chunk != major or length == _OPEN:
                raise FormatError("the CBOR has a string whose pieces are no strings")
            self.take(length)
