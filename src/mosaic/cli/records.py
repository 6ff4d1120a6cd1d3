"""Commands about records: get, query, watch, submit, encode, decode, verify, queue.

Source: messages.md "Client Messages"; this project's own design, docs/architecture.md "A person acts".
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from mosaic.cli import formats
from mosaic.cli.acting import act
from mosaic.cli.options import Common, common, filters, server
from mosaic.cli.output import Exit, notice, print_object, say, shown_deliveries, shown_record, text_of
from mosaic.client.refusals import refused
from mosaic.core.record import Record
from mosaic.errors import MosaicError, Refused, UsageError
from mosaic.node.control import JsonObject
from mosaic.node.shapes import record_object, record_text
from mosaic.wire.result_code import ResultCode

_BATCH_BYTES = 1_000_000
_BATCH = 256


def _show(options: Common, item: JsonObject) -> None:
    if "record" in item:
        say(text_of(item, "record"))
    elif options.as_json:
        print_object(item)
    elif "live" not in item:
        say(shown_record(item))


_as_records = click.option("--records", is_flag=True, help="Print whole records, one morecord0… a line.")


@click.command()
@click.argument("references", nargs=-1, required=True)
@_as_records
@server
@common
def get(
    options: Common, references: tuple[str, ...], *, records: bool, server: str | None, key: str | None
) -> None:
    """Fetch records by reference (moref0…): an id names one, an address all that stand there.

    \f
    Raises:
        Refused: nothing was found.
    """
    arguments = options.arguments(references=list(references), records=records, server=server, key=key)
    found = 0
    for item in act(options.home, "get", arguments):
        _show(options, item)
        found += 1
    if not found:
        raise Refused(
            "there is no such record, or it is not for you",
            result=ResultCode.NOT_FOUND,
            hint="Ask another server with --server URL --key mosrv0…, or as somebody with --as NAME.",
        )


@click.command()
@filters
@click.option("--limit", default=100, show_default=True, help="At most so many (0 = all).")
@_as_records
@server
@common
def query(
    options: Common, wanted: JsonObject, limit: int, *, records: bool, server: str | None, key: str | None
) -> None:
    """Find records by a filter, newest first. All options that are given must fit.

    \b
    Examples:
      mosaic query --kind post --since 2h
      mosaic query --author mopub0… --server mosaictcp://example.org/ --key mosrv0… --json
    """
    arguments = options.arguments(**wanted, limit=limit, records=records, server=server, key=key)
    for item in act(options.home, "query", arguments):
        _show(options, item)


@click.command()
@filters
@click.option("--stored", is_flag=True, help="Begin with what is there already.")
@_as_records
@server
@common
def watch(
    options: Common, wanted: JsonObject, *, stored: bool, records: bool, server: str | None, key: str | None
) -> None:
    """Show records as they come, until interrupted.

    Without a filter: all of the people you follow and of yourself. With
    --json, `{"live": true}` says when what follows is new.
    """
    arguments = options.arguments(**wanted, stored=stored, records=records, server=server, key=key)
    try:
        for item in act(options.home, "watch", arguments, working=True):
            _show(options, item)
    except KeyboardInterrupt:
        return


@click.command()
@click.argument("source", metavar="FILE|-")
@server
@common
def submit(options: Common, source: str, server: str | None, key: str | None) -> None:
    """Hand in records that are signed already: to this home's server, or another.

    FILE holds binary records one after another, or lines of morecord0… or of
    JSON. A server that asks strangers for proof of work gets records of the
    person named by --as made again, under another id. Exit code 1 if none was taken, 5 if some were not.

    \f
    Raises:
        UsageError: the file can't be read.
        FormatError: what it holds are no records.
    """
    taken, refused_any = 0, False
    refusals: dict[str, None] = {}
    for batch in _batches(formats.read_records(_read(source))):
        arguments = options.arguments(records=batch, server=server, key=key)
        for item in act(options.home, "submit", arguments):
            if options.as_json:
                print_object(item)
            else:
                say(f"{text_of(item, 'result'):<12} {text_of(item, 'id')}")
                _tell_work(item)
            taken += bool(item["accepted"])
            refused_any |= not item["accepted"]
            if not item["accepted"] and "work" not in item:
                refusals[text_of(item, "result")] = None
    for result in () if options.as_json else refusals:
        why = refused(ResultCode[result])
        notice(f"{why}\n  {why.hint}")
    if refused_any:
        sys.exit(Exit.PARTLY if taken else Exit.REFUSED)


def _tell_work(item: JsonObject) -> None:
    if "instead_of" in item:
        notice(f"  made again with proof of work, in place of {text_of(item, 'instead_of')}")
    elif "work" in item:
        notice(
            f"  the server asks strangers for {item['work']} bits of proof of work, which are signed too\n"
            "  Hand it in with --as NAME of its author, whose key is in this home."
        )


def _batches(records: Iterator[Record]) -> Iterator[list[str]]:
    batch: list[str] = []
    size = 0
    for record in records:
        if batch and (size + len(record) > _BATCH_BYTES or len(batch) == _BATCH):
            yield batch
            batch, size = [], 0
        batch.append(record_text(record))
        size += len(record)
    if batch:
        yield batch


def _read(source: str) -> bytes:
    if source == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(source).read_bytes()
    except OSError as error:
        raise UsageError(
            f"{source} can't be read: {error.strerror}", hint="Name a file, or - for stdin."
        ) from None


@click.command()
@click.argument("reference", required=False)
@click.option(
    "--refused", "refusals", is_flag=True, help="List what servers refused in the last month instead."
)
@common
def queue(options: Common, reference: str | None, *, refusals: bool) -> None:
    """List what waits to be delivered to other servers, or tell how far the record at REFERENCE has come.

    \f
    Raises:
        UsageError: a reference, and refusals of everything.
    """
    if reference and refusals:
        raise UsageError("--refused is about all records", hint="Name a reference, or --refused.")
    if reference:
        _tell_deliveries(options, reference)
        return
    waiting = False
    for item in act(options.home, "queue", options.arguments(refused=refusals)):
        waiting = True
        if options.as_json:
            print_object(item)
        else:
            say(f"{text_of(item, 'kind_name')} {text_of(item, 'id')}")
            say(f"  to {text_of(item, 'server') or text_of(item, 'person')}: {text_of(item, 'standing')}")
            if item.get("note"):
                say(f"  {text_of(item, 'note')}")
    if not waiting and not options.as_json:
        notice("Nothing was refused in the last month." if refusals else "Nothing waits: all is delivered.")


def _tell_deliveries(options: Common, reference: str) -> None:
    for item in act(options.home, "deliveries", options.arguments(reference=reference)):
        if options.as_json:
            print_object(item)
            continue
        say(text_of(item, "address"))
        for line in shown_deliveries(item) or ["  It goes to no other server than your own."]:
            say(line)


# --- without a home ----------------------------------------------------------------------------------


@click.command()
@click.argument("source", metavar="FILE|HEX|-")
@click.option(
    "--to",
    "form",
    type=click.Choice(["binary", "text", "user", "server", "reference"]),
    default="binary",
    show_default=True,
    help="Records as bytes or as morecord0… lines; or HEX as mopub0…, mosrv0…, moref0….",
)
@click.option("--json", "_as_json", is_flag=True, help="Tell errors as JSON.")
def encode(source: str, form: str, *, _as_json: bool) -> None:
    """Turn records from JSON into bytes or text, or bytes of a key or reference into its text.

    \b
    Examples:
      mosaic decode record.bin | mosaic encode - > same.bin
      mosaic encode --to text record.json
      mosaic encode --to user 5af6…

    \f
    Raises:
        UsageError: the file can't be read.
        FormatError: what it holds are no records.
    """
    if form in {"user", "server", "reference"}:
        say(formats.encode_hex(source, form))
        return
    for record in formats.read_records(_read(source)):
        if form == "text":
            say(record_text(record))
        else:
            sys.stdout.buffer.write(record.data)
    sys.stdout.buffer.flush()


@click.command()
@click.argument("source", metavar="TEXT|FILE|-")
@click.option("--json", "_as_json", is_flag=True, help="Tell errors as JSON, too.")
def decode(source: str, *, _as_json: bool) -> None:
    """Show what a text or file holds, as JSON.

    TEXT may be mopub0…, mosrv0…, moref0… or morecord0…; a FILE holds binary
    records, lines of morecord0… or JSON. Secret keys are not shown.

    \f
    Raises:
        UsageError: the file can't be read.
        FormatError: what it holds are no records.
    """
    if (item := formats.decode_text(source)) is not None:
        print_object(item)
        return
    for record in formats.read_records(_read(source)):
        print_object(formats.json_form(record))


@click.command()
@click.argument("source", metavar="TEXT|FILE|-")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a record.")
def verify(source: str, *, as_json: bool) -> None:
    """Check records by every rule; exit code 1 if one is not valid.

    A signature is checked; whether its author named the key that signed is
    told by the author's key schedule, which `mosaic get` looks up.

    \f
    Raises:
        UsageError: the file can't be read.
        InvalidJson: it begins as text and is not UTF-8.
    """
    failed = False
    for number, found in enumerate(formats.check_records(_text_or_file(source)), 1):
        if isinstance(found, MosaicError):
            failed = True
            item: JsonObject = {"valid": False, "number": number, "code": found.code, "error": str(found)}
            line = f"{number}: not valid: {found}"
        else:
            item = {"valid": True, "number": number, **record_object(found)}
            line = f"{number}: valid: {found.id.text}"
        if as_json:
            print_object(item)
        else:
            say(line)
    if failed:
        notice("Ask another server for what is not valid: a valid record never changes.")
        sys.exit(Exit.REFUSED)


def _text_or_file(source: str) -> bytes:
    return source.encode() if source.startswith("morecord0") else _read(source)
