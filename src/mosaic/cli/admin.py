"""`mosaic admin`: what an operator does to a server, over the node's socket or in the home itself.

Source: network.md (roles, people served); this project's own design, docs/architecture.md "Operations".
"""

from __future__ import annotations

from collections.abc import Iterator

import click

from mosaic.cli import moderating
from mosaic.cli.groups import Group
from mosaic.cli.options import Common, common
from mosaic.cli.output import clean, notice, text_of
from mosaic.cli.telling import REASON, UNTIL, parsed_ns, tell, word
from mosaic.errors import HomeDamaged
from mosaic.node.control import Json, JsonObject
from mosaic.node.setting_values import size


class _InOrder(Group):
    """Commands in the order in which they are added."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """All names."""
        return list(self.commands)


@click.group(cls=_InOrder)
def admin() -> None:
    """Run a server: whom it serves, bans, what waits for approval, its log.

    Works while the node runs and while it does not. What changes something is
    first written down as a signed record: `mosaic admin log` shows them.
    """


# --- whom the server serves ------------------------------------------------------------------------


@admin.command()
@click.argument("key", metavar="mopub0…")
@click.option("--note", metavar="TEXT", help="Who that is, for you.")
@UNTIL
@click.option("--blob-bytes", metavar="SIZE", help="How much the person's blobs may take: 5 GB.")
@REASON
@common
def serve(
    options: Common, key: str, note: str | None, until: str | None, blob_bytes: str | None, reason: str | None
) -> None:
    """Serve somebody: take what the person publishes, and what others send.

    \b
    Examples:
      mosaic admin serve mopub0…  --note "Anna from the choir"
      mosaic admin serve mopub0…  --until 30d --blob-bytes "5 GB"

    \f
    Raises:
        UsageError: an option is none.
    """
    more = options.arguments(key=key, note=note, until=until, reason=reason, blob_bytes=_size(blob_bytes))

    def shown(item: JsonObject) -> Iterator[str]:
        yield f"{'Serves' if item['new'] else 'Serves already, with what you said:'} {text_of(item, 'key')}"
        if item["who"] == "home":
            notice("The server's roles hold for those who are listed, whatever [serves] says.")

    tell(options, "admin_serve", more, shown)


@admin.command()
@click.argument("key", metavar="mopub0…")
@REASON
@common
def unserve(options: Common, key: str, reason: str | None) -> None:
    """Serve somebody no longer. What the person wrote stays until you remove it."""
    tell(
        options,
        "admin_unserve",
        options.arguments(key=key, reason=reason),
        lambda item: iter((f"No longer on the list: {text_of(item, 'key')}",)),
    )


@admin.command()
@common
def served(options: Common) -> None:
    """Show whom the server serves: who lives in the home, then who is on the list."""

    def shown(item: JsonObject) -> Iterator[str]:
        end = f", until {text_of(item, 'until')[:10]}" if item.get("until") else ""
        yield f"{text_of(item, 'key')}  {text_of(item, 'note')} ({text_of(item, 'by')}{end})"

    tell(options, "admin_served", {}, shown, "Nobody.")


@admin.command()
@common
def kept(options: Common) -> None:
    """Show whose bootstraps the server keeps alive in the DHT, and since when each stands."""

    def shown(item: JsonObject) -> Iterator[str]:
        last = f", last at {text_of(item, 'published')[:16]}" if item.get("published") else ""
        yield f"{text_of(item, 'key')}  {text_of(item, 'detail')}{last}"

    tell(options, "admin_kept", {}, shown, "Nobody's: people on the list are meant, `mosaic admin serve`.")


@admin.command()
@click.option("--uses", type=click.IntRange(1), default=1, show_default=True, help="For how many people.")
@UNTIL
@click.option("--note", metavar="TEXT", help="Whom it is for, for you.")
@REASON
@common
def invite(options: Common, uses: int, until: str | None, note: str | None, reason: str | None) -> None:
    """Make a code by which somebody comes on the list by himself. It is shown once.

    \f
    Raises:
        UsageError: the server takes nobody by invitation.
    """

    def shown(item: JsonObject) -> Iterator[str]:
        yield text_of(item, "code")
        notice(f"Good for {item['uses']}. It is not kept here: give it on now.")

    tell(options, "admin_invite", options.arguments(uses=uses, until=until, note=note, reason=reason), shown)


@admin.command()
@common
def invitations(options: Common) -> None:
    """Show which invitations are open."""

    def shown(item: JsonObject) -> Iterator[str]:
        end = f", until {text_of(item, 'until')[:10]}" if item.get("until") else ""
        yield f"{text_of(item, 'time_iso')[:10]}  for {item['uses']}{end}  {text_of(item, 'note')}"

    tell(options, "admin_invitations", {}, shown, "None.")


for command in moderating.COMMANDS:
    admin.add_command(command)


# --- the node itself -----------------------------------------------------------------------------


@admin.command()
@common
def reload(options: Common) -> None:
    """Let the running node read its settings again, and tell what changes.

    \f
    Raises:
        SettingsInvalid: something in them is wrong; all stays as it was.
        UsageError: no node runs.
    """

    def shown(item: JsonObject) -> Iterator[str]:
        taken, restart = _list(item.get("taken")), _list(item.get("restart"))
        yield from (f"holds now: {path}" for path in taken)
        yield from (f"holds after a restart: {path}" for path in restart)
        if not taken and not restart:
            yield "Nothing has changed since the file was last read; what changes there is noticed by itself."

    tell(options, "admin_reload", {}, shown)


@admin.command()
@click.option("--for", "wait", metavar="DURATION", help="How long peers may read their last answers: 10s.")
@REASON
@common
def drain(options: Common, wait: str | None, reason: str | None) -> None:
    """Stop the running node in order: answer what has come, tell clients that it comes back.

    \f
    Raises:
        UsageError: no node runs, or the duration is none.
    """
    seconds = None if wait is None else parsed_ns(wait) // 10**9
    tell(
        options,
        "admin_drain",
        options.arguments(seconds=seconds, reason=reason),
        lambda item: iter((f"Stopping; {item['links']} links are told.",)),
    )


@admin.command()
@click.option(
    "--limit", type=click.IntRange(0), default=50, show_default=True, help="The newest so many; 0: all."
)
@click.option("--verify", is_flag=True, help="Check each signature again, and that no act is missing.")
@common
def log(options: Common, limit: int, *, verify: bool) -> None:
    """Show what moderators did, newest first: signed records, each of which names the one before it.

    \f
    Raises:
        HomeDamaged: with --verify, one of them is not what was signed, or is missing.
    """

    def shown(item: JsonObject) -> Iterator[str]:
        details = item.get("arguments")
        words = " ".join(
            f"{clean(name)}={word(value)}"
            for name, value in (details if isinstance(details, dict) else {}).items()
            if value is not None and value != ""
        )
        why = f"  ({text_of(item, 'reason')})" if item.get("reason") else ""
        fault = f"  NOT VALID: {text_of(item, 'fault')}" if item.get("fault") else ""
        note = f"  [{text_of(item, 'note')}]" if item.get("note") else ""
        when = text_of(item, "time_iso")[:19].replace("T", " ")
        if not item.get("signer"):
            yield f"{when}  MISSING: an act was done that is not here, {text_of(item, 'id')}"
            return
        yield f"{when}  {text_of(item, 'by')}: {text_of(item, 'act')} {words}{why}{note}{fault}"

    more: JsonObject = {"limit": limit, "verify": verify}
    told = tell(options, "admin_log", more, shown, "Nothing has been done yet.")
    faults = sum(bool(item.get("fault")) for item in told)
    if verify and faults:
        raise HomeDamaged(
            f"{faults} acts of the log are not valid or missing",
            hint="Compare with a backup: mosaic restore.",
        )


@admin.command()
@click.option(
    "--limit", type=click.IntRange(0), default=100, show_default=True, help="The newest so many; 0: all."
)
@common
def reports(options: Common, limit: int) -> None:
    """Show what people reported to this server's moderators, newest first."""

    def shown(item: JsonObject) -> Iterator[str]:
        yield f"{text_of(item, 'time_iso')[:19].replace('T', ' ')}  by {text_of(item, 'author')}"
        tags = item.get("tags")
        for tag in tags if isinstance(tags, list) else []:
            if isinstance(tag, dict):
                yield f"  tag {tag.get('type')}: {text_of(tag, 'value')}"
        yield f"  {text_of(item, 'text') or text_of(item, 'payload')}"
        yield f"  {text_of(item, 'id')}"

    tell(options, "admin_reports", {"limit": limit}, shown, "Nobody has reported anything.")


# --- words -----------------------------------------------------------------------------------------


def _size(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        return size(int(text) if text.isdigit() else text)
    except ValueError as error:
        raise click.BadParameter(f"{text!r} {error}") from error


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []
