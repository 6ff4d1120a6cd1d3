"""`mosaic test-server`: examines any Mosaic server, check by check.

Source: this project's own design, docs/architecture.md "A server is examined".
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from mosaic.cli.output import clean, print_object, say
from mosaic.core import encrypted_secret_key
from mosaic.core.keys import PublicKey, SecretKey
from mosaic.core.url import Scheme, ServerUrl
from mosaic.errors import UsageError
from mosaic.node.clock import Clock
from mosaic.node.control import JsonObject
from mosaic.testing.exam import Check, Examinee, Finding, Need, Outcome, chosen, examine
from mosaic.transport.transport import Transport

_TRANSPORTS: Final = {
    Scheme.TCP: Transport.TCP,
    Scheme.QUIC: Transport.QUIC,
    Scheme.WEBSOCKET: Transport.WS,
}
_SCHEMES: Final = {transport: scheme for scheme, transport in _TRANSPORTS.items()}
_SECRET: Final = re.compile(r"\bmo(?:crypt)?sec0\w+")
_NAMES_A_FILE: Final = "MOSAIC_PASSWORD_FILE"
_ROLES: Final = {
    "outbox": Need.OUTBOX,
    "inbox": Need.INBOX,
    "encryption": Need.ENCRYPTION,
    "chat": Need.CHAT,
    "dht": Need.DHT,
    "sync": Need.SYNC,
    "blobs": Need.BLOBS,
    "info": Need.INFO,
    "withhold": Need.WITHHOLD,
    "browser": Need.BROWSER,
    "strangers": Need.STRANGERS,
}
_ORDER: Final = (Outcome.PASSED, Outcome.FAILED, Outcome.NOT_RUN, Outcome.OPEN)


@click.command("test-server")
@click.argument("urls", metavar="URL…", nargs=-1)
@click.option("--key", metavar="mosrv0…", help="The key that the server has to prove.")
@click.option(
    "--member",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Holds the secret key (mosec0 or mocryptsec0) of somebody whom the server serves.",
)
@click.option("--only", multiple=True, metavar="NAME", help="Only this check or group; may be given again.")
@click.option(
    "--without",
    multiple=True,
    type=click.Choice(sorted(_ROLES)),
    help="Leave out what this server is not: a role, an extension, or (strangers) one that serves only some.",
)
@click.option("--list", "listed", is_flag=True, help="Print the checks and make none.")
@click.option("--transport", metavar="tcp,quic,ws", help="Over which transports; else those of the URLs.")
@click.option(
    "--at-a-time", type=click.IntRange(1, 64), default=8, show_default=True, help="Checks side by side."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
def test_server(
    urls: tuple[str, ...],
    key: str | None,
    member: Path | None,
    only: tuple[str, ...],
    without: tuple[str, ...],
    *,
    listed: bool,
    transport: str | None,
    at_a_time: int,
    as_json: bool,
) -> None:
    """Examine a Mosaic server: does it keep the protocol's rules?

    Every check is made over each transport, as somebody without a key, as a
    stranger and, with --member, as a person whom the server serves and to whom
    others write. What the member stores is deleted at the end. The last line is
    a summary; the exit code is 0 when every check was made and none failed.

    \b
    Examples:
      mosaic test-server mosaictcp://203.0.113.5/ --key mosrv0… --member key.txt
      mosaic test-server mosaic://127.0.0.1:1320/ mosaicwss://127.0.0.1:1321/ --key mosrv0…
      mosaic test-server --list

    \f
    Raises:
        UsageError: no URL or key, or names that belong to no check or transport.
        InvalidUrl: a URL is none.
        InvalidText: the key is none.
        WrongPassword: the member's key is encrypted with another one.
        Unreachable: nobody answers there.
    """
    left_out = Need.NOTHING
    for role in without:
        left_out |= _ROLES[role]
    checks = [check for check in chosen(only) if not check.needs & left_out]
    if listed:
        for check in checks:
            _print_check(check, as_json=as_json)
        return
    if not urls or key is None:
        raise UsageError(
            "which server is to be examined?", hint="Say `mosaic test-server URL --key mosrv0…`."
        )
    addresses = _addresses([ServerUrl.parse(url) for url in urls], transport)
    examinee = Examinee(PublicKey.parse_server(key), addresses, Clock().now_ns)
    secret = None if member is None else _read_secret(member)
    sums = asyncio.run(_examine(examinee, checks, secret, at_a_time, as_json=as_json))
    if as_json:
        print_object({outcome.value: sums[outcome] for outcome in _ORDER})
    else:
        say(", ".join(f"{sums[outcome]} {outcome.value}" for outcome in _ORDER))
    sys.exit(1 if sums[Outcome.FAILED] or sums[Outcome.NOT_RUN] or not sums else 0)


async def _examine(
    examinee: Examinee, checks: Sequence[Check], secret: SecretKey | None, at_a_time: int, *, as_json: bool
) -> Counter[Outcome]:
    sums: Counter[Outcome] = Counter()
    async for finding in examine(examinee, checks, secret, at_a_time=at_a_time):
        sums[finding.outcome] += 1
        if as_json:
            print_object(_object(finding))
        else:
            _tell(finding)
    return sums


def _tell(finding: Finding) -> None:
    say(f"{finding.outcome.value:8} {finding.transport.value:4} {finding.check.name}")
    if finding.outcome is not Outcome.PASSED:
        say(f"         {clean(finding.detail)}")
    if finding.outcome is Outcome.FAILED:
        say(f"         rule: {finding.check.rule} ({finding.check.source})")


def _object(finding: Finding) -> JsonObject:
    return {
        **_check_object(finding.check),
        "transport": finding.transport.value,
        "outcome": finding.outcome.value,
        "detail": finding.detail,
        "millis": finding.millis,
    }


def _check_object(check: Check) -> JsonObject:
    return {
        "check": check.name,
        "claims": list(check.claims),
        "rule": check.rule,
        "source": check.source,
        "as": check.who.value,
        "needs": [need.name.lower() for need in check.needs if need.name],
    }


def _print_check(check: Check, *, as_json: bool) -> None:
    if as_json:
        print_object(_check_object(check))
    else:
        say(f"{check.name} [{' '.join(check.claims)}] as {check.who.value}")
        say(f"    {check.rule} ({check.source})")


def _addresses(urls: Sequence[ServerUrl], transports: str | None) -> dict[Transport, tuple[str, int]]:
    """Where each transport is tried: where a URL says, else at the port of its nearest relative."""
    given = {_TRANSPORTS[url.scheme]: (url.host, url.port) for url in urls}
    if transports is None:
        return given
    try:
        wanted = [Transport(name.strip()) for name in transports.split(",")]
    except ValueError:
        raise UsageError(
            f"{transports} are no transports", hint="Write tcp, quic and ws, with commas between."
        ) from None
    host, port = urls[0].host, urls[0].port
    for transport in wanted:
        if transport not in given:
            # TCP and QUIC usually share a number; a WebSocket has its own.
            shared = transport is not Transport.WS and urls[0].scheme is not Scheme.WEBSOCKET
            given[transport] = (host, port if shared else _SCHEMES[transport].default_port)
    return {transport: given[transport] for transport in wanted}


def _read_secret(file: Path) -> SecretKey:
    """The secret key in a file; one that is encrypted asks for its password."""
    try:
        said = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{file} can't be read: {error}", hint="Write the secret key into a file."
        ) from error
    found = _SECRET.search(said)
    if found is None:
        raise UsageError(
            f"{file} holds no secret key",
            hint="`mosaic key new > FILE` makes one; it begins with mosec0 or mocryptsec0.",
        )
    text = found[0]
    if not text.startswith("mocryptsec0"):
        return SecretKey.parse(text)
    named = os.environ.get(_NAMES_A_FILE)
    password = (
        Path(named).read_text(encoding="utf-8").rstrip("\n")
        if named
        else str(click.prompt("Password of the member's key", hide_input=True, err=True))
    )
    return encrypted_secret_key.decrypt(text, password)
