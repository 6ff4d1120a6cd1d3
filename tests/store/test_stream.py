"""Streams of records: what is written is read back, what is broken off goes on, what is damaged is said."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic._kernel._rust import Blake3
from mosaic.core import builder, kinds, nonce
from mosaic.core.keys import SecretKey
from mosaic.errors import UsageError
from mosaic.store import stream
from mosaic.store.stream import (
    Entry,
    StreamAsked,
    StreamEnd,
    StreamFault,
    StreamPlace,
    StreamReader,
    StreamRecord,
    StreamWriter,
)

SECRET = SecretKey(bytearray(range(32)))
ASKED = bytes(range(100, 132))
BOTH = pytest.mark.parametrize("lines", [False, True], ids=["binary", "jsonl"])


def record(number: int) -> bytes:
    return builder.build(
        SECRET,
        kind=kinds.MICROBLOG,
        nonce=nonce.from_time(1_700_000_000_000_000_000 + number),
        timestamp=1_700_000_000_000_000_000 + number,
        payload=b"record " + str(number).encode(),
    ).data


def hashed(path: Path, length: int) -> Blake3:
    with path.open("rb") as file:
        return stream.running_hash(file, length)


RECORDS = [record(number) for number in range(20)]


def written(lines: bool, *, end: bool = True) -> bytes:
    out = io.BytesIO()
    writer = StreamWriter(out, lines=lines)
    writer.asked(ASKED)
    for number, each in enumerate(RECORDS):
        writer.record(number + 1, each)
        if number % 5 == 4:
            writer.place(64 * (number + 1))
    if end:
        writer.end()
    return out.getvalue()


def entries(data: bytes) -> list[Entry]:
    return list(StreamReader(io.BytesIO(data)))


@BOTH
def test_what_is_written_is_read_back(lines: bool) -> None:
    read = entries(written(lines))
    assert read[0] == StreamAsked(ASKED)
    assert [each for each in read if isinstance(each, StreamRecord)] == [
        StreamRecord(number + 1, each) for number, each in enumerate(RECORDS)
    ]
    assert [each.position for each in read if isinstance(each, StreamPlace)] == [320, 640, 960, 1280]
    assert read[-1] == StreamEnd(whole=True)


@BOTH
def test_a_stream_that_was_broken_off_gives_what_is_whole_and_no_end(lines: bool) -> None:
    data = written(lines)
    for cut in range(40, len(data), 97):
        read = entries(data[:cut])
        assert not any(isinstance(each, StreamEnd | StreamFault) for each in read)
        assert [each.record for each in read if isinstance(each, StreamRecord)] == RECORDS[
            : sum(isinstance(each, StreamRecord) for each in read)
        ]


@BOTH
@given(data=st.data())
def test_a_changed_byte_is_never_passed_over(lines: bool, data: st.DataObject) -> None:
    stored = bytearray(written(lines))
    at = data.draw(st.integers(0, len(stored) - 1))
    stored[at] ^= data.draw(st.integers(1, 255))
    try:
        read = entries(bytes(stored))
    except UsageError:
        return
    # A line that stands twice as long, or an end that is none: in no case is the whole said to be whole.
    assert StreamEnd(whole=True) not in read or (lines and at >= len(stored) - 1)


@BOTH
def test_a_stream_goes_on_at_its_last_place(lines: bool, tmp_path: Path) -> None:
    path = tmp_path / "stream"
    path.write_bytes(written(lines, end=False)[:-30])
    left = stream.left_at(path)
    assert left is not None
    assert (left.position, left.records, left.asked) == (960, 15, ASKED)
    with path.open("r+b") as out:
        out.truncate(left.offset)
        out.seek(left.offset)
        writer = StreamWriter(out, lines=lines, written=hashed(path, left.offset), records=left.records)
        for number in range(15, 20):
            writer.record(number + 1, RECORDS[number])
        writer.place(1280)
        writer.end()
    assert path.read_bytes() == written(lines)


@BOTH
def test_a_finished_stream_does_not_go_on(lines: bool, tmp_path: Path) -> None:
    path = tmp_path / "stream"
    path.write_bytes(written(lines))
    assert stream.left_at(path) is None


def test_an_end_that_counts_otherwise_is_not_whole() -> None:
    data = written(lines=False)
    assert entries(data[:-40] + (19).to_bytes(8, "big") + data[-32:])[-1] == StreamEnd(whole=False)


def test_a_frame_of_an_unknown_sort_is_passed_over() -> None:
    out = io.BytesIO()
    writer = StreamWriter(out)
    writer.record(1, RECORDS[0])
    foreign = (3).to_bytes(4, "little") + bytes((200, 0, 0, 0)) + b"new" + bytes(5)
    assert entries(out.getvalue() + foreign) == [StreamRecord(1, RECORDS[0])]


def test_a_frame_that_can_not_be_one_ends_the_reading() -> None:
    head = written(lines=False)[:16]
    (fault,) = entries(head + b"\xff\xff\xff\xff\x01\x00\x00\x00" + bytes(100))
    assert isinstance(fault, StreamFault)
    assert fault.ends


def test_a_bad_line_is_told_and_the_next_ones_are_read() -> None:
    lines = written(lines=True).splitlines(keepends=True)
    lines[3] = lines[3].replace(b'"timestamp":1', b'"timestamp":2')
    lines[5] = b"[]\n"
    read = entries(b"".join(lines))
    assert [each.text.split(":")[0] for each in read if isinstance(each, StreamFault)] == [
        "line 4",
        "line 6 is no JSON object",
    ]
    assert read[-1] == StreamEnd(whole=False)


@pytest.mark.parametrize("data", [b"hello, this is text", b"MOSAICEX", b"MOSAICEX\x02" + bytes(7)])
def test_what_is_no_stream_is_refused_with_a_hint(data: bytes) -> None:
    with pytest.raises(UsageError) as caught:
        entries(data)
    assert caught.value.hint


def test_nothing_is_an_empty_stream() -> None:
    assert entries(b"") == []
