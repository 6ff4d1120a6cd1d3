"""HOST:PORT, as people name where a program listens.

Source: url.md (hosts and ports); RFC 3986.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from mosaic.errors import UsageError

_GREATEST_PORT: Final = 65_535


@dataclass(frozen=True, slots=True)
class HostPort:
    """Where to listen.

    Args:
        host: An address of this machine, IPv6 without brackets; 0.0.0.0 or :: for all. Empty: nowhere.
        port: The port, 0 for any.
    """

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> HostPort:
        """HOST:PORT, the host of IPv6 in brackets; `off` or nothing for nowhere.

        Raises:
            UsageError: anything else.
        """
        if text in {"off", ""}:
            return NOWHERE
        host, colon, port = text.rpartition(":")
        bare = host.removeprefix("[").removesuffix("]")
        bracketed = host == f"[{bare}]"
        if not colon or not bare or (":" in bare) != bracketed or not port.isascii() or not port.isdigit():
            raise UsageError(f"{text!r} is no HOST:PORT", hint="Write it as 127.0.0.1:1320 or [::1]:1320.")
        if int(port) > _GREATEST_PORT:
            raise UsageError(f"{text!r} names no port", hint=f"Ports go up to {_GREATEST_PORT}.")
        return cls(bare, int(port))

    def __bool__(self) -> bool:
        return bool(self.host)

    def __str__(self) -> str:
        if not self.host:
            return "off"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


NOWHERE: Final = HostPort("", 0)
"""Don't listen."""
