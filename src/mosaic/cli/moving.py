"""`mosaic servers add`, `remove`, `move`: other servers, with all that is yours, and what became of it.

Source: bootstrap.md (user bootstraps), network.md (roles).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import click

from mosaic.cli.acting import act
from mosaic.cli.options import Common, common
from mosaic.cli.output import Exit, clean, notice, print_object, say, text_of
from mosaic.cli.unlocking import (
    MasterOptions,
    asked,
    given_with_master,
    master_file_options,
    naming_the_command,
)
from mosaic.errors import PasswordNeeded
from mosaic.node.control import JsonObject

_Command = TypeVar("_Command", bound=Callable[..., Any])

_STEPS = {
    "copy": "fetching what the former server has",
    "hand_in": "handing in what the new server lacks",
    "swap": "publishing your servers",
    "keep": "published",
    "done": "done",
    "cancelled": "given up",
}


def _going(command: _Command) -> _Command:
    """Adds what every change takes: the master key, `--dht`, `--even-so`, `--unpublished`."""
    options = (
        click.option("--even-so", is_flag=True, help="Go on though some records are refused there."),
        click.option("--unpublished", is_flag=True, help="Go on without a DHT: nobody is told."),
        click.option(
            "--dht", metavar="mainline|HOST:PORT", help="Which DHT to publish in, if the node does not run."
        ),
    )
    for option in options:
        command = option(command)
    return master_file_options(command)


_dry_run = click.option("--dry-run", is_flag=True, help="Change nothing; tell what would be done.")
_url = click.option("--url", metavar="URL", help="Where it listens, if the DHT does not tell.")
_key = click.option("--key", metavar="mosrv0…", help="Its key, if you name it by its URL.")
_invitation = click.option("--invitation", metavar="CODE", help="The code by which its operator lets you in.")


@click.command()
@click.argument("server_key", metavar="SERVER")
@click.option(
    "--use",
    "uses",
    multiple=True,
    type=click.Choice(["outbox", "inbox", "encryption"]),
    help="What for; may be repeated. Everything without it.",
)
@_url
@_key
@_invitation
@_dry_run
@_going
@common
def add(options: Common, server_key: str, unlocking: MasterOptions, **given: Any) -> None:
    """Use one more server: it gets all that you have written, then your followers learn of it.

    SERVER is its key, mosrv0…, its URL with --key, or `here` for this node.

    \b
    Examples:
      mosaic servers add mosrv0…
      mosaic servers add mosrv0… --use outbox --use inbox
      mosaic servers add mosaic://hub.example.org/ --key mosrv0… --invitation CODE
    """
    _run(options, "servers_change", unlocking, new=server_key, **given)


@click.command()
@click.argument("server_key", metavar="SERVER")
@_dry_run
@_going
@common
def remove(options: Common, server_key: str, unlocking: MasterOptions, **given: Any) -> None:
    """Use a server no more: first everything is fetched that only it has.

    The others get what they lack of it. It is still written to and read until
    nobody looks there any more.
    """
    _run(options, "servers_change", unlocking, old=server_key, **given)


@click.command()
@click.argument("old", metavar="OLD")
@click.argument("new", metavar="NEW")
@_url
@_key
@_invitation
@_dry_run
@_going
@common
def move(options: Common, old: str, new: str, unlocking: MasterOptions, **given: Any) -> None:
    """Move from one server to another; followers need do nothing.

    The new one is asked first. Then everything is copied, counted and
    published; the former server is kept until nobody looks there any more.
    It works as well when the former server is gone or has banned you: then
    the copy in this home is taken.

    OLD and NEW are keys, mosrv0…, or `here` for this node; NEW may be a URL with --key.

    \b
    Examples:
      mosaic servers move mosrv0… mosrv0… --dry-run
      mosaic servers move mosrv0… mosaic://hub.example.org/ --key mosrv0… --invitation CODE
    """
    _run(options, "servers_change", unlocking, old=old, new=new, **given)


@click.command()
@common
def moves(options: Common) -> None:
    """List changes of your servers: those under way, and those that are done."""
    for item in act(options.home, "servers_moves", options.arguments()):
        if options.as_json:
            print_object(item)
        else:
            _tell(item)


@click.command()
@click.argument("number", required=False, type=int)
@_going
@common
def resume(options: Common, number: int | None, unlocking: MasterOptions, **given: Any) -> None:
    """Go on with a change of servers that was broken off (a running node does so by itself)."""
    _run(options, "servers_resume", unlocking, number=number, **given)


@click.command()
@click.argument("number", required=False, type=int)
@common
def cancel(options: Common, number: int | None) -> None:
    """Give up a change of servers of which nobody was told yet."""
    for item in act(options.home, "servers_cancel", options.arguments(number=number)):
        if options.as_json:
            print_object(item)
        else:
            say("Given up. Your servers are as they were; what the new one got stays there.")


def _run(options: Common, name: str, unlocking: MasterOptions, **given: Any) -> None:
    given["uses"] = list(given.get("uses", ()))
    arguments = options.arguments(**{key: value for key, value in given.items() if value not in (False, [])})
    last: JsonObject = {}
    with naming_the_command():
        for item in _changes(options, name, arguments, unlocking):
            if options.as_json:
                print_object(item)
            elif item.get("dry_run"):
                _tell_plan(item)
            elif item.get("step") != last.get("step"):
                notice(f"{_STEPS[text_of(item, 'step')]} …")
            last = item
    if last and not options.as_json and not last.get("dry_run"):
        _tell(last)
    if last.get("lacking"):
        sys.exit(Exit.PARTLY)


def _changes(
    options: Common, name: str, arguments: JsonObject, unlocking: MasterOptions
) -> Iterator[JsonObject]:
    """Runs an act, and asks for the master key's password where that is needed."""
    given, begun = given_with_master(arguments, unlocking), None
    try:
        for item in act(options.home, name, given):
            begun = item.get("number")
            yield item
    except PasswordNeeded:
        if not sys.stdin.isatty():
            raise
    else:
        return
    given = {**given, "password": asked("Password of the master key")}
    if begun is not None:
        # It has begun: what was done is done.
        name, given = "servers_resume", {**given, "number": begun}
    yield from act(options.home, name, given)


def _tell_plan(item: JsonObject) -> None:
    servers = item["servers"]
    say("Nothing was changed. Afterwards your servers would be:")
    for server in servers if isinstance(servers, list) else []:
        if isinstance(server, dict):
            uses = server["uses"]
            say(f"  {server['key']}  {', '.join(map(str, uses)) if isinstance(uses, list) else ''}")
    say(f"To be fetched: {item['to_fetch']:,} records; to be handed in: {item['to_hand_in']:,}.")
    for problem in ("old_problem", "new_problem"):
        if item[problem]:
            notice(clean(str(item[problem])))


def _tell(item: JsonObject) -> None:
    old, new, step = item["old"], item["new"], text_of(item, "step")
    what = f"{old} → {new}" if old and new else f"+ {new}" if new else f"- {old}"
    say(f"{item['number']}: {what}  ({_STEPS[step]})")
    say(f"  {item['fetched']:,} records fetched; {item['handed']:,} of yours are there by now.")
    if item["lacking"]:
        say(f"  {item['lacking']:,} were refused there; they are in this home.")
    if item["note"]:
        say(f"  {clean(text_of(item, 'note'))}")
    if step == "keep":
        until = text_of(item, "until_iso")
        say(f"  Your followers find you without doing anything. Keep the former server until {until},")
        say("  and let this node run meanwhile: it still reads there and writes there.")
