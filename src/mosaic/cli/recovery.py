"""`mosaic recovery`: a sheet to print, and the way back from it.

Source: encrypted_secret_key.md; this project's own design, docs/architecture.md "Keys of people".
"""

from __future__ import annotations

import html
import sys
from pathlib import Path

import click

from mosaic.cli.acting import act
from mosaic.cli.groups import Group
from mosaic.cli.new_home import new_home
from mosaic.cli.options import Common, common
from mosaic.cli.output import notice, print_object, say, text_of
from mosaic.cli.unlocking import (
    MasterOptions,
    act_with_master,
    asked,
    dht_option,
    first_line,
    master_file_options,
    password_option,
)
from mosaic.errors import PasswordNeeded, UsageError
from mosaic.node import qr_code
from mosaic.node.control import JsonObject
from mosaic.node.new_file import check_new, write_new

_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Mosaic recovery sheet</title>
<style>@page{{margin:16mm}}
body{{font:11pt/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem;
color:#000;background:#fff}}main{{border:1pt solid #000;border-radius:6pt;padding:14pt 16pt}}pre{{margin:0;
font:9.5pt/1.5 ui-monospace,"DejaVu Sans Mono",Menlo,monospace;white-space:pre-wrap;overflow-wrap:anywhere}}
figure{{margin:12pt 0 0;padding-top:12pt;border-top:1pt solid #999;display:flex;align-items:center;gap:16pt;
break-inside:avoid}}svg{{flex:none;width:5.5cm;height:5.5cm}}
@media print{{body{{margin:0;padding:0;max-width:none}}}}
</style>
<main>
<pre>{text}</pre>
<figure>{code}<figcaption>The master key under your password once more, as QR code.</figcaption></figure>
</main>
</html>
"""


@click.group(cls=Group)
def recovery() -> None:
    """Make a recovery sheet to print, or come back with one.

    \b
    Once you have posted something that you would not like to lose:
      mosaic recovery sheet --html sheet.html
    When every machine is lost:
      mosaic recovery restore sheet.txt
    """


@recovery.command()
@click.option(
    "--html", "page", type=click.Path(path_type=Path), metavar="FILE", help="Write a page to print."
)
@click.option("--text", type=click.Path(path_type=Path), metavar="FILE", help="Write the sheet as text.")
@click.option(
    "--new-password-file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="Holds the sheet's password, in its first line; else it is asked for.",
)
@master_file_options
@common
def sheet(
    options: Common,
    page: Path | None,
    text: Path | None,
    new_password_file: Path | None,
    unlocking: MasterOptions,
) -> None:
    """Make the sheet: your master key under a password of yours, your servers, and what to do.

    It goes to a terminal or into a new file, and nowhere else. Print it, delete
    the file, and keep the password where the sheet is not.

    \f
    Raises:
        UsageError: there is no terminal to show it on, and no file.
        PasswordNeeded: there is no password for it, and nobody to be asked.
        LocalError: a file is there already, or can't be written.
    """
    files = [file for file in (page, text) if file is not None]
    if not files and not sys.stdout.isatty():
        raise UsageError(
            "a recovery sheet is shown on a terminal only",
            hint="Name a new file: --html FILE or --text FILE.",
        )
    for file in files:
        check_new(file)
    given: JsonObject = {"new_password": _new_password(new_password_file)}
    for item in act_with_master(options, "recovery_sheet", {**options.arguments(), **given}, unlocking):
        code = text_of(item, "sealed")
        if page is not None:
            write_new(page, _PAGE.format(text=html.escape(text_of(item, "text")), code=qr_code.svg(code)))
        if text is not None:
            write_new(text, text_of(item, "text"))
        if not files:
            say(text_of(item, "text"))
            say(qr_code.for_terminal(code))
        elif options.as_json:
            print_object({"name": item["name"], "key": item["key"], "weakness": item["weakness"]})
        for file in () if options.as_json else files:
            notice(f"Written to {file}: print it, then delete the file.")
        if item.get("weakness"):
            notice(
                f"The password is easy to guess: {text_of(item, 'weakness')}. Four words or more are better."
            )


@recovery.command()
@click.argument("file")
@click.option("--name", help="What the person is called here; else as the sheet says.")
@click.option("--keep-master", is_flag=True, help="Keep the master key in this home, too.")
@click.option("--offline", is_flag=True, help="Go on though no outbox of yours can be read.")
@dht_option
@password_option
@common
def restore(
    options: Common,
    file: str,
    name: str | None,
    dht: str | None,
    password_file: Path | None,
    *,
    keep_master: bool,
    offline: bool,
) -> None:
    """Come back with the sheet in FILE (- is standard input), on a machine that has nothing of yours.

    Your name, profile, posts and those you follow come from your servers.
    """
    given = options.arguments(name=name, keep_master=keep_master or None)
    unlocking = MasterOptions(file, password_file, offline)
    with new_home(options.home):
        items = act_with_master(options, "recovery_restore", given, unlocking, working=True, dht=dht)
    for item in items:
        if options.as_json:
            print_object(item)
            continue
        say(text_of(item, "key"))
        notice(
            f"{text_of(item, 'name')} is back in {options.home.folder}; records here: {item['records']},"
            f" people followed: {item['followed']}."
        )
        if item.get("note"):
            notice(f"{text_of(item, 'note')}. {text_of(item, 'hint')}")


@recovery.command()
@common
def later(options: Common) -> None:
    """Be asked for a recovery sheet again in a month; the second time, never again."""
    for item in act(options.home, "recovery_later", options.arguments()):
        if options.as_json:
            print_object(item)
        else:
            asked_again = "You are asked again in a month" if item.get("again") else "You are not asked again"
            notice(f"{asked_again}; `mosaic recovery sheet` makes one at any time.")


def _new_password(file: Path | None) -> str:
    if file is not None:
        return first_line(file)
    if not sys.stdin.isatty():
        raise PasswordNeeded(
            "a new password is needed", hint="Name a file that holds it: --new-password-file FILE."
        )
    return asked("New password of the sheet", new=True)
