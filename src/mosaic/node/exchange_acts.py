"""The acts `export`, `archive` and `import`: records out of the home's store into files, and back into it.

What is imported goes the same way in as everything else: each record is
checked, judged by this server's rules, and received now. What was deleted here
stays deleted; what is here already is here once. An import that was broken off
goes on where it was when it is begun again with the same file, an export at the
last place that its file names.

Source: this project's own design, docs/architecture.md "One home"; edition §3 (received times).
"""

from __future__ import annotations

import asyncio
import os
import stat
from collections import Counter
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from mosaic.core import blob_hash
from mosaic.core.filter import Filter
from mosaic.core.keys import PublicKey
from mosaic.core.kinds import KEY_SCHEDULE
from mosaic.errors import HomeDamaged, StoreFull, UsageError
from mosaic.node.archive import Archive, archived
from mosaic.node.arguments import Arguments, parse_filter
from mosaic.node.control import Act, Items, JsonObject
from mosaic.node.steps import in_thread
from mosaic.policy.submission import Way
from mosaic.store.record_source import RecordSource
from mosaic.store.stream import (
    Left,
    StreamEnd,
    StreamFault,
    StreamReader,
    StreamRecord,
    StreamWriter,
    left_at,
    running_hash,
)
from mosaic.wire.result_code import ResultCode

if TYPE_CHECKING:
    from mosaic.node.node import Node

BATCH: Final = 2_048
"""Records that are handed in at once."""
_BATCH_BYTES: Final = 8 << 20
_SLICE: Final = 512
_TOLD_EVERY: Final = 50_000
_NAMED_BYTES: Final = 4_096
_FAULTS: Final = 20
_AUTHORS: Final = 63


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is to be exported.

    Attributes:
        filter: Which records.
        viewers: With whose eyes (32-byte keys); None = the owner's, who may read all.
        position: From where in the log.
    """

    filter: Filter
    viewers: tuple[bytes, ...] | None
    position: int

    @property
    def asked(self) -> bytes:
        """32 bytes that tell exports of other records apart."""
        eyes = b"owner" if self.viewers is None else b"".join(self.viewers)
        return blob_hash.of(self.position.to_bytes(8, "big") + self.filter.encode() + eyes)


@dataclass(slots=True)
class _Tally:
    """What became of the records of an import."""

    results: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    faulty: int = 0
    skipped: int = 0
    complete: bool = False

    def fault(self, text: str) -> None:
        self.faulty += 1
        if len(self.faults) < _FAULTS:
            self.faults.append(text)

    def shown(self) -> JsonObject:
        accepted, had = self.results["ACCEPTED"], self.results["DUPLICATE"]
        refused = {name: count for name, count in self.results.items() if not ResultCode[name].is_success}
        refused.pop("DUPLICATE", None)
        return {
            "accepted": str(accepted),
            "duplicate": str(had),
            "refused": {name: str(count) for name, count in sorted(refused.items())},
            "unreadable": str(self.faulty),
            "skipped": str(self.skipped),
            "faults": list(self.faults),
            "complete": self.complete,
        }


class ExchangeActs:
    """Export and import.

    Args:
        node: The open home.
    """

    def __init__(self, node: Node) -> None:
        self._node = node

    def table(self) -> dict[str, Act]:
        """These acts by their names."""
        return {"export": self.export, "archive": self.archive, "import": self.import_}

    # --- export

    async def export(self, given: JsonObject) -> Items:
        """Writes what a filter matches into the file `path`, in the order in which it was received.

        `format` is "binary" or "jsonl", `from` a position in the log to begin
        at, `as` a person with whose eyes is read; else all is written that the
        home holds. Key schedules stand first, so that what they vouch for can
        be judged.

        Raises:
            UsageError: an argument is none.
            HomeDamaged: the file can't be written.
        """
        arguments = Arguments(given)
        wanted = self._wanted(arguments)
        path, lines = arguments.path("path"), _is_lines(arguments.optional_text("format") or "binary")
        try:
            async for item in self._export(wanted, path, lines=lines):
                yield item
        except BrokenPipeError:
            return
        except OSError as error:
            raise _not_written(path, error) from error

    async def archive(self, given: JsonObject) -> Items:
        """Makes a readable archive in the folder `path`: of the person `as`, and of accounts that are kept.

        With `authors` of these alone. Objects with `done` false tell how far it is; the last one what is in
        it: `records`, `posts`, `blobs` and `blobs_lacking`.

        Raises:
            UsageError: an argument is none, or the folder holds something else.
            HomeDamaged: it can't be written.
        """
        arguments, node = Arguments(given), self._node
        people = [PublicKey.parse_user(text) for text in arguments.texts("authors")]
        if not people:
            people = [node.people.find(arguments.optional_text("as")).key, *node.kept.people]
        if len(people) > _AUTHORS:
            raise UsageError(f"an archive is of {_AUTHORS} people at most", hint="Name some with --author.")
        archive = Archive(node, arguments.path("path"), people)
        path = await asyncio.to_thread(archive.prepare)
        wanted = _Wanted(Filter.of(authors=people), None, 0)
        try:
            async for item in archived(archive, self._export(wanted, path, lines=True)):
                yield item
        except OSError as error:
            raise _not_written(path, error) from error

    def _wanted(self, arguments: Arguments) -> _Wanted:
        name = arguments.optional_text("as")
        viewers = None
        if name is not None:
            person = self._node.people.find(name)
            viewers = (person.key.bytes, person.device.public.bytes)
        wanted = parse_filter(arguments, self._node.clock.now())
        return _Wanted(wanted, viewers, arguments.number("from", 0))

    async def _export(self, wanted: _Wanted, path: Path, *, lines: bool) -> Items:
        is_file = await asyncio.to_thread(_is_file, path)
        part = path.with_name(path.name + ".part") if is_file else path
        left = await asyncio.to_thread(_left, part, wanted, lines=lines) if is_file else None
        export = _Export(RecordSource(self._node.store), wanted, left)
        told = 0
        async for written in in_thread(export.write(part, lines=lines)):
            if written - told >= _TOLD_EVERY:
                told = written
                yield {"records": str(told), "position": str(export.position), "done": False}
        if is_file:
            part.replace(path)
        yield {"records": str(export.records), "position": str(export.position), "done": True}

    # --- import

    async def import_(self, given: JsonObject) -> Items:
        """Takes the records of the stream in the file `path`; `format` is "auto", "binary" or "jsonl".

        Objects with `done` false tell how far it is; the last one tells what
        became of all: `accepted`, `duplicate`, `refused` by result, `unreadable`,
        `skipped` (by an earlier run) and whether the stream was `complete`.

        Raises:
            UsageError: an argument is none, or the file is no stream.
            StoreFull: no room; what was handed in until then is there.
        """
        arguments = Arguments(given)
        path, form = arguments.path("path"), arguments.optional_text("format") or "auto"
        lines = None if form == "auto" else _is_lines(form)
        try:
            with path.open("rb") as source:
                async for item in self._import(source, lines=lines):
                    yield item
        except OSError as error:
            raise UsageError(
                f"{path} can't be read: {error.strerror}", hint="Name a file that `mosaic export` wrote."
            ) from error

    async def _import(self, source: BinaryIO, *, lines: bool | None) -> Items:
        name = await asyncio.to_thread(_name_of, source)
        begin = await asyncio.to_thread(_goes_on, source, self._place(name))
        reader = StreamReader(source, lines=lines)
        tally = _Tally()
        batches = _batches(reader, tally, begin)
        told = 0
        while (batch := await asyncio.to_thread(next, batches, None)) is not None:
            await self._hand_in(batch, tally)
            if not tally.results["TEMPORARY_ERROR"]:
                self._note(name, f"{reader.offset} {reader.digest().hex()}")
            if tally.results.total() - told >= _TOLD_EVERY:
                told = tally.results.total()
                yield {**tally.shown(), "done": False}
        if tally.complete:
            self._forget(name)
        yield {**tally.shown(), "done": True}

    async def _hand_in(self, batch: list[bytes], tally: _Tally) -> None:
        node = self._node
        failures = node.server.metrics.write_failures
        viewers = tuple(person.key.bytes for person in node.people)
        results = await node.server.submit(batch, Way.IMPORT, viewers)
        if node.server.metrics.write_failures > failures and any(each.is_server_error for each in results):
            raise StoreFull(
                "what was imported could not be written",
                hint="Make room on the disk and begin the same import again: it goes on where it was.",
            )
        tally.results.update(result.name for result in results)

    def _place(self, name: str) -> str | None:
        rows = self._node.db.connection.execute("SELECT place FROM exchange WHERE name = ?", (name,))
        row = rows.fetchone()
        return None if row is None else str(row[0])

    def _note(self, name: str, place: str) -> None:
        self._node.db.connection.execute("INSERT OR REPLACE INTO exchange VALUES (?, ?)", (name, place))

    def _forget(self, name: str) -> None:
        self._node.db.connection.execute("DELETE FROM exchange WHERE name = ?", (name,))


class _Export:
    """One export under way; its steps run in a thread."""

    def __init__(self, source: RecordSource, wanted: _Wanted, left: Left | None) -> None:
        self._source = source
        self._wanted = wanted
        self._left = left
        self.records = 0
        self.position = wanted.position if left is None else left.position

    def write(self, path: Path, *, lines: bool) -> Generator[int]:
        """Writes the stream, or goes on with it; gives how many records are in it, now and then."""
        left = self._left
        with _opened(path, left) as out:
            if left is None:
                writer = StreamWriter(out, lines=lines)
                writer.asked(self._wanted.asked)
            else:
                with path.open("rb") as earlier:
                    written = running_hash(earlier, left.offset)
                writer = StreamWriter(out, lines=lines, written=written, records=left.records)
            yield from self._fill(writer)
            _synced(out)

    def _fill(self, writer: StreamWriter) -> Generator[int]:
        end = self._source.end
        for number, stored in enumerate(self._found(self.position, end), 1):
            schedule, position, received_ns, record = stored
            writer.record(received_ns, record)
            if not schedule:
                self.position = position + 1
                writer.passed(self.position)
            if not number % _SLICE:
                yield writer.records
        self.position = max(self.position, end, self._wanted.position)
        writer.place(self.position)
        writer.end()
        self.records = writer.records
        yield writer.records

    def _found(self, begin: int, end: int) -> Iterator[tuple[bool, int, int, bytes]]:
        """Key schedules first (only at the beginning of an export), then the rest in the log's order."""
        wanted = self._wanted
        if self._left is None:
            schedules = Filter.of(kinds=[KEY_SCHEDULE])
            for stored in self._source.follow(schedules, begin, wanted.viewers):
                if stored.position < end and wanted.filter.matches(stored.record, stored.received_ns):
                    yield True, stored.position, stored.received_ns, stored.record.data
        for stored in self._source.follow(wanted.filter, begin, wanted.viewers):
            if stored.position >= end:
                return
            if self._left is None and stored.record.kind == KEY_SCHEDULE:
                continue
            yield False, stored.position, stored.received_ns, stored.record.data


def _batches(reader: StreamReader, tally: _Tally, begin: int) -> Iterator[list[bytes]]:
    """The records of a stream behind `begin` (bytes of the file), in batches. Runs in a thread."""
    batch: list[bytes] = []
    size = 0
    for entry in reader:
        match entry:
            case StreamRecord() if reader.offset <= begin:
                tally.skipped += 1
            case StreamRecord():
                batch.append(entry.record)
                size += len(entry.record)
                if len(batch) == BATCH or size >= _BATCH_BYTES:
                    yield batch
                    batch, size = [], 0
            case StreamEnd():
                tally.complete = entry.whole
                if not entry.whole:
                    tally.fault("the stream's end does not fit what came before: something was changed")
            case StreamFault():
                tally.fault(entry.text)
            case _:
                pass
    if batch:
        yield batch


def _is_lines(form: str) -> bool:
    if form not in {"binary", "jsonl"}:
        raise UsageError(f"there is no format {form!r}", hint="Use binary or jsonl.")
    return form == "jsonl"


def _name_of(source: BinaryIO) -> str:
    """What tells this stream from others: its first bytes."""
    begin = source.read(_NAMED_BYTES)
    source.seek(0)
    return f"import {blob_hash.of(begin).hex()}"


def _goes_on(source: BinaryIO, place: str | None) -> int:
    """Up to which byte an earlier run has taken this very file; 0 if it begins anew."""
    if place is None:
        return 0
    offset, _, digest = place.partition(" ")
    running = running_hash(source, int(offset))
    source.seek(0)
    return int(offset) if running.digest().hex() == digest else 0


def _left(part: Path, wanted: _Wanted, *, lines: bool) -> Left | None:
    """Where an earlier export into the same file goes on, if it was of the same records."""
    if not part.exists():
        return None
    try:
        left = left_at(part)
        with part.open("rb") as file:
            same = StreamReader(file).lines == lines
    except UsageError:
        return None
    return left if left is not None and left.asked == wanted.asked and same else None


def _opened(path: Path, left: Left | None) -> BinaryIO:
    """The file to write to, for its owner's eyes alone. A pipe waits here for its reader."""
    flags = os.O_RDWR if left else os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    file = os.fdopen(os.open(path, flags, 0o600), "r+b" if left else "wb", buffering=1 << 20)
    if left:
        file.truncate(left.offset)
        file.seek(left.offset)
    return file


def _is_file(path: Path) -> bool:
    return not path.exists() or path.is_file()


def _synced(out: BinaryIO) -> None:
    """All on the disk; a pipe has none."""
    out.flush()
    if stat.S_ISREG(os.fstat(out.fileno()).st_mode):
        os.fsync(out.fileno())


def _not_written(path: Path, error: OSError) -> HomeDamaged:
    return HomeDamaged(
        f"{path} can't be written: {error.strerror}",
        hint="Make room, or name a file in a folder that you may write to.",
    )
