"""Commands about blobs: files that records point at, named by their hash.

Source: messages.md "BLOB Submission", "BLOB Get"; this project's own design, docs/architecture.md "A person
acts".
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

import click

from mosaic.cli.acting import act
from mosaic.cli.given_file import given_file
from mosaic.cli.groups import Group
from mosaic.cli.options import Common, common, server
from mosaic.cli.output import notice, print_object, say, text_of
from mosaic.errors import UsageError
from mosaic.node.remote import parse_blob_hash


@click.group(cls=Group)
def blob() -> None:
    """Store and fetch files by their hash."""


@blob.command()
@click.argument("file", metavar="FILE|-")
@server
@common
def put(options: Common, file: str, server: str | None, key: str | None) -> None:
    """Hand in a file, and print its hash.

    Servers take blobs from people they know: name another server's person
    with --as NAME, so that your key is proven to it.

    \f
    Raises:
        UsageError: there is no such file.
    """
    with given_file(file) as path:
        for item in act(options.home, "blob_put", options.arguments(path=str(path), server=server, key=key)):
            if options.as_json:
                print_object(item)
            else:
                say(text_of(item, "hash"))
                notice(f"{int(text_of(item, 'bytes')):,} bytes, {text_of(item, 'result').lower()}")


@blob.command()
@click.argument("name", metavar="HASH")
@click.argument("file", metavar="FILE|-")
@server
@common
def get(options: Common, name: str, file: str, server: str | None, key: str | None) -> None:
    """Fetch the file of a hash (64 hexadecimal digits) into FILE, or to stdout.

    Into a file it goes on where an earlier attempt was broken off.

    \f
    Raises:
        UsageError: there is no such folder.
    """
    target = Path(file).absolute()
    if file != "-" and not target.parent.is_dir():
        raise UsageError(f"there is no folder {target.parent}", hint="Make it, or name another file.")
    with tempfile.TemporaryDirectory() as temporary:
        # What came of a file before a link broke stays beside it, for the next attempt.
        part = f"{target.name}.{parse_blob_hash(name).hex()[:16]}.part"
        path = Path(temporary) / "blob" if file == "-" else target.with_name(part)
        arguments = options.arguments(hash=name, path=str(path), server=server, key=key)
        for item in act(options.home, "blob_get", arguments):
            if file == "-":
                with path.open("rb") as spool:
                    shutil.copyfileobj(spool, sys.stdout.buffer)
                sys.stdout.buffer.flush()
                continue
            # The whole file or none: it appears when it is complete.
            os.replace(path, target)  # noqa: PTH105
            if options.as_json:
                print_object({**item, "path": str(target)})
            else:
                notice(f"{int(text_of(item, 'bytes')):,} bytes in {target}")
