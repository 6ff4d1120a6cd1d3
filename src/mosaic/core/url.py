"""URLs of servers: a scheme for the transport, a host, a port.

Source: url.md, edition §2 and §5 (U1 to U5).
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, TypeAlias

from mosaic.errors import InvalidUrl

MAX_HOST_LENGTH: Final = 253

# One part of a DNS name. Underscores occur in practice, upper case is folded by the parser.
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_SPLIT = re.compile(
    r"(?P<scheme>[a-z]+)://(?:[^/?#@\\]*@)?(?P<host>\[[^\]]*\]|[^:/?#@\[\]]*)(?::(?P<port>[0-9]{1,5}))?"
    r"/?(?:\?[^#]*)?(?:#.*)?"
)


_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
# All of IPv6 that was ever given out for the Internet. What lies outside is somebody's own or means an IPv4
# address: site-local ones, those of local gateways, those that only hold an IPv4 address.
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
_DOCUMENTATION = ipaddress.IPv6Network("3fff::/20")

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address


class Scheme(StrEnum):
    """The transport that a URL asks for."""

    QUIC = "mosaic"
    TCP = "mosaictcp"
    WEBSOCKET = "mosaicwss"

    @property
    def default_port(self) -> int:
        """The port where the URL names none."""
        return 443 if self is Scheme.WEBSOCKET else 1320


@dataclass(frozen=True, slots=True, order=True)
class ServerUrl:
    """Where a server listens.

    Args:
        scheme: The transport.
        host: An IPv4 or IPv6 address (without brackets, in its shortest form) or a DNS name in lower case.
        port: 1 to 65535.
        shows_port: Write the port even where it is the scheme's own. Not compared.

    Raises:
        InvalidUrl: no such host or port, or an onion host with QUIC, which cannot pass Tor.
    """

    scheme: Scheme
    host: str
    port: int
    shows_port: bool = field(default=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "scheme", Scheme(self.scheme))
        object.__setattr__(self, "host", _host(self.host))
        if not 0 < self.port < 2**16:
            raise InvalidUrl(f"a port is a number from 1 to 65535, not {self.port}")
        if self.is_onion and self.scheme is Scheme.QUIC:
            raise InvalidUrl(
                "an onion host cannot be reached by QUIC", hint="Use mosaictcp:// or mosaicwss:// for it."
            )

    @classmethod
    def parse(cls, text: str) -> ServerUrl:
        """The URL in `text`; the final `/` may be missing; user, password, query and fragment are pruned.

        Raises:
            InvalidUrl: another scheme, a path, no such host or port.
        """
        if not text.isascii() or not text.isprintable() or " " in text:
            raise InvalidUrl("a URL has no blanks, control characters or letters beyond ASCII")
        match = _SPLIT.fullmatch(text)
        if match is None:
            raise InvalidUrl("the URL is not a scheme, a host and perhaps a port, with nothing after them")
        try:
            scheme = Scheme(match["scheme"])
        except ValueError:
            raise InvalidUrl(f"{match['scheme']}:// is none of the schemes of Mosaic") from None
        host = match["host"]
        if host.startswith("["):
            host = host[1:-1]
            if ":" not in host:
                raise InvalidUrl("brackets are for IPv6 addresses")
        if match["port"] is None:
            return cls(scheme, host, scheme.default_port)
        return cls(scheme, host, int(match["port"]), shows_port=True)

    @property
    def authority(self) -> str:
        """`host:port`, or `host` if the port is the scheme's own and was not written; IPv6 in brackets."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        hidden = self.port == self.scheme.default_port and not self.shows_port
        return host if hidden else f"{host}:{self.port}"

    @property
    def is_onion(self) -> bool:
        """Whether the host is a Tor onion site."""
        return self.host.endswith(".onion")

    @property
    def address(self) -> Address | None:
        """The host as an IP address, None if it is a name."""
        try:
            return ipaddress.ip_address(self.host)
        except ValueError:
            return None

    @property
    def is_public(self) -> bool:
        """Whether a stranger's bootstrap may send us there.

        True for names, and for addresses that are not private, loopback, link-local or the like.
        """
        address = self.address
        if address is None:
            return self.host != "localhost" and not self.host.endswith(".localhost")
        return all(map(_is_of_the_internet, _reached(address)))

    def __str__(self) -> str:
        return f"{self.scheme.value}://{self.authority}/"


def _is_of_the_internet(address: Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address) and (
        address not in _GLOBAL_UNICAST or address in _DOCUMENTATION
    ):
        return False
    return address.is_global and not address.is_multicast


def _reached(address: Address) -> list[Address]:
    """The address itself, or what a gateway passes its traffic on to: an IPv4 address, instead or as well."""
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    if address.ipv4_mapped is not None:
        return [address.ipv4_mapped]
    if address.sixtofour is not None:
        return [address, address.sixtofour]
    if address in _NAT64:
        return [ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)]
    return [address]


def _host(text: str) -> str:
    """The host in its one form."""
    if ":" in text:
        try:
            address = ipaddress.IPv6Address(text)
        except ValueError:
            raise InvalidUrl("the host is not an IPv6 address") from None
        if address.scope_id is not None:
            raise InvalidUrl("an IPv6 address of a URL has no zone")
        return address.compressed
    host = text.lower().removesuffix(".")
    if not host or len(host) > MAX_HOST_LENGTH:
        raise InvalidUrl("the URL has no host, or a name over 253 characters")
    labels = host.split(".")
    if not all(_LABEL.fullmatch(label) for label in labels):
        raise InvalidUrl("the host is neither an IP address nor a DNS name")
    if labels[-1].isdigit():
        # A name never ends in a number: this is an IPv4 address or a mistyped one.
        try:
            return str(ipaddress.IPv4Address(host))
        except ValueError:
            raise InvalidUrl("the host is not an IPv4 address") from None
    return host
