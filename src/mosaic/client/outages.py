"""Servers that do not answer now: which of them are left alone, and until when.

Short-lived, unlike what is remembered of a server under its key: it says only
whether it is worth a try in this moment.

Source: this project's own design, docs/architecture.md "Whom one follows is read".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from mosaic.client.backoff import Backoff
from mosaic.core.keys import PublicKey
from mosaic.core.url import ServerUrl

_SECOND: Final = 1_000_000_000
_LATE_NS: Final = 60 * _SECOND
_FORGOTTEN_NS: Final = 3_600 * _SECOND


@dataclass(slots=True)
class _Outage:
    """How one server fails.

    Attributes:
        failures: How often in a row.
        until_ns: Until when it is left alone.
        urls: Where it was tried.
    """

    failures: int = 0
    until_ns: int = 0
    urls: tuple[ServerUrl, ...] = ()


class Outages:
    """Which servers are left alone for now.

    Args:
        now_ns: The clock.
        backoff: How long after each failure.
    """

    def __init__(self, now_ns: Callable[[], int], backoff: Backoff) -> None:
        self._now_ns = now_ns
        self._backoff = backoff
        self._known: dict[PublicKey, _Outage] = {}

    def failed(self, server: PublicKey, urls: Sequence[ServerUrl]) -> None:
        """It could not be reached at these addresses, or went away. Many who say so at once count as one."""
        outage = self._known.setdefault(server, _Outage())
        if outage.until_ns <= self._now_ns() or tuple(urls) != outage.urls:
            outage.until_ns = self._now_ns() + int(self._backoff.seconds(outage.failures) * _SECOND)
            outage.failures += 1
        outage.urls = tuple(urls)

    def late(self, server: PublicKey, urls: Sequence[ServerUrl]) -> None:
        """It lets people wait who can be read elsewhere: for a minute others are asked."""
        outage = self._known.setdefault(server, _Outage())
        outage.until_ns = max(outage.until_ns, self._now_ns() + _LATE_NS)
        outage.urls = tuple(urls)

    def reached(self, server: PublicKey) -> None:
        """It answers."""
        self._known.pop(server, None)

    def doubts(self, server: PublicKey, urls: Sequence[ServerUrl]) -> bool:
        """Whether a server did not answer at these addresses when it was tried last, within the hour."""
        outage = self._known.get(server)
        return (
            outage is not None
            and outage.urls == tuple(urls)
            and abs(self._now_ns() - outage.until_ns) < _FORGOTTEN_NS
        )

    def lasts(self, server: PublicKey, urls: Sequence[ServerUrl]) -> bool:
        """Whether a server is left alone for now; never where it is known to be at other addresses by now."""
        outage = self._known.get(server)
        if outage is None or outage.urls != tuple(urls):
            return False
        # A clock that was set back must not keep a server away for long.
        return 0 < outage.until_ns - self._now_ns() < self._backoff.most_s * _SECOND + _LATE_NS
