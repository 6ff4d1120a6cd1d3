"""How servers and the DHT do, in words for the people of this home.

Source: bootstrap.md (whose servers these are); edition §2 (transports).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mosaic.client.outbox import SERVERS_OF_A_ROLE
from mosaic.client.proxies import ProxyRules
from mosaic.core.bootstrap import Usage
from mosaic.core.keys import PublicKey
from mosaic.core.url import Scheme
from mosaic.node.follower import IN_RESERVE
from mosaic.node.history import Progress
from mosaic.node.reading_group import CONNECTED, CONNECTING, Group

if TYPE_CHECKING:
    from mosaic.node.node import Node

_VIA = {Scheme.QUIC: "QUIC", Scheme.TCP: "TCP", Scheme.WEBSOCKET: "WebSocket"}


@dataclass(frozen=True, slots=True)
class ServerState:
    """One server that this node is, or reads from."""

    key: str
    """mosrv0."""
    urls: Sequence[str]
    """Where it is reached, the preferred first."""
    of: Sequence[str]
    """mopub0 of the followed people whom it serves; empty for the own server."""
    mine: bool
    state: str
    """`connected`, `connecting`, `in reserve`, `waiting`, `failed` or `listening` (the own one)."""
    via: str
    """How it is connected: `QUIC`, `TCP`, `WebSocket`, or an empty text."""
    detail: str
    """In words: why, and when it is tried again."""


@dataclass(frozen=True, slots=True)
class DhtState:
    """How this node and the DHT do, through which people find each other's servers."""

    mode: str
    """`mainline`, `own` (other entry nodes) or `off`."""
    state: str
    """`off`, `starting`, `working` or `unreachable`."""
    detail: str
    """In words."""
    published_iso: str
    """When this node last published its addresses (ISO 8601), or an empty text."""


DHT_OFF = DhtState("off", "off", "The DHT is off: people are found by their server's address only.", "")


def servers(node: Node) -> list[ServerState]:
    """The own server first, then those that are read for followed people."""
    return [_own(node), *_read(node)]


def dht(node: Node) -> DhtState:
    """How the DHT does, and whether servers are asked instead."""
    state = node.dht.state()
    if state.mode == "off" and ProxyRules.parse(node.settings.client.proxy).take_all:
        detail = "The DHT is off: it would see your address beside the proxy. QUIC is not dialled either."
        state = replace(state, detail=detail)
    if state.state in {"off", "unreachable"} and node.lookups.asks_servers:
        return replace(state, detail=f"{state.detail} Known servers are asked to find people there.")
    return state


def of_person(node: Node, person: PublicKey) -> str:
    """In words how reading somebody goes: `connected`, or what is done about it."""
    groups = [group for group in node.follower.groups() if person in group.people]
    if any(group.state == CONNECTED for group in groups):
        return CONNECTED
    sought = node.seeker.state(person)
    if sought:
        return sought
    return _group_words(node, groups[0]) if groups else CONNECTING


def old_posts(progress: Progress) -> str:
    """In words how far the old posts of somebody are here; empty as long as nothing was asked for.

    Args:
        progress: How far they are.
    """
    if progress.done:
        return f"older posts are here: {progress.records}" if progress.records else ""
    if progress.before_ns:
        return f"older posts are being fetched: {progress.records} so far"
    return ""


def found_through(node: Node, keys: Sequence[PublicKey]) -> str:
    """In words which server found the first of these that the DHT itself did not; empty if there is none."""
    for key in keys:
        server = node.lookups.found_through(key)
        if server is not None:
            return f"found through {server.server_text}"
    return ""


def _group_words(node: Node, group: Group) -> str:
    if group.state == CONNECTING:
        return CONNECTING
    return f"{group.state}; next try at {node.clock.time_of_day(group.next_try_ns)}"


def _own(node: Node) -> ServerState:
    urls = [str(url) for url in node.urls]
    detail = node.dht.announcement.missing
    if not urls:
        detail = "Nobody can connect to this node: it does not listen."
    return ServerState(
        key=node.server_secret.public.server_text,
        urls=urls,
        of=(),
        mine=True,
        state="listening" if urls else "waiting",
        via="",
        detail=detail,
    )


def _read(node: Node) -> list[ServerState]:
    people: dict[PublicKey, list[PublicKey]] = {}
    for key in map(PublicKey, node.db.all_followed()):
        for server in node.directory.servers(key, Usage.OUTBOX)[:SERVERS_OF_A_ROLE]:
            people.setdefault(server.key, []).append(key)
    return [_server(node, key, of) for key, of in people.items()]


def _is_read(node: Node, person: PublicKey) -> bool:
    return any(person in group.people and group.state == CONNECTED for group in node.follower.groups())


def _server(node: Node, key: PublicKey, of: Sequence[PublicKey]) -> ServerState:
    groups = [group for group in node.follower.groups() if group.server == key]
    connected = next((group for group in groups if group.state == CONNECTED), None)
    failed = next((group for group in groups if group.state not in {CONNECTED, CONNECTING}), None)
    urls = node.directory.address(key).urls
    state, detail = "connecting", ""
    if connected is not None:
        state = "connected"
    elif not groups and all(_is_read(node, person) for person in of):
        state, detail = IN_RESERVE, "these people are read elsewhere"
    elif failed is not None:
        state, detail = "failed" if urls else "waiting", _group_words(node, failed)
    through = found_through(node, [key, *of])
    if through:
        detail = f"{detail}; {through}" if detail else through
    return ServerState(
        key=key.server_text,
        urls=[str(url) for url in urls],
        of=[person.user_text for person in of],
        mine=False,
        state=state,
        via="" if connected is None or connected.via is None else _VIA[connected.via],
        detail=detail,
    )
