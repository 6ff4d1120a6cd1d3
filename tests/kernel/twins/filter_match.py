"""Filters and subscriptions, naively: filter.md as edition §3 and §5 (F1 to F11) settle it."""

from __future__ import annotations

from collections.abc import Iterator

from tests.kernel.twins import edwards

Elements = list[tuple[int, bytes]]  # type, body without the 8-byte head

KEYS, TAGS, TIMES = {0x01, 0x02}, {0x05, 0x85}, {0x80, 0x81, 0x82, 0x83}


def pieces(data: bytes, size: int) -> list[bytes]:
    return [data[i : i + size] for i in range(0, len(data), size)]


def tags_in(section: bytes) -> Iterator[bytes]:
    """Whole tags up to padding; raises ValueError where there is neither."""
    while section:
        length = int.from_bytes(section[:2], "little")
        if length == 0:
            if any(section):
                raise ValueError("padding")
            return
        if length < 4 or length > len(section):
            raise ValueError("tag")
        yield section[:length]
        section = section[length:]


def _element_is_valid(kind: int, body: bytes) -> bool:
    if kind in KEYS:
        return len(body) % 32 == 0 and all(edwards.key_point(key) for key in pieces(body, 32))
    if kind == 0x03:
        flags = [int.from_bytes(item, "big") & 0xFFFF for item in pieces(body, 8)]
        return all(one & 0xFFE0 == 0 and (one >> 2) & 3 != 2 for one in flags)
    if kind == 0x04:
        return all(item[0] < 0x80 for item in pieces(body, 8))
    if kind in TIMES:
        return len(body) == 8 and body[0] < 0x80
    if kind == 0x84:
        return len(body) % 32 == 0 and all(item[0] < 0x80 for item in pieces(body, 32))
    if kind in TAGS:
        try:
            list(tags_in(body))
        except ValueError:
            return False
        return True
    return False


def parse(data: bytes) -> Elements | None:
    """The elements that count, or None if the filter breaks a rule."""
    if len(data) < 8 or int.from_bytes(data[:2], "little") != len(data) or len(data) % 8 or any(data[2:8]):
        return None
    elements: Elements = []
    at = 8
    while at < len(data):
        kind, length = data[at], data[at + 1] * 8
        if length == 0 or at + length > len(data) or any(data[at + 2 : at + 8]):
            return None
        body = data[at + 8 : at + length]
        if not _element_is_valid(kind, body):
            return None
        if kind in TAGS or kind not in [other for other, _ in elements]:
            elements.append((kind, body))
        at += length
    return elements


def narrow(elements: Elements) -> bool:
    return any(kind < 0x80 for kind, _ in elements)


def _element_matches(kind: int, body: bytes, record: bytes, received: int | None) -> bool:
    if kind in {0x80, 0x81}:
        return record[128:136] >= body if kind == 0x80 else record[128:136] <= body
    if kind in {0x82, 0x83}:
        limit = int.from_bytes(body, "big")
        return received is None or (received >= limit if kind == 0x82 else received <= limit)
    if kind in TAGS:
        section = record[152 : 152 + int.from_bytes(record[144:146], "little")]
        carried = [tag for tag in tags_in(section) if tag[2:4] != bytes(2)]
        return any(tag in carried for tag in tags_in(body)) == (kind == 0x05)
    if kind == 0x84:
        return record[:32] not in pieces(body, 32)
    start, end = {0x01: (64, 96), 0x02: (96, 128), 0x03: (56, 64), 0x04: (128, 136)}[kind]
    return record[start:end] in pieces(body, end - start)


def matches(elements: Elements, record: bytes, received: int | None) -> bool:
    return all(_element_matches(kind, body, record, received) for kind, body in elements)


class Subscriptions:
    """Every open filter is asked about every record."""

    def __init__(self) -> None:
        self.open: dict[int, Elements] = {}

    def match(self, record: bytes, received: int) -> list[int]:
        return sorted(number for number, one in self.open.items() if matches(one, record, received))
