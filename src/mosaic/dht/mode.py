"""Which DHT: the public one, one of our own, or none.

Source: bootstrap.md (Bootstrap Distribution), edition §2 (private addresses).
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Final

from mosaic.core.url import ServerUrl
from mosaic.errors import UsageError

_HINT = "Write --dht mainline, --dht off, or --dht HOST:PORT (several: HOST:PORT,HOST:PORT)."


@dataclass(frozen=True, slots=True)
class DhtMode:
    """Whether there is a DHT, and by which nodes it is entered.

    Args:
        on: Whether there is one.
        entry_nodes: HOST:PORT of nodes to enter by; none = those of the public DHT.
    """

    on: bool
    entry_nodes: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> DhtMode:
        """`mainline`, `off`, or HOST:PORT of entry nodes, several with commas.

        Raises:
            UsageError: anything else, also an IPv6 address: Mainline's nodes here speak IPv4.
        """
        if text == "off":
            return OFF
        if text == "mainline":
            return MAINLINE
        return cls(on=True, entry_nodes=tuple(_entry_node(part.strip()) for part in text.split(",")))

    @property
    def name(self) -> str:
        """`off`, `mainline`, or `own` where entry nodes were named."""
        if not self.on:
            return "off"
        return "own" if self.entry_nodes else "mainline"

    @property
    def is_private(self) -> bool:
        """Whether all of it lies at loopback or private addresses.

        Then such addresses may be announced and dialled, and only then.
        """
        return bool(self.entry_nodes) and all(map(_is_private, self.entry_nodes))

    @property
    def host(self) -> str:
        """The address to bind: loopback if all entry nodes are there, else all addresses (empty)."""
        hosts = [node.rpartition(":")[0] for node in self.entry_nodes]
        return "127.0.0.1" if hosts and all(map(_is_loopback, hosts)) else ""

    def allows(self, url: ServerUrl) -> bool:
        """Whether a URL may be announced and dialled.

        A name passes: whoever dials it judges the addresses that stand behind it as well.
        """
        return self.is_private or url.is_public

    def __str__(self) -> str:
        return ",".join(self.entry_nodes) if self.entry_nodes else self.name


OFF: Final = DhtMode(on=False)
MAINLINE: Final = DhtMode(on=True)


def _entry_node(text: str) -> str:
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise UsageError(f"{text!r} is no entry node of a DHT", hint=_HINT)
    if ":" in host:
        raise UsageError(f"{text!r} is an IPv6 address; the DHT is entered over IPv4", hint=_HINT)
    return f"{host.lower()}:{int(port)}"


def _is_loopback(host: str) -> bool:
    address = _address(host)
    return host == "localhost" if address is None else address.is_loopback


def _is_private(node: str) -> bool:
    host = node.rpartition(":")[0]
    address = _address(host)
    return host == "localhost" if address is None else not address.is_global


def _address(host: str) -> ipaddress.IPv4Address | None:
    try:
        return ipaddress.IPv4Address(host)
    except ValueError:
        return None
