"""Where a server listens."""

from __future__ import annotations

from typing import NamedTuple


class Address(NamedTuple):
    """A host and a port.

    Attributes:
        host: An IP address.
        port: The number of the port.
    """

    host: str
    port: int
