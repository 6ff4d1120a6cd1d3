"""`mosaic keep` and `mosaic usage`: what stays in a home, and how much of what is in it.

Source: this project's own design, docs/architecture.md "What stays, what goes".
"""

from __future__ import annotations

import click

from mosaic.cli.acting import act
from mosaic.cli.groups import Group
from mosaic.cli.options import Common, common, server
from mosaic.cli.output import notice, print_object, say, short_bytes, text_of
from mosaic.node.control import Json, JsonObject
from mosaic.node.storage_face import WORDS
from mosaic.policy.cache import CACHE


@click.group(cls=Group)
def keep() -> None:
    """Keep accounts and records of others for good; what you wrote is always kept.

    What others wrote is a cache: when it takes more room than it may, the
    oldest goes. What you keep stays.
    """


@keep.command()
@click.argument("what", metavar="mopub0…|moref0…")
@server
@common
def add(options: Common, what: str, server: str | None, key: str | None) -> None:
    """Keep an account whole, as it is and as it grows, or one record.

    An account's old posts and blobs are fetched from its servers while the
    node runs, and what is new as it comes; your feed does not show it. This
    node serves all of it to whoever asks, also when those servers are gone.

    \b
    Examples:
      mosaic keep add mopub0…     an account of yours on another machine, a friend's, an archive
      mosaic keep add moref0…     a post, also when its author's server is gone
    """
    arguments = options.arguments(what=what, server=server, key=key)
    for item in act(options.home, "keep_add", arguments):
        if options.as_json:
            print_object(item)
            continue
        say("Kept from now on." if item["new"] else "This is kept already.")
        if "state" in item and not item["working"]:
            notice("It is fetched while the node runs: `mosaic serve`.")


@keep.command("list")
@common
def list_kept(options: Common) -> None:
    """List what is kept, and how much of it is here."""
    anything = False
    for item in act(options.home, "keep_list", options.arguments()):
        anything = True
        if options.as_json:
            print_object(item)
            continue
        say(f"{text_of(item, 'what')}  {text_of(item, 'name')}")
        say(f"  {int(text_of(item, 'records')):,} records, {short_bytes(text_of(item, 'bytes'))}")
        if "state" in item:
            say(f"  {text_of(item, 'state')}{'' if item['old_posts_done'] else '; older posts are to come'}")
            if lacking := int(text_of(item, "blobs_lacking")):
                say(f"  {lacking:,} blobs are to come")
    if not anything and not options.as_json:
        notice("Nothing is kept by choice: `mosaic keep add mopub0…` keeps an account.")


@keep.command()
@click.argument("what", metavar="mopub0…|moref0…")
@common
def remove(options: Common, what: str) -> None:
    """Keep an account or record no longer: it stays until room is short.

    \f
    Raises:
        UsageError: it is not kept.
    """
    for item in act(options.home, "keep_remove", options.arguments(what=what)):
        if options.as_json:
            print_object(item)
        else:
            say("Kept no longer. It goes when room is short.")


@click.command()
@common
def usage(options: Common) -> None:
    """Show how much room is taken by what is mine, what is kept, and what others wrote.

    What others wrote is a cache. Its bounds are `keep_bytes` and
    `disk_free_bytes` in [cache] of the settings.
    """
    for item in act(options.home, "usage", options.arguments()):
        if options.as_json:
            print_object(item)
        else:
            _show(item)


def _show(item: JsonObject) -> None:
    records, cache = _object(item["records"]), _object(item["cache"])
    blobs, disk = _object(item["blobs"]), _object(item["disk"])
    say("stays")
    for share, words in WORDS.items():
        if share not in CACHE:
            _row(words, _object(records[share.value]))
    say("cache: goes when room is short, the oldest first")
    for share in reversed(CACHE):
        _row(WORDS[share], _object(records[share.value]))
    quota = int(text_of(cache, "keep_bytes"))
    bound = f"of {short_bytes(str(quota))} that it may take" if quota else "it may take any room"
    say(f"  {short_bytes(text_of(cache, 'bytes'))} {bound}")
    if "gone_until_iso" in cache:
        until = text_of(cache, "gone_until_iso")[:10]
        say(f"  of people followed nothing up to {until} is fetched by itself")
    say(
        f"blobs: {int(text_of(blobs, 'blobs')):,}, {short_bytes(text_of(blobs, 'bytes'))}; "
        f"mine: {int(text_of(blobs, 'own_blobs')):,}, {short_bytes(text_of(blobs, 'own_bytes'))}"
    )
    say(
        f"disk: {short_bytes(text_of(disk, 'log_bytes'))} of records,"
        f" {short_bytes(text_of(disk, 'index_bytes'))} of indexes,"
        f" {short_bytes(text_of(disk, 'free_bytes'))} free"
    )


def _row(words: str, size: JsonObject) -> None:
    records, taken = int(text_of(size, "records")), short_bytes(text_of(size, "bytes"))
    say(f"  {words:<26} {records:>10,} records {taken:>9}")


def _object(value: Json) -> JsonObject:
    assert isinstance(value, dict)
    return value
