"""`mosaic key`: devices, encryption keys, personas, and the master key behind them.

What to do when is in the page `keys` of the documentation.

Source: identity.md, keyschedule.md.
"""

from __future__ import annotations

import secrets
import sys
from pathlib import Path

import click

from mosaic.cli.acting import act
from mosaic.cli.groups import Group
from mosaic.cli.new_home import new_home
from mosaic.cli.options import Common, common
from mosaic.cli.output import clean, notice, print_object, say, shown_deliveries, text_of
from mosaic.cli.unlocking import (
    MasterOptions,
    act_with_master,
    asked,
    dht_option,
    first_line,
    master_file_options,
    master_options,
    password_option,
)
from mosaic.core.keys import SecretKey
from mosaic.errors import PasswordNeeded
from mosaic.node.control import JsonObject

_new_password_option = click.option(
    "--new-password-file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="Holds the new password, in its first line; else it is asked for.",
)


@click.group(cls=Group)
def key() -> None:
    """List your keys, add and revoke some; take the master key off this machine.

    \b
    Has a device been stolen?
      mosaic key list
      mosaic key revoke KEY --since 2h
    """


@key.command("new")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def key_new(*, as_json: bool) -> None:
    """Print a new secret key and its public key; nothing is stored.

    Who has the secret (mosec0…) is the person: keep it off screens and logs.
    """
    secret = SecretKey.generate(secrets.token_bytes(32))
    if as_json:
        print_object({"secret": secret.text, "key": secret.public.user_text})
        return
    say(secret.text)
    say(secret.public.user_text)


@key.command("list")
@common
def key_list(options: Common) -> None:
    """List the people of this home and all their keys."""
    for item in act(options.home, "keys", options.arguments()):
        _show(options, item)
        if not options.as_json:
            for line in _texts(item, "advice"):
                notice(f"  {line}")


@key.command()
@click.argument("file")
@click.option("--name", required=True, help="What the person is called here.")
@click.option("--server", metavar="mosrv0…", help="An outbox of the person's, if the DHT does not tell.")
@click.option("--url", metavar="URL", help="Where it listens.")
@click.option("--keep-master", is_flag=True, help="Keep the master key in this home, too.")
@click.option("--offline", is_flag=True, help="Go on though no outbox of yours can be read.")
@dht_option
@password_option
@common
def join(
    options: Common,
    file: str,
    name: str,
    server: str | None,
    url: str | None,
    dht: str | None,
    password_file: Path | None,
    *,
    keep_master: bool,
    offline: bool,
) -> None:
    """Come to live in this home with the master key in FILE, which others' key schedules name.

    After a laptop was stolen or lost: this machine gets keys of its own, and
    can revoke those of the laptop.

    \b
    Example:
      mosaic key join /media/stick/anna.key --name anna
      mosaic key revoke mopub0yb… --since 2d --master /media/stick/anna.key
    """
    given = options.arguments(name=name, server_key=server, url=url, keep_master=keep_master or None)
    unlocking = MasterOptions(file, password_file, offline)
    # Who names an outbox needs no DHT to find one.
    where = dht if dht or server is None else "off"
    with new_home(options.home):
        items = act_with_master(options, "join", given, unlocking, working=True, dht=where)
    for item in items:
        if options.as_json:
            print_object(item)
            continue
        say(text_of(item, "key"))
        notice(f"{name} lives in the home at {options.home.folder}; this machine has keys of its own now.")
        notice(f"{item['records']} records are here, {item['followed']} people are followed.")
        if item.get("note"):
            notice(f"{text_of(item, 'note')}. {text_of(item, 'hint')}")
        for line in shown_deliveries({**item, "working": True}):
            notice(line)


@key.command()
@click.argument("use", type=click.Choice(["encryption", "device"]))
@click.option("--label", help="What you call it.")
@click.option("--attestation", metavar="HEX", help="What a device's key has signed, 272 digits.")
@master_options
@common
def add(
    options: Common, use: str, label: str | None, attestation: str | None, unlocking: MasterOptions
) -> None:
    """Add one more key, to encrypt to or of another device."""
    _edit(options, "key_add", unlocking, use=use, label=label, attestation=attestation)


@key.command()
@click.argument("what", type=click.Choice(["device", "encryption"]), default="device")
@master_options
@common
def roll(options: Common, what: str, unlocking: MasterOptions) -> None:
    """Put a new key in the place of this machine's, or of all that messages are encrypted to.

    What the former ones signed stays valid; what was encrypted to them stays readable here.
    """
    _edit(options, "key_roll", unlocking, what=what)


@key.command()
@click.argument("which", metavar="KEY")
@master_options
@common
def retire(options: Common, which: str, unlocking: MasterOptions) -> None:
    """Take a key out of use; what it signed stays valid.

    For a device that you give up. One that was stolen is revoked instead.
    """
    _edit(options, "key_retire", unlocking, key=which)


@key.command()
@click.argument("which", metavar="KEY")
@click.option(
    "--since", metavar="TIME", help="Since when it is not yours any more: 2h, 1d, ISO 8601. Or now."
)
@click.option("--all", "everything", is_flag=True, help="Make everything invalid that it ever signed.")
@click.option(
    "--keep-encryption", is_flag=True, help="Do not replace the keys that messages are encrypted to."
)
@click.option("--keep-personas", is_flag=True, help="Leave personas as they are: that device had none.")
@master_options
@common
def revoke(
    options: Common,
    which: str,
    since: str | None,
    unlocking: MasterOptions,
    *,
    everything: bool,
    keep_encryption: bool,
    keep_personas: bool,
) -> None:
    """Take a key away from whoever has it now.

    What it signed before, and this home has received by then, stays valid; all
    that it signs, or signed, after that time is invalid for every reader.
    A device may have the keys of your personas, too: these go with it.

    \b
    Examples:
      mosaic key revoke laptop
      mosaic key revoke mopub0yb… --since 2h
      mosaic key revoke laptop --all --master /media/stick/anna.key
    """
    given: JsonObject = {
        "all": everything or None,
        "keep_encryption": keep_encryption or None,
        "keep_personas": keep_personas or None,
    }
    item = _edit(options, "key_revoke", unlocking, key=which, since=since, **given)
    if not options.as_json:
        notice(f"Revoked: {text_of(item, 'revoked')}")
        for persona in _texts(item, "personas"):
            notice(f"With it went the persona {clean(persona)}: `mosaic key persona add` makes a new one.")
        for other in _texts(item, "unknown"):
            notice(f"Still yours, and not known here: {other}. Was it on that device? Then revoke it, too.")
        notice(f"{text_of(item, 'vouched')} of its records stay valid, {text_of(item, 'invalid')} do not.")


@key.command()
@master_options
@common
def merge(options: Common, unlocking: MasterOptions) -> None:
    """Join what several devices changed about the keys at the same time."""
    _edit(options, "key_merge", unlocking)


@key.group()
def persona() -> None:
    """Speak under one name with several voices, which readers follow one by one."""


@persona.command("add")
@click.argument("label")
@master_options
@common
def persona_add(options: Common, label: str, unlocking: MasterOptions) -> None:
    """Make a persona; LABEL is what you call it, others see its key.

    \b
    Example:
      mosaic key persona add baking
      mosaic post --persona baking "Rye needs time."
    """
    item = _edit(options, "persona_add", unlocking, label=label)
    if not options.as_json:
        notice(f"Readers follow it with: mosaic follow {text_of(item, 'key')} --persona {item['persona']}")


@key.group()
def nostr() -> None:
    """Say which nostr key is yours."""


@nostr.command("add")
@click.option("--label", help="What you call it.")
@master_options
@common
def nostr_add(options: Common, label: str | None, unlocking: MasterOptions) -> None:
    """Attest a nostr key: its secret (nsec1…) is asked for or read from standard input, and not kept."""
    secret = asked("Secret key of nostr (nsec1…)") if sys.stdin.isatty() else sys.stdin.readline()
    _edit(options, "nostr_add", unlocking, secret=secret.strip(), label=label)


@key.group()
def master() -> None:
    """Keep the master key where no thief of this machine finds it."""


@master.command("export")
@click.argument("file", type=click.Path(path_type=Path))
@_new_password_option
@master_file_options
@common
def master_export(
    options: Common, file: Path, new_password_file: Path | None, unlocking: MasterOptions
) -> None:
    """Write the master key, under a password of yours, into a new file.

    Who has file and password is you; without one of them nobody is. Put the
    file on a stick or two, and the password where it is not.

    \b
    Example:
      mosaic key master export /media/stick/anna.key

    \f
    Raises:
        PasswordNeeded: there is no new password, and nobody to be asked for it.
    """
    given: JsonObject = {"path": str(file.absolute()), "new_password": _new_password(new_password_file)}
    for item in act_with_master(options, "master_export", {**options.arguments(), **given}, unlocking):
        _tell_master(options, item, f"Written to {file}, and opened again to be sure.")


@master.command("forget")
@click.argument("file")
@password_option
@common
def master_forget(options: Common, file: str, password_file: Path | None) -> None:
    """Take the master key off this machine, once FILE has been seen to hold it."""
    unlocking = MasterOptions(file, password_file)
    for item in act_with_master(options, "master_forget", options.arguments(), unlocking):
        _tell_master(options, item, "The master key is not on this machine any more.")
        if not options.as_json:
            notice("Backups that were made before still hold it: make a new one, and delete them.")


@master.command("import")
@click.argument("file")
@password_option
@common
def master_import(options: Common, file: str, password_file: Path | None) -> None:
    """Bring the master key back from FILE into this home."""
    unlocking = MasterOptions(file, password_file)
    for item in act_with_master(options, "master_import", options.arguments(), unlocking):
        _tell_master(options, item, "The master key is in this home again.")


@master.command("lock")
@_new_password_option
@master_file_options
@common
def master_lock(options: Common, new_password_file: Path | None, unlocking: MasterOptions) -> None:
    """Keep the master key in this home, under a password that only you know.

    \f
    Raises:
        PasswordNeeded: there is no new password, and nobody to be asked for it.
    """
    given: JsonObject = {"new_password": _new_password(new_password_file)}
    for item in act_with_master(options, "master_lock", {**options.arguments(), **given}, unlocking):
        _tell_master(options, item, "The master key opens with your password alone.")


# --- inside ----------------------------------------------------------------------------------------------


def _edit(options: Common, name: str, unlocking: MasterOptions, **given: object) -> JsonObject:
    (item,) = act_with_master(options, name, options.arguments(**given), unlocking)
    _show(options, item)
    if not options.as_json:
        if not item.get("changed"):
            notice("Nothing was to be changed.")
        for line in shown_deliveries(item):
            notice(line)
        for server in _texts(item, "unread"):
            notice(f"  could not be read before: {clean(server)}")
    return item


def _show(options: Common, item: JsonObject) -> None:
    if options.as_json:
        print_object(item)
        return
    say(f"{text_of(item, 'key')}  {text_of(item, 'name')}")
    keys = item.get("keys")
    for each in keys if isinstance(keys, list) else []:
        if isinstance(each, dict):
            say(f"  {text_of(each, 'use'):<10}  {text_of(each, 'key')}")
            say(f"{'':<14}{_standing(each)}")


def _standing(each: JsonObject) -> str:
    """What a key is called, where it is, how it stands, and when it was used last as far as is known."""
    state = text_of(each, "state")
    if each.get("since_iso") and each.get("state") != "active":
        state += f"{'' if state.endswith('since') else ' since'} {_minute(each, 'since_iso')}"
    used = f"last used {_minute(each, 'used_iso')}" if each.get("used_iso") else ""
    here = "this machine" if each.get("current") else ""
    return ", ".join(filter(None, (text_of(each, "label"), here, state, used)))


def _minute(each: JsonObject, name: str) -> str:
    """A time to the minute."""
    return f"{text_of(each, name)[:16].replace('T', ' ')} UTC"


def _texts(item: JsonObject, name: str) -> list[str]:
    values = item.get(name)
    return [str(value) for value in values] if isinstance(values, list) else []


def _tell_master(options: Common, item: JsonObject, words: str) -> None:
    if options.as_json:
        print_object(item)
    else:
        say(words)


def _new_password(file: Path | None) -> str:
    if file is not None:
        return first_line(file)
    if not sys.stdin.isatty():
        raise PasswordNeeded(
            "a new password is needed", hint="Name a file that holds it: --new-password-file FILE."
        )
    return asked("New password of the master key", new=True)
