"""Commands to pass on where somebody is, and to find out: invite, find.

Source: bootstrap.md, human_encodings.md; this project's own design,
docs/architecture.md "People find each other".
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from mosaic.cli.acting import act
from mosaic.cli.options import Common, common
from mosaic.cli.output import notice, print_object, say, text_of
from mosaic.errors import LocalError
from mosaic.node import qr_code
from mosaic.node.control import JsonObject

_ROLES = {"outboxes": "outbox", "inboxes": "inbox", "encryption": "encryption"}


@click.command()
@click.option("--qr/--no-qr", default=None, help="Show it as a QR code, too; without either on a terminal.")
@click.option(
    "--svg", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write the QR code there."
)
@click.option("--look-only", is_flag=True, help="Invite to look, not to follow.")
@common
def invite(options: Common, *, qr: bool | None, svg: Path | None, look_only: bool) -> None:
    """Print your invite link, by which others find and follow you.

    It holds your key and where to look first: the servers that you publish on.
    Whoever opens it needs nothing else, also where the DHT can't be reached.
    Nothing in it is secret.

    \b
    Examples:
      mosaic invite
      mosaic invite --svg me.svg

    \f
    Raises:
        LocalError: the file can't be written.
    """
    for item in act(options.home, "invite", options.arguments(look_only=look_only)):
        link = str(item["link"])
        if svg is not None:
            _write(svg, link)
        if options.as_json:
            print_object(item)
            continue
        say(link)
        if qr or (qr is None and sys.stdout.isatty()):
            say(qr_code.for_terminal(link))
        if item.get("missing"):
            notice(text_of(item, "missing"))


def _write(file: Path, link: str) -> None:
    try:
        file.write_text(qr_code.svg(link, alone=True), encoding="utf-8")
    except OSError as error:
        raise LocalError(
            f"{file} can't be written: {error.strerror}", hint="Name a file in a folder of yours."
        ) from error


@click.command()
@click.argument("key")
@click.option("--fresh", is_flag=True, help="Ask, although the answer is known.")
@common
def find(options: Common, key: str, *, fresh: bool) -> None:
    """Tell which servers somebody uses, or where a server is.

    KEY is mopub0…, mosrv0…, a key without its prefix or an invite link. What is
    known is told at once; else the DHT and servers are asked (with a running
    node), and only what the key itself has signed counts.
    """
    for item in act(options.home, "resolve", options.arguments(key=key, fresh=fresh)):
        if options.as_json:
            print_object(item)
            continue
        for name, role in _ROLES.items():
            servers = item.get(name)
            for server in servers if isinstance(servers, list) else []:
                if isinstance(server, dict):
                    say(f"{role}  {_shown(server)}")
        urls = item.get("urls")
        for url in urls if isinstance(urls, list) else []:
            say(f"server  {text_of({'url': url}, 'url')}")


def _shown(server: JsonObject) -> str:
    urls = server.get("urls")
    known = " ".join(text_of({"url": url}, "url") for url in urls) if isinstance(urls, list) else ""
    return f"{text_of(server, 'key')}  {known or 'where it listens is not known'}"
