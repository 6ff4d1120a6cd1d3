"""`mosaic pair`: a second device of yours, with your keys for messages, those you follow and your history.

What to do when is in the page `keys` of the documentation.

Source: identity.md, keyschedule.md; this project's own design, docs/architecture.md "Keys of people".
"""

from __future__ import annotations

import sys

import click

from mosaic.cli.acting import Conversation
from mosaic.cli.groups import Group
from mosaic.cli.new_home import new_home
from mosaic.cli.options import Common, common
from mosaic.cli.output import clean, notice, print_object, say, text_of
from mosaic.cli.unlocking import (
    MasterOptions,
    asked,
    given_with_master,
    master_file_options,
    naming_the_command,
)
from mosaic.core.pairing import PairingCode
from mosaic.errors import PasswordNeeded, UsageError
from mosaic.node import qr_code
from mosaic.node.control import JsonObject

_LONGEST_CODE = 4_096

_TOLD = {
    "agreed": "Waiting until the other device says the same …",
    "handing over": "Handing over …",
    "testing": "Sending a test message, and reading one back …",
    "history": "Fetching your posts …",
}


@click.group(cls=Group, invoke_without_command=True)
@click.option("--qr/--no-qr", default=None, help="Show the code as QR, too; without either on a terminal.")
@master_file_options
@common
@click.pass_context
def pair(context: click.Context, options: Common, *, qr: bool | None, unlocking: MasterOptions) -> None:
    """Pair a second device of yours with this one.

    Shows a code that holds for ten minutes and for one device. Both devices
    then show six digits: only if they are the same is anything handed over.
    The new device gets a key of its own, the keys that open your messages,
    those you follow, and your posts; the master key stays where it is.

    \b
    On the device that you have:   mosaic pair
    On the new one:                mosaic pair join

    This node has to run where the new device reaches it, or one of your servers does.
    """
    if context.invoked_subcommand is not None:
        return
    shows = sys.stdout.isatty() if qr is None else qr
    _converse(options, "pair", given_with_master(options.arguments(), unlocking), shows=shows)


@pair.command()
@click.argument("code", required=False, metavar="[-]")
@click.option("--label", help="What you call this device; else its name in the network.")
@common
def join(options: Common, code: str | None, label: str | None) -> None:
    """Join by the code that your other device shows. It is asked for, or read from standard input.

    The code is a secret for ten minutes, so it does not go on the command line.

    \b
    Example:
      mosaic pair join

    \f
    Raises:
        UsageError: the code stands on the command line.
        InvalidText: it is none.
    """
    if code not in {None, "-"}:
        raise UsageError(
            "a code on the command line can be read by everybody on this machine, so it is not used",
            hint="Say `mosaic pair join`, and enter a new code when asked; `mosaic pair` shows one.",
        )
    asks = code is None and sys.stdin.isatty()
    code = asked("Code (mosaic:…)") if asks else sys.stdin.readline(_LONGEST_CODE)
    PairingCode.parse(code)  # nothing is made for a code that is none
    with new_home(options.home):
        _converse(options, "pair_join", options.arguments(code=code, label=label), shows=False)


# --- inside ----------------------------------------------------------------------------------------------


def _converse(options: Common, name: str, given: JsonObject, *, shows: bool) -> None:
    with naming_the_command(), Conversation(options.home, working=True) as conversation:
        try:
            _follow(options, conversation, name, given, shows=shows)
        except PasswordNeeded:
            if not sys.stdin.isatty():
                raise
            given = {**given, "password": asked("Password of the master key")}
            _follow(options, conversation, name, given, shows=shows)


def _follow(
    options: Common, conversation: Conversation, name: str, given: JsonObject, *, shows: bool
) -> None:
    for item in conversation.act(name, given):
        if options.as_json:
            print_object(item)
        else:
            _tell(item, shows=shows, new=name == "pair_join")
        if item.get("state") == "compare":
            same = _same(item)
            for _ in conversation.act("pair_agree", {"same": same}):
                pass


def _tell(item: JsonObject, *, shows: bool, new: bool) -> None:
    state = text_of(item, "state")
    if state == "waiting" and item.get("code"):
        if shows:
            say(qr_code.for_terminal(text_of(item, "code")))
        say(text_of(item, "code"))
        notice("Give this code to the new device within ten minutes, and to nobody else:")
        notice("  mosaic pair join")
    elif state == "waiting" and new:
        notice("Asking the other device …")
    elif state == "ready":
        if item.get("note"):
            notice(f"{clean(text_of(item, 'note'))}. {clean(text_of(item, 'hint'))}")
        fetched = f"; {item['records']} records are here" if item.get("records") else ""
        say(f"Ready: {clean(text_of(item, 'other'))} · {text_of(item, 'device')}{fetched}")
    elif state in _TOLD and not (state == "history" and item.get("records")):
        notice(_TOLD[state])


def _same(item: JsonObject) -> bool:
    """Whether a person finds the digits to be the same on both devices."""
    number = text_of(item, "number")
    click.echo(f"{clean(text_of(item, 'other'))}: {number[:3]} {number[3:]}", err=True)
    return click.confirm("Does the other device show the same digits?", default=False, err=True)
