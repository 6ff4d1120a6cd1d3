"""The authority of a WebSocket URL: the host, and its port unless that is 443, in one form.

It is what a client has dialled, so both sides of an authentication sign it. A
name is an A-label in lower case, an IPv6 address stands in brackets.

Source: edition §2; url.md.
"""

from __future__ import annotations

from typing import Final

from mosaic.core.url import Scheme, ServerUrl
from mosaic.errors import InvalidUrl

MAX_AUTHORITY_LENGTH: Final = 259
"""A name of 253 characters, a colon and a port."""
_PRUNED: Final = frozenset("/?#@\\")


def authority_of(host: str, port: int) -> str:
    """The authority of a host (an IPv6 address without brackets) and a port. Raises InvalidUrl."""
    return ServerUrl(Scheme.WEBSOCKET, host, port).authority


def parse_authority(text: str) -> str:
    """The one form of an authority as it was written in a setting or a Host header.

    Raises:
        InvalidUrl: it is no host, or no host and a port.
    """
    if len(text) > MAX_AUTHORITY_LENGTH or not _PRUNED.isdisjoint(text):
        raise InvalidUrl(
            "the text is not a host with or without a port",
            hint="Write it as HOST, HOST:PORT or [IPv6]:PORT.",
        )
    url = ServerUrl.parse(f"{Scheme.WEBSOCKET}://{text}")
    return authority_of(url.host, url.port)
