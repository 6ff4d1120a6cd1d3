from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.makers import MASTER, NOW, OTHER, STRANGER, SUBKEY, post

from mosaic._kernel import _rust
from mosaic.core import kinds
from mosaic.core.filter import MAX_FILTER_BYTES, Filter
from mosaic.core.filter_element import (
    ELEMENTS,
    MAX_ELEMENT_BYTES,
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
from mosaic.core.record import Record
from mosaic.core.tag import Tag
from mosaic.core.timestamp import Timestamp
from mosaic.errors import InvalidFilter

TAG, OTHER_TAG = Tag(0x300, b"value"), Tag(0x301, b"")
RECORD = post(SUBKEY, tags=(TAG, OTHER_TAG))

keys = st.lists(st.sampled_from([MASTER, SUBKEY, OTHER, STRANGER]).map(lambda s: s.public), max_size=5).map(
    tuple
)
times = st.integers(0, 2**63 - 1).map(Timestamp)
some_kinds = st.lists(st.sampled_from(sorted(kinds.NAMES)), max_size=5).map(tuple)
tags = st.lists(st.builds(Tag, st.integers(1, 0xFFFF), st.binary(max_size=30)), max_size=4).map(tuple)
prefixes = st.lists(st.binary(min_size=31, max_size=31).map(lambda b: b"\x10" + b), max_size=4).map(tuple)
elements: st.SearchStrategy[FilterElement] = st.one_of(
    st.builds(AuthorKeys, keys),
    st.builds(SigningKeys, keys),
    st.builds(Kinds, some_kinds),
    st.builds(Timestamps, st.lists(times, max_size=5).map(tuple)),
    st.builds(IncludedTags, tags),
    st.builds(Since, times),
    st.builds(Until, times),
    st.builds(ReceivedSince, times),
    st.builds(ReceivedUntil, times),
    st.builds(Exclude, prefixes),
    st.builds(ExcludedTags, tags),
)
filters = st.lists(elements, max_size=8).map(lambda some: Filter(tuple(some)))


@pytest.mark.claim("C39", "C40")
@given(filters)
def test_filters_come_back(wanted: Filter) -> None:
    data = wanted.encode()
    assert len(data) % 8 == 0
    assert int.from_bytes(data[:2], "little") == len(data)
    assert Filter.parse(data) == wanted
    assert wanted.compiled.narrow == wanted.narrow == any(element.TYPE < 0x80 for element in wanted.elements)


@pytest.mark.claim("C40")
@given(elements)
def test_elements_come_back_whatever_follows(element: FilterElement) -> None:
    data = element.encode()
    assert len(data) == data[1] * 8
    assert parse_element(data + b"whatever") == (element, len(data))


@pytest.mark.claim("C40")
def test_an_element_without_a_body_of_its_own_can_not_be_made() -> None:
    with pytest.raises(TypeError, match="abstract"):
        FilterElement()  # type: ignore[abstract]
    assert not any(element.__abstractmethods__ for element in ELEMENTS.values())


def test_the_eleven_elements_have_their_numbers() -> None:
    assert {number: element.__name__ for number, element in ELEMENTS.items()} == {
        0x01: "AuthorKeys",
        0x02: "SigningKeys",
        0x03: "Kinds",
        0x04: "Timestamps",
        0x05: "IncludedTags",
        0x80: "Since",
        0x81: "Until",
        0x82: "ReceivedSince",
        0x83: "ReceivedUntil",
        0x84: "Exclude",
        0x85: "ExcludedTags",
    }
    assert {element.__name__ for element in ELEMENTS.values() if not element.UNIQUE} == {
        "IncludedTags",
        "ExcludedTags",
    }


@pytest.mark.claim("C39")
@given(st.binary(max_size=120))
def test_random_bytes_raise_nothing_but_invalid_filter(data: bytes) -> None:
    for parser in (Filter.parse, parse_element):
        with suppress(InvalidFilter):
            parser(data)


@pytest.mark.claim("C39")
@given(filters, st.data())
def test_python_and_kernel_judge_mutated_filters_alike(wanted: Filter, data: st.DataObject) -> None:
    mutated = bytearray(wanted.encode())
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(mutated) - 1))
        mutated[place] = data.draw(st.sampled_from([0, 1, 2, 3, 4, 5, 8, 0x80, 0x84, 0x85, 0xFF]))
    assert _accepts(Filter.parse, bytes(mutated)) == _accepts(_rust.Filter, bytes(mutated))


@pytest.mark.claim("C39")
@given(st.lists(st.tuples(st.sampled_from([*ELEMENTS, 0, 6, 0x86]), st.binary(max_size=80)), max_size=3))
def test_python_and_kernel_judge_any_elements_alike(parts: list[tuple[int, bytes]]) -> None:
    body = b""
    for number, content in parts:
        padded = content + bytes(-len(content) % 8)
        body += bytes((number, 1 + len(padded) // 8)) + bytes(6) + padded
    data = (8 + len(body)).to_bytes(2, "little") + bytes(6) + body
    assert _accepts(Filter.parse, data) == _accepts(_rust.Filter, data)


def _accepts(parser: object, data: bytes) -> bool:
    try:
        parser(data)  # type: ignore[operator]
    except InvalidFilter:
        return False
    return True


REFUSED = {
    "empty": "",
    "7 bytes": "08000000000000",
    "length 0": "0000000000000000",
    "length too small": "0800000000000000 8002000000000000 0000000000000001",
    "length too great": "1000000000000000",
    "length no multiple of 8": "0c00000000000000 00000000",
    "reserved bytes of the head": "0800000000000001",
    "element length 0": "1000000000000000 0100000000000000",
    "element cut short": "1000000000000000 8002000000000000",
    "reserved bytes of an element": "1000000000000000 0101000000000001",
    "unknown type": "1000000000000000 0601000000000000",
    "half a key": "1800000000000000 0102000000000000 0000000000000000",
    "key of small order": "3000000000000000 0105000000000000 01" + "00" * 31,
    "kind with read access 10": "1800000000000000 0302000000000000 0000000100010018",
    "timestamp with the top bit": "1800000000000000 0402000000000000 8000000000000000",
    "since without a time": "1000000000000000 8001000000000000",
    "since with two times": "2000000000000000 8003000000000000 00000000000000010000000000000002",
    "exclude with half a prefix": "2000000000000000 8403000000000000" + "00" * 16,
    "exclude with an address": "3000000000000000 8405000000000000 80" + "00" * 31,
    "tag of length 3": "1800000000000000 0502000000000000 0300010000000000",
    "tag over the end": "1800000000000000 0502000000000000 0900010000000000",
    "padding not zero": "1800000000000000 0502000000000000 0400010000000001",
}


@pytest.mark.claim("C39")
@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED.keys())
def test_each_rule_refuses(text: str) -> None:
    data = bytes.fromhex(text)
    with pytest.raises(InvalidFilter):
        Filter.parse(data)
    with pytest.raises(InvalidFilter):
        _rust.Filter(data)


@pytest.mark.claim("C39")
@pytest.mark.parametrize("length", range(1, 8))
def test_zero_padding_of_any_length_is_fine(length: int) -> None:
    tag = Tag(7, bytes(8 - length + 4))
    element = IncludedTags((tag,)).encode()
    assert len(tag.encode()) % 8 == (8 - length) % 8
    assert parse_element(element)[0] == IncludedTags((tag,))


def test_padding_in_tags_is_left_out() -> None:
    element = bytes.fromhex("0503000000000000 0400000004000700 0000000000000000")
    assert parse_element(element)[0] == IncludedTags((Tag(7, b""),))


@pytest.mark.claim("C39")
def test_an_element_has_at_most_2040_bytes() -> None:
    assert len(AuthorKeys((MASTER.public,) * 63).encode()) == 2_024
    assert len(Kinds((kinds.EXAMPLE,) * 254).encode()) == MAX_ELEMENT_BYTES == 2_040
    for element in (
        AuthorKeys((MASTER.public,) * 64),
        Kinds((kinds.EXAMPLE,) * 255),
        Exclude((bytes(32),) * 64),
        IncludedTags((Tag(1, bytes(2_029)),)),
    ):
        with pytest.raises(InvalidFilter, match="2,040"):
            element.encode()


@pytest.mark.claim("C39")
def test_a_filter_has_at_most_65528_bytes() -> None:
    full = (Timestamps(tuple(map(Timestamp, range(254)))),) * 32  # 65,280 bytes
    rest = Timestamps(tuple(map(Timestamp, range(29))))  # 240 bytes
    longest = Filter((*full, rest))
    assert len(longest.encode()) == MAX_FILTER_BYTES == 65_528
    assert Filter.parse(longest.encode()) == longest
    with pytest.raises(InvalidFilter, match="65,528"):
        Filter((*full, rest, Since(Timestamp(0)))).encode()


@pytest.mark.claim("C40")
def test_every_element_lets_through_and_holds_back() -> None:
    after, before = Timestamp(NOW + 1), Timestamp(NOW - 1)
    now = Timestamp(NOW)
    later = post(SUBKEY, timestamp=NOW + 1)
    cases: list[tuple[Filter, bool]] = [
        (Filter(), True),
        (Filter.of(authors=[OTHER.public, MASTER.public]), True),
        (Filter.of(authors=[SUBKEY.public]), False),
        (Filter.of(authors=[]), False),
        (Filter.of(signers=[SUBKEY.public]), True),
        (Filter.of(signers=[MASTER.public]), False),
        (Filter.of(kinds=[kinds.MICROBLOG]), True),
        (Filter.of(kinds=[kinds.BLOG_POST]), False),
        (Filter.of(timestamps=[now]), True),
        (Filter.of(timestamps=[after, before]), False),
        (Filter.of(tags=[TAG, Tag(9, b"")]), True),
        (Filter.of(tags=[OTHER_TAG]), True),
        (Filter.of(tags=[Tag(0x300, b"valu")]), False),
        (Filter.of(since=now, until=now), True),
        (Filter.of(since=after), False),
        (Filter.of(until=before), False),
        (Filter.of(exclude=[later.id]), True),
        (Filter.of(exclude=[RECORD.id]), False),
        (Filter.of(exclude=[RECORD.id.bytes[:32]]), False),
        (Filter.of(exclude_tags=[Tag(0x300, b"other")]), True),
        (Filter.of(exclude_tags=[OTHER_TAG]), False),
        (Filter.of(authors=[MASTER.public], kinds=[kinds.BLOG_POST]), False),
    ]
    for wanted, expected in cases:
        assert wanted.matches(RECORD) == expected, wanted


@pytest.mark.claim("C7", "C40", "C41")
def test_received_elements_ask_for_the_time_of_receipt() -> None:
    window = Filter.of(received_since=Timestamp(10), received_until=Timestamp(20))
    assert [window.matches(RECORD, time) for time in (9, 10, 20, 21)] == [False, True, True, False]
    assert window.matches(RECORD)


@pytest.mark.claim("C39")
def test_only_the_first_of_a_unique_element_counts() -> None:
    first, second = Since(Timestamp(NOW)), Since(Timestamp(NOW + 1))
    assert Filter((first, second)).matches(RECORD)
    assert not Filter((second, first)).matches(RECORD)
    assert not Filter((IncludedTags((TAG,)), IncludedTags((Tag(9, b""),)))).matches(RECORD)


@given(filters, st.sampled_from([RECORD, post(), post(OTHER, author=OTHER, tags=(TAG,))]))
def test_the_kernel_matches_as_the_page_says(wanted: Filter, record: Record) -> None:
    assert wanted.matches(record, NOW) == _matches(wanted, record, NOW)


def _matches(wanted: Filter, record: Record, received: int) -> bool:
    """Matching as the page has it, element for element."""
    seen: set[int] = set()
    for element in wanted.elements:
        if element.UNIQUE and element.TYPE in seen:
            continue
        seen.add(element.TYPE)
        if not _passes(element, record, received):
            return False
    return True


def _passes(element: FilterElement, record: Record, received: int) -> bool:
    match element:
        case AuthorKeys(listed):
            return record.author in listed
        case SigningKeys(listed):
            return record.signer in listed
        case Kinds(listed_kinds):
            return record.kind in listed_kinds
        case Timestamps(listed_times):
            return record.timestamp in listed_times
        case IncludedTags(listed_tags):
            return bool(set(listed_tags) & set(record.tags))
        case ExcludedTags(listed_tags):
            return not set(listed_tags) & set(record.tags)
        case Since(time):
            return record.timestamp >= time
        case Until(time):
            return record.timestamp <= time
        case ReceivedSince(time):
            return received >= time
        case ReceivedUntil(time):
            return received <= time
        case Exclude(listed_prefixes):
            return record.id.prefix not in listed_prefixes
    raise AssertionError(element)


def test_values_that_no_filter_may_hold_are_found_when_compiled() -> None:
    with pytest.raises(InvalidFilter):
        _ = Filter((AuthorKeys((PublicKey(bytes(32)),)),)).compiled


def test_a_short_prefix_is_refused() -> None:
    with pytest.raises(InvalidFilter, match="32 bytes"):
        Filter.of(exclude=[bytes(31)])
