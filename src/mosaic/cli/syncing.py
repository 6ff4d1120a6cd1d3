"""`mosaic sync`: exchange with another server what each side lacks.

Source: edition §4 (sync).
"""

from __future__ import annotations

import sys

import click

from mosaic.cli.acting import act
from mosaic.cli.options import Common, common, filters
from mosaic.cli.output import Exit, notice, print_object, say
from mosaic.node.control import JsonObject

_TOLD_EVERY = 5_000


@click.command()
@click.argument("url", metavar="URL")
@click.option("--key", required=True, metavar="mosrv0…", help="The key that the server has to prove.")
@click.option(
    "--dir",
    "direction",
    type=click.Choice(["up", "down", "both"]),
    default="both",
    show_default=True,
    help="Fetch what it has (down), hand in what is here (up), or both.",
)
@click.option("--follow", is_flag=True, help="Go on: what is new on either side goes to the other.")
@filters
@common
def sync(options: Common, wanted: JsonObject, url: str, key: str, direction: str, *, follow: bool) -> None:
    """Exchange with another server what each side lacks: all, or what a filter lets pass.

    Both sides compare what they have with few bytes; only what differs is
    sent. Run it again after a break: what was exchanged does not differ any
    more. As nobody you get what everybody may read; with --as NAME also what
    that person may, if the server knows who that is. What not everybody may
    read is told and handed to that person's own servers alone.

    Exit code 5 if some records were refused by either side.

    \b
    Examples:
      mosaic sync mosaic://hub.example.org/ --key mosrv0… --dir down --author mopub0…
      mosaic sync mosaictcp://127.0.0.1:1320/ --key mosrv0… --as anna
    """
    given = options.arguments(
        server=url, key=key, dir=direction, **wanted, **({"follow": True} if follow else {})
    )
    last: JsonObject = {}
    told = 0
    for item in act(options.home, "sync", given):
        last = item
        if options.as_json:
            print_object(item)
            continue
        done = _number(item, "received") + _number(item, "sent") + _number(item, "known")
        if not item["done"] and done - told >= _TOLD_EVERY:
            told = done
            notice(f"{done:,} records so far, {_number(item, 'left'):,} to go")
    refused = _number(last, "refused")
    if not options.as_json:
        say(
            f"{_number(last, 'received'):,} records received, {_number(last, 'sent'):,} sent, "
            f"{_number(last, 'known'):,} were there already."
        )
        if last["by_query"]:
            notice("The server does not compare records by sync: it was asked for everything, down only.")
        if refused:
            notice(f"{refused:,} were refused by the rules of this server or the other.")
    if refused:
        sys.exit(Exit.PARTLY)


def _number(item: JsonObject, name: str) -> int:
    value = item[name]
    assert isinstance(value, int)
    return value
