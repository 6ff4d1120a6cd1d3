"""Records as a stream: what `export` writes and `import` reads, binary or as JSON lines.

Binary, after a head of 16 bytes (`MOSAICEX`, version 1, 7 zero), are frames:
`[0:4]` length of the body (little-endian), `[4]` what it is, `[5:8]` zero, the
body, zeros to the next multiple of 8.

    1 record   u64 received (ns) ‖ the record
    2 place    u64 position: all that stood before it in the log is in the stream
    3 end      u64 number of records ‖ BLAKE3-256 of every byte before this frame
    4 asked    32 bytes that tell streams of other questions apart

JSON lines say the same: a record's form (`core.record_json`) with `received_ns`
as text, `{"place": "…"}`, `{"end": true, "records": N, "blake3": "…"}` and
`{"asked": "…"}`. Numbers are big-endian where nothing else is said. Frames and
lines of an unknown sort are passed over.

Source: this project's own design, docs/architecture.md "One home"; edition §5 (J1).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import BinaryIO, Final, TypeAlias

from mosaic._kernel import _rust
from mosaic.core import record_json
from mosaic.core.record import Record
from mosaic.core.validation import MAX_RECORD_BYTES
from mosaic.errors import FormatError, UsageError

MAGIC: Final = b"MOSAICEX"
VERSION: Final = 1
HEAD: Final = MAGIC + bytes((VERSION,)) + bytes(7)
ASKED_BYTES: Final = 32

_PLACE_RECORDS: Final = 1_000
_PLACE_BYTES: Final = 1 << 20
_MAX_BODY: Final = 8 + MAX_RECORD_BYTES
_MAX_LINE: Final = record_json.MAX_TEXT
_PIECE: Final = 1 << 20


class What(IntEnum):
    """What a binary frame holds."""

    RECORD = 1
    PLACE = 2
    END = 3
    ASKED = 4


@dataclass(frozen=True, slots=True)
class StreamRecord:
    """A record of a stream.

    Attributes:
        received_ns: When the store that it came from received it (ns); tells, and is not believed.
        record: Its bytes. From a binary stream they were not checked yet.
    """

    received_ns: int
    record: bytes


@dataclass(frozen=True, slots=True)
class StreamPlace:
    """All before this position of the log is in the stream."""

    position: int


@dataclass(frozen=True, slots=True)
class StreamAsked:
    """Tells streams of other questions apart (32 bytes)."""

    asked: bytes


@dataclass(frozen=True, slots=True)
class StreamEnd:
    """The end.

    Attributes:
        whole: Whether number and hash are those of what came before.
    """

    whole: bool


@dataclass(frozen=True, slots=True)
class StreamFault:
    """Something that can't be read.

    Attributes:
        text: What, as a sentence.
        ends: Whether nothing after it can be read either.
    """

    text: str
    ends: bool


Entry: TypeAlias = StreamRecord | StreamPlace | StreamAsked | StreamEnd | StreamFault


# --- writing -----------------------------------------------------------------------------------------


class StreamWriter:
    """Writes a stream. Places are put in by themselves.

    Args:
        out: Where to; the caller closes it.
        lines: JSON lines instead of the binary form.
        written: What goes on where a stream was left: its bytes so far; None begins one.
        records: How many records are in these bytes.
    """

    def __init__(
        self, out: BinaryIO, *, lines: bool = False, written: _rust.Blake3 | None = None, records: int = 0
    ) -> None:
        self._out = out
        self._lines = lines
        self._hash = _rust.Blake3() if written is None else written
        self.records = records
        self._since_place = [0, 0]
        if written is None and not lines:
            self._write(HEAD)

    def record(self, received_ns: int, record: bytes) -> None:
        """Adds a record. Raises OSError."""
        if self._lines:
            form = {**record_json.to_json(Record(record)), "received_ns": str(received_ns)}
            self._line(form)
        else:
            self._frame(What.RECORD, received_ns.to_bytes(8, "big"), record)
        self.records += 1
        self._since_place[0] += 1
        self._since_place[1] += len(record)

    def passed(self, position: int) -> None:
        """Says that all before a position of the log was written; noted now and then. Raises OSError."""
        if self._since_place[0] >= _PLACE_RECORDS or self._since_place[1] >= _PLACE_BYTES:
            self.place(position)

    def place(self, position: int) -> None:
        """Notes a position. Raises OSError."""
        self._since_place = [0, 0]
        if self._lines:
            self._line({"place": str(position)})
        else:
            self._frame(What.PLACE, position.to_bytes(8, "big"))

    def asked(self, asked: bytes) -> None:
        """Notes what was asked for (32 bytes). Raises OSError."""
        if self._lines:
            self._line({"asked": asked.hex()})
        else:
            self._frame(What.ASKED, asked)

    def end(self) -> None:
        """Ends the stream. Raises OSError."""
        digest = self._hash.digest()
        if self._lines:
            self._line({"end": True, "records": self.records, "blake3": digest.hex()})
        else:
            self._frame(What.END, self.records.to_bytes(8, "big"), digest)

    def _frame(self, what: What, *body: bytes) -> None:
        length = sum(map(len, body))
        head = length.to_bytes(4, "little") + bytes((what, 0, 0, 0))
        self._write(b"".join((head, *body, bytes(-length % 8))))

    def _line(self, form: dict[str, object]) -> None:
        text = json.dumps(form, separators=(",", ":"), ensure_ascii=False)
        self._write(text.encode() + b"\n")

    def _write(self, data: bytes) -> None:
        self._out.write(data)
        self._hash.update(data)


@dataclass(frozen=True, slots=True)
class Left:
    """Where a stream was left that has no end.

    Attributes:
        offset: The bytes up to its last place; what follows is written anew.
        position: From where in the log it goes on.
        records: The records up to there.
        asked: What it was asked for, if it says so (32 bytes).
    """

    offset: int
    position: int
    records: int
    asked: bytes | None


def left_at(path: Path) -> Left | None:
    """Where an unfinished stream in a file goes on; None if it has no place yet, or is finished.

    Raises:
        UsageError: it is no stream.
        OSError: it can't be read.
    """
    found: Left | None = None
    records = 0
    asked: bytes | None = None
    with path.open("rb") as file:
        reader = StreamReader(file)
        for entry in reader:
            match entry:
                case StreamRecord():
                    records += 1
                case StreamPlace(position):
                    found = Left(reader.offset, position, records, asked)
                case StreamAsked(told):
                    asked = told
                case StreamEnd():
                    return None
                case StreamFault():
                    break
    return found


def running_hash(source: BinaryIO, length: int) -> _rust.Blake3:
    """The running hash of the next `length` bytes, or of what there is of them. Raises OSError."""
    running = _rust.Blake3()
    while length and (piece := source.read(min(_PIECE, length))):
        running.update(piece)
        length -= len(piece)
    return running


# --- reading -----------------------------------------------------------------------------------------


class StreamReader:
    """Reads a stream, entry by entry; never more than one of them is in memory.

    Args:
        source: Where from, at its beginning; a file that can be sought in.
        lines: Whether it is JSON lines; None looks at its beginning.

    Raises:
        UsageError: it is no stream, or of a newer version.
        OSError: it can't be read.
    """

    def __init__(self, source: BinaryIO, *, lines: bool | None = None) -> None:
        self._source = source
        self._hash = _rust.Blake3()
        self._records = 0
        self.offset = 0
        begin = source.read(len(HEAD))
        self.lines = not begin.startswith(MAGIC) if lines is None else lines
        if not self.lines:
            self._check_head(begin)
            self._took(begin)
            return
        if begin and not begin.lstrip().startswith(b"{"):
            raise UsageError(
                "this is no stream of records",
                hint="Name a file that `mosaic export` wrote, or lines of JSON.",
            )
        source.seek(0)

    @staticmethod
    def _check_head(begin: bytes) -> None:
        if begin[:8] != MAGIC or len(begin) < len(HEAD):
            raise UsageError(
                "this is no binary stream of records", hint="Name a file that `mosaic export` wrote."
            )
        if begin[8] != VERSION:
            raise UsageError(
                f"the stream has version {begin[8]}, this program knows {VERSION}",
                hint="Import it with the version of Mosaic that wrote it, or a newer one.",
            )

    def __iter__(self) -> Iterator[Entry]:
        """The entries. After each, `offset` tells how many bytes were read up to its end."""
        return self._read_lines() if self.lines else self._read_frames()

    def digest(self) -> bytes:
        """The BLAKE3-256 of all bytes up to `offset`."""
        return self._hash.digest()

    def _took(self, data: bytes) -> None:
        self._hash.update(data)
        self.offset += len(data)

    def _read_frames(self) -> Iterator[Entry]:
        while head := self._source.read(8):
            length = int.from_bytes(head[:4], "little")
            if len(head) < 8:
                return
            if length > _MAX_BODY or any(head[5:]):
                yield StreamFault(f"no frame stands at byte {self.offset:,}", ends=True)
                return
            data = self._source.read(length + -length % 8)
            if len(data) < length + -length % 8:
                return
            entry = self._entry(head[4], data[:length])
            self._took(head)
            self._took(data)
            if entry is not None:
                yield entry
            if isinstance(entry, StreamEnd):
                return

    def _entry(self, what: int, body: bytes) -> Entry | None:
        number = int.from_bytes(body[:8], "big")
        if what == What.RECORD and len(body) > 8:
            self._records += 1
            return StreamRecord(number, body[8:])
        if what == What.PLACE and len(body) == 8:
            return StreamPlace(number)
        if what == What.END:
            return StreamEnd(number == self._records and body[8:] == self._hash.digest())
        if what == What.ASKED and len(body) == ASKED_BYTES:
            return StreamAsked(body)
        if what in {What.RECORD, What.PLACE, What.ASKED}:
            return StreamFault(f"the frame at byte {self.offset:,} has a wrong length", ends=False)
        return None

    def _read_lines(self) -> Iterator[Entry]:
        number = 0
        while True:
            line = self._source.readline(_MAX_LINE + 1)
            if not line.endswith(b"\n"):
                # Half a line, the last: a stream that was broken off.
                if len(line) > _MAX_LINE:
                    yield StreamFault(f"line {number + 1:,} is longer than any record", ends=True)
                return
            number += 1
            entry = self._entry_of(line, number)
            self._took(line)
            if entry is not None:
                yield entry
            if isinstance(entry, StreamEnd):
                return

    def _entry_of(self, line: bytes, number: int) -> Entry | None:
        if not line.strip():
            return None
        try:
            form = json.loads(line)
            if not isinstance(form, dict):
                return StreamFault(f"line {number:,} is no JSON object", ends=False)
            return self._entry_of_form(form)
        except FormatError as error:
            return StreamFault(f"line {number:,}: {error}", ends=False)
        except (ValueError, RecursionError):
            return StreamFault(f"line {number:,} is no JSON", ends=False)

    def _entry_of_form(self, form: dict[str, object]) -> Entry | None:
        """What an object says. Raises FormatError or ValueError."""
        if form.get("end") is True:
            told = form.get("records"), form.get("blake3")
            return StreamEnd(told == (self._records, self._hash.digest().hex()))
        if "place" in form:
            return StreamPlace(int(str(form["place"])))
        if "asked" in form:
            asked = bytes.fromhex(str(form["asked"]))
            return StreamAsked(asked) if len(asked) == ASKED_BYTES else None
        if "id" not in form:
            return None
        record = record_json.from_json(form)
        self._records += 1
        received = form.get("received_ns", "0")
        return StreamRecord(int(received) if isinstance(received, str) else 0, record.data)
