"""Which addresses stand behind a URL, and whether we may connect to them.

A bootstrap is a stranger's text: it must not lead us into the networks around
this machine. So each address is judged after the name was resolved, and it is
the judged address that is dialled.

Source: edition §2 (private, loopback and link-local addresses), url.md.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from mosaic.core.url import ServerUrl
from mosaic.errors import Unreachable

Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
"""Gives the addresses of a name (and port), in the order in which they should be tried. Raises OSError."""

_ADDRESSES = 4
_NOT_HERE = "Only public addresses are dialled; allow others in the settings (private_addresses)."


async def system_resolve(name: str, port: int) -> Sequence[str]:
    """Asks the system for the addresses of a name, to be used with a port. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(name, port, type=socket.SOCK_STREAM)
    # An IPv6 address with a zone (link-local) is not one that a URL can mean.
    return [str(where[0]) for *_, where in found]


async def addresses(url: ServerUrl, *, private: bool, resolve: Resolve) -> list[str]:
    """The addresses to be dialled for a URL, each once, IPv6 and IPv4 by turns.

    Args:
        url: The URL.
        private: Whether addresses that are not public may be dialled.
        resolve: Asks for the addresses of a name.

    Raises:
        Unreachable: the name has no address, or none that may be dialled.
    """
    if url.is_onion:
        raise Unreachable(
            "an onion address needs a proxy",
            hint="Name Tor's in the settings: .onion=socks5://127.0.0.1:9050",
        )
    if url.address is not None:
        judge(url, private=private)
        return [url.host]
    try:
        found = await resolve(url.host, url.port)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise Unreachable(
            f"the name has no address ({reason})", hint="Check the name and the connection to the Internet."
        ) from None
    allowed = [each for each in dict.fromkeys(found) if private or _is_public(url, each)]
    if not allowed:
        if found:
            raise Unreachable(f"the name leads to a private address ({found[0]})", hint=_NOT_HERE)
        raise Unreachable("the name has no address", hint="Check the name.")
    return _by_turns(allowed)[:_ADDRESSES]


def judge(url: ServerUrl, *, private: bool) -> None:
    """Judges a URL by what stands in it; a name that is yet to be resolved passes.

    Raises:
        Unreachable: it leads to a private address, which may not be dialled.
    """
    if not private and not url.is_public:
        raise Unreachable("this is a private address", hint=_NOT_HERE)


def _is_public(url: ServerUrl, address: str) -> bool:
    return "%" not in address and ServerUrl(url.scheme, address, url.port).is_public


def _by_turns(found: Sequence[str]) -> list[str]:
    """The addresses of both families by turns, beginning with the first one's."""
    first = [each for each in found if (":" in each) == (":" in found[0])]
    other = [each for each in found if each not in first]
    mixed: list[str] = []
    for index in range(max(len(first), len(other))):
        mixed += first[index : index + 1] + other[index : index + 1]
    return mixed
