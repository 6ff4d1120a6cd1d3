"""Who this server is to those whose TLS does not tell: its key, what signs for it, and its names.

Source: edition §2 (browser mode).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from mosaic.core.authentication import Authentication
from mosaic.core.web_authority import parse_authority


@dataclass(frozen=True, slots=True)
class Prover:
    """Proves the server's key; the secret stays with whoever made this.

    Args:
        key: The server's key (32 bytes).
        sign: The server's signature (64 bytes) of an authentication.
        entropy: Random bytes of a length.
    """

    key: bytes
    sign: Callable[[Authentication], bytes] = field(repr=False)
    entropy: Callable[[int], bytes] = field(repr=False)


class Authorities:
    """Under which names clients reach this server, each in its one form.

    Args:
        configured: Names that always count, as HOST or HOST:PORT.

    Raises:
        InvalidUrl: one is no such name.
    """

    __slots__ = ("_all", "_configured", "_listening")

    def __init__(self, configured: Iterable[str]) -> None:
        self._configured = frozenset(parse_authority(name) for name in configured)
        self._listening: frozenset[str] = frozenset()
        self._all = self._configured

    def __contains__(self, authority: object) -> bool:
        """Whether it is one of ours; it must be in its one form."""
        return authority in self._all

    def set_listening(self, names: Iterable[str]) -> None:
        """Says which names the listeners answer to, in place of those said before.

        Raises:
            InvalidUrl: one is no name; nothing has changed.
        """
        self._listening = frozenset(parse_authority(name) for name in names)
        self._all = self._configured | self._listening

    def set_configured(self, names: Iterable[str]) -> None:
        """Says which names always count, in place of those said before.

        Raises:
            InvalidUrl: one is no name; nothing has changed.
        """
        self._configured = frozenset(parse_authority(name) for name in names)
        self._all = self._configured | self._listening
