"""`mosaic admin` about what is stored and who is banned.

Source: network.md (roles, people served); this project's own design, docs/architecture.md "Operations".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import click

from mosaic.cli.options import Common, common, filters
from mosaic.cli.output import notice, shown_record, text_of
from mosaic.cli.telling import REASON, parsed_ns, tell
from mosaic.node.control import JsonObject
from mosaic.node.setting_values import duration_text

# --- bans ----------------------------------------------------------------------------------------


def _ban_line(item: JsonObject) -> Iterator[str]:
    number = "" if item["number"] is None else f"{item['number']}."
    end = f"until {text_of(item, 'until')[:19].replace('T', ' ')}" if item["until"] else "for good"
    why = f": {text_of(item, 'reason')}" if item["reason"] else ""
    yield f"{number:>5} {text_of(item, 'what')}  {end}, by {text_of(item, 'by')}{why}"


@click.command()
@click.argument("what", metavar="ADDRESS|ADDRESS/BITS|mopub0…")
@click.option("--for", "wait", metavar="DURATION", help="How long: 2h, 30d; else for good.")
@click.option("--reason", metavar="TEXT", help="Why; whoever is banned is told.")
@common
def ban(options: Common, what: str, wait: str | None, reason: str | None) -> None:
    """Ban an address, a network, or a key from this server. Who is connected goes.

    \b
    Examples:
      mosaic admin ban 203.0.113.0/24 --for 2h --reason "a flood of spam"
      mosaic admin ban mopub0…  --reason "threats"

    \f
    Raises:
        UsageError: it names nothing that can be banned.
    """
    end = None if wait is None else duration_text(parsed_ns(wait))
    more = options.arguments(what=what, until=end, reason=reason)
    tell(options, "admin_ban", more, lambda item: iter(("Banned:", *_ban_line(item))))


@click.command()
@click.argument("what", metavar="NUMBER|ADDRESS|mopub0…")
@REASON
@common
def unban(options: Common, what: str, reason: str | None) -> None:
    """Lift a ban, by its number or by what is banned.

    \f
    Raises:
        UsageError: there is no such ban.
    """
    more = options.arguments(what=what, reason=reason)
    tell(options, "admin_unban", more, lambda item: iter((f"Lifted: {text_of(item, 'what')}",)))


@click.command()
@common
def bans(options: Common) -> None:
    """Show all bans, those too that the server made itself."""
    tell(options, "admin_bans", {}, _ban_line, "None.")


# --- what is stored ------------------------------------------------------------------------------


@click.command()
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="The oldest so many.")
@click.option("--hidden", is_flag=True, help="What you have hidden, instead.")
@common
def held(options: Common, limit: int, *, hidden: bool) -> None:
    """Show what waits for approval, the oldest first."""
    none = "Nothing is hidden." if hidden else "Nothing waits."
    tell(
        options,
        "admin_held",
        {"limit": limit, "hidden": hidden},
        lambda item: iter((shown_record(item),)),
        none,
    )


_IDS = click.argument("ids", nargs=-1, metavar="moref0…")


@click.command()
@_IDS
@click.option("--author", metavar="mopub0…", help="All that waits of this author.")
@REASON
@common
def approve(options: Common, ids: tuple[str, ...], author: str | None, reason: str | None) -> None:
    """Let what waits be read by everybody whom it is for. It keeps the time at which it came.

    \f
    Raises:
        UsageError: neither a record nor an author is named.
    """
    more = options.arguments(ids=list(ids), author=author, reason=reason)
    tell(options, "admin_approve", more, lambda item: iter((f"Approved: {item['approved']}",)))


@click.command()
@_IDS
@click.option("--undo", is_flag=True, help="Show them again.")
@REASON
@common
def hide(options: Common, ids: tuple[str, ...], reason: str | None, *, undo: bool) -> None:
    """Show records to nobody any more, but keep them.

    \f
    Raises:
        UsageError: no record is named.
    """
    more, word = options.arguments(ids=list(ids), reason=reason), "shown" if undo else "hidden"
    tell(
        options,
        "admin_show" if undo else "admin_hide",
        more,
        lambda item: iter((f"{word.capitalize()}: {item[word]}",)),
    )


@click.command()
@_IDS
@REASON
@common
def drop(options: Common, ids: tuple[str, ...], reason: str | None) -> None:
    """Remove records, and refuse them from now on. Deletions and acts of the log can only be hidden.

    \f
    Raises:
        UsageError: no record is named, or one that has to stay.
    """
    more = options.arguments(ids=list(ids), reason=reason)
    tell(options, "admin_drop", more, lambda item: iter((f"Removed: {item['dropped']}",)))


@click.command()
@filters
@click.option("--yes", is_flag=True, help="Do it; without this it is only counted.")
@REASON
@common
def remove(options: Common, wanted: JsonObject, reason: str | None, *, yes: bool) -> None:
    """Remove what a filter matches, and refuse it from now on. Counts first.

    Deletions and the log of acts stay.

    \b
    Examples:
      mosaic admin remove --author mopub0…  --since 7d
      mosaic admin remove --kind chat --until 2026-01-01T00:00:00Z --yes

    \f
    Raises:
        UsageError: the filter names nothing.
    """

    def shown(item: JsonObject) -> Iterator[str]:
        if item["dry_run"]:
            yield f"{item['removed']} records would be removed. Say --yes to remove them."
        else:
            yield f"Removed: {item['removed']}"

    more = options.arguments(**wanted, reason=reason, dry_run=not yes)
    tell(options, "admin_remove", more, shown)


@click.command()
@click.argument("key", metavar="mopub0…")
@click.option("--messages", is_flag=True, help="Private messages to this key alone as well: it asked itself.")
@click.option("--yes", is_flag=True, help="Do it; without this it is only told what would go.")
@REASON
@common
def erase(options: Common, key: str, reason: str | None, *, messages: bool, yes: bool) -> None:
    """Erase somebody: all records and blobs, for good. What was written until now is not taken again.

    \f
    Raises:
        UsageError: the key is that of somebody of this home, or of the server.
    """

    def shown(item: JsonObject) -> Iterator[str]:
        if not item["erased"]:
            yield f"{item['records']} records and the blobs of this key would be erased. Say --yes to do it."
            return
        freed = text_of(item, "bytes_freed")
        yield f"Erased: {item['records']} records, {item['blobs']} blobs; {freed} bytes are free again."
        notice("Backups of before still hold it: remove them, or keep them until they are too old.")

    more = options.arguments(key=key, reason=reason, messages=messages, confirm=yes)
    tell(options, "admin_erase", more, shown)


@click.command()
@click.option("--by", type=click.Choice(["person", "kind"]), default="person", show_default=True)
@click.option("--limit", type=click.IntRange(0), default=50, show_default=True, help="The largest; 0: all.")
@common
def usage(options: Common, by: str, limit: int) -> None:
    """Show what takes how much room, the largest first."""

    def shown(item: JsonObject) -> Iterator[str]:
        size_bytes, records = int(text_of(item, "bytes")), int(text_of(item, "records"))
        who = f"{text_of(item, 'name')}  {text_of(item, 'key') or text_of(item, 'kind')}".strip()
        blobs = f"  {int(text_of(item, 'blob_bytes')):,} bytes of blobs" if item.get("blobs") else ""
        yield f"{size_bytes:>16,} bytes {records:>12,} records  {who}{blobs}"

    tell(options, "admin_usage", {"by": by, "limit": limit}, shown, "Nothing is stored.")


COMMANDS: Final = (ban, unban, bans, held, approve, hide, drop, remove, erase, usage)
"""In the order in which they are told."""
