"""`mosaic status`: how the node, its servers and the DHT do, in words.

Source: bootstrap.md; this project's own design, docs/architecture.md "A person acts".
"""

from __future__ import annotations

import contextlib

import click

from mosaic.cli.acting import act
from mosaic.cli.options import Common, common
from mosaic.cli.output import clean, print_object, say, text_of
from mosaic.node.control import Json, JsonObject
from mosaic.node.publishing import KEY_GONE, NEW_KEY

_WAYS = {"down": "Fetching from", "up": "Handing in at", "both": "Exchanging with"}
_DHTS = {"own": "of your own"}


@click.command()
@click.option("--watch", is_flag=True, help="Tell it again whenever it changes, until interrupted.")
@click.option(
    "--traffic",
    is_flag=True,
    help="Tell what passed to and from each server and the DHT since the node began.",
)
@common
def status(options: Common, *, watch: bool, traffic: bool) -> None:
    """Tell how the node does: its addresses, the servers it reads from, the DHT, what waits to be sent."""
    with contextlib.suppress(KeyboardInterrupt):
        for item in act(options.home, "status", {"watch": watch, "traffic": traffic}):
            if options.as_json:
                print_object(item)
                continue
            for line in shown_traffic(item) if traffic else shown_status(item):
                say(line)
            if watch:
                say()


def shown_traffic(item: JsonObject) -> list[str]:
    """What passed, as lines for people: each server, then the DHT apart."""
    lines: list[str] = []
    for server in _list(item.get("traffic")):
        if not isinstance(server, dict):
            continue
        lines.append(_text(server.get("server") or "before a server proved its key"))
        passed = server.get("passed")
        for purpose, each in passed.items() if isinstance(passed, dict) else ():
            if isinstance(each, dict):
                lines.append(f"  {purpose}: {each['came']} bytes came, {each['went']} went")
        if server.get("twice"):
            lines.append(f"  {server['twice']} records came that were here already")
    lines = lines or ["Nothing has passed to or from other servers since the node began."]
    dht = item.get("dht")
    if isinstance(dht, dict):
        lines.append("DHT")
        lines.append(f"  {dht['came']} bytes came in {dht['packets_came']} packets")
        lines.append(f"  {dht['went']} bytes went in {dht['packets_went']} packets")
    return lines


def shown_status(item: JsonObject) -> list[str]:
    """The status as lines for people."""
    lines = [f"Home {text_of(item, 'home')}"]
    for name in _list(item.get("keys_gone")):
        lines += [f"! {_text(name)}: {KEY_GONE}.", f"  {NEW_KEY}"]
    for alarm in _list(item.get("alarms")):
        lines += _alarm(alarm) if isinstance(alarm, dict) else []
    lines += [f"Give to friends: {_text(key)}" for key in _list(item.get("share"))]
    if item.get("serving"):
        for server in _list(item.get("servers")):
            lines += _server(server) if isinstance(server, dict) else []
        dht = item.get("dht")
        lines += _dht(dht) if isinstance(dht, dict) else []
    else:
        lines.append("The node does not run: `mosaic serve` starts it.")
    syncs = [tuple(_sync(sync)) for sync in _list(item.get("syncs")) if isinstance(sync, dict)]
    lines += [line for told in dict.fromkeys(syncs) for line in told]
    waiting, unaddressed = item.get("waiting"), item.get("unaddressed")
    if waiting or unaddressed:
        lines.append(
            f"{waiting} deliveries wait, {unaddressed} more for a server to be found: `mosaic queue`."
        )
    else:
        lines.append("Nothing waits to be sent.")
    for waiting_there in _list(item.get("deliveries")):
        lines += _waiting(waiting_there) if isinstance(waiting_there, dict) else []
    if item.get("clock_warning"):
        lines.append(f"Warning: {text_of(item, 'clock_warning')}")
    lines += [f"Warning: {_text(warning)}" for warning in _list(item.get("warnings"))]
    return lines


def _server(server: JsonObject) -> list[str]:
    via = f" over {text_of(server, 'via')}" if server.get("via") else ""
    what = "Your server" if server.get("mine") else "Server"
    lines = [f"{what} {text_of(server, 'key')}: {text_of(server, 'state')}{via}"]
    lines += [f"  {_text(url)}" for url in _list(server.get("urls"))]
    lines += [f"  of {_text(person)}" for person in _list(server.get("of"))]
    if server.get("detail"):
        lines.append(f"  {text_of(server, 'detail')}")
    return lines


def _alarm(alarm: JsonObject) -> list[str]:
    return [f"! {text_of(alarm, 'words')}", f"  {text_of(alarm, 'act')}"]


def _waiting(waiting: JsonObject) -> list[str]:
    """What waits for one server, and what it refused."""
    lines = []
    where = text_of(waiting, "server")
    if queued := waiting.get("queued"):
        note = f": {text_of(waiting, 'note')}" if waiting.get("note") else ""
        lines.append(f"  {queued} for {where}, {text_of(waiting, 'standing')}{note}")
    if refused := waiting.get("refused"):
        code = text_of(waiting, "last_refusal") or "given up"
        lines.append(f"  {refused} refused by {where} ({code}): `mosaic queue --refused`")
    return lines


def _sync(sync: JsonObject) -> list[str]:
    done = f"last done {text_of(sync, 'done_iso')}" if sync.get("done_iso") else "never done yet"
    way = text_of(sync, "way")
    lines = [f"{_WAYS.get(way, way)} {text_of(sync, 'server')}: {done}"]
    if sync.get("note"):
        lines.append(f"  failed since: {text_of(sync, 'note')}")
    return lines


def _dht(dht: JsonObject) -> list[str]:
    mode = text_of(dht, "mode")
    lines = [f"DHT {_DHTS.get(mode, mode)}: {text_of(dht, 'state')}"]
    if dht.get("detail"):
        lines.append(f"  {text_of(dht, 'detail')}")
    return lines


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


def _text(value: Json) -> str:
    return clean(str(value))
