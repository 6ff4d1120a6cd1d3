"""Which URLs of the own server others are told.

Public addresses only, so that nobody is sent to a machine of his own network.
Who enters the DHT by a near address (loopback or private) stays among near
machines, and their addresses are announced as well.

Source: bootstrap.md, network.md (servers are reached from the Internet); edition §2.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mosaic.core.url import Address, Scheme, ServerUrl
from mosaic.errors import InvalidUrl

# What others should try first comes first: QUIC moves along with a phone, WebSocket passes most walls.
_PREFERENCE = (Scheme.QUIC, Scheme.TCP, Scheme.WEBSOCKET)


@dataclass(frozen=True, slots=True)
class Listening:
    """One listener.

    Args:
        scheme: Its transport.
        host: The address or name it was given; 0.0.0.0 and :: are all addresses.
        port: Its port.
        names: The host names of its certificates of authorities (WebSocket).
    """

    scheme: Scheme
    host: str
    port: int
    names: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Announcement:
    """What others are told.

    Args:
        urls: The URLs, the preferred first.
        missing: Why there are none, in words for the owner; empty if there are some.
    """

    urls: tuple[ServerUrl, ...]
    missing: str = ""


def announcement(
    listening: Iterable[Listening], public: Sequence[ServerUrl], own: Sequence[Address], *, near: bool
) -> Announcement:
    """The URLs to be published.

    Args:
        listening: The listeners.
        public: What the owner says is to be announced; then nothing else is.
        own: Addresses of this machine, for listeners that take all of them.
        near: Whether near addresses may be announced.
    """
    if public:
        return Announcement(tuple(public))
    listeners = sorted(listening, key=lambda one: _PREFERENCE.index(one.scheme))
    if not listeners:
        return Announcement((), "This node does not listen, so others can't connect to it.")
    urls: dict[ServerUrl, None] = {}
    for listener in listeners:
        for host in _hosts(listener, own):
            try:
                url = ServerUrl(listener.scheme, host, listener.port)
            except InvalidUrl:
                continue
            if url.host != "localhost" and (url.is_public or near):
                urls[url] = None
    if urls:
        return Announcement(tuple(urls))
    return Announcement(
        (),
        "No public address of this machine is known, so none is announced and others can't find your posts. "
        "On a machine that the Internet reaches, say which: mosaic serve --public mosaictcp://ADDRESS:1320/",
    )


def _hosts(listener: Listening, own: Sequence[Address]) -> list[str]:
    """The hosts under which a listener may be reached, names first."""
    try:
        address = ipaddress.ip_address(listener.host)
    except ValueError:
        return [*listener.names, listener.host]
    if not address.is_unspecified:
        return [*listener.names, str(address)]
    # `::` takes IPv4 as well, wherever the system does not say otherwise.
    versions = {4} if address.version == 4 else {4, 6}
    return [*listener.names, *(str(one) for one in own if one.version in versions)]
