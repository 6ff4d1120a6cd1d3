"""By which names browsers reach the own server: its WebSocket listeners', and what its owner says.

Under any other name the server proves nothing, so that nobody can lead people
to a name of his own and pass on what they and the server say there.

Source: edition §2 (browser mode: the server refuses an authority that it isn't configured for).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence

from mosaic.core.url import Address, Scheme, ServerUrl
from mosaic.core.web_authority import authority_of
from mosaic.errors import InvalidUrl
from mosaic.node.announced import Listening

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def authorities(
    listening: Iterable[Listening], public: Iterable[ServerUrl], own: Sequence[Address]
) -> frozenset[str]:
    """The names, as HOST or HOST:PORT.

    Args:
        listening: The listeners; those for WebSockets count.
        public: What the owner says is to be announced: behind a router or proxy the names are others.
        own: Addresses of this machine, for listeners that take all of them.
    """
    found = {authority_of(url.host, url.port) for url in public if url.scheme is Scheme.WEBSOCKET}
    for listener in listening:
        if listener.scheme is Scheme.WEBSOCKET:
            for host in _hosts(listener, own):
                try:
                    found.add(authority_of(host, listener.port))
                except InvalidUrl:
                    continue
    return frozenset(found)


def _hosts(listener: Listening, own: Sequence[Address]) -> list[str]:
    try:
        address = ipaddress.ip_address(listener.host)
    except ValueError:
        return [*listener.names, listener.host]
    if address.is_unspecified:
        return [*listener.names, *_LOOPBACK, *map(str, own)]
    if address.is_loopback:
        return [*listener.names, "localhost", str(address)]
    return [*listener.names, str(address)]
