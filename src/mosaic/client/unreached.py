"""What to tell somebody whose server could not be reached: every URL that was tried, and why it failed.

Source: edition §2; url.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from mosaic.client.address import ServerAddress
from mosaic.core.url import ServerUrl
from mosaic.errors import MosaicError, PeerError, ProtocolViolation, Refused, Unreachable, WrongServerKey

# What matters more comes first: that somebody else answered, then that the server itself would not.
_WEIGHT: Final = (WrongServerKey, Refused, ProtocolViolation)


@dataclass(frozen=True, slots=True)
class Tried:
    """One URL, and why it did not lead to the server."""

    url: ServerUrl
    error: MosaicError

    def __str__(self) -> str:
        return f"{self.url} ({self.error})"


def unreached(server: ServerAddress, tried: Sequence[Tried], bound_s: float) -> PeerError:
    """The error that tells of all URLs of a server.

    Args:
        server: The server, with its URLs.
        tried: Those that failed.
        bound_s: After how many seconds the rest was given up.
    """
    name = server.key.server_text
    if not server.urls:
        return Unreachable(f"no address of {name} is known", hint="Name one with --server URL --key mosrv0…")
    failed = {each.url for each in tried}
    late = [f"{url} (not reached within {bound_s:g} s)" for url in server.urls if url not in failed]
    words = "; ".join([*map(str, tried), *late])
    first = weightiest([each.error for each in tried]) if tried else Unreachable()
    error = _like(first, f"{name} is not to be reached: {words}")
    error.tried = tuple((str(each.url), str(each.error)) for each in tried)
    return error


def of_several(name: str, errors: Sequence[PeerError]) -> PeerError:
    """The error that tells of all servers (one at least) that were tried for somebody."""
    if len(errors) == 1:
        return errors[0]
    words = "; ".join(str(error) for error in errors)
    error = _like(weightiest(errors), f"no server of {name} is to be reached: {words}")
    error.tried = tuple(entry for each in errors for entry in each.tried)
    return error


def weightiest(errors: Sequence[MosaicError]) -> MosaicError:
    """The error that matters most, of one at least."""
    return next((error for kind in _WEIGHT for error in errors if isinstance(error, kind)), errors[0])


def _like(error: MosaicError, message: str) -> PeerError:
    """An error of the same kind with another message."""
    if isinstance(error, Refused):
        return Refused(message, result=error.result, hint=error.hint)
    if isinstance(error, (WrongServerKey, ProtocolViolation)):
        return type(error)(message, hint=error.hint)
    return Unreachable(message, hint=error.hint)
