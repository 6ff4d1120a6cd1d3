"""`mosaic servers`: which servers a person uses, and for what.

Source: bootstrap.md (user bootstraps), network.md (roles).
"""

from __future__ import annotations

import click

from mosaic.cli import moving
from mosaic.cli.acting import act
from mosaic.cli.groups import Group
from mosaic.cli.options import Common, common, server
from mosaic.cli.output import clean, print_object, say, short_bytes, text_of
from mosaic.node.control import JsonObject


@click.group(cls=Group, invoke_without_command=True)
@common
@click.pass_context
def servers(context: click.Context, options: Common) -> None:
    """List the servers that you use; add, remove, or move from one to another.

    Friends read your posts at your outboxes and write to your inboxes. They
    find these in the DHT by your key, so a change needs no word to anybody.
    """
    if context.invoked_subcommand is None:
        for item in act(options.home, "servers", options.arguments()):
            _show(options, item)


@servers.command("list")
@common
def list_servers(options: Common) -> None:
    """Show how the servers do that you use: health, roles, answers, bytes, what is wrong and what to do."""
    _health(options, "servers_health")


@servers.command()
@common
def check(options: Common) -> None:
    """Ask each of your servers now whether it is there, and show how they do."""
    _health(options, "servers_check")


def _health(options: Common, name: str) -> None:
    items = list(act(options.home, name, options.arguments()))
    if options.as_json:
        for item in items:
            print_object(item)
        return
    reached = "last reached"
    say(f"{'health':<9} {'used for':<25} {'answers':>8} {'received':>9} {'sent':>9}  {reached:<20} server")
    for item in items:
        say(_row(item))
    for item in items:
        alarms = item.get("alarms")
        for alarm in alarms if isinstance(alarms, list) else []:
            if isinstance(alarm, dict):
                say()
                say(f"! {text_of(alarm, 'words')}")
                say(f"  {text_of(alarm, 'act')}")


def _row(item: JsonObject) -> str:
    uses, latency = item.get("uses"), item.get("latency_ms")
    what = ", ".join(map(str, uses)) if isinstance(uses, list) else ""
    answers = f"{latency} ms" if latency else "-"
    received, sent = (short_bytes(text_of(item, name)) for name in ("received_bytes", "sent_bytes"))
    reached = "this home" if item.get("mine") else text_of(item, "reached_iso") or "never"
    return (
        f"{text_of(item, 'health'):<9} {what:<25} {answers:>8} {received:>9} {sent:>9}  {reached:<20} "
        f"{text_of(item, 'key')}"
    )


@servers.command()
@server
@common
def info(options: Common, server: str | None, key: str | None) -> None:
    """Show what a server says about itself: roles, limits, rules, contact, proof of work that it asks.

    Without --server and --key: this home's own server.

    \b
    Example:
      mosaic servers info --server mosaictcp://example.org/ --key mosrv0…

    \f
    Raises:
        Refused: it says nothing about itself.
    """
    for item in act(options.home, "server_info", options.arguments(server=server, key=key)):
        if options.as_json:
            print_object(item)
        else:
            _tell(item)


for command in (moving.add, moving.remove, moving.move, moving.moves, moving.resume, moving.cancel):
    servers.add_command(command)

_LINES = (
    ("name", "Name"),
    ("serves", "Serves"),
    ("roles", "Roles"),
    ("inbox", "What strangers sent is read by"),
    ("work", "Proof of work from strangers (bits)"),
    ("limits", "Limits for strangers"),
    ("contact", "Contact"),
    ("terms", "Terms"),
    ("service_url", "Your account"),
    ("rules", "Rules"),
)


def _tell(item: JsonObject) -> None:
    say(f"{text_of(item, 'server')}  (said {text_of(item, 'time_iso')})")
    for field, label in _LINES:
        value = item.get(field)
        if not value:
            continue
        if field == "rules" and isinstance(value, list):
            say(f"{label}:")
            for rule in value:
                say(f"  {clean(str(rule))}")
        elif isinstance(value, dict):
            say(f"{label}: " + ", ".join(f"{clean(name)} {clean(str(each))}" for name, each in value.items()))
        elif isinstance(value, list):
            say(f"{label}: " + ", ".join(clean(str(each)) for each in value))
        else:
            say(f"{label}: {clean(str(value))}")


def _show(options: Common, item: JsonObject) -> None:
    if options.as_json:
        print_object(item)
        return
    uses, urls = item.get("uses"), item.get("urls")
    what = ", ".join(map(str, uses)) if isinstance(uses, list) else ""
    say(f"{text_of(item, 'key')}  {what}{'  (this home)' if item.get('mine') else ''}")
    for url in urls if isinstance(urls, list) else []:
        say(f"  {clean(str(url))}")
