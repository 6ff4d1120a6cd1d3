from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.strategies import tags

from mosaic.core import tag
from mosaic.core.tag import Tag
from mosaic.errors import InvalidTag


@pytest.mark.claim("C34")
@given(tags)
def test_a_tag_is_length_type_and_value(made: Tag) -> None:
    data = made.encode()
    assert data[:2] == len(data).to_bytes(2, "little")
    assert data[2:4] == made.type.to_bytes(2, "little")
    assert data[4:] == made.value
    assert Tag.from_bytes(data) == made
    assert Tag.from_bytes(data + b"rest") == made


@pytest.mark.claim("C34")
@given(st.lists(tags, max_size=20))
def test_sections_survive(made: list[Tag]) -> None:
    assert tag.tags_from_section(tag.section(made)) == tuple(made)


@pytest.mark.claim("C34")
def test_a_value_has_65531_bytes_at_most() -> None:
    longest = Tag(1, bytes(65_531))
    assert longest.encode()[:4] == b"\xff\xff\1\0"
    with pytest.raises(InvalidTag):
        Tag(1, bytes(65_532))


@pytest.mark.claim("C34")
def test_a_section_has_65535_bytes_at_most() -> None:
    assert len(tag.section([Tag(1, bytes(65_531))])) == 65_535
    with pytest.raises(InvalidTag):
        tag.section([Tag(1, bytes(65_527)), Tag(1, b""), Tag(1, b"")])
    assert tag.section([]) == b""


@pytest.mark.parametrize("number", [-1, 0, 65_536])
def test_types_out_of_range(number: int) -> None:
    with pytest.raises(InvalidTag):
        Tag(number, b"")


@pytest.mark.claim("C35")
def test_type_0_is_padding_and_skipped() -> None:
    data = Tag(5, b"a").encode() + b"\6\0\0\0xy" + Tag(6, b"b").encode()
    assert tag.tags_from_section(data) == (Tag(5, b"a"), Tag(6, b"b"))
    with pytest.raises(InvalidTag):
        Tag.from_bytes(b"\4\0\0\0")


@given(st.binary(max_size=60))
def test_any_bytes_are_tags_or_refused(data: bytes) -> None:
    try:
        read = tag.tags_from_section(data)
    except InvalidTag:
        return
    assert sum(made.length for made in read) <= len(data)
    if b"\0\0" not in data:
        assert tag.section(read) == data


@pytest.mark.parametrize("length", [0, 1, 2, 3])
def test_a_length_under_4_is_refused(length: int) -> None:
    data = bytes((length, 0, 1, 0)) + bytes(8)
    with pytest.raises(InvalidTag):
        Tag.from_bytes(data)
    with pytest.raises(InvalidTag):
        tag.tags_from_section(Tag(1, b"x").encode() + data)


@pytest.mark.parametrize("data", [b"\4", b"\4\0\1", b"\5\0\1\0", b"\xff\xff\1\0\0", b"\4\0\1\0\4\0"])
def test_tags_that_are_cut_off(data: bytes) -> None:
    with pytest.raises(InvalidTag):
        tag.tags_from_section(data)
