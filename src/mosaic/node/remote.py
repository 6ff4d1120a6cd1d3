"""What is done over one connection, to the own server or to another: read, watch, hand in.

Needs no home, so that a command can ask any server as nobody.

Source: messages.md "Client Messages"; this project's own design, docs/architecture.md "A person acts".
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import Final, TypeVar

from mosaic.client.answers import CaughtUp
from mosaic.client.authority import Authority
from mosaic.client.connection import Connection
from mosaic.client.failover import Readable
from mosaic.client.proof_of_work import asked_by
from mosaic.client.refusals import refused
from mosaic.client.server_info import fetch
from mosaic.core import blob_hash, human, record_json
from mosaic.core.filter import Filter
from mosaic.core.record import Record
from mosaic.core.reference import Reference
from mosaic.core.timestamp import Timestamp
from mosaic.errors import Disconnected, LocalError, Refused, UsageError
from mosaic.node.arguments import Arguments, parse_filter, parse_filters
from mosaic.node.control import JsonObject
from mosaic.node.shapes import record_object, record_text, server_info_object
from mosaic.policy.work import work_bits
from mosaic.wire.result_code import ResultCode

_BATCH = 256
_CHUNK = 1_048_576
_WAITING = 1_024

READING: Final = frozenset({"get", "query"})
"""Acts that any server may answer that has the records."""

_T = TypeVar("_T")

Work = Callable[[Record, int], Awaitable[Record | None]]
"""A record made again with so many bits of work in it; None if its signer's key is not at hand."""


async def run(
    connection: Connection,
    authority: Authority,
    name: str,
    arguments: Arguments,
    now: Timestamp,
    *,
    work: Work | None = None,
) -> AsyncGenerator[JsonObject, None]:
    """Runs the act of a name over a connection; see `acts.Acts` for what each takes and gives.

    `work` makes records again for a server that asks for proof of work.

    Raises:
        UsageError: no server can do it, or an argument is wrong.
        PeerError: the server would not, or went away.
    """
    if name in READING:
        async with contextlib.aclosing(read(connection, authority, name, arguments, now)) as found:
            async for each in found:
                yield each
    elif name == "watch":
        filters, stored = parse_filters(arguments, now), arguments.flag("stored")
        async with contextlib.aclosing(watch(connection, authority, filters, stored=stored)) as items:
            async for item in items:
                yield item if isinstance(item, dict) else shown(item, arguments)
    elif name == "submit":
        for record, result in await submit(connection, parse_records(arguments.texts("records"))):
            yield await _submitted(connection, record, result, work)
    elif name == "server_info":
        yield await server_info(connection)
    elif name == "blob_put":
        yield await blob_put(connection, arguments.path("path"))
    elif name == "blob_get":
        yield await blob_get(connection, arguments.text("hash"), arguments.path("path"))
    else:
        raise UsageError(f"{name!r} needs a home")


async def read(
    source: Readable, authority: Authority, name: str, arguments: Arguments, now: Timestamp
) -> AsyncGenerator[JsonObject, None]:
    """Runs one of the acts `READING` against a server, or against several that may have the same.

    Raises:
        PeerError: no server would, or all went away.
    """
    if name == "get":
        for record in await get(source, authority, arguments.references("references")):
            yield shown(record, arguments)
        return
    wanted = parse_filter(arguments, now)
    async with contextlib.aclosing(query(source, authority, wanted, arguments.number("limit", 0))) as found:
        async for record in found:
            yield shown(record, arguments)


async def get(connection: Readable, authority: Authority, references: Sequence[Reference]) -> list[Record]:
    """The records that references name and that a reader may show."""
    return await authority.accepted(connection, await connection.get(references))


async def query(
    connection: Readable, authority: Authority, wanted: Filter, limit: int
) -> AsyncGenerator[Record, None]:
    """What a filter matches and a reader may show, newest first; at most `limit` records (0 = all).

    Raises:
        PeerError: the server would not, or went away.
    """
    batch: list[Record] = []
    async with contextlib.aclosing(connection.query(wanted, limit)) as items:
        async for record in items:
            batch.append(record)
            if len(batch) == _BATCH:
                for accepted in await authority.accepted(connection, batch):
                    yield accepted
                batch = []
    for accepted in await authority.accepted(connection, batch):
        yield accepted


async def watch(
    connection: Connection, authority: Authority, filters: Sequence[Filter], *, stored: bool
) -> AsyncGenerator[Record | JsonObject, None]:
    """What any of some filters matches as it comes, after `{"live": true}`.

    `stored` gives what is there already first.

    What a server has stored is sorted by its timestamps, so a record that is
    only received late is live all the same.

    Raises:
        PeerError: a server would not, or went away.
    """
    arrived: asyncio.Queue[Record | CaughtUp] = asyncio.Queue(_WAITING)

    async def read(wanted: Filter) -> None:
        live = stored
        async with contextlib.aclosing(connection.subscribe(wanted, 0 if stored else 1)) as items:
            async for item in items:
                live = live or isinstance(item, CaughtUp)
                if live:
                    await arrived.put(item)

    readers = [asyncio.create_task(read(wanted)) for wanted in filters]
    behind = len(readers)
    try:
        while True:
            item = await _next(arrived, readers)
            if isinstance(item, CaughtUp):
                behind -= 1
                if not behind:
                    yield {"live": True}
                continue
            for accepted in await authority.accepted(connection, [item]):
                yield accepted
    finally:
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)


async def _next(arrived: asyncio.Queue[_T], readers: Sequence[asyncio.Task[None]]) -> _T:
    """What arrives next; raises what a reader ended with."""
    waiting = asyncio.ensure_future(arrived.get())
    try:
        await asyncio.wait([waiting, *readers], return_when=asyncio.FIRST_COMPLETED)
        if waiting.done():
            return waiting.result()
    finally:
        waiting.cancel()
    for reader in readers:
        if reader.done():
            reader.result()
    raise Disconnected("the subscription ended")


def shown(record: Record, arguments: Arguments) -> JsonObject:
    """A record as an object; with its whole text as `record` if `records` asks for it."""
    if arguments.flag("records"):
        return {"record": record_text(record)}
    return record_object(record)


async def server_info(connection: Connection) -> JsonObject:
    """What a server says about itself. Raises Refused if it says nothing."""
    found = await fetch(connection)
    if found is None:
        raise Refused(
            "the server says nothing about itself: it has no Server Info",
            result=ResultCode.NOT_FOUND,
            hint="Servers write one when they begin to serve; older ones and other programs may have none.",
        )
    return server_info_object(*found)


# --- handing in ------------------------------------------------------------------------------------


def parse_record(text: str) -> Record:
    """A record as `morecord0…` or in its JSON form. Raises FormatError."""
    if text.startswith("{"):
        return record_json.from_json(text)
    return Record.parse(human.decode(human.RECORD, text, None))


def parse_records(texts: Iterable[str]) -> list[Record]:
    """Records as texts, each valid. Raises FormatError."""
    return [parse_record(text) for text in texts]


async def submit(connection: Connection, records: Sequence[Record]) -> list[tuple[Record, ResultCode]]:
    """Hands in records; the server's answers in the same order."""
    results = await connection.submit_all([record.data for record in records])
    return list(zip(records, results, strict=True))


def submitted(record: Record, result: ResultCode) -> JsonObject:
    """The server's answer for one record."""
    return {"id": record.id.text, "result": result.name, "accepted": result.is_success}


async def _submitted(
    connection: Connection, record: Record, result: ResultCode, work: Work | None
) -> JsonObject:
    """What became of a record. TOO_FAST may mean that the server wants work, else it wants time.

    Raises:
        PeerError: the server went away, or asks for more work than is done here.
    """
    bits = (await asked_by(connection))[1] if result is ResultCode.TOO_FAST else 0
    if work_bits(record.data) >= bits:
        return submitted(record, result)
    again = None if work is None else await work(record, bits)
    if again is None:
        return {**submitted(record, result), "work": bits}
    result = await connection.submit(again.data)
    return {**submitted(again, result), "instead_of": record.id.text}


# --- blobs --------------------------------------------------------------------------------------------


async def blob_put(connection: Connection, path: Path) -> JsonObject:
    """Hands in the blob in a file. Raises Refused or LocalError."""
    name, length = await asyncio.to_thread(_hash_of, path)
    result = await connection.blobs.put(path, name, length)
    if not result.is_success:
        raise refused(result)
    return {"hash": name.hex(), "bytes": str(length), "result": result.name}


async def blob_get(connection: Connection, name: str, path: Path) -> JsonObject:
    """Fetches a blob into a file. Raises Refused."""
    wanted = parse_blob_hash(name)
    length = await connection.blobs.get(wanted, path)
    return {"hash": wanted.hex(), "bytes": str(length), "path": str(path)}


def parse_blob_hash(text: str) -> bytes:
    """A blob's name: 64 hexadecimal digits. Raises UsageError."""
    try:
        data = bytes.fromhex(text)
    except ValueError:
        data = b""
    if len(data) != blob_hash.LENGTH:
        raise UsageError("a blob is named by 64 hexadecimal digits", hint="`mosaic blob put` prints them.")
    return data


def _hash_of(path: Path) -> tuple[bytes, int]:
    """The hash and length of a file, read in pieces."""
    try:
        with path.open("rb") as file:
            return blob_hash.of_chunks(iter(lambda: file.read(_CHUNK), b""))
    except OSError as error:
        raise LocalError(
            f"{path} can't be read: {error.strerror}", hint="Name a file that you may read."
        ) from error
