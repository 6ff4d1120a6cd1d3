"""How servers and the DHT do, in words for the people of this home.

Source: bootstrap.md (whose servers these are); edition §2 (transports).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mosaic.core.bootstrap import Usage
from mosaic.core.keys import PublicKey
from mosaic.core.url import Scheme

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
    """`connected`, `connecting`, `waiting`, `failed` or `listening` (the own one)."""
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


def dht(_node: Node) -> DhtState:
    """How the DHT does."""
    return DHT_OFF


def _own(node: Node) -> ServerState:
    urls = [str(url) for url in node.urls]
    return ServerState(
        key=node.server_secret.public.server_text,
        urls=urls,
        of=(),
        mine=True,
        state="listening" if urls else "waiting",
        via="",
        detail="" if urls else "Nobody can connect to this node: it does not listen.",
    )


def _read(node: Node) -> list[ServerState]:
    found: dict[PublicKey, ServerState] = {}
    people: dict[PublicKey, list[str]] = {}
    for key in map(PublicKey, node.db.all_followed()):
        states = node.follower.state(key)
        for server in node.directory.servers(key, Usage.OUTBOX):
            people.setdefault(server.key, []).append(key.user_text)
            told = states.get(server.key, "connecting")
            state = told if told in {"connected", "connecting"} else "failed"
            found[server.key] = ServerState(
                key=server.key.server_text,
                urls=[str(url) for url in server.urls],
                of=people[server.key],
                mine=False,
                state=state,
                via=_VIA[server.urls[0].scheme] if state == "connected" and server.urls else "",
                detail="" if state == told else told,
            )
    return list(found.values())
