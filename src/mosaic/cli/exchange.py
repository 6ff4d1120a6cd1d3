"""The commands export and import: records out of a home and into one.

Source: this project's own design, docs/architecture.md "A person acts".
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import threading
from pathlib import Path
from typing import Final

import click

from mosaic.cli.acting import act
from mosaic.cli.given_file import given_file
from mosaic.cli.options import Common, common, filters
from mosaic.cli.output import Exit, notice, print_object, say, text_of
from mosaic.errors import UsageError
from mosaic.node.control import JsonObject

_TOLD_EVERY: Final = 1_000


@click.command()
@click.argument("file", metavar="[FILE|-]", default="-")
@click.option(
    "--format",
    "form",
    type=click.Choice(["binary", "jsonl"]),
    help="Bytes, or one JSON object a line; else by the name of FILE: jsonl for .jsonl.",
)
@click.option(
    "--archive",
    "folder",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write a folder instead that any browser opens: your posts, files and records, and what you keep.",
)
@click.option("--from", "position", type=int, metavar="POSITION", help="Begin at this place of the log.")
@filters
@common
def export(
    options: Common,
    wanted: JsonObject,
    file: str,
    form: str | None,
    position: int | None,
    folder: Path | None,
) -> None:
    """Write records into a file, or to stdout: all that the home holds, or what a filter lets pass.

    With --as NAME only what that person may read. An export that was broken
    off goes on when it is begun again; with --from, take only what came since.
    With --archive a folder is written, or brought up to date: of yourself and
    the accounts that you keep, or of each --author.

    \b
    Examples:
      mosaic export all.mosaic
      mosaic export --author mopub0… anna.jsonl
      mosaic export --archive ~/my-posts
      mosaic export | ssh example.org mosaic import -

    \f
    Raises:
        UsageError: there is no such folder, or options don't go together.
    """
    if folder is not None:
        _archive(options, wanted, folder.absolute(), other=file != "-" or bool(form or position))
        return
    form = form or ("jsonl" if file.endswith(".jsonl") else "binary")
    arguments = options.arguments(**wanted, format=form, **{"from": position})
    if file == "-":
        _to_stdout(options, arguments)
        return
    target = Path(file).absolute()
    if not target.parent.is_dir():
        raise UsageError(f"there is no folder {target.parent}", hint="Make it, or name another file.")
    for item in act(options.home, "export", {**arguments, "path": str(target)}):
        if options.as_json:
            print_object(item)
        elif item["done"]:
            notice(
                f"{int(text_of(item, 'records')):,} records in {target}; "
                f"what comes later: --from {text_of(item, 'position')}"
            )


def _archive(options: Common, wanted: JsonObject, folder: Path, *, other: bool) -> None:
    """A folder that any browser opens."""
    if other or any(value for name, value in wanted.items() if name != "authors"):
        raise UsageError(
            "--archive goes with --author alone", hint="`mosaic export FILE` takes the other options."
        )
    if not folder.parent.is_dir():
        raise UsageError(f"there is no folder {folder.parent}", hint="Make it, or name another folder.")
    arguments = options.arguments(path=str(folder), authors=wanted["authors"])
    told = 0
    for item in act(options.home, "archive", arguments):
        posts = int(text_of(item, "posts"))
        if options.as_json:
            print_object(item)
        elif item["done"]:
            lacking = int(text_of(item, "blobs_lacking"))
            say(str(folder / "index.html"))
            notice(
                f"Records: {int(text_of(item, 'records')):,}, posts: {posts:,}, "
                f"files: {int(text_of(item, 'blobs')):,}" + (f", not at hand: {lacking:,}" if lacking else "")
            )
        elif posts // _TOLD_EVERY != told:
            told = posts // _TOLD_EVERY
            notice(f"{int(text_of(item, 'records')):,} records, {posts:,} posts so far")


def _to_stdout(options: Common, arguments: JsonObject) -> None:
    """Through a pipe that the node writes to, so that nothing of it lies on a disk."""
    if not hasattr(os, "mkfifo"):
        raise UsageError("this system has no named pipes", hint="Name a file instead of -.")
    with tempfile.TemporaryDirectory() as folder:
        pipe = Path(folder) / "pipe"
        os.mkfifo(pipe, 0o600)
        failed: list[OSError] = []

        def copy() -> None:
            try:
                with pipe.open("rb") as source:
                    shutil.copyfileobj(source, sys.stdout.buffer)
                    sys.stdout.buffer.flush()
            except OSError as error:
                failed.append(error)

        # If the export fails before it opens the pipe, nobody waits for this thread.
        copying = threading.Thread(target=copy, daemon=True)
        copying.start()
        for item in act(options.home, "export", {**arguments, "path": str(pipe)}):
            if item["done"]:
                notice(f"{int(text_of(item, 'records')):,} records")
        copying.join()
        if failed:
            raise failed[0]


@click.command("import")
@click.argument("file", metavar="FILE|-")
@click.option(
    "--format",
    "form",
    type=click.Choice(["auto", "binary", "jsonl"]),
    default="auto",
    show_default=True,
    help="What FILE holds; auto looks at its beginning.",
)
@common
def import_(options: Common, file: str, form: str) -> None:
    """Take records from a file that `mosaic export` wrote, or from stdin.

    Each record is checked, and taken if this server's rules let it in; what
    is there already is passed over, and what was deleted stays deleted. An
    import that was broken off goes on when it is begun again. Exit code 1
    if nothing was taken, 5 if something was not or the file has no end.

    \f
    Raises:
        UsageError: there is no such file.
    """
    with given_file(file) as path:
        last: JsonObject = {}
        for item in act(options.home, "import", options.arguments(path=str(path), format=form)):
            last = item
            if options.as_json:
                print_object(item)
            elif not item["done"]:
                notice(f"{int(text_of(item, 'accepted')) + int(text_of(item, 'duplicate')):,} records so far")
    _tell(last, as_json=options.as_json)


def _tell(item: JsonObject, *, as_json: bool) -> None:
    """What became of an import, in words and as the exit code."""
    accepted, had = int(text_of(item, "accepted")), int(text_of(item, "duplicate"))
    skipped, unreadable = int(text_of(item, "skipped")), int(text_of(item, "unreadable"))
    refused = item["refused"]
    assert isinstance(refused, dict)
    if not as_json:
        earlier = f", {skipped:,} by an earlier run" if skipped else ""
        say(f"{accepted:,} records are new, {had:,} were there already{earlier}.")
        for name, count in refused.items():
            notice(f"{int(str(count)):,} were refused: {name.replace('_', ' ').lower()}")
        faults = item["faults"]
        for fault in faults if isinstance(faults, list) else []:
            notice(f"unreadable: {fault}")
        if not item["complete"] and not unreadable:
            notice("The file ends before the export was finished: export again and import the rest.")
    if refused or unreadable or not item["complete"]:
        taken = accepted or had or skipped
        sys.exit(Exit.PARTLY if taken or not (refused or unreadable) else Exit.REFUSED)
