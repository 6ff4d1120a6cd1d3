"""The command check: does everything in a home agree?

Source: this project's own design, docs/architecture.md "One home".
"""

from __future__ import annotations

import sys

import click

from mosaic.cli.acting import act
from mosaic.cli.options import Common, common
from mosaic.cli.output import Exit, notice, print_object, say, text_of

_PARTS = {
    "records": "records in log and index",
    "private": "people in the private database",
    "layout": "is the layout of the home",
    "ledger": "blobs in their ledger",
    "blobs": "blobs read",
}


@click.command()
@click.option("--blobs", is_flag=True, help="Read every blob, too.")
@common
def check(options: Common, *, blobs: bool) -> None:
    """Look whether everything in the home agrees: log and index, blobs, keys.

    Says for each fault what to do about it. Exit code 4 if there is one.
    """
    faults = 0
    for item in act(options.home, "check", options.arguments(blobs=blobs)):
        found = item["faults"]
        assert isinstance(found, list)
        faults += len(found)
        if options.as_json:
            print_object(item)
            continue
        count = int(text_of(item, "count"))
        say(f"{'ok   ' if not found else 'FAULT'} {count:,} {_PARTS[text_of(item, 'part')]}")
        repairs: dict[str, None] = {}
        for fault in found:
            if isinstance(fault, dict):
                notice(f"  {text_of(fault, 'text')}")
                repairs[text_of(fault, "repair")] = None
        for repair in repairs:
            notice(f"    {repair}")
    if faults:
        sys.exit(Exit.LOCAL)
