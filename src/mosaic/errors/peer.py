"""Errors about the other side of a connection.

Source: this project's own design, docs/architecture.md "Where to find a rule".
"""

from __future__ import annotations

from mosaic.errors.base import MosaicError


class PeerError(MosaicError):
    """The other side of a connection did not do what was asked.

    Attributes:
        tried: Each URL that was tried and why it failed, where a server was to be reached.
    """

    default_hint = "Try again later, or another server of the same person."
    tried: tuple[tuple[str, str], ...] = ()


class Unreachable(PeerError):
    """Nobody answered at the address."""

    default_hint = "Check the address and that the server runs; `mosaic serve` prints its addresses."


class WrongServerKey(PeerError):
    """The server that answered has another key than the one expected."""

    default_hint = "Do not go on: ask the server's operator for its key, somebody may be in between."


class Disconnected(PeerError):
    """The connection ended before the answer came."""


class ProtocolViolation(PeerError):
    """The peer sent something that the protocol does not allow."""


class Refused(PeerError):
    """The server refused the request.

    Args:
        message: What was refused.
        result: The protocol's result code (0 to 255).
        hint: What to do next.
    """

    def __init__(self, message: str = "", *, result: int, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.result = result


class Banned(Refused):
    """The server has banned this machine's address or the key that was proven."""

    default_hint = (
        "Ask the server's operator, or wait if the ban is for a time; move to another server meanwhile."
    )
