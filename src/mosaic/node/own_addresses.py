"""The addresses under which this machine is known to others, as far as it can tell by itself.

Source: bootstrap.md (servers publish their URLs); edition §2 (private addresses).
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable

from mosaic.core.url import Address

# Any public address does: connecting a datagram socket sends nothing, it only asks for the way out.
_OUTSIDE = ("198.41.0.4", "2001:503:ba3e::2:30")


def own_address(towards: str) -> Address | None:
    """The address of this machine on the way to another one; None where there is no way.

    Args:
        towards: An IPv4 or IPv6 address.
    """
    family = socket.AF_INET6 if ":" in towards else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((towards, 9))
            text = str(probe.getsockname()[0])
    except OSError:
        return None
    return ipaddress.ip_address(text.partition("%")[0])


def own_addresses(towards: Iterable[str] = ()) -> list[Address]:
    """The addresses of this machine on the way to some others, and to the public Internet, each once."""
    found = (own_address(place) for place in (*towards, *_OUTSIDE))
    return list(dict.fromkeys(address for address in found if address is not None))
