"""Proxies of the operator's: whose connections are other people's, and who those are.

Only of proxies that the operator names is it believed where somebody comes
from. A proxy that does not tell leaves the address unknown: limits by address
can't be applied then, those by key are. Connections from this machine itself
are counted by nobody: whoever is there could do worse.

Source: RFC 7239 §7 (what can be believed), this project's own design, docs/architecture.md "Abuse".
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Final

from mosaic.errors import UsageError
from mosaic.policy.bans import network

_OWN: Final = ("127.0.0.1", "::1")
_HEADER: Final = b"x-forwarded-for"
_MOST: Final = 32
"""Names of a header that are looked at, from the last."""


class Proxies:
    """The operator's proxies.

    Args:
        networks: Where they are: addresses, or networks as ADDRESS/BITS.

    Raises:
        UsageError: one is neither.
    """

    def __init__(self, networks: Iterable[str]) -> None:
        self._networks: list[tuple[int, int, int]] = []
        self._named: list[tuple[bytes, int]] = []
        self.replace(networks)

    def replace(self, networks: Iterable[str]) -> None:
        """From now on these are the proxies. Raises UsageError as at first; nothing has changed then."""
        named = [parse(text) for text in networks]
        self._named = named
        self._networks = [
            (len(value), 8 * len(value) - prefix, int.from_bytes(value, "big") >> (8 * len(value) - prefix))
            for value, prefix in named
        ]

    @property
    def trusted(self) -> list[tuple[bytes, int]]:
        """Whose connections are not counted: the proxies', and this machine's."""
        return [*self._named, *map(network, _OWN)]

    def brings(self, host: str) -> bool:
        """Whether a host is one of the proxies."""
        if not self._networks:
            return False
        try:
            value, _ = network(host)
        except ValueError:
            return False
        number = int.from_bytes(value, "big")
        return any(len(value) == size and number >> drop == start for size, drop, start in self._networks)

    @staticmethod
    def is_own_machine(host: str) -> bool:
        """Whether a host is the one that the server runs on, by its usual address."""
        return host.removeprefix("::ffff:") in _OWN

    def told(self, head: bytes) -> str | None:
        """For whom a proxy speaks, by the head of an HTTP request: the last address that is no proxy's.

        What stands before it could have been written by anybody. None if the head does not tell.
        """
        names: list[bytes] = []
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name.strip().lower() == _HEADER:
                names += value.split(b",")
        for name in reversed(names[-_MOST:]):
            host = _host(name)
            if host is None:
                return None
            if not self.brings(host):
                return host
        return None


def parse(text: str) -> tuple[bytes, int]:
    """The network of a proxy. Raises UsageError."""
    try:
        return network(text)
    except ValueError:
        raise UsageError(
            f"{text!r} is neither an address nor a network",
            hint='Write a proxy as "10.0.0.7", or a network of them as "10.0.0.0/8".',
        ) from None


def _host(name: bytes) -> str | None:
    """The address in one part of the header, with or without a port; None if it is none."""
    text = name.decode("ascii", "replace").strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    # A proxy that listens for both sorts of addresses writes ::ffff:192.0.2.1.
    return str(getattr(found, "ipv4_mapped", None) or found)
