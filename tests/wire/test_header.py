from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.errors import InvalidMessage, UsageError
from mosaic.wire.header import Header, MessageType, encode_header, parse_header

BYTE = st.integers(0, 255)


@given(BYTE, st.integers(8, 2**32 - 1), BYTE, st.integers(0, 65535))
def test_a_header_comes_back(kind: int, length: int, result: int, query_id: int) -> None:
    data = encode_header(kind, length, result, query_id)
    assert parse_header(data + b"more") == Header(kind, result, query_id, length)


def test_a_header_is_little_endian() -> None:
    assert encode_header(0x82, 0x0A0B0C0D, 0x10, 0x0102).hex() == "821002010d0c0b0a"


@pytest.mark.parametrize(
    "fields",
    [(256, 8, 0, 0), (1, 7, 0, 0), (1, 2**32, 0, 0), (1, 8, 256, 0), (1, 8, 0, 65536), (1, 8, -1, 0)],
)
def test_numbers_that_do_not_fit_are_not_written(fields: tuple[int, int, int, int]) -> None:
    with pytest.raises(UsageError):
        encode_header(*fields)


def test_fewer_than_8_bytes_are_no_header() -> None:
    with pytest.raises(InvalidMessage, match="8 bytes"):
        parse_header(bytes(7))


def test_types_below_0x80_come_from_the_client() -> None:
    assert {t.initiator for t in MessageType if t < 0x80} == {"client"}
    assert {t for t in MessageType if t.initiator == "either"} == {MessageType.UNRECOGNIZED}
    assert MessageType.HELLO_PROOF.initiator == "server"
